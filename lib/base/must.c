/* The end of a process whose own invariant is broken. Linked into every process; the only function of this
 * library that writes to a descriptor (stderr), because nobody is left to hand an action to. */
#include "lib/base/must.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void must_failed(const char *expression, const char *file, int line)
{
	char text[512];
	snprintf(text, sizeof text, "broken invariant: %s (%s:%d)\n", expression, file, line);
	fputs(text, stderr);
	abort();
}
