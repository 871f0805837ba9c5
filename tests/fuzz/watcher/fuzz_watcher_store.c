/* What the watcher reads back from a former life or from the store: records of Services, quarantine notes and
 * marks, kept objects. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"
#include "watcher/mirror.h"
#include "watcher/quarantine.h"
#include "watcher/status_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_status(const uint8_t *data, size_t len)
{
	struct service_status *s = NULL;
	char error[160];
	if (status_json_parse(data, len, &s, error, sizeof error) < 0)
		return;
	/* What was understood survives printing. */
	struct service_status *again = NULL;
	char *text = status_json_print(s);
	if (text && str_is_utf8(text, strlen(text))) {
		must(status_json_parse(text, strlen(text), &again, error, sizeof error) == 0);
		must(service_status_equal(s, again));
	}
	free(text);
	service_status_free(s);
	service_status_free(again);
}

static void try_notes(const uint8_t *data, size_t len)
{
	struct quarantine q;
	struct quarantine_mark mark = { .valid = 1, .attempts = len ? data[0] : 0 };
	memcpy(mark.path, data, len < sizeof mark.path ? len : sizeof mark.path);
	quarantine_init(&q);
	quarantine_parse(&q, data, len);
	quarantine_resume(&q, &mark);
	must(map_len(&q.notes) <= QUARANTINE_NOTES && mark.valid == 0);
	struct strbuf text = { 0 };
	quarantine_print(&q, &text);
	struct quarantine again;
	quarantine_init(&again);
	quarantine_parse(&again, strbuf_get(&text), text.len);
	must(map_len(&again.notes) == map_len(&q.notes));
	strbuf_fini(&text);
	quarantine_fini(&q);
	quarantine_fini(&again);
}

static void try_kept(const uint8_t *data, size_t len)
{
	struct mirror *m = mirror_new();
	must(m != NULL);
	mirror_load(m, "bad.yaml", "x: [", 4);
	mirror_keep_parse(m, data, len);
	struct mirror_action a;
	while (mirror_next(m, &a))
		must(a.key[0]);
	uint8_t *again = NULL;
	size_t again_len = 0;
	if (mirror_keep_print(m, NULL, &again, &again_len) == 0)
		must(again_len <= MIRROR_KEEP_BYTES);
	free(again);
	mirror_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	switch (data[0] % 3) {
	case 0: try_status(data + 1, len - 1); break;
	case 1: try_notes(data + 1, len - 1); break;
	case 2: try_kept(data + 1, len - 1); break;
	}
	return 0;
}
