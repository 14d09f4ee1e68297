/* timers.c - the timers of the machines (RFC 3261 section 17, table 4) by the settings' T1, T2 and
 * T4, as deadlines in place of libosip2's passes over all transactions.
 *
 * Relies on libosip2 5.3: timer_*_start is an absolute time of CLOCK_MONOTONIC in spite of its
 * name, tv_sec -1 is off; a timeout event makes its transition whenever it comes, so when is for us
 * to say.
 */
#include "osip.h"

static const struct timeval TIMER_OFF = {.tv_sec = -1};

static struct timeval timer_at(uint64_t ms)
{
	return (struct timeval){
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

/* RFC 3261 table 4, with the settings' T1, T2, T4; libosip2's own are compiled in. On a reliable
 * transport A, E and G are off, D, I, J and K are zero: of its transports libosip2 knows only the
 * names TCP and TLS. */
void machine_timers_start(struct transaction *t)
{
	const struct settings *s = t->owner->sip->settings;
	bool reliable = transport_is_stream(t->flow.transport);
	uint64_t now = transaction_now(t);
	int t1 = (int)s->t1_ms, t4 = (int)s->t4_ms, all = (int)settings_64_t1(s);
	osip_transaction_t *machine = t->machine;

	switch (t->kind) {
	case CLIENT_INVITE:
		machine->ict_context->timer_a_length = reliable ? -1 : t1;
		machine->ict_context->timer_a_start = reliable ? TIMER_OFF
		                                               : timer_at(now + s->t1_ms);
		machine->ict_context->timer_b_length = all;
		machine->ict_context->timer_b_start = timer_at(now + settings_64_t1(s));
		machine->ict_context->timer_d_length = reliable ? 0 : all;
		machine->ict_context->timer_d_start = TIMER_OFF;
		break;
	case CLIENT_OTHER:
		machine->nict_context->timer_e_length = reliable ? -1 : t1;
		machine->nict_context->timer_e_start = TIMER_OFF;
		machine->nict_context->timer_f_length = all;
		machine->nict_context->timer_f_start = timer_at(now + settings_64_t1(s));
		machine->nict_context->timer_k_length = reliable ? 0 : t4;
		machine->nict_context->timer_k_start = TIMER_OFF;
		break;
	case SERVER_INVITE:
		machine->ist_context->timer_g_length = reliable ? -1 : t1;
		machine->ist_context->timer_g_start = TIMER_OFF;
		machine->ist_context->timer_h_length = all;
		machine->ist_context->timer_h_start = TIMER_OFF;
		machine->ist_context->timer_i_length = reliable ? 0 : t4;
		machine->ist_context->timer_i_start = TIMER_OFF;
		break;
	default:
		machine->nist_context->timer_j_length = reliable ? 0 : all;
		machine->nist_context->timer_j_start = TIMER_OFF;
	}
}

/* The live timers of a state. Those that end the transaction come first: where both are due nothing
 * is sent any more. */
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
	default: return 0;
	}
}

static uint64_t timer_ms(const struct timeval *tv)
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
		if (timer_ms(live[i].start) < earliest)
			earliest = timer_ms(live[i].start);
	return earliest;
}

/* libosip2 sets timer E to its own T2 when a provisional response comes, and starts timer G. */
void machine_timers_adjust(struct transaction *t)
{
	osip_transaction_t *machine = t->machine;
	uint32_t t2 = t->owner->sip->settings->t2_ms;

	if (machine->state == IST_COMPLETED && allowance_binds(t->allowance))
		machine->ist_context->timer_g_start = TIMER_OFF;

	if (machine->state == NICT_PROCEEDING && machine->nict_context->timer_e_length > 0) {
		machine->nict_context->timer_e_length = (int)t2;
		machine->nict_context->timer_e_start = timer_at(transaction_now(t) + t2);
	}
}

/* The interval after the one that has passed: doubled, but at most T2 where it has a bound.
 * libosip2 bounds by its own T2. */
static void timer_restart(struct transaction *t, type_t event, int was, uint64_t now)
{
	int t2 = (int)t->owner->sip->settings->t2_ms, next = was > t2 / 2 ? t2 : was * 2;
	osip_transaction_t *machine = t->machine;

	switch (event) {
	case TIMEOUT_A:
		machine->ict_context->timer_a_length = was * 2;
		machine->ict_context->timer_a_start = timer_at(now + (uint64_t)was * 2);
		break;
	case TIMEOUT_E: /* Proceeding: T2 since the first provisional response */
		machine->nict_context->timer_e_length = next;
		machine->nict_context->timer_e_start = timer_at(now + (uint64_t)next);
		break;
	case TIMEOUT_G:
		machine->ist_context->timer_g_length = next;
		machine->ist_context->timer_g_start = timer_at(now + (uint64_t)next);
		break;
	default: break;
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
		if (timer_ms(live[i].start) > now)
			continue;
		was = live[i].event == TIMEOUT_A   ? t->machine->ict_context->timer_a_length
		      : live[i].event == TIMEOUT_E ? t->machine->nict_context->timer_e_length
		      : live[i].event == TIMEOUT_G ? t->machine->ist_context->timer_g_length
		                                   : 0;
		machine_execute(t, live[i].event, NULL);
		if (t->outcome & (OUTCOME_DONE | OUTCOME_ERROR))
			return;
		timer_restart(t, live[i].event, was, now);
	}
}
