/* sip-handover.c - a slot that moves away: what the old owner keeps, and when it says that nothing
 * is left. */
#include "sip-scene.h"
#include "worker-sip/handover.h"
#include "worker-sip/named_dialog.h"

#include <sys/socket.h>

static int lifeline[2];

static void set_up(void)
{
	worker_set_up_with_bob();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lifeline), 0);
	worker->sip.worker.lifeline = lifeline[0];
	handover_init(&worker->sip);
}

static void tear_down(void)
{
	loop_unset(worker->sip.loop, &worker->sip.handover.timer);
	memset(worker->sip.slots.next, 0, sizeof(worker->sip.slots.next));
	worker_tear_down();
	close(lifeline[0]);
	close(lifeline[1]);
}

TestSuite(handover, .init = set_up, .fini = tear_down);

/* All slots move to another worker. */
static void move_away(void)
{
	struct sip *sip = &worker->sip;

	memset(sip->slots.next, 1, sizeof(sip->slots.next));
	sip->slots.epoch++;
	handover_slots_changed(sip);
	settle();
}

static bool kept(const struct said *s)
{
	return handover_keeps(&worker->sip, s->message);
}

/* The slots that the master was told to be free, the last time. */
static unsigned told(struct slot_set *out)
{
	static struct lifeline_packet packet;
	const struct lifeline_slots_free *body = (const void *)packet.body;
	unsigned n = 0;

	while (lifeline_receive(lifeline[1], false, &packet) == 0) {
		cr_assert_eq(packet.type, LIFELINE_SLOTS_FREE);
		cr_assert_eq(body->epoch, worker->sip.slots.epoch);
		*out = body->set;
		n = 0;
		for (unsigned i = 0; i < SLOT_COUNT; i++)
			n += slot_set_has(out, (uint8_t)i);
	}
	return n;
}

Test(handover, what_has_begun_is_kept)
{
	struct call_scene c = call_answered();

	move_away();
	cr_expect(kept(c.invite), "a repeated request");
	struct said *bye = caller_asks(c.answered, "BYE", 2);
	cr_expect(kept(bye));
	struct sent *out = take_request_to("BYE", BOB);
	struct said *answer = respond(out, 200);
	take_response(200);
	cr_expect(kept(answer), "a repeated answer");
	cr_expect(kept(bye));
	pass(2 * 64 * T1);
	cr_expect_not(kept(bye), "it is forgotten");
	cr_expect_not(kept(answer));
	cr_expect_not(kept(c.invite));
	assert_gone();
}

Test(handover, what_rings_is_kept_and_can_be_cancelled)
{
	register_phone("bob", BOB, NULL);
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	move_away();
	struct said *ringing = respond(out, 180, .tag = "b");
	cr_expect(kept(ringing));
	take_response(180);
	cancel(invite);
	cr_expect(kept(&said[said_count - 1]), "CANCEL");
	take_response(200);
	struct sent *cancelled = take_request("CANCEL");
	respond(cancelled, 200);
	respond(out, 487, .tag = "b");
	take_request("ACK");
	struct sent *failure = take_response(487);
	acknowledge_failure(invite, failure);
	cr_expect(kept(&said[said_count - 1]), "ACK");
	assert_gone();
}

Test(handover, what_begins_is_not)
{
	static const char text[] = "INVITE sip:bob@example.net SIP/2.0\r\n"
				   "Via: SIP/2.0/UDP 10.0.0.77:5060;branch=z9hG4bKnew\r\n"
				   "From: <sip:carol@example.net>;tag=c\r\n"
				   "To: <sip:bob@example.net>\r\nCall-ID: new\r\nCSeq: 1 INVITE\r\n"
				   "Contact: <sip:carol@10.0.0.77>\r\nContent-Length: 0\r\n\r\n";
	struct flow flow = flow_of(OPEN_UDP, "10.0.0.77:5060", 0);
	struct said invite = {.flow = flow, .message = message_of_text(text, sizeof(text) - 1)};

	invite.message->flow = flow;
	call_answered();
	move_away();
	cr_expect_not(kept(&invite));
	free(invite.message);
}

