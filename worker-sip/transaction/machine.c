/* machine.c - libosip2's four state machines (ICT, IST, NICT, NIST), driven one transaction at a
 * time.
 *
 * The machines are asked only which state comes next, what is to be sent and which timers run. What
 * is sent are our wire bytes; what is delivered is our parsed message. So they get a slim message
 * of each class, made once and shared by all transactions: they read its method, its Via's protocol
 * and its status, and nothing of a peer ever reaches libosip2's parser. Machines are used again: a
 * new one costs a dozen allocations.
 *
 * Relies on libosip2 5.3: a transition stores the event's message (orig_request, last_response) or
 * frees it; last_response is freed when the next response comes. Hence the two rules here: a shared
 * message is passed only where the transition stores it, and last_response is cleared before the
 * next one.
 */
#include "osip.h"

#include <assert.h>
#include <errno.h>
#include <osipparser2/osip_message.h>
#include <stdio.h>
#include <stdlib.h>

/* Machines of one kind that wait to be used again. */
#define MACHINES_SPARE_MAX 256

enum { CLASS_REQUEST, CLASS_PROVISIONAL, CLASS_SUCCESS, CLASS_FAILURE, CLASSES };

struct machines {
	osip_t *osip;
	osip_message_t *slim[2][CLASSES]; /* INVITE, other */
	osip_transaction_t *spare[TRANSACTION_KINDS][MACHINES_SPARE_MAX];
	unsigned spares[TRANSACTION_KINDS];
};

_Static_assert((int)CLIENT_INVITE == (int)ICT && (int)SERVER_INVITE == (int)IST &&
		       (int)CLIENT_OTHER == (int)NICT && (int)SERVER_OTHER == (int)NIST,
	"kinds are libosip2's");

static struct transaction *machine_owner(osip_transaction_t *machine)
{
	return machine->your_instance;
}

/* ---- what the machines tell us ---- */

static int machine_on_send(
	osip_transaction_t *machine, osip_message_t *message, char *host, int port, int out_socket)
{
	struct transaction *t = machine_owner(machine);

	(void)host;
	(void)port;
	(void)out_socket;
	if (t->kind == CLIENT_INVITE && MSG_IS_REQUEST(message) && MSG_IS_ACK(message)) {
		/* the failure itself matters more to the user than an ACK that could not go out: it
		 * is repeated when the response is */
		if (t->ack)
			transaction_transmit(t, t->ack, 0);
		return 0;
	}
	if (!t->sent)
		return 0;
	if (transaction_is_server(t))
		return server_transmit(t) == 0 ? 0 : -1;
	if (allowance_binds(t->allowance)) { /* the first copy is out */
		count(MESSAGES_WITHHELD);
		return 0;
	}
	return transaction_transmit(t, t->sent, t->cookie) == 0 ? 0 : -1;
}

static void machine_on_response(int type, osip_transaction_t *machine, osip_message_t *message)
{
	(void)type;
	(void)message;
	machine_owner(machine)->outcome |= OUTCOME_DELIVER;
}

static void machine_on_timeout(int type, osip_transaction_t *machine, osip_message_t *message)
{
	(void)type;
	(void)message;
	machine_owner(machine)->outcome |= OUTCOME_TIMEOUT;
}

static void machine_on_error(int type, osip_transaction_t *machine, int error)
{
	(void)type;
	(void)error;
	machine_owner(machine)->outcome |= OUTCOME_ERROR;
}

static void machine_on_done(int type, osip_transaction_t *machine)
{
	(void)type;
	machine_owner(machine)->outcome |= OUTCOME_DONE;
}

/* trace is compiled in and would go to stdout */
static void machine_on_trace(
	const char *file, int line, osip_trace_level_t level, const char *format, va_list arguments)
{
	(void)file;
	(void)line;
	(void)level;
	(void)format;
	(void)arguments;
}

/* ---- setting up ---- */

