/* The status store: lock, records of Services, documents of the own node. Runs in the watcher; writes below
 * PATH/.status only. Records are foreign input: other nodes and people write them too. */
#include "watcher/status_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/map.h"
#include "lib/base/strbuf.h"
#include "lib/run/log.h"
#include "watcher/files.h"
#include "watcher/status_json.h"

enum {
	LOCK_RETRY_US = 1000000,
	LOCK_SOON_US = 5000,
	WRITE_RETRY_US = 1000000,
	SYNC_EACH = 4,
	BATCH = 512,
	RECORDS = 200000
};
enum { EVENTS_BYTES = 1 << 20, DOCUMENT_BYTES = 16 << 20 };

struct status_dir {
	char root[FILES_PATH / 2], folder[FILES_PATH / 2 + 16], services[FILES_PATH / 2 + 32],
	    node[FILES_PATH];
	struct status_reader reader;
	void *ctx;
	struct loop *loop;
	bool may_lead, locked;
	int lock_fd, inotify;
	char holder[256];
	struct loop_fd *watch;
	struct loop_timer *lock_timer, *write_timer;
	struct loop_defer *flush;
	struct map folders; /* wd -> name of a namespace, "" = services itself */
	struct map known;   /* key -> anything: records that exist */
	struct map queue;   /* key -> struct service_status, or &removal */
	struct map last;    /* name of a node document -> its text */
	uint64_t writes;
	struct log_limit complaints;
};

static char removal; /* stands in the queue for "remove the record" */

struct status_dir *status_dir_new(const char *root, const char *node, const struct status_reader *reader,
				  void *ctx)
{
	struct status_dir *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->reader = *reader;
	s->ctx = ctx;
	s->lock_fd = s->inotify = -1;
	map_init(&s->folders);
	map_init(&s->known);
	map_init(&s->queue);
	map_init(&s->last);
	if (str_fmt(s->root, sizeof s->root, "%s", root) &&
	    str_fmt(s->folder, sizeof s->folder, "%s/.status", root) &&
	    str_fmt(s->services, sizeof s->services, "%s/services", s->folder) &&
	    str_fmt(s->node, sizeof s->node, "%s/%s", s->folder, node))
		return s;
	free(s);
	errno = ENAMETOOLONG;
	return NULL;
}

static void queued_free(void *value)
{
	if (value != &removal)
		service_status_free(value);
}

void status_dir_free(struct status_dir *s)
{
	if (!s)
		return;
	loop_fd_free(s->watch);
	loop_timer_free(s->lock_timer);
	loop_timer_free(s->write_timer);
	loop_defer_free(s->flush);
	if (s->inotify >= 0)
		close(s->inotify);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	map_fini(&s->folders, free);
	map_fini(&s->known, NULL);
	map_fini(&s->queue, queued_free);
	map_fini(&s->last, free);
	free(s);
}

int status_dir_prepare(struct status_dir *s, uid_t uid)
{
	char path[FILES_PATH];
	int rc = files_folder(s->folder);
	rc = rc < 0 ? rc : files_folder(s->services);
	rc = rc < 0 ? rc : files_folder(s->node);
	if (rc < 0 || !files_join(path, s->folder, "lock"))
		return rc;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
	if (uid != (uid_t)-1) {
		files_give(s->folder, uid, 0);
		files_give(path, uid, 0);
		files_give(s->services, uid, 2);
		files_give(s->node, uid, 1);
	}
	return 0;
}

static void complain(struct status_dir *s, const char *subject, const char *what, int rc)
{
	log_limited(&s->complaints, 5, SEC(10), LOG_ERROR, subject, "statusStore", "%s: %s", what,
		    strerror(-rc));
}

