/* Takes lists apart, item by item. Pure; run by the watcher. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/strbuf.h"
#include "watcher/k8s/decode/item.h"
#include "watcher/k8s/decode/scan.h"

/* Numbers of proto/kubernetes.proto. */
enum { LIST_METADATA = 1, LIST_ITEMS, META_RESOURCE_VERSION = 2, META_CONTINUE };

enum { CONTINUE_BYTES = 4096 }; /* it goes into the next request's path */

struct list {
	enum encoding encoding;
	struct item_type type; /* of its items */
	decode_each each;
	void *ctx;
};

/* "ServiceList" is a list of Service; "List" says nothing about its items. False: it is no list. */
static bool item_kind(const char *list_kind, char buf[static WIRE_NAME])
{
	size_t n = strlen(list_kind), suffix = strlen("List");
	if (n < suffix || strcmp(list_kind + n - suffix, "List") != 0)
		return false;
	str_fmt(buf, WIRE_NAME, "%.*s", (int)(n - suffix), list_kind);
	return true;
}

static int give(struct list *l, struct cur value)
{
	struct item item;
	int rc = l->encoding == ENCODING_JSON ? item_of_json(&l->type, value, &item)
					      : item_of_proto(&l->type, value, &item);
	if (rc < 0) {
		item_fini(&item);
		return rc;
	}
	l->each(l->ctx, &item);
	json_decref(item.json);
	return 0;
}

/* A token that is there but cannot be kept must not look like the last page: what is not in a whole list
 * counts as deleted. */
static int take_meta(struct list *l, struct cur version, struct cur token, struct list_meta *ret)
{
	bool (*text)(struct cur, char *, size_t) = l->encoding == ENCODING_JSON ? scan_text : wire_text;
	char buf[CONTINUE_BYTES];
	if (!text(version, ret->resource_version, sizeof ret->resource_version))
		return answer_error(l->type.diags, l->type.kind, "a list without resourceVersion");
	if (token.bad)
		return 0;
	if (!text(token, buf, sizeof buf))
		return answer_error(l->type.diags, l->type.kind, "a list with an unusable continue token");
	ret->continue_token = *buf ? strdup(buf) : NULL;
	return *buf && !ret->continue_token ? -ENOMEM : 0;
}

static int not_a_list(struct list *l, const void *data, size_t len)
{
	char shown[80];
	return answer_error(l->type.diags, l->type.kind, str_escape(data, len, shown, sizeof shown));
}

static int each_json(struct list *l, struct cur items)
{
	struct cur item;
	int rc = 0;
	if (cur_left(&items) == strlen("null"))
		return 0;
	scan_enter(&items, '[');
	while (rc == 0 && scan_item(&items, &item))
		rc = give(l, item);
	return rc == 0 && items.bad ? answer_error(l->type.diags, l->type.kind, "a damaged list") : rc;
}

static int list_json(struct list *l, struct cur text, struct list_meta *ret)
{
	struct cur top = text, key, value;
	struct cur kind = { .bad = true }, version = kind, meta = kind, items = kind;
	char name[SCAN_NAME] = "";
	scan_enter(&top, '{');
	while (scan_member(&top, &key, &value)) {
		if (scan_is(key, "kind"))
			kind = value;
		else if (scan_is(key, "apiVersion"))
			version = value;
		else if (scan_is(key, "metadata"))
			meta = value;
		else if (scan_is(key, "items"))
			items = value;
	}
	scan_name(version, l->type.api_version);
	scan_name(kind, name);
	if (top.bad || items.bad || !item_kind(name, l->type.kind_name))
		return not_a_list(l, text.p, cur_left(&text));
	int rc = take_meta(l, scan_get(meta, "resourceVersion"), scan_get(meta, "continue"), ret);
	return rc < 0 ? rc : each_json(l, items);
}

static int list_proto(struct list *l, const void *data, size_t len, struct list_meta *ret)
{
	struct wire_object o;
	struct wire_field f;
	const char *defect = wire_open(data, len, &o);
	if (defect)
		return answer_error(l->type.diags, l->type.kind, defect);
	if (!item_kind(o.kind, l->type.kind_name))
		return answer_error(l->type.diags, l->type.kind, *o.kind ? o.kind : "an object without kind");
	memcpy(l->type.api_version, o.api_version, sizeof o.api_version);
	struct cur meta = wire_get(o.raw, LIST_METADATA);
	int rc = take_meta(l, wire_get(meta, META_RESOURCE_VERSION), wire_get(meta, META_CONTINUE), ret);
	while (rc == 0 && wire_next(&o.raw, &f))
		if (f.number == LIST_ITEMS && !f.bytes.bad)
			rc = give(l, f.bytes);
	return rc == 0 && o.raw.bad ? answer_error(l->type.diags, l->type.kind, "a damaged list") : rc;
}

int decode_list(enum kind kind, enum encoding e, const void *data, size_t len, struct diags *diags,
		decode_each each, void *ctx, struct list_meta *ret)
{
	struct list l = { .encoding = e, .type = { .kind = kind, .diags = diags }, .each = each, .ctx = ctx };
	*ret = (struct list_meta){ 0 };
	int rc = e == ENCODING_JSON	  ? list_json(&l, cur_of(data, len), ret)
		 : e == ENCODING_PROTOBUF ? list_proto(&l, data, len, ret)
					  : not_a_list(&l, data, len);
	if (rc < 0) {
		free(ret->continue_token);
		*ret = (struct list_meta){ 0 };
	}
	return rc;
}
