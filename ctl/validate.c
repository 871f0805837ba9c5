/* ingotctl validate: manifests are parsed and compiled as a running Ingot would, offline. Every finding names
 * file, line, object and field. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "lib/base/strbuf.h"
#include "lib/manifest/manifest.h"
#include "lib/model/config.h"

enum { FILE_MAX = 64 << 20 };

struct validation {
	const struct ctl *ctl;
	struct objects objects;
	struct diags diags;
	size_t n_files, n_objects;
	const char *file; /* being read */
};

static void keep(void *ctx, struct manifest_object *o)
{
	struct validation *v = ctx;

	manifest_secrets_fini(&o->secrets);
	if (!o->message)
		return;
	if (objects_get(&v->objects, o->kind, o->key)) {
		const Ingot__ObjectMeta *meta = object_meta(o->kind, o->message);
		diags_add(&v->diags, DIAG_ERROR, kind_name(o->kind), o->key, "",
			  meta ? meta->origin : v->file, "defined a second time");
		protobuf_c_message_free_unpacked(o->message, NULL);
		return;
	}
	v->n_objects++;
	if (objects_put(&v->objects, o->kind, o->key, o->message) < 0)
		diags_add(&v->diags, DIAG_ERROR, kind_name(o->kind), o->key, "", v->file, "too many objects");
}

static void bad_file(struct validation *v, const char *path, int error)
{
	diags_add(&v->diags, DIAG_ERROR, "file", path, "", path, "%s", strerror(error));
}

static void validate_file(struct validation *v, const char *path, long size)
{
	FILE *f = size > FILE_MAX ? NULL : fopen(path, "rb");
	if (!f) {
		bad_file(v, path, size > FILE_MAX ? EFBIG : errno);
		return;
	}
	char *data = malloc((size_t)size + 1);
	size_t len = data ? fread(data, 1, (size_t)size, f) : 0;
	if (!data || ferror(f))
		bad_file(v, path, data ? EIO : ENOMEM);
	else
		manifest_parse(path, data, len, &v->diags, keep, v, NULL);
	fclose(f);
	free(data);
	v->n_files++;
}

static bool is_manifest(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static void validate_path(struct validation *v, const char *path, bool named);

static void validate_folder(struct validation *v, const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		bad_file(v, path, errno);
	for (int i = 0; i < n; i++) {
		struct strbuf child = { 0 };
		strbuf_fmt(&child, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			validate_path(v, strbuf_get(&child), false);
		strbuf_fini(&child);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* A path that the user named is read whatever its name; inside folders only manifests are. */
static void validate_path(struct validation *v, const char *path, bool named)
{
	struct stat st;
	v->file = path;
	if (stat(path, &st) < 0)
		bad_file(v, path, errno);
	else if (S_ISDIR(st.st_mode))
		validate_folder(v, path);
	else if (named || is_manifest(path))
		validate_file(v, path, (long)st.st_size);
}

static json_t *diag_json(const struct diag *d)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "severity",
			 d->severity == DIAG_ERROR ? "error" : "warning", "origin", d->origin, "kind",
			 d->kind, "name", d->name, "field", d->field, "message", d->message);
}

static void report(const struct validation *v)
{
	if (v->ctl->json) {
		json_t *findings = json_array();
		for (size_t i = 0; i < v->diags.n; i++)
			json_array_append_new(findings, diag_json(&v->diags.v[i]));
		json_t *document = json_pack("{s:b, s:I, s:I, s:o}", "valid", v->diags.n_errors == 0, "files",
					     (json_int_t)v->n_files, "objects", (json_int_t)v->n_objects,
					     "findings", findings);
		json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(document);
		return;
	}
	for (size_t i = 0; i < v->diags.n; i++) {
		char line[1024];
		printf("%s: %s\n", v->diags.v[i].severity == DIAG_ERROR ? "error" : "warning",
		       diag_text(&v->diags.v[i], line, sizeof line));
	}
	printf("%zu files, %zu objects, %zu errors, %zu warnings\n", v->n_files, v->n_objects,
	       v->diags.n_errors, v->diags.n - v->diags.n_errors);
}

int ctl_validate(const struct ctl *c)
{
	struct validation v = { .ctl = c };
	struct config *config = NULL;

	objects_init(&v.objects);
	for (int i = 0; i < c->argc; i++)
		validate_path(&v, c->argv[i], true);
	struct config_input input = { .objects = &v.objects, .ns = c->ns };
	int compiled = config_compile(&input, &v.diags, &config);
	if (compiled < 0)
		fprintf(stderr, "ingotctl: %s\n", strerror(-compiled));
	else
		report(&v);
	int status = compiled < 0 || v.diags.n_errors ? CTL_ERROR : CTL_OK;
	config_free(config);
	diags_fini(&v.diags);
	objects_fini(&v.objects);
	return status;
}
