/* Names of the tables in topics.h. Linked into every process; pure. */
#include "lib/run/topics.h"

#include "lib/base/must.h"

const char *daemon_name(enum daemon_id d)
{
	static const char *const names[] = {
#define X(constant, name, offset) [DAEMON_##constant] = name,
		DAEMONS(X)
#undef X
	};
	_Static_assert(ARRAY_LEN(names) == DAEMON_N, "one name per daemon");
	must((unsigned)d < DAEMON_N);
	return names[d];
}

const char *topic_name(enum topic t)
{
	static const char *const names[] = {
#define X(constant, id, name, publisher, payload, readers) [TOPIC_##constant] = name,
		TOPICS(X)
#undef X
	};
	_Static_assert(ARRAY_LEN(names) == TOPIC_N, "one name per topic");
	must((unsigned)t < TOPIC_N);
	return names[t];
}

enum daemon_id topic_publisher(enum topic t)
{
	static const enum daemon_id publishers[] = {
#define X(constant, id, name, publisher, payload, readers) [TOPIC_##constant] = DAEMON_##publisher,
		TOPICS(X)
#undef X
	};
	_Static_assert(ARRAY_LEN(publishers) == TOPIC_N, "one publisher per topic");
	must((unsigned)t < TOPIC_N);
	return publishers[t];
}

const char *request_name(enum request_kind r)
{
	static const char *const names[] = {
#define X(constant, name, server, callers, request, reply, deadline, idempotence) [REQUEST_##constant] = name,
		REQUESTS(X)
#undef X
	};
	_Static_assert(ARRAY_LEN(names) == REQUEST_N, "one name per request");
	must((unsigned)r < REQUEST_N);
	return names[r];
}