/* "namespace/NAME.json" to a key; false when it is none. */
static bool record_key(const char *ns, const char *file, char buf[static OBJECT_KEY])
{
	size_t n = strlen(file);
	if (*file == '.' || n < 6 || strcmp(file + n - 5, ".json") != 0 || n + strlen(ns) > OBJECT_KEY - 8)
		return false;
	return str_fmt(buf, OBJECT_KEY, "%s/%.*s", ns, (int)(n - 5), file);
}

static void record_gone(struct status_dir *s, const char *key)
{
	map_del(&s->known, key);
	s->reader.changed(s->ctx, key, NULL);
}

static void record_read(struct status_dir *s, const char *ns, const char *file)
{
	char key[OBJECT_KEY], path[FILES_PATH], error[160] = "";
	char *data = NULL;
	size_t len = 0;
	struct service_status *status = NULL;
	if (!record_key(ns, file, key) || !str_fmt(path, sizeof path, "%s/%s/%s", s->services, ns, file))
		return;
	int rc = files_read(path, STATUS_MAX_BYTES, &data, &len);
	if (rc == -ENOENT) {
		record_gone(s, key);
		return;
	}
	if (rc == 0)
		rc = status_json_parse(data, len, &status, error, sizeof error);
	free(data);
	if (rc < 0) {
		/* What was known stays: a broken record takes no address away. */
		log_limited(&s->complaints, 5, SEC(10), LOG_ERROR, key, "statusStore", "%s: %s", path,
			    *error ? error : strerror(-rc));
		return;
	}
	if (map_len(&s->known) >= RECORDS || map_set(&s->known, key, s, NULL) < 0) {
		complain(s, key, "too many records", -ENOSPC);
		service_status_free(status);
		return;
	}
	s->reader.changed(s->ctx, key, status);
}

void status_dir_reread(struct status_dir *s, const char *key)
{
	char ns[OBJECT_KEY], file[OBJECT_KEY + 8];
	const char *slash = strchr(key, '/');
	if (slash && str_fmt(ns, sizeof ns, "%.*s", (int)(slash - key), key) &&
	    str_fmt(file, sizeof file, "%s.json", slash + 1))
		record_read(s, ns, file);
}

static void watch_folder(struct status_dir *s, const char *path, const char *ns)
{
	int wd = s->inotify < 0 ? -1
				: inotify_add_watch(s->inotify, path,
						    IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
							IN_CLOSE_WRITE | IN_ONLYDIR);
	char *name = wd < 0 ? NULL : strdup(ns);
	void *old = NULL;
	if (!name || map_set_n(&s->folders, &wd, sizeof wd, name, &old) < 0) {
		complain(s, path, "cannot be watched", wd < 0 ? -errno : -ENOMEM);
		free(name);
		return;
	}
	free(old);
}

static void scan_namespace(struct status_dir *s, const char *ns)
{
	char path[FILES_PATH];
	if (*ns == '.' || !files_join(path, s->services, ns))
		return;
	watch_folder(s, path, ns);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		record_read(s, ns, e->d_name);
	if (d)
		closedir(d);
}

static void read_holder(struct status_dir *s)
{
	char path[FILES_PATH], *data = NULL;
	size_t len = 0;
	if (s->locked || !files_join(path, s->folder, "lock") ||
	    files_read(path, sizeof s->holder - 1, &data, &len) < 0)
		return;
	char name[sizeof s->holder];
	str_escape(data, len && data[len - 1] == '\n' ? len - 1 : len, name, sizeof name);
	free(data);
	if (strcmp(name, s->holder) == 0)
		return;
	memcpy(s->holder, name, sizeof name);
	s->reader.lock(s->ctx, false, s->holder);
}

/* A lock on a file that is not there any more is worth nothing: somebody else may hold the new one. */
static void check_lock(struct status_dir *s)
{
	char path[FILES_PATH];
	struct stat held, named;
	if (!s->locked || !files_join(path, s->folder, "lock") || fstat(s->lock_fd, &held) < 0)
		return;
	if (stat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino)
		return;
	close(s->lock_fd);
	s->lock_fd = -1;
	s->locked = false;
	s->reader.lock(s->ctx, false, "");
	loop_timer_set(s->lock_timer, loop_now(s->loop));
}

