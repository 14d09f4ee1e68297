/* certificate_order.c - see certificate_order.h. Relies on lifelines keeping the order of packets:
 * what an order names has come before it. */
#include "certificate_order.h"

#include "common/log.h"

#include <errno.h>
#include <sodium.h>

void certificate_order_hand(struct worker_slot *w, const struct certificate_set *set)
{
	void *buffer;

	if (!set->count)
		return;
	buffer = sodium_malloc(LIFELINE_PACKET_MAX);
	for (size_t i = 0; i < set->count; i++) {
		ssize_t n = buffer ? certificate_packet(set, i, w->role == PEER_TLS, buffer)
		                   : -ENOMEM;

		if (n < 0) {
			/* Its check will miss it, or its handshakes fail: never silently another
			 * certificate. */
			log_error("certificate-packet", "peer=%s-%u certificate=%s error=\"%s\"",
				role_name(w->role), w->index, set->entry[i].name,
				error_text((int)n));
			break;
		}
		worker_tell(w, LIFELINE_CERTIFICATE, buffer, (size_t)n, -1);
		sodium_memzero(buffer, (size_t)n);
	}
	sodium_free(buffer);
}

static void certificate_order_act(
	struct worker_slot *w, const struct certificate_set *set, uint16_t act, uint32_t sequence)
{
	struct lifeline_certificates body = {.sequence = sequence,
		.generation = set->generation,
		.act = act,
		.tickets = set->tickets};

	if (set->count)
		worker_tell(w, LIFELINE_CERTIFICATES, &body, sizeof(body), -1);
}

/* sequence 0: they hold from now on; otherwise they are tried. */
static void certificate_order_authorities(
	struct worker_slot *w, const struct certificate_set *set, uint32_t sequence)
{
	if (w->role != PEER_TRANSPORT)
		return;
	for (size_t i = 0; i < set->authority_count; i++) {
		struct lifeline_authorities body = {
			.listener = set->authority[i].listener, .sequence = sequence};

		worker_tell(w, LIFELINE_AUTHORITIES, &body, sizeof(body), set->authority[i].fd);
	}
}

void certificate_order_check(
	struct worker_slot *w, const struct certificate_set *set, uint32_t sequence)
{
	certificate_order_authorities(w, set, sequence);
	certificate_order_act(w, set, CERTIFICATES_CHECK, sequence);
}

void certificate_order_commit(struct worker_slot *w, const struct certificate_set *set)
{
	w->lost.text[0] = '\0'; /* it will say again what it cannot use */
	certificate_order_authorities(w, set, 0);
	certificate_order_act(w, set, CERTIFICATES_COMMIT, 0);
}

void certificate_order_drop(struct worker_slot *w, const struct certificate_set *set)
{
	certificate_order_act(w, set, CERTIFICATES_DROP, 0);
}
