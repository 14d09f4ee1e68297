/* transport-tls_peer.c - TLS connections out: whom they believe, what they show, and which of them
 * serves whom. */
#include "transport-tls.h"

struct server {
	struct peer p;
	struct secure *s;
	EVP_PKEY *key;
	X509 *x;
	int listener, port;
	char name[64];
};

static int seen_name(SSL *ssl, int *alert, void *arg)
{
	struct server *v = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	snprintf(v->name, sizeof(v->name), "%s", name ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

static struct server *server_new(
	struct secure *s, const char *names, long end, const struct authority *a, int version)
{
	struct server *v = calloc(1, sizeof(*v));

	v->s = s;
	v->key = make_key("P-256");
	v->x = make_certificate(v->key, "server", names, -2 * DAY, end, a->certificate, a->key);
	v->p.context = SSL_CTX_new(TLS_server_method());
	if (version)
		SSL_CTX_set_max_proto_version(v->p.context, version);
	SSL_CTX_use_cert_and_key(v->p.context, v->x, v->key, NULL, 1);
	SSL_CTX_set_tlsext_servername_callback(v->p.context, seen_name);
	SSL_CTX_set_tlsext_servername_arg(v->p.context, v);
	v->listener = bound("127.0.0.1", SOCK_STREAM, &v->port);
	cr_assert_eq(listen(v->listener, 8), 0);
	v->p.fd = -1;
	return v;
}

static void server_free(struct server *v)
{
	SSL_free(v->p.ssl);
	SSL_CTX_free(v->p.context);
	if (v->p.fd >= 0)
		close(v->p.fd);
	close(v->listener);
	X509_free(v->x);
	EVP_PKEY_free(v->key);
	free(v);
}

static void server_step(struct server *v)
{
	if (v->p.fd < 0) {
		int fd = accept4(v->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			peer_begin(&v->p, fd, true);
	}
	if (v->p.fd >= 0)
		peer_step(&v->p);
}

static struct flow towards(const struct server *v, unsigned trunk)
{
	return (struct flow){.transport = TRANSPORT_TLS,
		.listener = CORE_TLS,
		.peer = at("127.0.0.1", v->port),
		.profile = (uint16_t)trunk};
}

/* Sends over a trunk; the error that is reported, or 0 where the server has it. */
static int send_over(struct secure *s, struct server *v, unsigned trunk)
{
	struct flow to = towards(v, trunk);
	static uint64_t cookie = 1000;
	size_t had = v->p.size;

	cookie++;
	order(s->f, &to, "OPTIONS sip:x SIP/2.0\r\n\r\n", 25, cookie, false);
	UNTIL(s->f, (server_step(v), failure_of(s->f, cookie) || v->p.size > had));
	return failure_of(s->f, cookie);
}

static void try(unsigned trunk, const char *names, long end, bool known, int error)
{
	struct secure *s = secure_new(NULL);
	struct authority stranger = make_authority("Stranger");
	struct server *v = server_new(s, names, end, known ? &s->authority : &stranger, 0);

	cr_assert_eq(send_over(s, v, trunk), error, "trunk %u %s", trunk, names);
	cr_assert_eq(COUNTED(TLS_FAILED_PEER), error != 0);
	if (!error)
		cr_assert_str_eq(
			v->name, trunk == 0 || trunk == TRUNK_ADDRESS + 1 ? "" : "pbx.example.net");
	server_free(v);
	authority_free(&stranger);
	secure_free(s);
}

Test(tls_peer, servers_are_verified)
{
	try(TRUNK_NAMED + 1, "URI:sip:pbx.example.net", DAY, true, 0);
	try(TRUNK_NAMED + 1, "DNS:pbx.example.net", DAY, true, 0);
	try(TRUNK_NAMED + 1, "DNS:pbx.example.net,URI:sip:other.example.net", DAY, true,
		-EKEYREJECTED);
	try(TRUNK_NAMED + 1, "DNS:*.example.net", DAY, true, -EKEYREJECTED);
	try(TRUNK_NAMED + 1, "IP:127.0.0.1", DAY, true, -EKEYREJECTED);
	try(TRUNK_NAMED + 1, "URI:sip:pbx.example.net", -DAY, true, -EKEYREJECTED);
	try(TRUNK_NAMED + 1, "URI:sip:pbx.example.net", DAY, false, -EKEYREJECTED);
	try(TRUNK_ADDRESS + 1, "IP:127.0.0.1", DAY, true, 0);
	try(TRUNK_ADDRESS + 1, "DNS:pbx.example.net", DAY, true, -EKEYREJECTED);
	try(0, "IP:127.0.0.1", DAY, true, 0);
	try(0, "DNS:localhost", DAY, true, -EKEYREJECTED);
	try(TRUNK_UNVERIFIED + 1, "DNS:whoever.example.com", -DAY, false, 0);
}

static int any_client(int good, X509_STORE_CTX *c)
{
	(void)good;
	(void)c;
	return 1;
}

Test(tls_peer, our_certificate_is_shown_to_who_asks)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (unsigned trunk = TRUNK_NAMED; trunk <= TRUNK_CERTIFIED;
			trunk += TRUNK_CERTIFIED - TRUNK_NAMED) {
			struct secure *s = secure_new(NULL);
			struct server *v = server_new(
				s, "URI:sip:pbx.example.net", DAY, &s->authority, version);
			X509 *seen;

			SSL_CTX_set_verify(v->p.context, SSL_VERIFY_PEER, any_client);
			cr_assert_eq(send_over(s, v, trunk + 1), 0);
			seen = SSL_get1_peer_certificate(v->p.ssl);
			/* TLS 1.2 would take a signature over the whole transcript, which no key
			 * worker makes */
			if (trunk == TRUNK_CERTIFIED && version == TLS1_3_VERSION) {
				cr_assert_not_null(seen);
				cr_assert_eq(X509_cmp(seen, s->x[0]), 0);
				cr_assert_eq(s->signer[0].signed_, 1);
			} else {
				cr_assert_null(seen);
			}
			X509_free(seen);
			server_free(v);
			secure_free(s);
		}
}

Test(tls_peer, a_connection_serves_its_profile_alone)
{
	struct secure *s = secure_new(NULL);
	struct server *v = server_new(s, "URI:sip:pbx.example.net", DAY, &s->authority, 0), *w;
	struct flow to = towards(v, TRUNK_NAMED + 1);

	cr_assert_eq(send_over(s, v, TRUNK_NAMED + 1), 0);
	cr_assert_eq(send_over(s, v, TRUNK_NAMED + 1), 0);
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 1);
	/* the same address by another profile: a connection of its own, whose name does not
	 * match */
	w = server_new(s, "URI:sip:pbx.example.net", DAY, &s->authority, 0);
	close(w->listener);
	w->listener = dup(v->listener);
	w->port = v->port;
	cr_assert_eq(send_over(s, w, TRUNK_ADDRESS + 1), -EKEYREJECTED);
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 2);
	cr_assert_not_null(flow_to_peer(s->f->t.flows, &to));
	/* the settings ask for another name now: what was verified for the old one serves nothing
	 * new */
	s->f->image.trunk[TRUNK_NAMED].tls_name = s->f->image.trunk[TRUNK_NAMED].name;
	transport_settings(&s->f->t);
	cr_assert_null(flow_to_peer(s->f->t.flows, &to));
	cr_assert_eq(streams_count(s->f->t.streams), 1);
	server_free(w);
	server_free(v);
	secure_free(s);
}

