/* The source dir:PATH: joins the folder (dir_tree), the objects in it (mirror) and the store of statuses
 * (status_dir), and publishes what comes out. Runs in the watcher. docs/sources.md describes the layout of
 * the folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/must.h"
#include "lib/base/strbuf.h"
#include "lib/run/memfile.h"
#include "watcher/dir_internal.h"
#include "watcher/findings.h"
#include "watcher/mirror.h"
#include "watcher/quarantine.h"
#include "watcher/reports_json.h"
#include "watcher/stale.h"
#include "watcher/status_dir.h"
#include "watcher/watcher.h"

struct dir {
	struct watcher *w;
	char root[FILES_PATH / 2];
	struct mirror *mirror;
	struct dir_tree *tree;
	struct status_dir *status;
	struct quarantine quarantine;
	struct quarantine_mark *mark;	 /* in a memfd that outlives this process */
	struct quarantine_mark own_mark; /* when there is no such memfd */
	int notes, kept;		 /* memfds: quarantine, last good objects of files with errors */
	bool has_kept;
	struct loop_defer *publish;
	struct stale *stale;
	size_t former_files; /* how many the former life had */
	bool scanned;	     /* the whole folder was read once */
	bool findings;	     /* to be published anew */
	bool orphans;	     /* records without a Service are to be looked for */
	int64_t *files, *bad, *skipped, *writes;
	struct log_limit complaints;
};

static void save(struct dir *d, int fd, const void *data, size_t len)
{
	int rc = fd >= 0 ? memfile_write(fd, data, len) : 0;
	if (rc < 0)
		log_limited(&d->complaints, 3, SEC(60), LOG_WARN, "source", "notes", "cannot be kept: %s",
			    strerror(-rc));
}

static void save_notes(struct dir *d)
{
	struct strbuf text = { 0 };
	quarantine_print(&d->quarantine, &text);
	if (!text.oom)
		save(d, d->notes, strbuf_get(&text), text.len);
	strbuf_fini(&text);
}

/* Objects that only this process remembers, because their file cannot be used now. */
static void save_kept(struct dir *d, const char *also)
{
	uint8_t *data = NULL;
	size_t len = 0;
	bool any = also || mirror_files_bad(d->mirror) > 0;
	if (!any && !d->has_kept)
		return;
	if (mirror_keep_print(d->mirror, also, &data, &len) == 0)
		save(d, d->kept, data, len);
	d->has_kept = any;
	free(data);
}

/* A retained memfd, or a new one that will be retained; -1 when neither works. */
static int take(struct dir *d, const char *name, bool *old)
{
	int fd = daemon_take_retained(d->w->d, name);
	*old = fd >= 0;
	if (fd < 0)
		fd = memfile_new(name);
	if (fd >= 0)
		daemon_retain(d->w->d, name, fd);
	return fd < 0 ? -1 : fd;
}

/* The mark is plain memory: setting it costs nothing, and it is there when the process is not any more. */
static void take_mark(struct dir *d)
{
	bool old;
	int fd = take(d, "reading", &old);
	void *p = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, sizeof *d->mark) == 0)
		p = mmap(NULL, sizeof *d->mark, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	d->mark = p == MAP_FAILED ? &d->own_mark : p;
}

static void read_memfile(int fd, size_t max, void (*fn)(struct dir *d, const void *data, size_t len),
			 struct dir *d)
{
	void *data = NULL;
	size_t len = 0;
	if (memfile_read(fd, max, &data, &len) == 0)
		fn(d, data, len);
	free(data);
}

static void parse_notes(struct dir *d, const void *data, size_t len)
{
	quarantine_parse(&d->quarantine, data, len);
}

static void parse_kept(struct dir *d, const void *data, size_t len)
{
	size_t n = mirror_keep_parse(d->mirror, data, len);
	if (n)
		log_line(LOG_WARN, "source", "keptObjects",
			 "%zu objects of manifests with errors stay as the former life knew them", n);
	d->has_kept = n > 0;
}

