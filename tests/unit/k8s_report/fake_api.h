/* As much of an API server as the desks of watcher/k8s/report see: objects by path, merge patches, the status
 * subresource, preconditions, pages and a watch that the test delivers when it likes. */
#ifndef INGOT_TEST_K8S_FAKE_API_H
#define INGOT_TEST_K8S_FAKE_API_H

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "watcher/k8s/write.h"

enum { FAKE_METHODS = WRITE_GET + 1 };

struct fake_news {
	bool deleted;
	json_t *object;
	char plural[64];
};
struct fake_api {
	struct map objects; /* "plural/name" -> json_t * */
	struct fake_news *news;
	size_t n_news, cap_news;
	uint64_t version, names;
	const char *node;	  /* what a list with metallb.io/node!= leaves out */
	unsigned n[FAKE_METHODS]; /* requests that were carried out */
	unsigned created_s;	  /* in creationTimestamp */
};

void fake_init(struct fake_api *a);
void fake_fini(struct fake_api *a);
/* Carry the request out. *ret: what to give to done (object is a new reference in *object). */
void fake_serve(struct fake_api *a, const struct write *w, struct write_outcome *ret, json_t **object);
/* Put an object there by hand (takes o; uid, version and time are added), edit its status, delete it. */
const json_t *fake_put(struct fake_api *a, const char *plural, json_t *o);
void fake_edit(struct fake_api *a, const char *plural, const char *name, const char *field, json_t *v);
void fake_delete(struct fake_api *a, const char *plural, const char *name);
json_t *fake_get(const struct fake_api *a, const char *plural, const char *name); /* lent; NULL */
size_t fake_count(const struct fake_api *a, const char *plural);
/* Take the first news; false: none. The caller decrefs news->object. */
bool fake_news(struct fake_api *a, struct fake_news *ret);

/* Drive a desk until it has nothing more to do now; every request is answered at once. Returns their number.
 */
unsigned fake_run(struct fake_api *a, const struct desk_ops *ops, void *desk, mono_t now);
/* An answer without an object. */
struct write_outcome fake_failure(int status, const char *message);
/* next, which must give something: then the caller writes_fini's it. */
struct write fake_next(const struct desk_ops *ops, void *desk, mono_t now);
void fake_nothing(const struct desk_ops *ops, void *desk, mono_t now);
json_t *fake_json(const char *text); /* must parse; single quotes stand for double ones */

#endif
