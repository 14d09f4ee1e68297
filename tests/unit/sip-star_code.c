/* Codes that users dial to have their calls forwarded: what they order of the master, and how the
 * INVITE is answered. */
#include "sip-worker.h"

#include "ipc/forwards.h"
#include "worker-sip/call/star_code.h"

static struct lifeline_forward_order ordered;
static unsigned orders;
static bool lost; /* the master cannot be told */

static bool take_order(void *arg, const struct lifeline_forward_order *order)
{
	(void)arg;
	if (lost)
		return false;
	ordered = *order;
	orders++;
	return true;
}

static void set_up(void)
{
	worker_set_up();
	struct domain_settings *d = &worker->image.domain[0];
	d->code_always = fixture_text(&worker->image, "*21");
	d->code_busy = fixture_text(&worker->image, "*67");
	d->code_no_answer = fixture_text(&worker->image, "*61");
	worker->sip.forward_hook = take_order;
}

TestSuite(star_code, .init = set_up, .fini = worker_tear_down);

/* bob, who has shown his credentials, calls it. */
static bool bob_dials(const char *user)
{
	static unsigned dialled;
	struct transaction *t;
	char text[512];

	dialled++;
	snprintf(text, sizeof(text),
		"INVITE sip:%s@example.net SIP/2.0\nVia: SIP/2.0/UDP "
		"198.51.100.1;branch=z9hG4bKc%u\n"
		"Max-Forwards: 70\nFrom: <sip:bob@example.net>;tag=b\nTo: <sip:%s@example.net>\n"
		"Call-ID: code-%u\nCSeq: 1 INVITE\nContact: <sip:bob@198.51.100.1>\n"
		"Content-Length: 0\n\n",
		user, dialled, user, dialled);
	struct said *s = &said[said_count++];
	s->flow = alice;
	s->message = message_of_lines(text);
	s->message->flow = alice;
	uint8_t slot = slot_of_message(
		s->message, &worker->sip.keys.slot_key, worker->sip.settings);
	cr_assert_eq(
		transactions_request(worker->sip.transactions, s->message, slot, &t), REQUEST_NEW);
	struct incoming in = {.sip = &worker->sip,
		.message = s->message,
		.zone = ZONE_OPEN,
		.slot = slot,
		.transaction = t,
		.shown = true,
		.sender = {.authenticated = true, .domain = 0, .name = "bob", .name_length = 3}};
	bool taken = star_code_request(&in);

	if (!taken)
		answer(&worker->sip, t, 404, STR_EMPTY);
	settle();
	return taken;
}

/* The master says so of the last order. */
static void master_says(int error)
{
	star_code_done(
		&worker->sip, &(struct lifeline_forward_done){.id = ordered.id, .error = error});
	settle();
}

static void set(const char *dialled, enum forward_when when, const char *to, unsigned seconds)
{
	unsigned before = orders;

	cr_assert(bob_dials(dialled), "%s", dialled);
	cr_assert_eq(orders, before + 1, "%s", dialled);
	cr_expect_eq(ordered.when, when);
	cr_expect_str_eq(ordered.user, "bob");
	cr_expect_str_eq(ordered.domain, "example.net");
	cr_expect_str_eq(ordered.to, to, "%s: %s", dialled, ordered.to);
	cr_expect_eq(ordered.seconds, seconds);
	quiet(); /* until the master has answered */
	master_says(0);
	struct sent *done = take_response(480);
	cr_expect(raw_has(done, *to ? "480 Forward Is Set" : "480 Forward Is Cleared"));
	quiet();
}

Test(star_code, what_is_dialled_is_ordered)
{
	set("*21*5551000%23", FORWARD_ALWAYS, "sip:5551000@example.net", 0);
	set("*21*5551000", FORWARD_ALWAYS, "sip:5551000@example.net", 0);
	set("*67*+4930123%23", FORWARD_BUSY, "sip:+4930123@example.net", 0);
	set("*67*carol%23", FORWARD_BUSY, "sip:carol@example.net", 0);
	set("*61*5551000%23", FORWARD_NO_ANSWER, "sip:5551000@example.net", 20);
	set("*61*5551000*30%23", FORWARD_NO_ANSWER, "sip:5551000@example.net", 30);
	set("%2321%23", FORWARD_ALWAYS, "", 0);
	set("%23%2361%23", FORWARD_NO_ANSWER, "", 0);
	cr_assert_eq(counted(COUNTER_STAR_CODES), 8);
	cr_assert_eq(worker->sip.calls, 0);
}

Test(star_code, what_is_none_goes_by_the_routes)
{
	static const char *const others[] = {"5551000", "*62*5551000%23", "*21", "*21%23", "*2",
		"%23", "%2321", "%2399%23", "*215551000", "*21*"};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		cr_expect_not(bob_dials(others[i]), "%s", others[i]);
		take_response(404);
	}
	cr_assert_eq(orders, 0);
}

Test(star_code, what_cannot_be_set_is_refused_at_once)
{
	static const char *const wrong[] = {"*61*5551000*2%23", "*61*5551000*181%23",
		"*61*5551000*x%23", "*21*5551000*20%23", "*21*a%20b%23", "*21*bob%23"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		cr_expect(bob_dials(wrong[i]), "%s", wrong[i]);
		take_response(484);
	}
	cr_assert_eq(orders, 0);
	cr_assert_eq(counted(COUNTER_STAR_CODES_REFUSED), 6);
}

Test(star_code, the_master_refuses)
{
	cr_assert(bob_dials("*21*5551000%23"));
	master_says(-ENOENT);
	cr_assert(raw_has(take_response(403), "Forward Is Refused"));
	cr_assert(bob_dials("*21*5551000%23"));
	master_says(-EAGAIN);
	take_response(503);
	lost = true;
	cr_assert(bob_dials("*21*5551000%23"));
	take_response(503);
	quiet();
	cr_assert_eq(counted(COUNTER_STAR_CODES_REFUSED), 3);
}

Test(star_code, so_many_wait_and_no_more)
{
	for (unsigned i = 0; i < STAR_CODES_WAITING; i++)
		cr_assert(bob_dials("*21*5551000%23"));
	quiet();
	cr_assert(bob_dials("*21*5551000%23"));
	take_response(503);
	for (unsigned i = 1; i <= STAR_CODES_WAITING; i++) {
		ordered.id = i;
		master_says(0);
		take_response(480);
	}
	master_says(0); /* once more: it is over */
	quiet();
	pass(4 * 64 * T1);
	cr_assert_null(worker->sip.star_codes);
}

Test(star_code, what_was_answered_does_not_wait)
{
	for (unsigned i = 0; i <= STAR_CODES_WAITING; i++) {
		cr_assert(bob_dials("*21*5551000%23"));
		master_says(0);
		take_response(480); /* the ACK does not come */
	}
	cr_assert_eq(counted(COUNTER_STAR_CODES_REFUSED), 0);
}
