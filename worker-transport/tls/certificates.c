/* certificates.c - generations of certificates.
 *
 * A check asks for one test signature per certificate, one after the other, over the very edge that
 * handshakes use. It lives in the generation and ends with it. Relies on: sign_provider.c for keys,
 * tls_context.c for SSL_CTXs, identity.c for names.
 */
#include "certificates.h"

#include "common/clock.h"
#include "common/log.h"
#include "tls_context.h"
#include "identity.h"
#include "sign_provider.h"
#include "staple.h"
#include "worker-transport/transport_worker.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Certificates of one chain, at most. */
#define CHAIN_MAX 16

/* The text of a test signature: that of a TLS 1.3 server (RFC 8446 section 4.4.3) over a random
 * hash. */
#define TEST_CONTEXT "TLS 1.3, server CertificateVerify"
#define TEST_HASH 32

struct check {
	struct signing signing;
	struct generation *generation;
	uint32_t sequence;
	uint16_t index;
	certificates_done done;
	void *arg;
};

struct generation {
	struct generation *next;
	struct certificates *owner;
	uint32_t number;
	unsigned count;
	struct certificate certificate[CERTIFICATES_MAX];
	struct check *check; /* the one that runs, or NULL */
};

struct certificates {
	struct transport_worker *t;
	const struct tls_context_server *server;
	struct generation *all, *used;
	unsigned count;
};

int certificates_new(struct certificates **out, struct transport_worker *t,
	const struct tls_context_server *server)
{
	struct certificates *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->t = t;
	c->server = server;
	*out = c;
	return 0;
}

static void generation_end_check(struct generation *g)
{
	if (!g->check)
		return;
	if (g->check->signing.client)
		sign_client_cancel(&g->check->signing);
	free(g->check);
	g->check = NULL;
}

static void generation_free(struct generation *g)
{
	generation_end_check(g);
	for (unsigned i = 0; i < g->count; i++) {
		struct certificate *c = &g->certificate[i];

		SSL_CTX_free(c->context);
		X509_free(c->leaf);
		sk_X509_pop_free(c->chain, X509_free);
		EVP_PKEY_free(c->key);
		free(c->names);
		free(c->wrong);
	}
	free(g);
}

void certificates_free(struct certificates *c)
{
	struct generation *g;

	if (!c)
		return;
	while ((g = c->all)) {
		c->all = g->next;
		generation_free(g);
	}
	free(c);
}

static struct generation *generation_find(const struct certificates *c, uint32_t number)
{
	struct generation *g = c->all;

	while (g && g->number != number)
		g = g->next;
	return g;
}

/* ---- one certificate ---- */

/* Notes in words why the certificate cannot be used. The first reason stays. */
__attribute__((format(printf, 2, 3))) static void certificate_wrong(
	struct certificate *c, const char *format, ...)
{
	va_list ap;

	if (c->wrong)
		return;
	va_start(ap, format);
	if (vasprintf(&c->wrong, format, ap) < 0)
		c->wrong = NULL;
	va_end(ap);
	if (!c->wrong)
		c->wrong = strdup("no memory");
}

