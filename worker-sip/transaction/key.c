/* key.c - what makes two requests the same: the key of a server transaction (RFC 3261
 * section 17.2.3, with the source address) and that of a merged request (section 8.2.2.2). Relies
 * on a 128-bit SipHash under a secret key being as good as comparing the fields. */
#include "machine.h"

#include "ipc/octet.h"

#include <sodium.h>

/* A field longer than this counts by its own hash, so that the text of a key has a fixed bound. */
#define PART_MAX 128

static struct transaction_key key_hash(const struct transactions *ts, const char *p, size_t n)
{
	struct transaction_key key;

	_Static_assert(sizeof(ts->secret) == crypto_shorthash_siphashx24_KEYBYTES &&
			       sizeof(key) == crypto_shorthash_siphashx24_BYTES,
		"SipHash of 128 bits");
	crypto_shorthash_siphashx24(
		(unsigned char *)key.part, (const unsigned char *)p, n, ts->secret);
	return key;
}

/* Appends a field in lower case where it is compared without regard to case, with its length, so
 * that no two lists of fields read the same. */
static void key_write_part(
	struct writer *w, const struct transactions *ts, struct str s, bool lower)
{
	char folded[PART_MAX];
	struct transaction_key hash;

	write_number(w, s.n);
	write_literal(w, ":");
	if (s.n > PART_MAX) {
		hash = key_hash(ts, s.p, s.n);
		write_bytes(w, (const char *)hash.part, sizeof(hash.part));
		return;
	}
	if (!lower) {
		write_bytes(w, s.p, s.n);
		return;
	}
	for (size_t i = 0; i < s.n; i++)
		folded[i] = octet_lower(s.p[i]);
	write_bytes(w, folded, s.n);
}

static bool key_has_cookie(struct str branch)
{
	return branch.n >= sizeof(BRANCH_COOKIE) &&
	       strncasecmp(branch.p, BRANCH_COOKIE, sizeof(BRANCH_COOKIE) - 1) == 0;
}

/* Appends the address that the request came from: two clients may well have one private address and
 * one branch. Trusted peers may be several hosts behind one sent-by, which alone names them. */
static void key_write_source(
	struct writer *w, const struct transactions *ts, const struct message *m)
{
	const struct endpoint *peer = &m->flow.peer;

	if (settings_trusts(ts->sip->settings, m->flow.listener))
		return;
	write_bytes(w, (const char *)&peer->family, sizeof(peer->family));
	write_bytes(w, (const char *)peer->address, sizeof(peer->address));
	write_bytes(w, (const char *)&peer->scope, sizeof(peer->scope));
}

struct transaction_key key_of_server(
	const struct transactions *ts, const struct message *m, struct str method)
{
	struct str branch = message_str(m, m->via_branch);
	char buffer[8 * (PART_MAX + 24)];
	struct writer w = WRITER(buffer);

	key_write_source(&w, ts, m);
	key_write_part(&w, ts, method, false);
	if (key_has_cookie(branch)) {
		/* a token: without regard to case (RFC 3261 section 7.3.1) */
		key_write_part(&w, ts, branch, true);
		key_write_part(&w, ts, message_str(m, m->via_host), true);
		write_number(
			&w, m->via_port ? m->via_port
			    : m->via_transport == TRANSPORT_TLS || m->via_transport == TRANSPORT_WSS
				    ? 5061
				    : 5060);
	} else {
		/* RFC 2543: the whole top Via stands for the branch. The To-tag of an ACK is its
		 * response's, and CANCEL may lack it: it counts only where neither can be meant */
		key_write_part(&w, ts, message_str(m, m->via), false);
		key_write_part(&w, ts, message_str(m, m->request_uri.whole), false);
		key_write_part(&w, ts, message_str(m, m->call_id), false);
		key_write_part(&w, ts, message_str(m, m->from_tag), false);
		write_number(&w, m->cseq);
		if (!str_equal(method, S("INVITE")) && !str_equal(method, S("CANCEL")))
			key_write_part(&w, ts, message_str(m, m->to_tag), false);
	}
	return key_hash(ts, w.p, w.n);
}

/* Writes what the first part of a merged request's key is made of; returns that part. */
static uint64_t key_write_merged_front(
	struct writer *w, const struct transactions *ts, const struct message *m, struct str method)
{
	key_write_part(w, ts, message_str(m, m->from_tag), false);
	key_write_part(w, ts, message_str(m, m->call_id), false);
	key_write_part(w, ts, method, false);
	write_number(w, m->cseq);
	return key_hash(ts, w->p, w->n).part[0];
}

uint64_t key_of_merged_front(
	const struct transactions *ts, const struct message *m, struct str method)
{
	char buffer[4 * (PART_MAX + 24)];
	struct writer w = WRITER(buffer);

	return key_write_merged_front(&w, ts, m, method);
}

struct transaction_key key_of_merged(
	const struct transactions *ts, const struct message *m, struct str method)
{
	char buffer[8 * (PART_MAX + 24)];
	struct writer w = WRITER(buffer);
	struct transaction_key key;

	key.part[0] = key_write_merged_front(&w, ts, m, method);
	key_write_part(&w, ts, message_str(m, m->request_uri.whole), false);
	key_write_part(&w, ts, message_str(m, m->to_tag), false);
	key.part[1] = key_hash(ts, w.p, w.n).part[0];
	return key;
}
