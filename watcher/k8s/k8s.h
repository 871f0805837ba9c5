/* The source k8s from inside: what its shell files share. k8s.c wires and is the source's face to the
 * watcher, api.c finds out what the server offers and starts the watches, sinks.c takes what they bring,
 * tell.c publishes the mirror of a former life and says how things stand, writing.c has what goes back.
 * Private to the source k8s. */
#ifndef INGOT_WATCHER_K8S_K8S_H
#define INGOT_WATCHER_K8S_K8S_H

#include "lib/kube/http.h"
#include "watcher/k8s/discovery.h"
#include "watcher/k8s/gossip_secret.h"
#include "watcher/k8s/hold.h"
#include "watcher/k8s/keep/keep.h"
#include "watcher/k8s/lease.h"
#include "watcher/k8s/pace.h"
#include "watcher/k8s/report/config_state.h"
#include "watcher/k8s/report/events.h"
#include "watcher/k8s/report/pool_status.h"
#include "watcher/k8s/report/status_objects.h"
#include "watcher/k8s/service_status.h"
#include "watcher/k8s/slices.h"
#include "watcher/k8s/watch.h"
#include "watcher/watcher.h"

#define LEASE_NAME "ingot-controller"

struct k8s {
	struct watcher *w;
	struct access *access;
	struct http *http;
	struct keep *keep;
	struct resource_context context;
	char ns[254], server[300], instance[254];
	uint64_t seed;

	/* api.c */
	struct discovery discovery;
	struct http_call *asking; /* /version or /apis */
	struct loop_timer *ask_timer;
	struct backoff ask_backoff;
	bool asked_version, discovered;
	bool contact; /* the server has answered as an API server does, in this life */
	char ask_trouble[400];
	struct watch *watches[RESOURCE_N];
	const struct resource_api *apis[RESOURCE_N]; /* where each is watched; NULL: not yet */
	struct watch_counters counters;

	/* sinks.c */
	struct slices slices;
	struct map secrets; /* "Kind key" -> struct manifest_secrets: bytes that never travel on topics */
	struct map broken;  /* "Kind key" -> text: what is wrong with it; its former version stays */
	struct hold hold;
	bool hold_known, held;

	/* tell.c */
	struct image_object *image; /* of a former life, not published (yet) */
	struct loop_timer *image_timer, *tell_timer;
	bool from_image;  /* what is published is a former life's, until everything was listed */
	int64_t image_ms; /* when that was written */
	struct loop_defer *tell;
	Ingot__SourceState state;
	char told[1024], logged[1024];
	struct log_limit changes;

	/* writing.c */
	struct pace *pace;
	struct pace_desk desks[8];
	size_t n_desks;
	struct lease lease;
	struct loop_timer *lease_timer;
	bool leads, stopping;
	bool quiet; /* MetalLB runs here, or that is not known yet */
	struct service_status_desk service_status;
	struct gossip_secret gossip_secret;
	char holder[300];
	struct events *events;
	struct status_objects *status_objects;
	struct upkeep *controller_state, *speaker_state; /* ConfigurationStates */
	struct upkeep *pool_status;
	struct map lacking; /* keys of Services whose announceFailed was told */
	struct log_limit refusals;
};

/* api.c */
/* The watches, not started: what a former life published is remembered there. 0 or a negative errno. */
int api_prepare(struct k8s *k);
void api_join(struct k8s *k); /* ask the server */
void api_free(struct k8s *k);
void api_state(struct k8s *k, enum resource r); /* a watch's state has changed */
bool api_complete(const struct k8s *k);		/* everything that is needed was listed once */
bool api_current(const struct k8s *k);		/* ... and is being watched now */
/* What is waited for, as a sentence; empty when nothing is. */
void api_waits(const struct k8s *k, struct strbuf *out);

/* sinks.c */
extern const struct watch_sink k8s_sink;
void sinks_init(struct k8s *k);
void sinks_fini(struct k8s *k);
/* Publish and keep. */
void sinks_put(struct k8s *k, enum kind kind, const char *key, const ProtobufCMessage *m);
void sinks_gone(struct k8s *k, enum kind kind, const char *key);
void sinks_service(struct k8s *k, const char *key, const Ingot__Service *s); /* of a former life */
void sinks_hold_known(struct k8s *k); /* the Pods of MetalLB were listed */
const struct manifest_secret *sinks_secret(const struct k8s *k, enum kind kind, const char *key,
					   const char *item);
void sinks_explain(const struct k8s *k, const char *key, struct strbuf *out);
/* The uid of a published Service; false: not published. */
bool sinks_uid(const struct k8s *k, const char *key, char uid[static DECODE_UID]);

/* tell.c */
int tell_join(struct k8s *k);
void tell_free(struct k8s *k);
void tell_ask(struct k8s *k); /* something that people are told may have changed */

/* writing.c */
int writing_join(struct k8s *k);
void writing_free(struct k8s *k);
void writing_lease_saw(struct k8s *k, const json_t *object);
void writing_check_lease(struct k8s *k);
void writing_apis(struct k8s *k); /* discovery has news */
void writing_held(struct k8s *k);
void writing_stop(struct k8s *k);
/* Rows of struct source_ops. */
void writing_assign(void *source, const char *key, const Ingot__Assignment *a);
void writing_unassign(void *source, const char *key);
void writing_report(void *source, enum report r, const char *key, const ProtobufCMessage *m);
void writing_configuration(void *source, const struct config_report *controller,
			   const struct config_report *speaker);
void writing_event(void *source, const char *key, const Ingot__ServiceEvent *e);

#endif