static int64_t certificate_unix_time(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool certificate_parse_chain(struct certificate *c, const char *pem, size_t size)
{
	BIO *in = BIO_new_mem_buf(pem, (int)size);
	X509 *x;
	unsigned n = 0;

	c->chain = sk_X509_new_null();
	while (in && c->chain && (x = PEM_read_bio_X509(in, NULL, NULL, (void *)(uintptr_t) ""))) {
		int64_t end = certificate_unix_time(X509_get0_notAfter(x));

		if (n == 0 || end < c->not_after)
			c->not_after = end;
		if (n == 0)
			c->leaf = x;
		else if (n == CHAIN_MAX || !sk_X509_push(c->chain, x))
			X509_free(x);
		n++;
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		certificate_wrong(c, "certificate %u of the chain cannot be parsed", n + 1);
	else if (n == 0)
		certificate_wrong(c, "the chain holds no certificate");
	else if (n > CHAIN_MAX)
		certificate_wrong(c, "the chain holds more than %d certificates", CHAIN_MAX);
	ERR_clear_error();
	BIO_free(in);
	return !c->wrong;
}

/* Names of the config, or those of the certificate where the config gives none. */
struct name_list {
	char *text;
	size_t size, used;
	bool failed;
};

static void name_list_add(void *arg, struct str name)
{
	struct name_list *l = arg;

	if (l->used + name.n + 2 > l->size) {
		size_t size = (l->used + name.n + 2) * 2;
		char *text = realloc(l->text, size);

		if (!text) {
			l->failed = true;
			return;
		}
		l->text = text;
		l->size = size;
	}
	memcpy(l->text + l->used, name.p, name.n);
	l->used += name.n;
	l->text[l->used++] = 0;
	l->text[l->used] = 0;
}

static void certificate_read_names(struct certificate *c, struct str names)
{
	struct name_list l = {0};

	while (names.n) {
		size_t end = str_find(names, ' ');

		if (end)
			name_list_add(&l, (struct str){names.p, end});
		names = str_from(names, end < names.n ? end + 1 : end);
	}
	if (!l.used)
		identity_each(c->leaf, name_list_add, &l);
	if (!l.text && !l.failed)
		l.text = calloc(1, 2);
	if (l.failed || !l.text)
		certificate_wrong(c, "no memory");
	c->names = l.text;
}

/* Whether the certificate bears a name that it is to serve: as itself, under a wildcard of its own,
 * or as an address. */
struct name_search {
	struct str name;
	bool found;
};

static void name_search_visit(void *arg, struct str name)
{
	struct name_search *s = arg;

	s->found |= str_equal_nocase(name, s->name) || identity_covers(name, s->name);
}

static bool certificate_bears(X509 *leaf, struct str name)
{
	struct name_search s = {.name = name};

	identity_each(leaf, name_search_visit, &s);
	return s.found || identity_is(leaf, name);
}

/* Makes the context of servers that show it. False where OpenSSL failed. */
static bool certificate_make_context(
	struct certificate *c, struct transport_worker *t, const struct tls_context_server *server)
{
	c->context = tls_context_new(t, server);
	if (!c->context)
		return false;
	return SSL_CTX_use_cert_and_key(c->context, c->leaf, c->key, c->chain, 1) == 1;
}

static void generation_read_certificate(
	struct generation *g, uint16_t index, struct str names, struct str chain)
{
	struct transport_worker *t = g->owner->t;
	struct certificate *c = &g->certificate[index];
	EVP_PKEY *public;
	int error;

	if (!certificate_parse_chain(c, chain.p, chain.n))
		return;
	certificate_read_names(c, names);
	for (const char *name = c->names; name && *name; name += strlen(name) + 1)
		if (!certificate_bears(c->leaf, str_of(name)))
			certificate_wrong(c, "it does not name %s (subjectAltName)", name);
	public = X509_get0_pubkey(c->leaf);
	error = public ? sign_provider_key(t->sign_provider, public, g->number, index, &c->key)
	               : -EBADMSG;
	if (error) {
		certificate_wrong(c, error == -EOPNOTSUPP
					     ? "its key is none of EC P-256, EC P-384, RSA of "
					       "2048 to 4096 bits, Ed25519"
					     : "its public key cannot be used");
		return;
	}
	if (!certificate_make_context(c, t, g->owner->server)) {
		char text[256];

		ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
		ERR_clear_error();
		certificate_wrong(c, "OpenSSL does not take it: %s", text);
	}
}

static void generation_read_staple(struct generation *g, uint16_t index, struct str der)
{
	struct certificate *c = &g->certificate[index];
	char why[STAPLE_TEXT_MAX];

	if (!der.n || c->wrong)
		return;
	if (staple_attach(c->context, der, c->leaf, c->chain, c->name, why) == 0)
		return;
	certificate_wrong(c, "its OCSP response %s", why);
	c->wrong_staple = true;
}

/* Whether the head of a packet is sound: no key comes here, and names, chain and OCSP response fill
 * the size bytes behind it. */
static bool certificate_head_is_sound(const struct lifeline_certificate *head, size_t size)
{
	if (head->key_size != 0 || head->name[sizeof(head->name) - 1])
		return false;
	if (head->names_size > size || head->chain_size > size - head->names_size)
		return false;
	return head->staple_size == size - head->names_size - head->chain_size;
}

int certificates_take(struct certificates *c, const void *body, size_t size)
{
	struct lifeline_certificate head;
	const char *at = (const char *)body + sizeof(head);
	struct generation *g;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (!certificate_head_is_sound(&head, size - sizeof(head)))
		return -EBADMSG;
	g = generation_find(c, head.generation);
	if (!g) {
		if (c->count == GENERATIONS_MAX)
			return -ENOSPC;
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		g->owner = c;
		g->number = head.generation;
		g->next = c->all;
		c->all = g;
		c->count++;
	}
	if (head.index != g->count || g->count == CERTIFICATES_MAX)
		return -EBADMSG;
	g->count++;
	memcpy(g->certificate[head.index].name, head.name, sizeof(head.name));
	generation_read_certificate(g, head.index, (struct str){at, head.names_size},
		(struct str){at + head.names_size, head.chain_size});
	generation_read_staple(g, head.index,
		(struct str){at + head.names_size + head.chain_size, head.staple_size});
	return 0;
}

/* ---- the check ---- */

static void check_next_signature(struct check *k);

static void check_finish(struct check *k, int error, const char *text)
{
	certificates_done done = k->done;
	void *arg = k->arg;
	uint32_t sequence = k->sequence;
	uint16_t index = error ? k->index : NONE_INDEX;

	k->generation->check = NULL;
	free(k);
	done(arg, sequence, error, index, text);
}

/* Whether the signature was made by the key that belongs to the certificate. */
static bool check_verifies(const struct signing *s, const struct certificate *c)
{
	return sign_provider_verify(
		X509_get0_pubkey(c->leaf), s->text, s->size, s->signature, s->signature_size);
}

static void check_on_signature(struct signing *s, void *arg)
{
	struct check *k = arg;
	const struct certificate *c = &k->generation->certificate[k->index];
	char text[CERTIFICATES_TEXT_MAX];

	if (s->state != SIGNING_DONE) {
		snprintf(text, sizeof(text), "certificate \"%s\": no test signature: %s", c->name,
			s->error == -ETIMEDOUT ? "no key worker answers" : error_text(s->error));
		check_finish(k, -EIO, text);
	} else if (!check_verifies(s, c)) {
		snprintf(text, sizeof(text),
			"certificate \"%s\": its key does not belong to it: the test signature "
			"does not verify",
			c->name);
		check_finish(k, -EKEYREJECTED, text);
	} else {
		k->index++;
		check_next_signature(k);
	}
}

/* Writes the text of a test signature. False where there are no random numbers. */
static bool check_write_text(struct signing *s)
{
	memset(s->text, ' ', 64);
	memcpy(s->text + 64, TEST_CONTEXT, sizeof(TEST_CONTEXT)); /* and the zero byte */
	s->size = 64 + sizeof(TEST_CONTEXT) + TEST_HASH;
	return RAND_bytes(s->text + 64 + sizeof(TEST_CONTEXT), TEST_HASH) == 1;
}

static void check_next_signature(struct check *k)
{
	struct generation *g = k->generation;
	struct signing *s = &k->signing;

	if (k->index == g->count) {
		check_finish(k, 0, "");
		return;
	}
	*s = (struct signing){.generation = g->number,
		.certificate = k->index,
		.scheme = sign_provider_scheme(X509_get0_pubkey(g->certificate[k->index].leaf)),
		.done = check_on_signature,
		.arg = k};
	if (!check_write_text(s) || sign_client_sign(g->owner->t->sign_client, s))
		check_finish(k, -EIO, "no random numbers for a test signature");
}

/* 0, or what is wrong: -EKEYEXPIRED where it is a date, -EKEYREVOKED where it is the OCSP response,
 * else -EBADMSG. */
static int generation_fault(
	const struct generation *g, uint16_t *index, char text[CERTIFICATES_TEXT_MAX])
{
	for (uint16_t i = 0; i < g->count; i++) {
		const struct certificate *c = &g->certificate[i];
		const ASN1_TIME *late = c->leaf ? X509_get0_notBefore(c->leaf) : NULL;

		*index = i;
		if (c->wrong) {
			snprintf(text, CERTIFICATES_TEXT_MAX, "certificate \"%s\": %s", c->name,
				c->wrong);
			return c->wrong_staple ? -EKEYREVOKED : -EBADMSG;
		}
		if (X509_cmp_current_time(late) > 0) {
			snprintf(text, CERTIFICATES_TEXT_MAX,
				"certificate \"%s\": it is not valid yet", c->name);
			return -EKEYEXPIRED;
		}
		if (c->not_after <= clock_realtime_s()) {
			snprintf(text, CERTIFICATES_TEXT_MAX, "certificate \"%s\": it has expired",
				c->name);
			return -EKEYEXPIRED;
		}
	}
	return 0;
}

void certificates_check(struct certificates *c, uint32_t generation, uint32_t sequence,
	certificates_done done, void *arg)
{
	struct generation *g = generation_find(c, generation);
	char text[CERTIFICATES_TEXT_MAX];
	struct check *k;
	uint16_t index;
	int error;

	if (!g) {
		done(arg, sequence, -ENOENT, NONE_INDEX, "no such generation of certificates");
		return;
	}
	generation_end_check(g);
	error = generation_fault(g, &index, text);
	if (error) {
		done(arg, sequence, error, index, text);
		return;
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		done(arg, sequence, -ENOMEM, NONE_INDEX, "no memory");
		return;
	}
	*k = (struct check){.generation = g, .sequence = sequence, .done = done, .arg = arg};
	g->check = k;
	check_next_signature(k);
}

/* ---- use ---- */

int certificates_commit(struct certificates *c, uint32_t generation)
{
	struct generation *g = generation_find(c, generation);

	if (!g)
		return -ENOENT;
	/* dates may have passed: what is in use goes on being used until another comes */
	for (unsigned i = 0; i < g->count; i++)
		if (g->certificate[i].wrong) {
			log_error("certificate-unusable", "certificate=%s reason=\"%s\"",
				g->certificate[i].name, g->certificate[i].wrong);
			return -EBADMSG;
		}
	c->used = g;
	return 0;
}

void certificates_drop(struct certificates *c, uint32_t generation)
{
	for (struct generation **at = &c->all; *at; at = &(*at)->next) {
		struct generation *g = *at;

		if (g->number != generation || g == c->used)
			continue;
		*at = g->next;
		c->count--;
		generation_free(g);
		return;
	}
}

const struct certificate *certificates_at(const struct certificates *c, unsigned index)
{
	return c->used && index < c->used->count ? &c->used->certificate[index] : NULL;
}

uint32_t certificates_generation(const struct certificates *c)
{
	return c->used ? c->used->number : 0;
}

/* Rates the certificate for that name: 2 where it serves exactly this one, 1 by a wildcard, 0 not
 * at all. */
static int certificate_rate(const struct certificate *c, struct str name)
{
	int best = 0;

	for (const char *at = c->names; *at && best < 2; at += strlen(at) + 1)
		if (identity_covers(str_of(at), name))
			best = at[0] == '*' ? 1 : 2;
	return best;
}

const struct certificate *certificates_choose(
	const struct certificates *c, const struct listener_settings *l, struct str name)
{
	const uint16_t *index = settings_array(c->t->settings, l->certificates);
	const struct certificate *best = NULL, *first = NULL;
	int level = 0;

	for (unsigned i = 0; i < l->certificates.count; i++) {
		const struct certificate *one = certificates_at(c, index[i]);
		int fit = one && name.n ? certificate_rate(one, name) : 0;

		if (one && !first)
			first = one;
		if (fit > level) {
			best = one;
			level = fit;
		}
	}
	return best ? best : first;
}
