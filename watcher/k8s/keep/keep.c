/* Joins the journal in the retained memfd and the state file. Runs in the watcher. */
#include "watcher/k8s/keep/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/strbuf.h"
#include "lib/run/fdio.h"
#include "lib/run/memfile.h"
#include "watcher/k8s/keep/journal.h"
#include "watcher/k8s/keep/state_file.h"

enum { CHUNK = 256 << 10 };
/* Two lives that never became ready: what the supervisor held is gone by then, and the file is not read
 * either. */
enum { POISONED_LIVES = 2 };
static const char retained_name[] = "mirror";

struct keep {
	struct daemon *d;
	struct journal journal;
	struct state_file *file;
	uint64_t compact_at; /* bytes; put off when compacting failed */
	uint64_t refused;    /* counted so far */
	struct log_limit complaints;
	int64_t *objects, *bytes, *refusals, *unusable;
};

static bool add_metrics(struct keep *k)
{
	struct metrics *m = k->d->metrics;
	k->objects = metric_value(metrics_add(
	    m, "ingot_watcher_kept_objects", "Objects that are kept for the next life.", METRIC_GAUGE, NULL));
	k->bytes = metric_value(metrics_add(m, "ingot_watcher_kept_bytes",
					    "Bytes of the journal of kept objects.", METRIC_GAUGE, NULL));
	k->refusals = metric_value(metrics_add(
	    m, "ingot_watcher_kept_refused_total",
	    "Changes that could not be kept: over a cap, or out of memory.", METRIC_COUNTER, NULL));
	k->unusable =
	    metric_value(metrics_add(m, "ingot_watcher_kept_unusable_total",
				     "Kept objects that a later life could not use.", METRIC_COUNTER, NULL));
	return k->objects && k->bytes && k->refusals && k->unusable;
}

struct keep *keep_new(struct daemon *d, const char *state_dir, const char *identity, uid_t uid)
{
	struct keep *k = calloc(1, sizeof *k);
	char name[64];
	if (!k)
		return NULL;
	k->d = d;
	int rc = journal_init(&k->journal, identity);
	if (rc == 0 && !add_metrics(k))
		rc = -ENOMEM;
	if (rc == 0 && !str_fmt(name, sizeof name, "mirror.%s", d->options.role))
		rc = -ENAMETOOLONG;
	if (rc == 0)
		k->file = state_file_new(d->loop, d->metrics, state_dir, name, &k->journal);
	if (!k->file) {
		errno = rc < 0 ? -rc : errno;
		keep_free(k);
		return NULL;
	}
	(void)state_file_prepare(k->file, uid);
	return k;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	state_file_free(k->file);
	journal_fini(&k->journal);
	free(k);
}

/* The successor's: whatever it is, a name holds one. */
static void retain(struct keep *k)
{
	int rc = daemon_retain(k->d, retained_name, k->journal.fd);
	if (rc < 0)
		log_line(LOG_WARN, "source", "mirrorKept", "a successor will not have it: %s", strerror(-rc));
}

/* Go on with this log. False: not usable, and fd is closed. */
static bool adopt(struct keep *k, int fd, const char *what)
{
	enum image_fault fault = IMAGE_FINE;
	int rc = journal_adopt(&k->journal, fd, &fault);
	if (rc == 0) {
		if (fault)
			log_line(LOG_WARN, "source", "mirrorKept", "%s: %s; %zu objects before that count",
				 what, image_fault_text(fault), journal_objects(&k->journal));
		return true;
	}
	close(fd);
	log_line(LOG_WARN, "source", "mirrorKept", "%s is not used: %s", what,
		 rc != -EBADMSG ? strerror(-rc)
		 : fault	? image_fault_text(fault)
				: "it was never whole");
	return false;
}

