/* One question to statusd over the bus, as the caller "ingotctl". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/run/bus.h"
#include "proto/bus.pb-c.h"

struct question {
	struct loop *loop;
	int status;
	char *json, *error;
};

static void on_answer(void *ctx, int error, const char *message, const ProtobufCMessage *payload)
{
	struct question *q = ctx;

	if (error == 0) {
		q->status = CTL_OK;
		q->json = strdup(((const Ingot__StateReply *)payload)->json);
	} else {
		q->status = error == -ETIMEDOUT ? CTL_UNREACHABLE : CTL_ERROR;
		q->error = strdup(error == -ETIMEDOUT	? "statusd does not answer"
				  : message && *message ? message
							: strerror(-error));
	}
	loop_stop(q->loop);
}

static void ask(struct question *q, struct bus *bus, const char *what, const char *subject)
{
	Ingot__StateRequest request = INGOT__STATE_REQUEST__INIT;

	request.what = strdup(what);
	request.subject = strdup(subject);
	if (request.what && request.subject &&
	    bus_request(bus, DAEMON_STATUSD, REQUEST_STATE, &request.base, on_answer, q))
		loop_run(q->loop);
	free(request.what);
	free(request.subject);
}

int ctl_ask_statusd(const struct ctl *c, const char *what, const char *subject, json_t **ret, char **error)
{
	struct question q = { .loop = loop_new(), .status = CTL_UNREACHABLE };
	struct bus_config config = {
		.run_dir = c->run_dir, .self = DAEMON_CTL, .daemons = READS(STATUSD), .uid_base = (uid_t)-1
	};
	struct bus *bus = q.loop ? bus_new(q.loop, &config) : NULL;

	if (bus)
		ask(&q, bus, what, subject);
	bus_free(bus);
	loop_free(q.loop);
	if (q.status == CTL_OK) {
		*ret = q.json ? json_loads(q.json, 0, NULL) : NULL;
		if (!*ret) {
			q.status = CTL_ERROR;
			q.error = strdup("statusd's answer is not JSON");
		}
	}
	free(q.json);
	*error = q.error;
	return q.status;
}