void status_dir_rescan(struct status_dir *s)
{
	struct map before = s->known;
	map_init(&s->known);
	if (access(s->services, F_OK) == 0)
		watch_folder(s, s->services, "");
	check_lock(s);
	DIR *d = opendir(s->services);
	if (!d) {
		if (errno != ENOENT) /* the whole folder is missing: said by dir_tree */
			complain(s, s->services, "cannot be read", -errno);
		map_fini(&s->known, NULL);
		s->known = before;
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_type == DT_DIR)
			scan_namespace(s, e->d_name);
	closedir(d);
	map_each (&before, e)
		if (!map_find_n(&s->known, e->key, e->key_len))
			s->reader.changed(s->ctx, e->key, NULL);
	map_fini(&before, NULL);
}

static void on_event(struct status_dir *s, const struct inotify_event *e)
{
	char key[OBJECT_KEY];
	const char *ns = map_get_n(&s->folders, &e->wd, sizeof e->wd);
	if (e->mask & IN_Q_OVERFLOW) {
		status_dir_rescan(s);
		return;
	}
	if (!ns || (e->mask & IN_IGNORED)) {
		free(map_del_n(&s->folders, &e->wd, sizeof e->wd));
		return;
	}
	if (e->len == 0 || e->name[0] == '.')
		return;
	if (!*ns && (e->mask & IN_ISDIR) && (e->mask & (IN_CREATE | IN_MOVED_TO)))
		scan_namespace(s, e->name);
	else if (*ns && (e->mask & (IN_DELETE | IN_MOVED_FROM)) && record_key(ns, e->name, key))
		record_gone(s, key);
	else if (*ns && (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)))
		record_read(s, ns, e->name);
}

static void on_readable(void *ctx, unsigned events)
{
	struct status_dir *s = ctx;
	_Alignas(struct inotify_event) char buf[16 << 10];
	(void)events;
	for (ssize_t n; (n = read(s->inotify, buf, sizeof buf)) > 0;) {
		for (ssize_t at = 0; at < n;) {
			struct inotify_event e;
			memcpy(&e, buf + at, sizeof e);
			on_event(s, (const struct inotify_event *)(const void *)(buf + at));
			at += (ssize_t)(sizeof e + e.len);
		}
	}
}

/* What a former holder was writing when it died: only the holder writes there. */
static void remove_leftovers(const struct status_dir *s)
{
	map_each (&s->folders, e) {
		char folder[FILES_PATH], path[FILES_PATH];
		const char *ns = e->value;
		DIR *d = *ns && files_join(folder, s->services, ns) ? opendir(folder) : NULL;
		for (struct dirent *f; d && (f = readdir(d));)
			if (f->d_name[0] == '.' && strstr(f->d_name, ".json.tmp") &&
			    files_join(path, folder, f->d_name))
				unlink(path);
		if (d)
			closedir(d);
	}
}

static void take_lock(struct status_dir *s)
{
	char path[FILES_PATH], text[300];
	if (!s->may_lead || s->locked || !files_join(path, s->folder, "lock"))
		return;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 && errno == ENOENT)
		return; /* the whole folder is missing: said by dir_tree */
	if (fd < 0) {
		complain(s, path, "cannot be opened", -errno);
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		read_holder(s);
		return;
	}
	/* For people: the lock itself is the kernel's. */
	const char *name = strrchr(s->node, '/') + 1;
	str_fmt(text, sizeof text, "%s\n", name);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		complain(s, path, "cannot be written", -errno);
	s->lock_fd = fd;
	s->locked = true;
	remove_leftovers(s);
	s->holder[0] = 0;
	s->reader.lock(s->ctx, true, "");
}

