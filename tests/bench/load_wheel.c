/* load_wheel.c - time: a wheel of single shots. */
#include "load.h"

static struct event *wheel[WHEEL], *spare;
uint64_t wheel_at, start_ns;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ms(void)
{
	return (now_ns() - start_ns) / 1000000;
}

void wheel_add(unsigned what, uint32_t n, unsigned wait)
{
	struct event *e = spare;
	uint64_t slot = (now_ms() + wait + 1) % WHEEL;

	if (e)
		spare = e->next;
	else
		e = need(1, sizeof(*e));
	*e = (struct event){
		.next = wheel[slot], .n = n, .wait = (uint16_t)wait, .what = (uint8_t)what};
	wheel[slot] = e;
}

void wheel_turn(void)
{
	for (uint64_t now = now_ms(); wheel_at <= now; wheel_at++) {
		struct event *e = wheel[wheel_at % WHEEL], *next;

		wheel[wheel_at % WHEEL] = NULL;
		for (; e; e = next) {
			next = e->next;
			if (e->what == DUE_REGISTER)
				register_fire(e);
			else if (e->what == DUE_ANSWER)
				callee_fire(e);
			else
				call_fire(e);
			e->next = spare;
			spare = e;
		}
	}
}
