/* common-gather.c - a busy loop that gathers input and answers (loop_gather), on the virtual
 * clock: each look comes at exactly its time. */
#include "common/loop.h"
#include "virtual_clock.h"

#include <criterion/criterion.h>
#include <sys/epoll.h>
#include <unistd.h>

/* loop.c: the longest that it gathers, ns */
#define GATHER_MAX UINT64_C(999000)
#define GATHER_LONGEST UINT64_C(2000000)

static struct loop *loop;
static uint64_t taken_at;
static int messages; /* that each input counts as */

/* One end of a pipe in the loop. */
struct end {
	int fd[2];
	struct loop_source *source;
	int calls;
	struct end *victim; /* removed by the callback */
};

static void setup(void)
{
	virtual_clock_start();
	cr_assert_eq(loop_new(&loop), 0);
	messages = 1;
}

static void teardown(void)
{
	loop_free(loop);
	virtual_clock_stop();
}

TestSuite(gather, .init = setup, .fini = teardown, .timeout = 20);

static void on_pipe(void *arg, uint32_t events)
{
	struct end *e = arg;
	char byte;

	cr_assert(events & EPOLLIN);
	cr_assert_eq(read(e->fd[0], &byte, 1), 1);
	e->calls++;
	if (e->victim) {
		loop_remove(loop, e->victim->source);
		e->victim->source = NULL;
	}
}

static void on_input(void *arg, uint32_t events)
{
	on_pipe(arg, events);
	taken_at = loop_now_ns(loop);
	for (int i = 0; i < messages; i++)
		loop_took(loop);
}

static void open_end(struct end *e)
{
	*e = (struct end){0};
	cr_assert_eq(pipe(e->fd), 0);
}

static void open_input(struct end *e)
{
	open_end(e);
	cr_assert_eq(loop_add_input(loop, e->fd[0], EPOLLIN, on_input, e, &e->source), 0);
}

static void open_answers(struct end *e)
{
	open_end(e);
	cr_assert_eq(loop_add_answers(loop, e->fd[0], EPOLLIN, on_pipe, e, &e->source), 0);
}

static void open_plain(struct end *e)
{
	open_end(e);
	cr_assert_eq(loop_add(loop, e->fd[0], EPOLLIN, on_pipe, e, &e->source), 0);
}

static void close_end(struct end *e)
{
	loop_remove(loop, e->source);
	close(e->fd[0]);
	close(e->fd[1]);
}

static void poke(struct end *e)
{
	cr_assert_eq(write(e->fd[1], "x", 1), 1);
}

/* Lets time pass until e has been called so often. */
static void until(const struct end *e, int calls)
{
	virtual_clock_advance(loop, 0);
	while (e->calls < calls)
		cr_assert(virtual_clock_step(loop, 10), "never called");
}

/* Pokes and waits until that was seen; how long after the input before. */
static uint64_t next_input(struct end *e)
{
	uint64_t before = taken_at;

	poke(e);
	until(e, e->calls + 1);
	return taken_at - before;
}

/* Input that follows at once, until the loop knows the rate. */
static void busy(struct end *e)
{
	for (int i = 0; i < 100; i++)
		next_input(e);
}

Test(gather, input_while_busy)
{
	struct end input;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	busy(&input);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(next_input(&input), GATHER_MAX);
	close_end(&input);
}

Test(gather, looks_earlier_where_many_come)
{
	struct end input;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	messages = 1000;
	busy(&input);
	for (int i = 0; i < 100; i++)
		cr_assert_lt(next_input(&input), GATHER_MAX / 8);
	close_end(&input);
}

/* As often as who hands it on wants it: quicker ones have it looked at later. */
Test(gather, as_long_as_it_is_told_to)
{
	struct end input;
	uint64_t usual, longer;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	messages = 10;
	busy(&input);
	usual = next_input(&input);
	loop_gather_for(loop, &(struct loop_gathering){.least_ns = 2 * usual});
	busy(&input);
	longer = next_input(&input);
	cr_expect_gt(longer, usual + usual / 2);
	cr_expect_leq(longer, GATHER_MAX);
	close_end(&input);
}