static void on_lock_timer(void *ctx)
{
	struct status_dir *s = ctx;
	take_lock(s);
	if (!s->locked)
		loop_timer_set(s->lock_timer, mono_add(loop_now(s->loop), LOCK_RETRY_US));
}

static int commit_one(struct status_dir *s, const char *key, const struct service_status *status, bool sync)
{
	char folder[FILES_PATH], name[OBJECT_KEY + 8];
	const char *slash = strchr(key, '/');
	if (!slash || !str_fmt(folder, sizeof folder, "%s/%.*s", s->services, (int)(slash - key), key) ||
	    !str_fmt(name, sizeof name, "%s.json", slash + 1))
		return -EINVAL;
	char *text = status_json_print(status);
	if (!text)
		return -ENOMEM;
	int rc = files_prepare(folder, name, text, sync);
	if (rc == -ENOENT && (rc = files_folder(folder)) == 0) {
		scan_namespace(s, strrchr(folder, '/') + 1);
		rc = files_prepare(folder, name, text, sync);
	}
	free(text);
	return rc;
}

static int rename_one(struct status_dir *s, const char *key)
{
	char folder[FILES_PATH], name[OBJECT_KEY + 8];
	const char *slash = strchr(key, '/');
	str_fmt(folder, sizeof folder, "%s/%.*s", s->services, (int)(slash - key), key);
	str_fmt(name, sizeof name, "%s.json", slash + 1);
	return files_commit(folder, name);
}