/* Notes of the former lives. */
static void take_notes(struct dir *d)
{
	bool old;
	take_mark(d);
	d->notes = take(d, "notes", &d->w->reborn);
	d->kept = take(d, "kept", &old);
	if (d->notes >= 0)
		read_memfile(d->notes, QUARANTINE_BYTES, parse_notes, d);
	if (d->w->d->unready_lives > 0)
		quarantine_hurry(&d->quarantine);
	quarantine_resume(&d->quarantine, d->mark);
	save_notes(d);
}

/* Something that is said about a file comes or goes: the list of findings is made anew. */
static void note_findings(struct dir *d, const char *path)
{
	const struct diags *g = mirror_file_diags(d->mirror, path);
	d->findings |= g && g->n > 0;
}

/* Diagnostics of one file, when they are news. */
static void log_diags(struct dir *d, const char *path)
{
	const struct diags *g = mirror_file_diags(d->mirror, path);
	char text[1024];
	note_findings(d, path);
	for (size_t i = 0; g && i < g->n; i++)
		log_limited(&d->complaints, 100, SEC(1),
			    g->v[i].severity == DIAG_ERROR ? LOG_ERROR : LOG_WARN, path, "manifest", "%s",
			    diag_text(&g->v[i], text, sizeof text));
}

static void on_content(void *ctx, const char *path, const char *data, size_t len)
{
	struct dir *d = ctx;
	note_findings(d, path);
	if (!quarantine_enter(&d->quarantine, d->mark, path, data, len)) {
		mirror_fail(d->mirror, path, "skipped: reading it has killed the watcher; change the file");
		++*d->skipped;
		log_diags(d, path);
		loop_defer_ask(d->publish);
		return;
	}
	/* Should this content kill us, the next life must know what the file said before. */
	if (d->scanned && mirror_file_has_objects(d->mirror, path))
		save_kept(d, path);
	int rc = mirror_load(d->mirror, path, data, len);
	quarantine_leave(&d->quarantine, d->mark, path);
	if (rc == -ENOMEM)
		mirror_fail(d->mirror, path, "out of memory");
	log_diags(d, path);
	loop_defer_ask(d->publish);
}

static void on_unreadable(void *ctx, const char *path, const char *reason)
{
	struct dir *d = ctx;
	char text[200];
	str_fmt(text, sizeof text, "cannot be read: %s", reason);
	mirror_fail(d->mirror, path, text);
	log_diags(d, path);
	loop_defer_ask(d->publish);
}

static void on_deleted(void *ctx, const char *path)
{
	struct dir *d = ctx;
	note_findings(d, path);
	quarantine_forget(&d->quarantine, path);
	if (mirror_unload(d->mirror, path))
		log_line(LOG_INFO, path, "manifestDeleted", "its objects are gone");
	loop_defer_ask(d->publish);
}

static bool on_is_used(void *ctx, const char *path)
{
	const struct dir *d = ctx;
	return *path ? mirror_file_diags(d->mirror, path) != NULL : mirror_files(d->mirror) > 0;
}

static void on_scan_begin(void *ctx, const char *folder)
{
	mirror_scan_begin(((struct dir *)ctx)->mirror, folder);
}

static void on_each_unseen(void *ctx, const char *folder, void (*fn)(void *tree, const char *path),
			   void *tree)
{
	mirror_each_unseen(((struct dir *)ctx)->mirror, folder, fn, tree);
}

/* What people are told about the folder: reason is why it cannot be read, NULL when it can. */
static void say_source(struct dir *d, const char *reason)
{
	bool synced = d->w->synced;
	char text[1024];
	str_fmt(text, sizeof text, "%s%s", reason ? reason : "the folder is watched",
		reason && synced ? "; everything stays as it was" : "");
	watcher_source(d->w,
		       !synced	? INGOT__SOURCE_STATE__SOURCE_WAITING
		       : reason ? INGOT__SOURCE_STATE__SOURCE_STALE
				: INGOT__SOURCE_STATE__SOURCE_LIVE,
		       d->w->d->options.source, text);
}