static osip_message_t *machine_slim_new(const char *start_line, const char *method)
{
	osip_message_t *message;
	char text[256];
	int n;

	n = snprintf(text, sizeof(text),
		"%s\r\nVia: SIP/2.0/UDP slim.invalid;branch=z9hG4bKslim\r\nFrom: "
		"<sip:slim.invalid>;tag=a\r\nTo: <sip:slim.invalid>;tag=b\r\nCall-ID: "
		"slim\r\nCSeq: 1 %s\r\n\r\n",
		start_line, method);
	assert(n > 0 && (size_t)n < sizeof(text));
	if (osip_message_init(&message) != OSIP_SUCCESS)
		return NULL;
	if (osip_message_parse(message, text, (size_t)n) != OSIP_SUCCESS) {
		osip_message_free(message);
		return NULL;
	}
	return message;
}

int machines_new(struct machines **out)
{
	static const char *const method[2] = {
		"INVITE", "OPTIONS"}; /* the machines tell methods apart only by INVITE or not */
	static const char *const status_line[CLASSES] = {
		NULL, "SIP/2.0 100 -", "SIP/2.0 200 -", "SIP/2.0 400 -"};
	static const int responses[] = {OSIP_ICT_STATUS_1XX_RECEIVED, OSIP_ICT_STATUS_2XX_RECEIVED,
		OSIP_ICT_STATUS_3XX_RECEIVED, OSIP_ICT_STATUS_4XX_RECEIVED,
		OSIP_ICT_STATUS_5XX_RECEIVED, OSIP_ICT_STATUS_6XX_RECEIVED,
		OSIP_NICT_STATUS_1XX_RECEIVED, OSIP_NICT_STATUS_2XX_RECEIVED,
		OSIP_NICT_STATUS_3XX_RECEIVED, OSIP_NICT_STATUS_4XX_RECEIVED,
		OSIP_NICT_STATUS_5XX_RECEIVED, OSIP_NICT_STATUS_6XX_RECEIVED};
	struct machines *ms = calloc(1, sizeof(*ms));
	char line[64];

	if (!ms)
		return -ENOMEM;
	if (osip_init(&ms->osip) != OSIP_SUCCESS) {
		free(ms);
		return -ENOMEM;
	}
	osip_trace_initialize_func(OSIP_FATAL, machine_on_trace);
	osip_set_cb_send_message(ms->osip, machine_on_send);
	for (size_t i = 0; i < sizeof(responses) / sizeof(*responses); i++)
		osip_set_message_callback(ms->osip, responses[i], machine_on_response);
	osip_set_message_callback(ms->osip, OSIP_ICT_STATUS_TIMEOUT, machine_on_timeout);
	osip_set_message_callback(ms->osip, OSIP_NICT_STATUS_TIMEOUT, machine_on_timeout);
	for (int i = 0; i < OSIP_TRANSPORT_ERROR_CALLBACK_COUNT; i++)
		osip_set_transport_error_callback(ms->osip, i, machine_on_error);
	for (int i = 0; i < OSIP_KILL_CALLBACK_COUNT; i++)
		osip_set_kill_transaction_callback(ms->osip, i, machine_on_done);
	for (int other = 0; other < 2; other++)
		for (int class = 0; class < CLASSES; class ++) {
			snprintf(line, sizeof(line), "%s sip:slim.invalid SIP/2.0", method[other]);
			ms->slim[other][class] = machine_slim_new(
				class == CLASS_REQUEST ? line : status_line[class], method[other]);
			if (!ms->slim[other][class]) {
				machines_free(ms);
				return -ENOMEM;
			}
		}
	*out = ms;
	return 0;
}

/* Forgets what the machine holds of others. */
static void machine_clear(osip_transaction_t *machine)
{
	if (machine->ctx_type == ICT && machine->ack)
		osip_message_free(machine->ack); /* the one message that it makes itself */
	machine->ack = NULL;
	machine->orig_request = NULL;
	machine->last_response = NULL;
	machine->your_instance = NULL;
}

void machines_free(struct machines *ms)
{
	if (!ms)
		return;
	for (int kind = 0; kind < TRANSACTION_KINDS; kind++)
		while (ms->spares[kind])
			osip_transaction_free2(ms->spare[kind][--ms->spares[kind]]);
	for (int other = 0; other < 2; other++)
		for (int class = 0; class < CLASSES; class ++)
			if (ms->slim[other][class])
				osip_message_free(ms->slim[other][class]);
	osip_release(ms->osip);
	free(ms);
}