static void short_time(struct image *image)
{
	image->s.handshake_ms = 200;
	image->s.connect_ms = 150;
}

Test(tls_peer, a_server_that_does_not_answer)
{
	struct secure *s = secure_new(short_time);
	struct server *v = server_new(s, "URI:sip:pbx.example.net", DAY, &s->authority, 0);
	struct flow to = towards(v, TRUNK_NAMED + 1);

	order(s->f, &to, "OPTIONS sip:x SIP/2.0\r\n\r\n", 25, 5,
		false); /* it is in the backlog: connected, and that is all */
	UNTIL(s->f, failure_of(s->f, 5));
	cr_assert_eq(failure_of(s->f, 5), -ETIMEDOUT);
	cr_assert_eq(COUNTED(TLS_FAILED_LATE), 1);
	/* and one that hangs up */
	close(accept(v->listener, NULL, NULL));
	order(s->f, &to, "OPTIONS sip:x SIP/2.0\r\n\r\n", 25, 6, false);
	UNTIL(s->f, streams_count(s->f->t.streams) == 1);
	close(accept(v->listener, NULL, NULL));
	UNTIL(s->f, failure_of(s->f, 6));
	cr_assert_eq(COUNTED(TLS_FAILED_GONE), 1);
	/* and one that is not there */
	close(v->listener);
	v->listener = -1;
	order(s->f, &to, "OPTIONS sip:x SIP/2.0\r\n\r\n", 25, 7, false);
	UNTIL(s->f, failure_of(s->f, 7));
	cr_assert_eq(failure_of(s->f, 7), -ECONNREFUSED);
	cr_assert_eq(tls_handshakes(s->f->t.tls), 0);
	server_free(v);
	secure_free(s);
}

Test(tls_peer, authorities_that_are_none)
{
	struct secure *s = secure_new(NULL);

	cr_assert_eq(tls_authorities(s->f->t.tls, NONE_INDEX, STR_EMPTY), -EBADMSG);
	cr_assert_eq(tls_authorities(s->f->t.tls, NONE_INDEX, S("nonsense")), -EBADMSG);
	cr_assert_eq(tls_authorities(s->f->t.tls, NONE_INDEX,
			     S("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n")),
		-EBADMSG);
	cr_assert_eq(tls_authorities(s->f->t.tls, LISTENERS_MAX, STR_EMPTY), -EINVAL);
	secure_free(s);
}
