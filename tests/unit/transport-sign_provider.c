/* transport-sign_provider.c - handshakes whose keys are elsewhere: every kind of key in both
 * versions, many at once, and TLS workers that die, hang, refuse or lie. */
#include "transport-tls.h"

static void one_certificate(struct image *image)
{
	image->s.handshakes_max = 400;
	image->s.connections_max = 500;
	image->zone[ZONE_ACCESS].connections_per_source = 500;
	for (unsigned i = 0; i < LISTENERS; i++)
		if (image->listener[i].transport == TRANSPORT_TLS)
			image->listener[i].certificates.count = 1;
}

struct bench {
	struct fixture *f;
	struct authority a;
	struct signer signer[2];
	EVP_PKEY *key;
	X509 *x;
};

static struct bench *bench_new(const char *kind)
{
	struct bench *b = calloc(1, sizeof(*b));

	signal(SIGPIPE, SIG_IGN);
	b->f = fixture_new(one_certificate);
	b->a = make_authority("Authority");
	b->key = make_key(kind);
	b->x = make_certificate(
		b->key, "gateway", "DNS:sip.example.net", -DAY, DAY, b->a.certificate, b->a.key);
	b->signer[0].fd = b->signer[1].fd = -1;
	b->signer[0].key[0] = b->signer[1].key[0] = b->key;
	cr_assert_eq(hand_over(&b->f->t, 5, 0, "sip.example.net", b->x, NULL), 0);
	cr_assert_eq(certificates_commit(b->f->t.certificates, 5), 0);
	return b;
}

static void bench_free(struct bench *b)
{
	signer_die(&b->signer[0]);
	signer_die(&b->signer[1]);
	fixture_free(b->f);
	X509_free(b->x);
	EVP_PKEY_free(b->key);
	authority_free(&b->a);
	free(b);
}

/* Handshake, a message in, an answer out. */
static void talk(struct bench *b, int version, const char *signatures)
{
	struct peer *p = client_new(&b->a, version);
	static char raw[2048];
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS"), done;
	unsigned before = b->f->count;

	if (signatures)
		cr_assert_eq(SSL_CTX_set1_sigalgs_list(p->context, signatures), 1);
	client_dial(p, b->f->port[ACCESS_TLS], "sip.example.net");
	UNTIL(b->f, peer_step(p) || p->result < 0);
	cr_assert_eq(p->result, 1, "%x %s: %s", version, signatures ? signatures : "",
		ERR_error_string(ERR_peek_error(), NULL));
	cr_assert_eq(SSL_write_ex(p->ssl, raw, n, &done), 1);
	UNTIL(b->f, b->f->count == before + 1);
	cr_assert_eq(message_at(b->f, before)->flow.transport, TRANSPORT_TLS);
	order(b->f, &message_at(b->f, before)->flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
	UNTIL(b->f, peer_step(p) && p->size == 18);
	SSL_shutdown(p->ssl);
	UNTIL(b->f, streams_count(b->f->t.streams) == 0);
	peer_free(p);
}

static void every_way(const char *kind)
{
	struct bench *b = bench_new(kind);

	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	talk(b, TLS1_3_VERSION, NULL);
	talk(b, TLS1_2_VERSION, NULL);
	cr_assert_eq(b->signer[0].signed_, 2);
	cr_assert_eq(COUNTED(TLS_HANDSHAKES), 2);
	if (strncmp(kind, "RSA", 3) == 0) {
		talk(b, TLS1_3_VERSION, "rsa_pss_rsae_sha384:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pss_rsae_sha512:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pkcs1_sha256:ecdsa_secp256r1_sha256");
		talk(b, TLS1_2_VERSION, "rsa_pkcs1_sha512:ecdsa_secp256r1_sha256");
	}
	cr_assert_eq(sign_client_pending(b->f->t.sign_client), 0);
	cr_assert_eq(tls_handshakes(b->f->t.tls), 0);
	bench_free(b);
}

Test(sign_provider, p256)
{
	every_way("P-256");
}

Test(sign_provider, p384)
{
	every_way("P-384");
}

Test(sign_provider, rsa2048)
{
	every_way("RSA2048");
}

Test(sign_provider, rsa3072)
{
	every_way("RSA3072");
}

Test(sign_provider, rsa4096)
{
	every_way("RSA4096");
}

Test(sign_provider, ed25519)
{
	every_way("ED25519");
}

/* ---- many at once ---- */

#define STORM 120

static void step_all(struct bench *b, struct peer **p, unsigned n)
{
	loop_once(b->f->t.loop, 10);
	for (unsigned i = 0; i < n; i++)
		peer_step(p[i]);
}

static unsigned open_of(struct peer **p, unsigned n)
{
	unsigned open = 0;

	for (unsigned i = 0; i < n; i++) {
		cr_assert_geq(p[i]->result, 0, "%u of %u failed", i, n);
		open += p[i]->result == 1;
	}
	return open;
}

static void dial_all(struct bench *b, struct peer **p, unsigned n, int version)
{
	for (unsigned i = 0; i < n; i++) {
		p[i] = client_new(&b->a, version ? version
					 : i % 2 ? TLS1_2_VERSION
						 : TLS1_3_VERSION);
		client_dial(p[i], b->f->port[ACCESS_TLS], "sip.example.net");
		loop_once(b->f->t.loop, 0); /* the backlog is short */
	}
}

static void finish_all(struct bench *b, struct peer **p, unsigned n)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	while (open_of(p, n) < n && clock_ms() < end)
		step_all(b, p, n);
	cr_assert_eq(open_of(p, n), n);
	for (unsigned i = 0; i < n; i++)
		peer_free(p[i]);
}