static void on_settled(void *ctx, bool scanned)
{
	struct dir *d = ctx;
	*d->files = (int64_t)mirror_files(d->mirror);
	*d->bad = (int64_t)mirror_files_bad(d->mirror);
	/* Nothing where the former life had manifests: more likely a mount that is missing than everything
	 * deleted at once. */
	if (!d->scanned && scanned && mirror_files(d->mirror) == 0 && d->former_files > 0) {
		log_line(
		    LOG_ERROR, "source", "sourceEmpty",
		    "%s had manifests and is empty now: nothing is taken away until one appears (or SIGHUP)",
		    d->root);
		say_source(d, "the folder had manifests and is empty now: one must appear, or SIGHUP");
		return;
	}
	if (scanned && !d->scanned && d->kept >= 0)
		read_memfile(d->kept, MIRROR_KEEP_BYTES, parse_kept, d);
	d->scanned |= scanned || (d->former_files > 0 && mirror_files(d->mirror) > 0);
	d->former_files = 0;
	d->quarantine.files = mirror_files(d->mirror);
	save_notes(d);
	save_kept(d, NULL);
	d->orphans |= scanned;
	loop_defer_ask(d->publish);
}

static void on_lost(void *ctx, const char *reason)
{
	struct dir *d = ctx;
	say_source(d, reason);
	if (reason) {
		log_line(LOG_ERROR, "source", "sourceLost", "%s; everything stays as it was", reason);
		return;
	}
	log_line(LOG_INFO, "source", "sourceBack", "%s can be read", d->root);
	int rc = status_dir_prepare(d->status, (uid_t)-1);
	if (rc < 0)
		log_line(LOG_ERROR, "source", "statusStore", "%s/.status cannot be made: %s", d->root,
			 strerror(-rc));
	status_dir_rescan(d->status);
}

static void on_replaced(void *ctx)
{
	struct dir *d = ctx;
	log_line(LOG_WARN, "source", "sourceReplaced",
		 "%s is a new folder, which only a new life of this daemon may read", d->root);
	daemon_stopped(d->w->d);
}

static const struct dir_reader tree_reader = {
	.content = on_content,
	.unreadable = on_unreadable,
	.deleted = on_deleted,
	.is_used = on_is_used,
	.scan_begin = on_scan_begin,
	.each_unseen = on_each_unseen,
	.settled = on_settled,
	.lost = on_lost,
	.replaced = on_replaced,
};

static void on_status(void *ctx, const char *key, struct service_status *taken)
{
	struct dir *d = ctx;
	if (mirror_status_set(d->mirror, key, taken) < 0)
		log_line(LOG_ERROR, key, "statusStore", "out of memory");
	loop_defer_ask(d->publish);
}

static void on_lock(void *ctx, bool won, const char *holder)
{
	struct dir *d = ctx;
	d->orphans = true;
	watcher_lead(d->w, won, holder);
	loop_defer_ask(d->publish);
}

static const struct status_reader status_reader = { .changed = on_status, .lock = on_lock };

static void remove_orphan(void *ctx, const char *key)
{
	struct dir *d = ctx;
	if (!mirror_has(d->mirror, KIND_SERVICE, key)) {
		log_line(LOG_INFO, key, "statusRemoved", "its Service is gone");
		status_dir_remove(d->status, key);
	}
}

/* Records of Services that were deleted while nobody led. A broken file may hold the Service: then wait. */
static void remove_orphans(struct dir *d)
{
	if (!d->orphans || !d->w->leading || !d->scanned || mirror_files_bad(d->mirror) > 0)
		return;
	d->orphans = false;
	mirror_each_status(d->mirror, remove_orphan, d);
}

