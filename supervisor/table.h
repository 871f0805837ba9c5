/* The process table as data: which daemons there are, in which order they start and stop, and which variables
 * of the supervisor's own environment they may see besides their options (column `told` of
 * lib/run/options.h). */
#ifndef INGOT_SUPERVISOR_TABLE_H
#define INGOT_SUPERVISOR_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/run/topics.h"

enum { TABLE_STOP_STAGES = 5, TABLE_INHERITED = 8 };

struct table_row {
	enum daemon_id daemon;
	unsigned stop_stage;   /* all of a stage are gone before the next one is asked */
	bool drain_on_stop;    /* told to drain when the stop begins, so that others take over before its turn
				  comes */
	unsigned heartbeat_ms; /* interval when a heartbeat does not name it */
	const char *inherited[TABLE_INHERITED]; /* variables passed on, up to the first NULL */
};

extern const struct table_row table_rows[]; /* in start order */
extern const size_t table_n_rows;

#endif