Test(sign_provider, more_than_an_edge_takes_at_once)
{
	struct bench *b = bench_new("P-256");
	struct peer *p[STORM];

	dial_all(b, p, STORM, 0);
	b->signer[0].mute = true;
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	while (sign_client_pending(b->f->t.sign_client) < STORM)
		step_all(b, p, STORM);
	/* the rest waits here, where it can still go to another */
	cr_assert_eq(COUNTED(SIGN_REQUESTS), SIGN_PENDING_MAX);
	cr_assert_eq(b->signer[0].asked, SIGN_PENDING_MAX);
	signer_live(&b->signer[1], b->f->t.loop, b->f->t.sign_client, 1);
	/* and so does what hangs in the first, after a while */
	finish_all(b, p, STORM);
	cr_assert_eq(b->signer[1].signed_, STORM);
	cr_assert_eq(COUNTED(SIGN_RETRIES), SIGN_PENDING_MAX);
	cr_assert_eq(COUNTED(TLS_HANDSHAKES), STORM);
	bench_free(b);
}

Test(sign_provider, a_dead_worker_is_replaced_and_nobody_notices)
{
	struct bench *b = bench_new("P-256");
	struct peer *p[STORM];

	dial_all(b, p, STORM, 0);
	b->signer[0].mute = true;
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	while (sign_client_pending(b->f->t.sign_client) < STORM)
		step_all(b, p, STORM);
	signer_die(&b->signer[0]);
	UNTIL(b->f, sign_client_edges(b->f->t.sign_client) == 0);
	cr_assert_eq(sign_client_pending(b->f->t.sign_client), STORM);
	b->signer[0].mute = false;
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	finish_all(b, p, STORM);
	cr_assert_eq(b->signer[0].signed_, STORM);
	cr_assert_eq(COUNTED(SIGN_RETRIES), SIGN_PENDING_MAX);
	cr_assert_eq(COUNTED(SIGN_MISSED), 0);
	bench_free(b);
}

Test(sign_provider, a_new_edge_takes_the_place_of_the_old)
{
	struct bench *b = bench_new("ED25519");
	struct peer *p[10];

	dial_all(b, p, 10, 0);
	b->signer[0].mute = true;
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	while (sign_client_pending(b->f->t.sign_client) < 10)
		step_all(b, p, 10);
	/* the master hands over the successor's before the death was seen here */
	signer_live(&b->signer[1], b->f->t.loop, b->f->t.sign_client, 0);
	finish_all(b, p, 10);
	cr_assert_eq(b->signer[1].signed_, 10);
	bench_free(b);
}

static void fails(struct bench *b, struct peer *p, enum counter reason)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	client_dial(p, b->f->port[ACCESS_TLS], NULL);
	while (p->result == 0 && clock_ms() < end) {
		loop_once(b->f->t.loop, 50);
		peer_step(p);
	}
	cr_assert_eq(p->result, -1);
	UNTIL(b->f, counters_page->counter[reason] == 1);
	cr_assert_eq(tls_handshakes(b->f->t.tls), 0);
	cr_assert_eq(sign_client_pending(b->f->t.sign_client), 0);
	peer_free(p);
}

