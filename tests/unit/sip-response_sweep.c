/* sip-response_sweep.c - every header broken in six ways, in responses of every kind: no answer is
 * lost and no call left standing. What is not needed costs nothing; where something that is needed
 * cannot be read, a provisional response passes in no dialog, a failure is a 502, and a call is
 * ended on both sides (RFC 3261 sections 8.1.3, 13.2.2.4 and 16.7). */
#include "sip-broken_line.h"

TestSuite(response_sweep, .init = worker_set_up_with_bob, .fini = worker_tear_down, .timeout = 120);

/* The header that is broken, and how. */
struct fault {
	unsigned id, way;
};

static void write_line(char *text, size_t *used, const struct fault *f, unsigned id,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
static void write_line(
	char *text, size_t *used, const struct fault *f, unsigned id, const char *format, ...)
{
	va_list arguments;

	if (f->id == id) /* the broken one stands in its place */
		return;
	va_start(arguments, format);
	*used += (size_t)vsprintf(text + *used, format, arguments);
	va_end(arguments);
}

/* bob's response with that fault. */
static void respond_broken(const struct sent *request, unsigned status, const struct fault *f)
{
	const struct message *m = request->message;
	struct flow by = way_back(&request->to);
	static char text[4096];
	size_t n = (size_t)sprintf(
		text, "SIP/2.0 %u Whatever\nVia: %.*s\n", status, STR(message_str(m, m->via)));

	n += (size_t)sprintf(text + n, "%s", broken_line(f->id, f->way));
	write_line(text, &n, f, HEADER_FROM, "From: %.*s\n", STR(value_of(m, HEADER_FROM)));
	write_line(text, &n, f, HEADER_TO, "To: %.*s%s\n", STR(value_of(m, HEADER_TO)),
		m->to_tag.length ? "" : ";tag=b");
	write_line(text, &n, f, HEADER_CALL_ID, "Call-ID: %.*s\n", STR(message_str(m, m->call_id)));
	write_line(text, &n, f, HEADER_CSEQ, "CSeq: %.*s\n", STR(value_of(m, HEADER_CSEQ)));
	write_line(text, &n, f, HEADER_CONTACT, "Contact: <sip:callee@198.51.100.11>\n");
	write_line(text, &n, f, HEADER_CONTENT_LENGTH, "Content-Length: 0\n");
	receive(&by, "%s\n", text);
}

/* Does that with each header but Via, without which nobody knows what is answered, in each way. */
static void sweep(void (*with)(const struct fault *f))
{
	for (unsigned id = 0; id < HEADER_COUNT; id++)
		for (unsigned way = 0; way < WAYS && id != HEADER_VIA; way++) {
			register_phone("bob", BOB, NULL);
			with(&(struct fault){id, way});
			assert_over();
			forget();
		}
}

/* A provisional response to INVITE has a route set. */
static bool is_needed_of_early_dialog(unsigned id)
{
	return is_needed(id) || id == HEADER_RECORD_ROUTE;
}

/* A 2xx to it has a target, too. */
static bool is_needed_of_dialog(unsigned id)
{
	return is_needed_of_early_dialog(id) || id == HEADER_CONTACT;
}

/* Where the dialog is known; a body ends with its datagram as well. */
static bool is_needed_in_dialog(unsigned id)
{
	return is_needed(id) && id != HEADER_CONTENT_LENGTH;
}

static struct said *invite;

static struct sent *invited(void)
{
	invite = ask(.method = "INVITE", .body = "offer");
	return take_request_to("INVITE", BOB);
}

/* ---- answers to INVITE ---- */

static void provisional(const struct fault *f, unsigned status)
{
	struct call_scene c = {.out = invited()};

	respond_broken(c.out, status, f);
	struct sent *told = take_response_to(status, ALICE);
	assert_clean(told, f->id);
	cr_assert_eq(told->message->contact_count, !is_needed_of_early_dialog(f->id));
	quiet();
	respond(c.out, 200, .tag = "b");
	c.answered = take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&c, 2);
}