/* The Service is gone, and its status with it. */
static void forget_status(struct dir *d, const char *key)
{
	if (d->w->leading)
		status_dir_remove(d->status, key);
	else
		stale_note(d->stale, key);
	(void)mirror_status_set(d->mirror, key, NULL);
}

static void look_again(void *ctx, const char *key)
{
	struct dir *d = ctx;
	status_dir_reread(d->status, key);
	loop_defer_ask(d->publish);
}

static void publish_all(void *ctx)
{
	struct dir *d = ctx;
	struct mirror_action a;
	bool doubles = mirror_doubles(d->mirror) > 0;
	while (mirror_next(d->mirror, &a)) {
		if (a.loser)
			log_line(LOG_ERROR, a.key, "duplicateObject",
				 "%s: also defined at %s; the definition at %s counts", kind_name(a.kind),
				 a.loser, a.winner);
		if (a.message)
			watcher_put(d->w, a.kind, a.key, a.message);
		else
			watcher_gone(d->w, a.kind, a.key);
		if (!a.message && a.kind == KIND_SERVICE && mirror_status(d->mirror, a.key))
			forget_status(d, a.key);
	}
	if (d->findings || doubles || mirror_doubles(d->mirror))
		findings_publish(d->w, d->mirror);
	d->findings = false;
	if (d->scanned && !d->w->synced) {
		watcher_synced(d->w);
		say_source(d, NULL);
	}
	remove_orphans(d);
	*d->writes = (int64_t)status_dir_writes(d->status);
}

static void dir_free(void *source)
{
	struct dir *d = source;
	if (!d)
		return;
	dir_tree_free(d->tree);
	status_dir_free(d->status);
	stale_free(d->stale);
	loop_defer_free(d->publish);
	mirror_free(d->mirror);
	quarantine_fini(&d->quarantine);
	if (d->notes >= 0)
		close(d->notes);
	if (d->kept >= 0)
		close(d->kept);
	if (d->mark && d->mark != &d->own_mark)
		munmap(d->mark, sizeof *d->mark);
	free(d);
}

static void *dir_new(struct watcher *w, const char *argument)
{
	struct dir *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->w = w;
	d->notes = d->kept = -1;
	d->findings = true;
	quarantine_init(&d->quarantine);
	size_t n = strlen(argument);
	while (n > 1 && argument[n - 1] == '/')
		n--;
	if (n > 0 && str_fmt(d->root, sizeof d->root, "%.*s", (int)n, argument)) {
		d->mirror = mirror_new();
		d->tree = dir_tree_new(d->root, &tree_reader, d);
		d->status = status_dir_new(d->root, w->d->options.node, &status_reader, d);
	} else {
		errno = EINVAL;
	}
	uint8_t key[16];
	if (d->mirror && d->tree && d->status && getrandom(key, sizeof key, 0) == (ssize_t)sizeof key) {
		mirror_key(d->mirror, key);
		return d;
	}
	dir_free(d);
	return NULL;
}

/* As root: the folders of the store belong to the user that the watcher becomes. */
static int dir_open(void *source)
{
	struct dir *d = source;
	if (access(d->root, F_OK) < 0)
		return 0; /* said by dir_tree_join, which waits for it */
	int rc = status_dir_prepare(d->status, watcher_uid(d->w));
	if (rc < 0)
		log_line(LOG_ERROR, "source", "statusStore", "%s/.status cannot be made: %s", d->root,
			 strerror(-rc));
	return 0;
}

