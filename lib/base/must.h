/* must(): an invariant of our own. Broken means a bug in this program, never a bad packet or object; it
 * aborts in every build type, and the supervisor starts the daemon again. */
#ifndef INGOT_BASE_MUST_H
#define INGOT_BASE_MUST_H

_Noreturn void must_failed(const char *expression, const char *file, int line);

#define must(x) ((x) ? (void)0 : must_failed(#x, __FILE__, __LINE__))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
