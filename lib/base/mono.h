/* Time as a parameter and a type. Monotonic (CLOCK_BOOTTIME) microseconds; only shells read a clock
 * (lib/run/loop.h). */
#ifndef INGOT_BASE_MONO_H
#define INGOT_BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	int64_t us;
} mono_t;

#define MONO_NEVER ((mono_t){ INT64_MAX })
#define MS(n)	   ((int64_t)(n)*1000)
#define SEC(n)	   ((int64_t)(n)*1000000)

static inline mono_t mono_add(mono_t t, int64_t us)
{
	return (mono_t){ t.us > INT64_MAX - (us > 0 ? us : 0) ? INT64_MAX : t.us + us };
}
static inline int64_t mono_sub(mono_t a, mono_t b)
{
	return a.us - b.us;
}
static inline bool mono_before(mono_t a, mono_t b)
{
	return a.us < b.us;
}
static inline bool mono_reached(mono_t now, mono_t deadline)
{
	return now.us >= deadline.us;
}
static inline mono_t mono_min(mono_t a, mono_t b)
{
	return a.us < b.us ? a : b;
}

#endif