Test(sign_provider, a_refused_signature_fails_the_handshake)
{
	struct bench *b = bench_new("P-256");

	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	b->signer[0].error = -EACCES;
	fails(b, client_new(&b->a, 0), COUNTER_TLS_FAILED_KEY);
	b->signer[0].error = 0;
	talk(b, 0, NULL);
	bench_free(b);
}

Test(sign_provider, a_wrong_signature_is_seen_by_the_peer)
{
	struct bench *b = bench_new("P-256");
	EVP_PKEY *other = make_key("P-256");

	b->signer[0].key[0] = other;
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	fails(b, client_new(&b->a, TLS1_3_VERSION), COUNTER_TLS_FAILED_PROTOCOL);
	EVP_PKEY_free(other);
	bench_free(b);
}

Test(sign_provider, without_a_worker_handshakes_fail_after_a_bound, .timeout = 60)
{
	struct bench *b = bench_new("P-256");
	uint64_t start = clock_ms();

	fails(b, client_new(&b->a, 0), COUNTER_TLS_FAILED_KEY);
	cr_assert_geq(clock_ms() - start, SIGN_WAIT_MS);
	cr_assert_eq(COUNTED(SIGN_MISSED), 1);
	bench_free(b);
}

Test(sign_provider, a_peer_that_leaves_takes_its_request_along)
{
	struct bench *b = bench_new("P-256");
	struct peer *p[20];

	dial_all(b, p, 20, 0);
	while (sign_client_pending(b->f->t.sign_client) < 20)
		step_all(b, p, 20);
	for (unsigned i = 0; i < 20; i++) {
		struct linger reset = {1, 0};

		setsockopt(p[i]->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		peer_free(p[i]);
	}
	UNTIL(b->f, streams_count(b->f->t.streams) == 0);
	cr_assert_eq(sign_client_pending(b->f->t.sign_client), 0);
	cr_assert_eq(COUNTED(TLS_FAILED_GONE), 20);
	/* an answer that comes all the same meets nobody */
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	talk(b, 0, NULL);
	bench_free(b);
}

Test(sign_provider, a_peer_that_speaks_meanwhile_waits_for_its_turn)
{
	static const unsigned char change_cipher_spec[] = {
		20, 3, 3, 0, 1, 1}; /* RFC 8446 section 5: to be ignored */
	struct bench *b = bench_new("P-256");
	struct peer *p = client_new(&b->a, TLS1_3_VERSION);
	uint64_t start;

	client_dial(p, b->f->port[ACCESS_TLS], "sip.example.net");
	UNTIL(b->f, peer_step(p) || sign_client_pending(b->f->t.sign_client) == 1);
	cr_assert_eq(send(p->fd, change_cipher_spec, sizeof(change_cipher_spec), 0),
		sizeof(change_cipher_spec));
	loop_once(b->f->t.loop, 1000);
	start = clock_ms();
	loop_once(b->f->t.loop, 50);
	cr_assert_geq(clock_ms() - start, 40, "the loop spins");
	signer_live(&b->signer[0], b->f->t.loop, b->f->t.sign_client, 0);
	UNTIL(b->f, peer_step(p));
	UNTIL(b->f, COUNTED(TLS_HANDSHAKES) == 1);
	peer_free(p);
	bench_free(b);
}

Test(sign_provider, an_edge_that_talks_nonsense_is_closed)
{
	struct bench *b = bench_new("P-256");
	int pair[2];

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	cr_assert_eq(sign_client_edge(b->f->t.sign_client, PEER(PEER_TLS, 2), pair[1]), 0);
	cr_assert_eq(sign_client_edges(b->f->t.sign_client), 1);
	cr_assert_eq(send(pair[0], "nonsense", 8, 0), 8);
	UNTIL(b->f, sign_client_edges(b->f->t.sign_client) == 0);
	close(pair[0]);
	cr_assert_eq(sign_client_edge(b->f->t.sign_client, PEER(PEER_SIP, 0), 0), -EINVAL);
	cr_assert_eq(
		sign_client_edge(b->f->t.sign_client, PEER(PEER_TLS, KEY_EDGES_MAX), 0), -ENOSPC);
	bench_free(b);
}