static bool from_former_life(struct keep *k, struct keep_found *ret)
{
	struct stat st;
	int fd = daemon_take_retained(k->d, retained_name);
	if (fd < 0)
		return false;
	int64_t written =
	    fstat(fd, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
	if (!adopt(k, fd, "what the former life left"))
		return false;
	ret->origin = KEEP_FORMER_LIFE;
	ret->written_ms = written;
	return true;
}

/* A private copy of the file in memory: the journal grows there. A descriptor, or a negative errno. */
static int copy_to_memory(int from)
{
	int to = memfile_new("ingot-mirror");
	uint8_t *buf = malloc(CHUNK);
	ssize_t n = to < 0 ? to : buf ? 1 : -ENOMEM;
	uint64_t at = 0;
	while (n > 0 && at <= 4 * IMAGE_BYTES) {
		n = fdio_read(from, buf, CHUNK, at);
		int rc = n > 0 ? fdio_write(to, buf, (size_t)n, at) : 0;
		at += n > 0 ? (uint64_t)n : 0;
		n = rc < 0 ? rc : n;
	}
	free(buf);
	if (n < 0 && to >= 0)
		close(to);
	return n < 0 ? (int)n : to;
}

static bool from_state_file(struct keep *k, struct keep_found *ret)
{
	const char *path = state_file_path(k->file);
	int64_t written = 0;
	if (k->d->unready_lives >= POISONED_LIVES) {
		log_line(LOG_WARN, "source", "stateFile",
			 "%s is not read: %u lives in a row never became ready", path, k->d->unready_lives);
		return false;
	}
	int fd = state_file_open(k->file, &written);
	if (fd < 0) {
		if (fd != -ENOENT)
			log_line(LOG_WARN, "source", "stateFile", "%s is not used: %s", path, strerror(-fd));
		return false;
	}
	int copy = copy_to_memory(fd);
	close(fd);
	if (copy < 0)
		log_line(LOG_WARN, "source", "stateFile", "%s is not used: %s", path, strerror(-copy));
	if (copy < 0 || !adopt(k, copy, path))
		return false;
	ret->origin = KEEP_STATE_FILE;
	ret->written_ms = written;
	return true;
}

static void account(struct keep *k)
{
	const struct journal *j = &k->journal;
	*k->objects = (int64_t)journal_objects(j);
	*k->bytes = (int64_t)j->len;
	*k->refusals += (int64_t)(j->refused - k->refused);
	k->refused = j->refused;
}

/* After a change: less waste, and the disk is told. */
static void changed(struct keep *k)
{
	struct journal *j = &k->journal;
	if (journal_is_wasteful(j) && j->len >= k->compact_at) {
		int rc = journal_compact(j);
		if (rc == 0)
			retain(k);
		else
			log_limited(&k->complaints, 3, SEC(60), LOG_WARN, "source", "mirrorKept",
				    "cannot be compacted: %s", strerror(-rc));
		k->compact_at = rc == 0 ? 0 : j->len + j->len / 4;
	}
	account(k);
	state_file_changed(k->file);
}

static void settle(struct keep *k, const char *subject, int rc)
{
	if (rc > 0)
		changed(k);
	if (rc >= 0)
		return;
	if (rc != -ENOSPC)
		k->journal.refused++;
	log_limited(&k->complaints, 3, SEC(60), LOG_WARN, subject, "mirrorKept",
		    "cannot be kept for the next life: %s", rc == -ENOSPC ? "over a cap" : strerror(-rc));
	account(k);
}

void keep_put(struct keep *k, enum kind kind, const char *key, const void *data, size_t len)
{
	settle(k, key, journal_put(&k->journal, kind, key, data, len));
}

void keep_del(struct keep *k, enum kind kind, const char *key)
{
	settle(k, key, journal_del(&k->journal, kind, key));
}

void keep_synced(struct keep *k)
{
	settle(k, "source", journal_mark_whole(&k->journal));
}

struct loading {
	struct keep *keep;
	keep_each each;
	void *ctx;
	struct keep_found *found;
};

static void tell(void *ctx, const struct image_entry *e, uint64_t at)
{
	struct loading *x = ctx;
	ProtobufCMessage *m = image_message(e);
	(void)at;
	if (m) {
		x->found->objects++;
		x->each(x->ctx, e->kind, e->key, m);
		protobuf_c_message_free_unpacked(m, NULL);
		return;
	}
	x->found->unusable++;
	keep_del(x->keep, e->kind, e->key);
}

void keep_load(struct keep *k, keep_each each, void *ctx, struct keep_found *ret)
{
	struct loading x = { k, each, ctx, ret };
	*ret = (struct keep_found){ .origin = KEEP_NOTHING };
	if (from_former_life(k, ret) || from_state_file(k, ret)) {
		int rc = journal_each(&k->journal, tell, &x);
		ret->unusable += (size_t)k->journal.passed_over;
		*k->unusable += (int64_t)ret->unusable;
		if (rc < 0)
			log_line(LOG_ERROR, "source", "mirrorKept", "cannot be read: %s", strerror(-rc));
	} else {
		int rc = journal_begin(&k->journal);
		if (rc < 0)
			log_line(LOG_ERROR, "source", "mirrorKept", "nothing can be kept: %s", strerror(-rc));
	}
	if (k->journal.fd >= 0)
		retain(k);
	/* The former life may have died before the file had its last words. */
	if (ret->origin == KEEP_FORMER_LIFE)
		state_file_changed(k->file);
	account(k);
}
