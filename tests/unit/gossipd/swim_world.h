/* One member under test, node-a, whose peers are played by hand. */
#ifndef INGOT_TESTS_GOSSIPD_SWIM_WORLD_H
#define INGOT_TESTS_GOSSIPD_SWIM_WORLD_H

#include "gossipd/swim.h"

enum { WORLD_NAMES = 5 };
extern const char *const names[WORLD_NAMES];

struct world {
	struct swim *s;
	mono_t now;
};
struct swim_addr address(size_t i);
/* node-a, who knows the next n. */
struct world world_of(size_t n);
/* How many messages of a type the actions hold for peer `to` (-1 = anybody); the last one is copied out. */
size_t sent(const struct world *w, enum swim_type type, int to, struct swim_msg *last);
size_t actions_of(const struct world *w, enum swim_action_type type);
void hear(struct world *w, size_t from, const struct swim_msg *m);
void named(struct swim_msg *m, size_t i);
void state_of(struct world *w, size_t from, size_t about, enum swim_state state, uint64_t incarnation,
	      uint64_t by);
/* Let time pass; peers in the mask answer every probe at once. */
void pass(struct world *w, int64_t us, unsigned answering);
enum swim_state belief(const struct world *w, size_t i);

#endif
