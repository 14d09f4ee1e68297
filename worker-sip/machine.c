/* machine.c - libosip2's four state machines (ICT, IST, NICT, NIST), driven one transaction at a time.
 *
 * The machines are asked only which state comes next, what is to be sent and which timers run. What is sent are our wire bytes; what is delivered is our parsed message. So they get a slim message of each class, made once
 * and shared by all transactions: they read its method, its Via's protocol and its status, and nothing of a peer ever reaches libosip2's parser. Machines are used again: a new one costs a dozen allocations.
 *
 * Relies on libosip2 5.3: a transition stores the event's message (orig_request, last_response) or frees it; last_response is freed when the next response comes. Hence the two rules here: a shared message is passed
 * only where the transition stores it, and last_response is cleared before the next one.
 */
#include <sys/time.h>
#include <time.h>

#include "machine.h"

#include <assert.h>
#include <errno.h>
#include <osip2/osip.h>
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

_Static_assert((int)CLIENT_INVITE == (int)ICT && (int)SERVER_INVITE == (int)IST && (int)CLIENT_OTHER == (int)NICT && (int)SERVER_OTHER == (int)NIST, "kinds are libosip2's");

static struct transaction *owner_of(osip_transaction_t *machine)
{
	return machine->your_instance;
}

/* ---- what the machines tell us ---- */

static int on_send(osip_transaction_t *machine, osip_message_t *message, char *host, int port, int out_socket)
{
	struct transaction *t = owner_of(machine);

	(void)host;
	(void)port;
	(void)out_socket;
	if (t->kind == CLIENT_INVITE && MSG_IS_REQUEST(message) && MSG_IS_ACK(message)) {
		/* the failure itself matters more to the user than an ACK that could not go out: it is repeated when the response is */
		if (t->ack)
			transaction_transmit(t, t->ack, 0);
		return 0;
	}
	if (!t->sent)
		return 0;
	return transaction_transmit(t, t->sent, t->cookie) == 0 ? 0 : -1;
}

static void on_response(int type, osip_transaction_t *machine, osip_message_t *message)
{
	(void)type;
	(void)message;
	owner_of(machine)->outcome |= OUTCOME_DELIVER;
}

static void on_timeout(int type, osip_transaction_t *machine, osip_message_t *message)
{
	(void)type;
	(void)message;
	owner_of(machine)->outcome |= OUTCOME_TIMEOUT;
}

static void on_error(int type, osip_transaction_t *machine, int error)
{
	(void)type;
	(void)error;
	owner_of(machine)->outcome |= OUTCOME_ERROR;
}

static void on_done(int type, osip_transaction_t *machine)
{
	(void)type;
	owner_of(machine)->outcome |= OUTCOME_DONE;
}

/* trace is compiled in and would go to stdout */
static void on_trace(const char *file, int line, osip_trace_level_t level, const char *format, va_list arguments)
{
	(void)file;
	(void)line;
	(void)level;
	(void)format;
	(void)arguments;
}

/* ---- setting up ---- */

