/* sip-register.h - REGISTERs of alice over sip-fixture.h, by the flow that the test sets. */
#ifndef SIPWARD_TESTS_UNIT_SIP_REGISTER_H
#define SIPWARD_TESTS_UNIT_SIP_REGISTER_H

#include "sip-fixture.h"
#include "ipc/message_slot.h"

static struct fixture *f;
static unsigned listener;
static const char *peer;
static uint64_t connection;

static inline void set_up(void)
{
	f = fixture_new();
	listener = OPEN_UDP;
	peer = "198.51.100.7:5060";
	connection = 0;
}
static inline void tear_down(void)
{
	fixture_free(f);
}
/* Sends a REGISTER of alice with these header lines; returns the status that came back. */
static inline struct incoming incoming_of(const struct message *m, struct transaction *t)
{
	return (struct incoming){.sip = &f->sip,
		.message = m,
		.zone = settings_listener(&f->image.s, listener)->zone,
		.slot = slot_of_message(m, &f->sip.keys.slot_key, f->sip.settings),
		.transaction = t};
}

static inline unsigned send_as(
	const char *to, const char *call_id, unsigned cseq, const char *headers)
{
	static char text[MESSAGE_RAW_MAX];

	f->branch++;
	struct flow flow = fixture_flow(f, listener, peer, connection);
	snprintf(text, sizeof(text),
		"REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		"198.51.100.7;branch=z9hG4bK%u\r\nFrom: <%s>;tag=%u\r\nTo: <%s>\r\nCall-ID: "
		"%s\r\nCSeq: %u REGISTER\r\n%s\r\n",
		f->branch, to, f->branch, to, call_id, cseq, headers);
	const struct message *m = fixture_message(f, text, &flow);
	struct transaction *t;
	f->answers = 0;
	cr_assert_eq(transactions_request(f->sip.transactions, m,
			     slot_of_message(m, &f->sip.keys.slot_key, f->sip.settings), &t),
		REQUEST_NEW);
	struct incoming in = incoming_of(m, t);
	registrar_request(f->sip.registrar, &in,
		settings_domain_of(f->sip.settings, message_str(m, m->to.host)));
	fixture_turn(f);
	return fixture_status(f);
}

static unsigned cseq;
static inline unsigned reg(const char *headers)
{
	return send_as("sip:alice@example.net", "call-1", ++cseq, headers);
}

#define CONTACT(i) fixture_header(f, "Contact", i)

#endif
