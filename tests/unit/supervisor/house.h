/* A supervisor with fake daemons in a folder of its own, for test_supervisor.c. */
#ifndef INGOT_TESTS_SUPERVISOR_HOUSE_H
#define INGOT_TESTS_SUPERVISOR_HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { HOUSE_TEXT = 1 << 18 };

struct house {
	char dir[64]; /* libexec/ (programs, journal), run/, man/, log */
	pid_t pid;    /* of the supervisor, 0 = none */
	char text[HOUSE_TEXT];
};

/* A fresh folder with the fake daemons; nothing runs. house_free ends what runs and removes all. */
void house_init(struct house *h);
void house_free(struct house *h);
/* What daemon does in its next lives; words as in fake_daemon.c. */
void house_behave(const struct house *h, const char *daemon, const char *words);
void house_start(struct house *h, const char *role);
/* Ends in order (SIGTERM) and returns the exit status. */
int house_stop(struct house *h);
/* The journal or the log, lent until the next call. */
const char *house_journal(struct house *h);
const char *house_log(struct house *h);
/* Waits until the nth (from 1) line with `part` of daemon is in the journal, and returns it; fails after 20
 * s. */
const char *house_wait(struct house *h, const char *daemon, const char *part, unsigned nth);
unsigned house_count(struct house *h, const char *daemon, const char *part);
/* Asks over the control socket; the answer is lent. */
const char *house_ask(struct house *h, const char *line, size_t n);
/* Waits until `part` is in the status object of a daemon. */
void house_wait_status(struct house *h, const char *daemon, const char *part);
/* Numbers in a journal line. */
pid_t line_pid(const char *line);
long long line_us(const char *line);
long long house_now_us(void);

#endif