static osip_transaction_t *machine_new(struct machines *ms, enum transaction_kind kind)
{
	osip_transaction_t *machine, *trimmed;
	bool other = kind == CLIENT_OTHER || kind == SERVER_OTHER;

	if (osip_transaction_init(&machine, (osip_fsm_type_t)kind, ms->osip,
		    ms->slim[other][CLASS_REQUEST]) != OSIP_SUCCESS)
		return NULL;
	osip_remove_transaction(ms->osip, machine);
	/* 14.9 of its 15.2 KB are a DNS record behind all that the machine reads or writes: a call
	 * that rings for a minute need not hold them. Shrinking stays in place. */
	trimmed = realloc(machine, offsetof(osip_transaction_t, record));
	return trimmed ? trimmed : machine;
}

static osip_message_t *machine_slim(const struct transaction *t, int class)
{
	return t->owner->machines->slim[t->kind == CLIENT_OTHER || t->kind == SERVER_OTHER][class];
}

/* ---- steps ---- */

int machine_take(struct transaction *t)
{
	static const state_t first[TRANSACTION_KINDS] = {
		ICT_PRE_CALLING, IST_PRE_PROCEEDING, NICT_PRE_TRYING, NIST_PRE_TRYING};
	struct machines *ms = t->owner->machines;

	assert(!t->machine);
	if (ms->spares[t->kind])
		t->machine = ms->spare[t->kind][--ms->spares[t->kind]];
	else
		t->machine = machine_new(ms, t->kind);
	if (!t->machine)
		return -ENOMEM;
	t->machine->state = first[t->kind];
	t->machine->your_instance = t;
	machine_timers_start(t);
	return 0;
}

void machine_release(struct transaction *t)
{
	struct machines *ms = t->owner->machines;
	osip_transaction_t *machine = t->machine;

	if (!machine)
		return;
	t->machine = NULL;
	machine_clear(machine);
	if (ms->spares[t->kind] < MACHINES_SPARE_MAX)
		ms->spare[t->kind][ms->spares[t->kind]++] = machine;
	else
		osip_transaction_free2(machine);
}

void machine_execute(struct transaction *t, type_t type, osip_message_t *message)
{
	osip_event_t *event = osip_malloc(sizeof(*event));

	if (!event) {
		log_error("no-memory", "where=transaction");
		t->error = -ENOMEM;
		t->outcome |= OUTCOME_ERROR;
		return;
	}
	*event = (osip_event_t){
		.type = type, .transactionid = t->machine->transactionid, .sip = message};
	osip_transaction_execute(t->machine, event);
}

void machine_step(struct transaction *t, enum machine_event event)
{
	static const type_t received[] = {
		RCV_REQUEST, RCV_REQACK, RCV_STATUS_1XX, RCV_STATUS_2XX, RCV_STATUS_3456XX};
	static const type_t sent[] = {
		SND_REQUEST, UNKNOWN_EVT, SND_STATUS_1XX, SND_STATUS_2XX, SND_STATUS_3456XX};
	bool server = transaction_is_server(t),
	     invite = t->kind == CLIENT_INVITE || t->kind == SERVER_INVITE;
	osip_transaction_t *machine = t->machine;

	t->outcome = 0;
	if (!machine)
		return;
	switch (event) {
	case MACHINE_REQUEST:
		/* a repeated request is only freed by the machine: it gets none */
		machine_execute(t,
			server ? (invite ? RCV_REQINVITE : received[event])
			       : (invite ? SND_REQINVITE : sent[event]),
			machine->orig_request ? NULL : machine_slim(t, CLASS_REQUEST));
		break;
	case MACHINE_ACK:
		if (t->kind == SERVER_INVITE)
			machine_execute(t, RCV_REQACK, NULL);
		break;
	default:
		switch (machine->state) {
		case ICT_CALLING:
		case ICT_PROCEEDING:
		case IST_PROCEEDING:
		case NICT_TRYING:
		case NICT_PROCEEDING:
		case NIST_TRYING:
		case NIST_PROCEEDING: break;
		default: return; /* no transition stores a response here */
		}
		machine->last_response = NULL;
		machine_execute(t, server ? sent[event] : received[event],
			machine_slim(t, CLASS_PROVISIONAL + (int)(event - MACHINE_PROVISIONAL)));
		machine_timers_adjust(t);
	}
}