static void ringing(const struct fault *f)
{
	provisional(f, 180);
}

static void progress(const struct fault *f)
{
	provisional(f, 183);
}

static void answer_of_invite(const struct fault *f)
{
	struct call_scene c = {.out = invited()};

	respond_broken(c.out, 200, f);
	if (is_needed_of_dialog(f->id)) {
		take_request_to("ACK", BOB);
		respond(take_request_to("BYE", BOB), 200);
		acknowledge_failure(invite, take_response_to(502, ALICE));
		return;
	}
	c.answered = take_response_to(200, ALICE);
	assert_clean(c.answered, f->id);
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&c, 2);
}

/* A failure comes as passed, or cannot be read. */
static void failure(const struct fault *f, unsigned status, unsigned passed)
{
	struct sent *out = invited();

	respond_broken(out, 180, &(struct fault){HEADER_ALLOW, LATIN});
	take_response_to(180, ALICE);
	respond_broken(out, status, f);
	take_request_to("ACK", BOB);
	struct sent *told = take_response_to(is_needed(f->id) ? 502 : passed, ALICE);
	assert_clean(told, f->id);
	acknowledge_failure(invite, told);
}

static void redirected(const struct fault *f)
{
	failure(f, 302, 480); /* where to is not told */
}

static void not_found(const struct fault *f)
{
	failure(f, 404, 404);
}

static void unavailable(const struct fault *f)
{
	failure(f, 503, 500); /* RFC 3261 section 16.7 */
}

Test(response_sweep, ringing)
{
	sweep(ringing);
}

Test(response_sweep, progress)
{
	sweep(progress);
}

Test(response_sweep, answer_of_invite)
{
	sweep(answer_of_invite);
}

Test(response_sweep, redirected)
{
	worker->image.route[0].redirect = REDIRECT_REFUSE;
	sweep(redirected);
}

Test(response_sweep, not_found)
{
	sweep(not_found);
}

Test(response_sweep, unavailable)
{
	sweep(unavailable);
}

/* ---- within a call ---- */

static void answer_of_bye(const struct fault *f)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	respond_broken(take_request_to("BYE", BOB), 200, f);
	struct sent *told = take_response_to(200, ALICE);
	if (!is_needed(f->id))
		assert_clean(told, f->id);
}

static void answer_of_reinvite(const struct fault *f)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(c.answered, "INVITE", 2, .body = "offer");

	respond_broken(take_request_to("INVITE", BOB), 200, f);
	if (is_needed_in_dialog(f->id)) {
		take_request_to("ACK", BOB);
		acknowledge_failure(again, take_response_to(502, ALICE));
		respond(take_request("BYE"), 200);
		respond(take_request("BYE"), 200);
		return;
	}
	struct sent *answered = take_response_to(200, ALICE);
	assert_clean(answered, f->id);
	caller_asks(answered, "ACK", 2);
	take_request_to("ACK", BOB);
	hang_up(&c, 3);
}

static void answer_within(const struct fault *f, const char *method)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, method, 2, .body = "offer");
	respond_broken(take_request_to(method, BOB), 200, f);
	assert_clean(take_response_to(is_needed(f->id) ? 502 : 200, ALICE), f->id);
	hang_up(&c, 3);
}

static void answer_of_update(const struct fault *f)
{
	answer_within(f, "UPDATE");
}

static void answer_of_info(const struct fault *f)
{
	answer_within(f, "INFO");
}

Test(response_sweep, answer_of_bye)
{
	sweep(answer_of_bye);
}

Test(response_sweep, answer_of_reinvite)
{
	sweep(answer_of_reinvite);
}

Test(response_sweep, answer_of_update)
{
	sweep(answer_of_update);
}

Test(response_sweep, answer_of_info)
{
	sweep(answer_of_info);
}
