/* Hardware addresses of the other members. Pure; runs in l2d. It may not judge who owns an address. */
#include "l2d/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct member {
	size_t n;
	bool dead;
	uint8_t macs[MEMBER_MAX_MACS][MAC_LEN];
	char name[];
};

void members_init(struct members *m)
{
	*m = (struct members){ 0 };
}

void members_fini(struct members *m)
{
	if (!m)
		return;
	map_fini(&m->by_mac, NULL);
	map_fini(&m->by_name, free);
}

/* An address that two members claim stays with the one that claimed it last. */
static void unlink_macs(struct members *m, const struct member *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (map_get_n(&m->by_mac, v->macs[i], MAC_LEN) == v)
			map_del_n(&m->by_mac, v->macs[i], MAC_LEN);
}

void members_del(struct members *m, const char *name)
{
	struct member *v = map_del(&m->by_name, name);
	if (v)
		unlink_macs(m, v);
	free(v);
}

static struct member *member_get(struct members *m, const char *name, int *error)
{
	struct member *v = map_get(&m->by_name, name);
	if (v)
		return v;
	if (map_len(&m->by_name) >= MEMBERS_MAX) {
		m->refused++;
		*error = -ENOSPC;
		return NULL;
	}
	size_t len = strlen(name) + 1;
	if (!(v = calloc(1, sizeof *v + len)) || map_set(&m->by_name, name, v, NULL) < 0) {
		free(v);
		*error = -ENOMEM;
		return NULL;
	}
	memcpy(v->name, name, len);
	return v;
}

int members_put(struct members *m, const char *name, const uint8_t (*macs)[MAC_LEN], size_t n)
{
	int r = 0;
	struct member *v = member_get(m, name, &r);
	if (!v)
		return r;
	unlink_macs(m, v);
	v->n = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (v->n == MEMBER_MAX_MACS) {
			m->refused++;
			break;
		}
		if (!mac_is_unicast(macs[i]))
			continue;
		memcpy(v->macs[v->n], macs[i], MAC_LEN);
		r = map_set_n(&m->by_mac, v->macs[v->n], MAC_LEN, v, NULL);
		v->n++;
	}
	return r;
}

bool members_note_alive(struct members *m, const char *name, bool alive)
{
	struct member *v = map_get(&m->by_name, name);
	bool back = v && v->dead && alive;
	if (v)
		v->dead = !alive;
	return back;
}

const char *members_find(const struct members *m, const uint8_t mac[static MAC_LEN])
{
	const struct member *v = map_get_n(&m->by_mac, mac, MAC_LEN);
	return v ? v->name : NULL;
}
