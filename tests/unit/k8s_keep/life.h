/* One life of a watcher, as far as keep sees it, and a folder for its state file. */
#ifndef INGOT_TESTS_K8S_KEEP_LIFE_H
#define INGOT_TESTS_K8S_KEEP_LIFE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/base/strbuf.h"
#include "lib/run/daemon_internal.h"
#include "watcher/k8s/keep/keep.h"

static const char who[] = "https://10.0.0.1:6443 metallb-system node";

/* One life of a watcher, as far as keep sees it, and its supervisor's end of the pair. */
struct life {
	struct daemon d;
	struct daemon_private priv;
	struct keep *keep;
	struct keep_found found;
	struct strbuf told; /* "Service default/web;..." */
	int supervisor;
	struct loop_timer *look;
	mono_t until;
	bool (*fact)(struct life *l);
};

/* Of the running test: the folder, the state file in it, and its temporary file. */
extern char folder[64], path[128], temporary[128];
int open_folder(void **unused);
int close_folder(void **unused);

/* retained: what a former life left, or -1; taken. life_begin: prepared for the folder, and loaded. */
void life_prepare(struct life *l, int retained, const char *dir, const char *identity);
void life_begin(struct life *l, int retained);
void on_object(void *ctx, enum kind k, const char *key, const ProtobufCMessage *m); /* notes it in told */
void life_end(struct life *l);							    /* in order */
void life_close(struct life *l);						    /* all but keep */
/* The descriptor that the supervisor holds after all that was said, the last one; or -1. */
int retained_of(struct life *l);

/* Runs the life until the fact is there; false after ten seconds. */
bool run_until(struct life *l, bool (*fact)(struct life *l));
bool is_written(struct life *l); /* the state file, once */
bool is_written_twice(struct life *l);
bool has_failed(struct life *l);
int64_t metric(struct life *l, const char *name);

void put_service(struct life *l, const char *name, const char *ip);
/* A whole life that leaves a state file with so many Services. */
void leave_file(unsigned services);
struct stat stat_of(const char *file); /* st_ino is 0 when there is none */

#endif
