/* Creates the gossip key. Pure; run by the watcher of the role controller. */
#include "watcher/k8s/gossip_secret.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"

static void base64(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned n = 0;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | data[i];
		for (n += 8; n >= 6; n -= 6)
			*out++ = digits[bits >> (n - 6) & 63];
	}
	if (n)
		*out++ = digits[bits << (6 - n) & 63];
	*out = 0;
}

void gossip_secret_init(struct gossip_secret *g, const char *ns, const char *name,
			const uint8_t random[static GOSSIP_SECRET_BYTES])
{
	*g = (struct gossip_secret){ .ns = ns, .name = name, .not_before = { INT64_MIN } };
	base64(random, GOSSIP_SECRET_BYTES, g->key);
	backoff_init(&g->backoff, SEC(1), SEC(30), 1);
}

void gossip_secret_exists(struct gossip_secret *g, bool exists)
{
	g->known = true;
	g->exists = exists;
}

void gossip_secret_lead(struct gossip_secret *g, bool leading)
{
	g->leading = leading;
}

static bool is_wanted(const struct gossip_secret *g)
{
	return *g->name && g->known && !g->exists && g->leading && !g->under_way;
}

bool gossip_secret_next(void *desk, mono_t now, struct write *ret)
{
	struct gossip_secret *g = desk;
	struct strbuf path = { 0 };
	if (!is_wanted(g) || !mono_reached(now, g->not_before))
		return false;
	json_t *body = json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:{s:s}}", "apiVersion", "v1", "kind",
				 "Secret", "metadata", "name", g->name, "namespace", g->ns, "type", "Opaque",
				 "stringData", "secretkey", g->key);
	strbuf_fmt(&path, "/api/v1/namespaces/%s/secrets", g->ns);
	*ret = (struct write){ .id = 1, .method = WRITE_POST, .path = strbuf_take(&path) };
	ret->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	str_fmt(ret->what, sizeof ret->what, "Secret %s/%s", g->ns, g->name);
	if (!ret->path || !ret->body) {
		write_fini(ret);
		g->not_before = mono_add(now, SEC(1));
		return false;
	}
	g->under_way = true;
	return true;
}

void gossip_secret_done(void *desk, uint64_t id, const struct write_outcome *o, mono_t now)
{
	struct gossip_secret *g = desk;
	(void)id;
	g->under_way = false;
	g->not_before = mono_add(now, backoff_next(&g->backoff));
	/* 409: another controller was faster. */
	if ((o->status >= 200 && o->status < 300) || o->status == 409) {
		g->exists = true;
		g->trouble[0] = 0;
		backoff_reset(&g->backoff);
	} else {
		str_fmt(g->trouble, sizeof g->trouble, "%s", o->status ? o->error.message : o->failure);
	}
}

mono_t gossip_secret_wake(const void *desk)
{
	const struct gossip_secret *g = desk;
	return is_wanted(g) ? g->not_before : MONO_NEVER;
}