static int dir_join(void *source)
{
	struct dir *d = source;
	struct metrics *m = d->w->d->metrics;
	d->files = metric_value(
	    metrics_add(m, "ingot_watcher_files", "Manifest files that are known.", METRIC_GAUGE, NULL));
	d->bad = metric_value(
	    metrics_add(m, "ingot_watcher_files_bad", "Manifest files with errors.", METRIC_GAUGE, NULL));
	d->skipped = metric_value(metrics_add(m, "ingot_watcher_quarantined_total",
					      "Files skipped because reading them killed the watcher.",
					      METRIC_COUNTER, NULL));
	d->writes = metric_value(metrics_add(m, "ingot_watcher_status_writes_total",
					     "Files written to the status store.", METRIC_COUNTER, NULL));
	d->publish = loop_defer_new(d->w->d->loop, publish_all, d);
	d->stale = stale_new(d->w->d->loop, look_again, d);
	if (!d->files || !d->bad || !d->skipped || !d->writes || !d->publish || !d->stale)
		return -ENOMEM;
	take_notes(d);
	d->former_files = d->quarantine.files;
	int rc = status_dir_join(d->status, d->w->d->loop, watcher_may_lead(d->w));
	return rc < 0 ? rc : dir_tree_join(d->tree, d->w->d->loop);
}

static void dir_reload(void *source)
{
	struct dir *d = source;
	d->former_files = 0;
	status_dir_rescan(d->status);
	dir_tree_rescan(d->tree);
}

static void dir_assign(void *source, const char *key, const Ingot__Assignment *a)
{
	struct dir *d = source;
	struct service_status *wanted = NULL;
	switch (mirror_judge(d->mirror, key, a, &wanted)) {
	case STATUS_KEEP: break;
	case STATUS_WRITE: status_dir_write(d->status, key, wanted); break;
	case STATUS_REMOVE: status_dir_remove(d->status, key); break;
	case STATUS_NO_MEMORY: log_line(LOG_ERROR, key, "assignment", "out of memory"); break;
	}
}

static void dir_node_status(void *source, enum node_status kind, const char *json)
{
	static const char *const names[NODE_STATUS_N] = { "servicel2status.json", "servicebgpstatus.json",
							  "configurationstate.json" };
	status_dir_node(((struct dir *)source)->status, names[kind], json);
}

static void dir_event(void *source, const char *key, const Ingot__ServiceEvent *e)
{
	char *line = reports_json_event(loop_wall_ms(), key, e);
	if (line)
		status_dir_event(((struct dir *)source)->status, line);
	free(line);
}

static const struct manifest_secret *dir_secret(void *source, enum kind k, const char *key, const char *item)
{
	return mirror_secret(((struct dir *)source)->mirror, k, key, item);
}

/* What is known about a Service or a file. */
static void dir_explain(void *source, const char *subject, char *buf, size_t size)
{
	struct dir *d = source;
	struct strbuf origin = { 0 };
	const struct service_status *s = mirror_status(d->mirror, subject);
	const struct diags *g = mirror_file_diags(d->mirror, subject);
	char text[512];
	if (!*subject)
		str_fmt(buf, size, "%zu manifest files below %s, %zu with errors", mirror_files(d->mirror),
			d->root, mirror_files_bad(d->mirror));
	else if (mirror_origin(d->mirror, KIND_SERVICE, subject, &origin))
		str_fmt(buf, size, "defined at %s, stored status: %s%s", strbuf_get(&origin),
			s && s->n_ips ? s->ips[0] : "no address", s && s->n_ips > 1 ? " and more" : "");
	else if (g && g->n)
		str_fmt(buf, size, "%s", diag_text(&g->v[0], text, sizeof text));
	else if (strchr(subject, '/'))
		str_fmt(buf, size, "no manifest defines this Service");
	strbuf_fini(&origin);
}

const struct source_ops source_dir = {
	.prefix = "dir:",
	.new = dir_new,
	.open = dir_open,
	.join = dir_join,
	.reload = dir_reload,
	.assign = dir_assign,
	.node_status = dir_node_status,
	.event = dir_event,
	.secret = dir_secret,
	.explain = dir_explain,
	.free = dir_free,
};