static int remove_one(struct status_dir *s, const char *key)
{
	char path[FILES_PATH];
	if (!str_fmt(path, sizeof path, "%s/%s.json", s->services, key))
		return -ENAMETOOLONG;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

struct batch_item {
	const char *key;
	struct service_status *status;
	int rc;
};

/* One sync for many: each would wait for the disk on its own. */
static void sync_all(struct status_dir *s)
{
	int fd = open(s->services, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		complain(s, s->services, "cannot be synced", -errno);
	if (fd >= 0)
		close(fd);
}

static void finish_item(struct status_dir *s, struct batch_item *i)
{
	char key[OBJECT_KEY];
	str_fmt(key, sizeof key, "%s", i->key);
	void *queued = i->status ? (void *)i->status : &removal;
	if (i->rc < 0) {
		complain(s, key, i->status ? "the record cannot be written" : "the record cannot be removed",
			 i->rc);
		loop_timer_set(s->write_timer, mono_add(loop_now(s->loop), WRITE_RETRY_US));
		return; /* stays queued */
	}
	s->writes++;
	if (map_get(&s->queue, key) == queued)
		map_del(&s->queue, key);
	if (i->status && map_set(&s->known, key, s, NULL) < 0)
		complain(s, key, "the record is not remembered", -ENOMEM);
	if (!i->status)
		map_del(&s->known, key);
	s->reader.changed(s->ctx, key, i->status);
}

static void on_flush(void *ctx)
{
	struct status_dir *s = ctx;
	static const struct batch_item empty;
	struct batch_item items[BATCH];
	size_t n = 0, n_failed = 0;
	bool each = map_len(&s->queue) <= SYNC_EACH;
	map_each (&s->queue, e) {
		if (n == BATCH)
			break;
		items[n] = empty;
		items[n].key = e->key;
		items[n].status = e->value == &removal ? NULL : e->value;
		items[n].rc =
		    items[n].status ? commit_one(s, e->key, items[n].status, each) : remove_one(s, e->key);
		n++;
	}
	if (n && !each)
		sync_all(s);
	for (size_t i = 0; i < n; i++) {
		if (items[i].status && items[i].rc == 0)
			items[i].rc = rename_one(s, items[i].key);
		n_failed += items[i].rc < 0;
		finish_item(s, &items[i]);
	}
	/* A disk that fails is asked again by the timer that finish_item has set. */
	if (n == BATCH && n_failed == 0 && map_len(&s->queue))
		loop_timer_set(s->write_timer, loop_now(s->loop));
}

static void enqueue(struct status_dir *s, const char *key, void *value)
{
	void *old = NULL;
	if (map_set(&s->queue, key, value, &old) < 0) {
		complain(s, key, "the record is not written", -ENOMEM);
		queued_free(value);
		return;
	}
	if (old)
		queued_free(old);
	loop_defer_ask(s->flush);
}

void status_dir_write(struct status_dir *s, const char *key, struct service_status *taken)
{
	enqueue(s, key, taken);
}

void status_dir_remove(struct status_dir *s, const char *key)
{
	enqueue(s, key, &removal);
}

int status_dir_join(struct status_dir *s, struct loop *l, bool may_lead)
{
	s->loop = l;
	s->may_lead = may_lead;
	if (!s->watch) {
		s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		s->watch = s->inotify < 0 ? NULL : loop_fd_new(l, s->inotify, LOOP_READ, on_readable, s);
		s->lock_timer = loop_timer_new(l, on_lock_timer, s);
		s->write_timer = loop_timer_new(l, on_flush, s);
		s->flush = loop_defer_new(l, on_flush, s);
		if (!s->watch || !s->lock_timer || !s->write_timer || !s->flush)
			return -ENOMEM;
	}
	status_dir_rescan(s);
	loop_timer_set(s->lock_timer, loop_now(l));
	return 0;
}

/* Equal but for the moments that stand in it: a new life must not write only because it looks at its clock.
 */
static bool same_but_time(const char *a, const char *b)
{
	static const char key[] = "\"lastTransitionTime\": \"";
	while (*a && *a == *b) {
		bool is_time =
		    *a == '"' && strncmp(a, key, sizeof key - 1) == 0 && strncmp(b, key, sizeof key - 1) == 0;
		a += is_time ? sizeof key - 1 : 1;
		b += is_time ? sizeof key - 1 : 1;
		if (is_time) {
			a += strcspn(a, "\"");
			b += strcspn(b, "\"");
		}
	}
	return *a == *b;
}

/* What stands on the disk, once per document and life. */
static const char *last_document(struct status_dir *s, const char *name)
{
	char path[FILES_PATH], *data = NULL;
	size_t len = 0;
	char *known = map_get(&s->last, name);
	if (known || !files_join(path, s->node, name) || files_read(path, DOCUMENT_BYTES, &data, &len) < 0)
		return known;
	data[len] = 0;
	if (map_set(&s->last, name, data, NULL) == 0)
		return data;
	free(data);
	return NULL;
}

void status_dir_node(struct status_dir *s, const char *name, const char *text)
{
	const char *known = last_document(s, name);
	if (known && same_but_time(known, text))
		return;
	int rc = files_write(s->node, name, text);
	if (rc == -ENOENT && files_folder(s->node) == 0)
		rc = files_write(s->node, name, text);
	if (rc < 0) {
		complain(s, name, "cannot be written", rc);
		return;
	}
	s->writes++;
	char *copy = strdup(text);
	void *old = NULL;
	if (!copy || map_set(&s->last, name, copy, &old) < 0)
		free(copy);
	free(old);
}

void status_dir_event(struct status_dir *s, const char *line)
{
	char path[FILES_PATH], old[FILES_PATH];
	struct stat st;
	if (!files_join(path, s->node, "events.log") || !files_join(old, s->node, "events.log.1"))
		return;
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		complain(s, path, "cannot be written", -errno);
		return;
	}
	size_t n = strlen(line);
	if (write(fd, line, n) != (ssize_t)n)
		complain(s, path, "cannot be written", -EIO);
	bool full = fstat(fd, &st) == 0 && st.st_size > EVENTS_BYTES;
	close(fd);
	if (full && rename(path, old) < 0)
		complain(s, path, "cannot be turned over", -errno);
}

uint64_t status_dir_writes(const struct status_dir *s)
{
	return s->writes;
}