Test(handover, slots_are_free_when_nothing_of_them_is_left)
{
	struct call_scene c = call_answered();
	struct slot_set free;
	const uint8_t slot = worker->sip.call_list->a->slot;

	move_away();
	pass(HANDOVER_LOOK_MS);
	unsigned n = told(&free);
	cr_expect_lt(n, SLOT_COUNT);
	cr_expect_geq(n, SLOT_COUNT - 4u, "%u", n);
	pass(2 * 64 * T1);
	told(&free);
	cr_expect_not(slot_set_has(&free, slot), "its call stands");
	hang_up(&c, 2);
	pass(HANDOVER_LOOK_MS);
	told(&free);
	cr_expect_not(slot_set_has(&free, slot), "its BYE can come again");
	pass(2 * 64 * T1);
	cr_expect_eq(told(&free), SLOT_COUNT);
	/* they have moved: no word any more */
	memset(worker->sip.slots.worker, 1, sizeof(worker->sip.slots.worker));
	worker->sip.slots.epoch++;
	pass(4 * HANDOVER_LOOK_MS);
	cr_expect_eq(told(&free), 0);
	memset(worker->sip.slots.worker, 0, sizeof(worker->sip.slots.worker));
}

/* What is to take over a call that is here, or to join it, whose Call-ID nobody knows. */
Test(handover, what_names_a_dialog_is_kept)
{
	static const char *const header[] = {"Replaces", "Join"};
	struct call_scene c = call_answered();
	struct flow flow = flow_of(OPEN_UDP, "10.0.0.77:5060", 0);
	char text[1024];

	move_away();
	for (unsigned i = 0; i < 2; i++) {
		int n = snprintf(text, sizeof(text),
			"INVITE sip:bob@example.net SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 10.0.0.77:5060;branch=z9hG4bKnew\r\n"
			"From: <sip:carol@example.net>;tag=c\r\n"
			"To: <sip:bob@example.net>\r\nCall-ID: new\r\nCSeq: 1 INVITE\r\n"
			"Contact: <sip:carol@10.0.0.77>\r\nContent-Length: 0\r\n"
			"%s: call-of-alice;to-tag=%.*s;from-tag=a\r\n\r\n",
			header[i],
			STR(message_str(c.answered->message, c.answered->message->to_tag)));
		struct said invite = {.flow = flow, .message = message_of_text(text, (size_t)n)};

		invite.message->flow = flow;
		cr_expect(kept(&invite), "%s", header[i]);
		uint8_t slot;
		cr_expect(named_dialog_slot(invite.message, &slot));
		cr_expect_eq(slot, worker->sip.call_list->a->slot);
		free(invite.message);
	}
}

/* An address of record has one writer, and who watches it is there, too. */
Test(handover, what_is_of_the_registrar_names_no_dialog)
{
	static const struct {
		const char *method, *event;
		bool named;
	} row[] = {{"REGISTER", "", false}, {"SUBSCRIBE", "Event: reg\r\n", false},
		{"SUBSCRIBE", "Event: dialog\r\n", true}};
	struct call_scene c = call_answered();
	const struct message *answered = c.answered->message;
	char text[1024];
	uint8_t slot;

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		int n = snprintf(text, sizeof(text),
			"%s sip:example.net SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 10.0.0.77:5060;branch=z9hG4bKnew\r\n"
			"From: <sip:bob@example.net>;tag=c\r\n"
			"To: <sip:bob@example.net>\r\nCall-ID: new\r\nCSeq: 1 %s\r\n%s"
			"Contact: <sip:bob@10.0.0.77>\r\nContent-Length: 0\r\n"
			"Target-Dialog: call-of-alice;remote-tag=%.*s;local-tag=a\r\n\r\n",
			row[i].method, row[i].method, row[i].event,
			STR(message_str(answered, answered->to_tag)));
		struct message *m = message_of_text(text, (size_t)n);

		cr_expect_eq(named_dialog_slot(m, &slot), row[i].named, "%zu", i);
		free(m);
	}
}

/* The CANCEL of an INVITE that was handed on follows it, as long as it is remembered. */
Test(handover, a_cancel_goes_where_its_invite_went)
{
	struct sip *sip = &worker->sip;
	struct said *invite = ask(.method = "INVITE");
	uint8_t slot = 0;

	take_request("INVITE");
	cancel(invite);
	take_response(200);
	take_response(487);
	const struct message *cancelled = said[said_count - 1].message;
	cr_expect_not(named_dialog_noted(sip, cancelled, &slot));
	named_dialog_note(sip, invite->message, 77);
	cr_expect(named_dialog_noted(sip, cancelled, &slot));
	cr_expect_eq(slot, 77);
	cr_expect_not(named_dialog_noted(sip, invite->message, &slot), "it is no CANCEL");
	struct said *other = ask(.method = "INVITE", .call_id = "another", .from_tag = "o");
	for (unsigned i = 0; i < NAMED_DIALOGS_NOTED; i++)
		named_dialog_note(sip, other->message, 5);
	cr_expect_not(named_dialog_noted(sip, cancelled, &slot), "so many and no more");
}