/* More than a millisecond, and later for each process that is woken, up to the longest. */
Test(gather, longer_for_each_process)
{
	static const struct {
		unsigned processes;
		uint64_t wait;
	} cases[] = {{1, 1200000}, {2, 1500000}, {3, 1800000}, {4, GATHER_LONGEST},
		{32, GATHER_LONGEST}};
	struct end input;

	cr_assert_eq(loop_gather(loop), 0);
	loop_gather_for(loop, &(struct loop_gathering){.least_ns = 1200000, .each_ns = 300000});
	open_input(&input);
	messages = 10;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		loop_share(loop, cases[i].processes);
		busy(&input);
		cr_expect_eq(next_input(&input), cases[i].wait, "%u", cases[i].processes);
	}
	close_end(&input);
}

/* The same for each of several processes takes longer to come. */
Test(gather, a_share_for_each)
{
	struct end input;

	cr_assert_eq(loop_gather(loop), 0);
	loop_share(loop, 1000);
	open_input(&input);
	messages = 1000;
	busy(&input);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(next_input(&input), GATHER_MAX);
	close_end(&input);
}

Test(gather, looks_at_expected_answers_together)
{
	static const struct loop_gathering later = {
		.least_ns = LOOP_GATHER_NS, .answers_ns = 3 * LOOP_ANSWERS_NS};
	struct end input, a, b;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	open_answers(&a);
	open_answers(&b);
	busy(&input);
	for (int i = 1; i <= 100; i++) {
		if (i == 51)
			loop_gather_for(loop, &later);
		next_input(&input);
		uint64_t expected = loop_now_ns(loop);
		loop_expect(loop);
		poke(&a);
		virtual_clock_advance(loop, 0);
		cr_assert_lt(a.calls, i, "at once");
		poke(&b);
		until(&a, i);
		cr_assert_eq(
			loop_now_ns(loop) - expected, i <= 50 ? LOOP_ANSWERS_NS : later.answers_ns);
		cr_assert_eq(b.calls, i);
	}
	/* From then on they are watched again. */
	poke(&a);
	virtual_clock_advance(loop, 0);
	cr_assert_eq(a.calls, 101);
	close_end(&input);
	close_end(&a);
	close_end(&b);
}

Test(gather, waits_for_no_answers_where_it_is_not_busy)
{
	struct end a, plain;

	open_answers(&plain); /* a loop that does not gather */
	loop_expect(loop);
	poke(&plain);
	virtual_clock_advance(loop, 0);
	cr_assert_eq(plain.calls, 1);
	close_end(&plain);
	cr_assert_eq(loop_gather(loop), 0);
	open_answers(&a);
	for (int i = 1; i <= 20; i++) {
		loop_expect(loop);
		poke(&a);
		virtual_clock_advance(loop, 0);
		cr_assert_eq(a.calls, i);
	}
	close_end(&a);
}

Test(gather, all_else_is_seen_meanwhile)
{
	struct end input, plain;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	open_plain(&plain);
	busy(&input);
	poke(&input);
	for (int i = 1; i <= 20; i++) {
		int seen = input.calls;

		poke(&plain);
		virtual_clock_advance(loop, 0);
		cr_assert_eq(plain.calls, i);
		cr_assert_eq(input.calls, seen, "it gathers");
	}
	close_end(&input);
	close_end(&plain);
}

Test(gather, input_is_seen_at_once_where_little_comes)
{
	struct end input;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&input);
	for (int i = 1; i <= 20; i++) {
		/* two at once now and then are not many */
		for (int n = 0; n < 2; n++) {
			poke(&input);
			virtual_clock_advance(loop, 0);
			cr_assert_eq(input.calls, 2 * (i - 1) + n + 1);
		}
		virtual_clock_advance(loop, 10);
	}
	close_end(&input);
}

Test(gather, sources_change_and_go)
{
	struct end a, b;

	cr_assert_eq(loop_gather(loop), 0);
	open_input(&a);
	open_input(&b);
	poke(&a);
	poke(&b);
	cr_assert_eq(loop_modify(loop, a.source, 0), 0);
	b.victim = &a;
	virtual_clock_advance(loop, 10);
	cr_assert_eq(a.calls, 0);
	cr_assert_eq(b.calls, 1);
	cr_assert_null(a.source);
	close_end(&a);
	close_end(&b);
}