static osip_message_t *slim_new(const char *start_line, const char *method)
{
	osip_message_t *message;
	char text[256];
	int n;

	n = snprintf(text, sizeof(text),
		"%s\r\nVia: SIP/2.0/UDP slim.invalid;branch=z9hG4bKslim\r\nFrom: <sip:slim.invalid>;tag=a\r\nTo: <sip:slim.invalid>;tag=b\r\nCall-ID: slim\r\nCSeq: 1 %s\r\n\r\n", start_line, method);
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
	static const char *const method[2] = {"INVITE", "OPTIONS"}; /* the machines tell methods apart only by INVITE or not */
	static const char *const status_line[CLASSES] = {NULL, "SIP/2.0 100 -", "SIP/2.0 200 -", "SIP/2.0 400 -"};
	static const int responses[] = {OSIP_ICT_STATUS_1XX_RECEIVED, OSIP_ICT_STATUS_2XX_RECEIVED, OSIP_ICT_STATUS_3XX_RECEIVED, OSIP_ICT_STATUS_4XX_RECEIVED,
		OSIP_ICT_STATUS_5XX_RECEIVED, OSIP_ICT_STATUS_6XX_RECEIVED, OSIP_NICT_STATUS_1XX_RECEIVED, OSIP_NICT_STATUS_2XX_RECEIVED, OSIP_NICT_STATUS_3XX_RECEIVED,
		OSIP_NICT_STATUS_4XX_RECEIVED, OSIP_NICT_STATUS_5XX_RECEIVED, OSIP_NICT_STATUS_6XX_RECEIVED};
	struct machines *ms = calloc(1, sizeof(*ms));
	char line[64];

	if (!ms)
		return -ENOMEM;
	if (osip_init(&ms->osip) != OSIP_SUCCESS) {
		free(ms);
		return -ENOMEM;
	}
	osip_trace_initialize_func(OSIP_FATAL, on_trace);
	osip_set_cb_send_message(ms->osip, on_send);
	for (size_t i = 0; i < sizeof(responses) / sizeof(*responses); i++)
		osip_set_message_callback(ms->osip, responses[i], on_response);
	osip_set_message_callback(ms->osip, OSIP_ICT_STATUS_TIMEOUT, on_timeout);
	osip_set_message_callback(ms->osip, OSIP_NICT_STATUS_TIMEOUT, on_timeout);
	for (int i = 0; i < OSIP_TRANSPORT_ERROR_CALLBACK_COUNT; i++)
		osip_set_transport_error_callback(ms->osip, i, on_error);
	for (int i = 0; i < OSIP_KILL_CALLBACK_COUNT; i++)
		osip_set_kill_transaction_callback(ms->osip, i, on_done);
	for (int other = 0; other < 2; other++)
		for (int class = 0; class < CLASSES; class++) {
			snprintf(line, sizeof(line), "%s sip:slim.invalid SIP/2.0", method[other]);
			ms->slim[other][class] = slim_new(class == CLASS_REQUEST ? line : status_line[class], method[other]);
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
		for (int class = 0; class < CLASSES; class++)
			if (ms->slim[other][class])
				osip_message_free(ms->slim[other][class]);
	osip_release(ms->osip);
	free(ms);
}

static osip_transaction_t *machine_new(struct machines *ms, enum transaction_kind kind)
{
	osip_transaction_t *machine, *trimmed;
	bool other = kind == CLIENT_OTHER || kind == SERVER_OTHER;

	if (osip_transaction_init(&machine, (osip_fsm_type_t)kind, ms->osip, ms->slim[other][CLASS_REQUEST]) != OSIP_SUCCESS)
		return NULL;
	osip_remove_transaction(ms->osip, machine);
	/* 14.9 of its 15.2 KB are a DNS record behind all that the machine reads or writes: a call that rings for a minute need not hold them. Shrinking stays in place. */
	trimmed = realloc(machine, offsetof(osip_transaction_t, record));
	return trimmed ? trimmed : machine;
}

static osip_message_t *slim_of(const struct transaction *t, int class)
{
	return t->owner->machines->slim[t->kind == CLIENT_OTHER || t->kind == SERVER_OTHER][class];
}

/* ---- timers ---- */

static const struct timeval OFF = {.tv_sec = -1};

static struct timeval at(uint64_t ms)
{
	return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* RFC 3261 table 4, with the settings' T1, T2, T4; libosip2's own are compiled in. On a reliable transport A, E and G are off, D, I, J and K are zero: of its transports libosip2 knows only the names TCP and TLS. */
static void timers_start(struct transaction *t)
{
	const struct settings *s = t->owner->sip->settings;
	bool reliable = transport_is_stream(t->flow.transport);
	uint64_t now = transaction_now(t);
	int t1 = (int)s->t1_ms, t4 = (int)s->t4_ms;
	osip_transaction_t *machine = t->machine;

	switch (t->kind) {
	case CLIENT_INVITE:
		machine->ict_context->timer_a_length = reliable ? -1 : t1;
		machine->ict_context->timer_a_start = reliable ? OFF : at(now + s->t1_ms);
		machine->ict_context->timer_b_length = 64 * t1;
		machine->ict_context->timer_b_start = at(now + 64u * s->t1_ms);
		machine->ict_context->timer_d_length = reliable ? 0 : 64 * t1;
		machine->ict_context->timer_d_start = OFF;
		break;
	case CLIENT_OTHER:
		machine->nict_context->timer_e_length = reliable ? -1 : t1;
		machine->nict_context->timer_e_start = OFF;
		machine->nict_context->timer_f_length = 64 * t1;
		machine->nict_context->timer_f_start = at(now + 64u * s->t1_ms);
		machine->nict_context->timer_k_length = reliable ? 0 : t4;
		machine->nict_context->timer_k_start = OFF;
		break;
	case SERVER_INVITE:
		machine->ist_context->timer_g_length = reliable ? -1 : t1;
		machine->ist_context->timer_g_start = OFF;
		machine->ist_context->timer_h_length = 64 * t1;
		machine->ist_context->timer_h_start = OFF;
		machine->ist_context->timer_i_length = reliable ? 0 : t4;
		machine->ist_context->timer_i_start = OFF;
		break;
	default:
		machine->nist_context->timer_j_length = reliable ? 0 : 64 * t1;
		machine->nist_context->timer_j_start = OFF;
	}
}

/* The live timers of a state (LIBRARIES.md, libosip2, scale point 3). Those that end the transaction come first: where both are due nothing is sent any more. */
struct live {
	type_t event;
	const struct timeval *start;
};
static unsigned timers_live(const struct transaction *t, struct live live[2])
{
	const osip_transaction_t *machine = t->machine;

	switch (machine->state) {
	case ICT_CALLING:
		live[0] = (struct live){TIMEOUT_B, &machine->ict_context->timer_b_start};
		live[1] = (struct live){TIMEOUT_A, &machine->ict_context->timer_a_start};
		return 2;
	case ICT_COMPLETED:
		live[0] = (struct live){TIMEOUT_D, &machine->ict_context->timer_d_start};
		return 1;
	case NICT_TRYING:
	case NICT_PROCEEDING:
		live[0] = (struct live){TIMEOUT_F, &machine->nict_context->timer_f_start};
		live[1] = (struct live){TIMEOUT_E, &machine->nict_context->timer_e_start};
		return 2;
	case NICT_COMPLETED:
		live[0] = (struct live){TIMEOUT_K, &machine->nict_context->timer_k_start};
		return 1;
	case IST_COMPLETED:
		live[0] = (struct live){TIMEOUT_H, &machine->ist_context->timer_h_start};
		live[1] = (struct live){TIMEOUT_G, &machine->ist_context->timer_g_start};
		return 2;
	case IST_CONFIRMED:
		live[0] = (struct live){TIMEOUT_I, &machine->ist_context->timer_i_start};
		return 1;
	case NIST_COMPLETED:
		live[0] = (struct live){TIMEOUT_J, &machine->nist_context->timer_j_start};
		return 1;
	default:
		return 0;
	}
}

static uint64_t milliseconds(const struct timeval *tv)
{
	if (tv->tv_sec == -1)
		return UINT64_MAX;
	return (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
}

uint64_t machine_deadline(const struct transaction *t)
{
	uint64_t earliest = UINT64_MAX;
	struct live live[2];
	unsigned n;

	if (!t->machine)
		return UINT64_MAX;
	n = timers_live(t, live);
	for (unsigned i = 0; i < n; i++)
		if (milliseconds(live[i].start) < earliest)
			earliest = milliseconds(live[i].start);
	return earliest;
}

/* ---- steps ---- */

int machine_take(struct transaction *t)
{
	static const state_t first[TRANSACTION_KINDS] = {ICT_PRE_CALLING, IST_PRE_PROCEEDING, NICT_PRE_TRYING, NIST_PRE_TRYING};
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
	timers_start(t);
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

static void execute(struct transaction *t, type_t type, osip_message_t *message)
{
	osip_event_t *event = osip_malloc(sizeof(*event));

	if (!event) {
		log_error("no-memory", "where=transaction");
		t->error = -ENOMEM;
		t->outcome |= OUTCOME_ERROR;
		return;
	}
	*event = (osip_event_t){.type = type, .transactionid = t->machine->transactionid, .sip = message};
	osip_transaction_execute(t->machine, event);
}

void machine_step(struct transaction *t, enum machine_event event)
{
	static const type_t received[] = {RCV_REQUEST, RCV_REQACK, RCV_STATUS_1XX, RCV_STATUS_2XX, RCV_STATUS_3456XX};
	static const type_t sent[] = {SND_REQUEST, UNKNOWN_EVT, SND_STATUS_1XX, SND_STATUS_2XX, SND_STATUS_3456XX};
	bool server = transaction_is_server(t), invite = t->kind == CLIENT_INVITE || t->kind == SERVER_INVITE;
	osip_transaction_t *machine = t->machine;

	t->outcome = 0;
	if (!machine)
		return;
	switch (event) {
	case MACHINE_REQUEST:
		/* a repeated request is only freed by the machine: it gets none */
		execute(t, server ? (invite ? RCV_REQINVITE : received[event]) : (invite ? SND_REQINVITE : sent[event]), machine->orig_request ? NULL : slim_of(t, CLASS_REQUEST));
		break;
	case MACHINE_ACK:
		if (t->kind == SERVER_INVITE)
			execute(t, RCV_REQACK, NULL);
		break;
	default:
		switch (machine->state) {
		case ICT_CALLING:
		case ICT_PROCEEDING:
		case IST_PROCEEDING:
		case NICT_TRYING:
		case NICT_PROCEEDING:
		case NIST_TRYING:
		case NIST_PROCEEDING:
			break;
		default:
			return; /* no transition stores a response here */
		}
		machine->last_response = NULL;
		execute(t, server ? sent[event] : received[event], slim_of(t, CLASS_PROVISIONAL + (int)(event - MACHINE_PROVISIONAL)));
		/* libosip2 sets timer E to its own T2 when a provisional response comes */
		if (t->kind == CLIENT_OTHER && machine->state == NICT_PROCEEDING && machine->nict_context->timer_e_length > 0) {
			machine->nict_context->timer_e_length = (int)t->owner->sip->settings->t2_ms;
			machine->nict_context->timer_e_start = at(transaction_now(t) + t->owner->sip->settings->t2_ms);
		}
	}
}

/* The interval after the one that has passed: doubled, but at most T2 where it has a bound. libosip2 bounds by its own T2. */
static void timer_restart(struct transaction *t, type_t event, int was, uint64_t now)
{
	int t2 = (int)t->owner->sip->settings->t2_ms, next = was > t2 / 2 ? t2 : was * 2;
	osip_transaction_t *machine = t->machine;

	switch (event) {
	case TIMEOUT_A:
		machine->ict_context->timer_a_length = was * 2;
		machine->ict_context->timer_a_start = at(now + (uint64_t)was * 2);
		break;
	case TIMEOUT_E:
		if (machine->state == NICT_PROCEEDING)
			next = t2;
		machine->nict_context->timer_e_length = next;
		machine->nict_context->timer_e_start = at(now + (uint64_t)next);
		break;
	case TIMEOUT_G:
		machine->ist_context->timer_g_length = next;
		machine->ist_context->timer_g_start = at(now + (uint64_t)next);
		break;
	default:
		break;
	}
}

void machine_expire(struct transaction *t, uint64_t now)
{
	struct live live[2];
	unsigned n;
	int was;

	t->outcome = 0;
	if (!t->machine)
		return;
	n = timers_live(t, live);
	for (unsigned i = 0; i < n; i++) {
		if (milliseconds(live[i].start) > now)
			continue;
		was = live[i].event == TIMEOUT_A ? t->machine->ict_context->timer_a_length :
			live[i].event == TIMEOUT_E ? t->machine->nict_context->timer_e_length :
			live[i].event == TIMEOUT_G ? t->machine->ist_context->timer_g_length : 0;
		execute(t, live[i].event, NULL);
		if (t->outcome & (OUTCOME_DONE | OUTCOME_ERROR))
			return;
		timer_restart(t, live[i].event, was, now);
	}
}
