/* transport-tls.c - TLS streams over loopback: bytes however they are cut, who is let in, and
 * what a handshake may cost. */
#include "transport-tls.h"

static char raw[2048], big[66000];

static struct peer *opened(struct secure *s, uint16_t listener, struct peer *p)
{
	client_dial(p, s->f->port[listener], "sip.example.net");
	UNTIL(s->f, peer_step(p) || p->result < 0);
	cr_assert_eq(p->result, 1, "%s", ERR_error_string(ERR_peek_error(), NULL));
	return p;
}

static void tell_peer(struct peer *p, const void *bytes, size_t size)
{
	size_t done;

	cr_assert_eq(SSL_write_ex(p->ssl, bytes, size, &done), 1);
	cr_assert_eq(done, size);
}

/* ---- bytes ---- */

Test(tls, messages_however_they_are_cut)
{
	struct secure *s = secure_new(NULL);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	static char many[40000];
	size_t n = 0, one = request(raw, "OPTIONS", 1, NULL, "TLS");

	for (unsigned i = 0; i < 20; i++)
		n += request(many + n, "OPTIONS", 10 + i, NULL, "TLS");
	tell_peer(p, many, n); /* many in one record */
	UNTIL(s->f, s->f->count == 20);
	for (size_t i = 0; i < one; i++) /* a record for each byte, all there at once */
		tell_peer(p, raw + i, 1);
	UNTIL(s->f, s->f->count == 21);
	for (size_t i = 0; i < n; i += 700) {
		tell_peer(p, many + i, n - i < 700 ? n - i : 700);
		loop_once(s->f->t.loop, 10);
	}
	UNTIL(s->f, s->f->count == 41);
	peer_free(p);
	secure_free(s);
}

static size_t large(size_t body)
{
	size_t n = (size_t)snprintf(big, sizeof(big),
		"MESSAGE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/TLS "
		"192.0.2.1;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
		"<sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\n"
		"Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
		body);

	for (size_t i = 0; i < body; i++)
		big[n + i] = (char)('a' + i % 26);
	return n + body;
}

Test(tls, a_large_message_and_what_follows_it)
{
	struct secure *s = secure_new(NULL);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	size_t n = large(60000), one = request(raw, "OPTIONS", 1, NULL, "TLS"), at_ = 0;

	SSL_set_mode(p->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (at_ < n) {
		size_t done = 0;

		if (SSL_write_ex(p->ssl, big + at_, n - at_, &done) != 1)
			cr_assert_eq(SSL_get_error(p->ssl, 0), SSL_ERROR_WANT_WRITE);
		at_ += done;
		loop_once(s->f->t.loop, 0);
	}
	tell_peer(p, raw, one);
	UNTIL(s->f, s->f->count == 2);
	cr_assert_eq(message_at(s->f, 0)->raw_size, n);
	cr_assert_eq(memcmp(message_raw(message_at(s->f, 0)), big, n), 0);
	peer_free(p);
	secure_free(s);
}

static void deep_queue(struct image *image)
{
	image->s.connection_queue = 8 * 1024 * 1024;
}

Test(tls, a_peer_that_reads_slowly_gets_every_byte)
{
	struct secure *s = secure_new(deep_queue);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS"), total = 0, size = large(50000), had = 0;
	struct flow flow;
	uint64_t end = clock_ms() + PATIENCE_MS;

	tell_peer(p, raw, n);
	UNTIL(s->f, s->f->count == 1);
	flow = message_at(s->f, 0)->flow;
	for (unsigned i = 0; i < 100; i++, total += size) {
		order(s->f, &flow, big, size, 0, i == 99);
		if (i % 10 == 0)
			loop_once(s->f->t.loop, 0);
	}
	while (had < total && clock_ms() < end) {
		static char buffer[4000];
		size_t got;

		loop_once(s->f->t.loop, 0);
		while (SSL_read_ex(p->ssl, buffer, sizeof(buffer), &got) == 1) {
			for (size_t i = 0; i < got; i++)
				cr_assert_eq(buffer[i], big[(had + i) % size]);
			had += got;
		}
	}
	cr_assert_eq(had, total);
	/* closed after the last byte, and said so */
	UNTIL(s->f, (peer_step(p), p->closed));
	peer_free(p);
	UNTIL(s->f, streams_count(s->f->t.streams) == 0);
	secure_free(s);
}

Test(tls, keys_may_be_updated)
{
	struct secure *s = secure_new(NULL);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, TLS1_3_VERSION));
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS");

	for (unsigned i = 1; i <= 3; i++) {
		cr_assert_eq(SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		tell_peer(p, raw, n);
		UNTIL(s->f, s->f->count == i);
		order(s->f, &message_at(s->f, i - 1)->flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
		UNTIL(s->f, peer_step(p) && p->size == 18 * i);
	}
	peer_free(p);
	secure_free(s);
}

Test(tls, a_peer_may_end_with_and_without_a_word)
{
	struct secure *s = secure_new(NULL);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));

	SSL_shutdown(p->ssl);
	UNTIL(s->f, streams_count(s->f->t.streams) == 0);
	peer_free(p);
	p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	peer_free(p);
	UNTIL(s->f, streams_count(s->f->t.streams) == 0);
	cr_assert_eq(COUNTED(STREAM_ENDED), 2);
	cr_assert_eq(COUNTED(STREAM_ERRORS), 0);
	secure_free(s);
}

/* A peer that has said that it sends nothing more still has its answer over TLS 1.3; before that
 * version it has none (RFC 5246 section 7.2.1). */
Test(tls, a_peer_that_has_ended_is_answered)
{
	static const int versions[2] = {TLS1_3_VERSION, TLS1_2_VERSION};
	struct secure *s = secure_new(NULL);

	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = client_new(&s->authority, versions[i]);
		struct flow flow;

		p = opened(s, ACCESS_TLS, p);
		tell_peer(p, raw, request(raw, "OPTIONS", i, NULL, "TLS"));
		UNTIL(s->f, s->f->count == i + 1);
		flow = message_at(s->f, i)->flow;
		SSL_shutdown(p->ssl);
		UNTIL(s->f, COUNTED(STREAM_ENDED) == i + 1);
		cr_assert_eq(flow_count(s->f->t.flows), versions[i] == TLS1_3_VERSION);
		if (versions[i] == TLS1_3_VERSION) {
			order(s->f, &flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
			UNTIL(s->f, peer_step(p) && p->size == 18);
		}
		UNTIL(s->f, flow_count(s->f->t.flows) == 0);
		peer_free(p);
		UNTIL(s->f, streams_count(s->f->t.streams) == 0);
	}
	secure_free(s);
}

Test(tls, a_record_that_is_none_ends_it)
{
	struct secure *s = secure_new(NULL);
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));

	cr_assert_eq(send(p->fd, "\x17\x03\x03\x00\x20 not encrypted by anyone we know", 37,
			     MSG_NOSIGNAL),
		37);
	UNTIL(s->f, streams_count(s->f->t.streams) == 0);
	cr_assert_eq(COUNTED(TLS_ERRORS), 1);
	peer_free(p);
	secure_free(s);
}

/* ---- who is let in ---- */

static uint8_t asking;
static void ask(struct image *image)
{
	image->listener[ACCESS_TLS].client_auth = asking;
}

/* own: who signed the client's certificate, NULL: it shows none. name: asked for. */
static void enter(
	uint8_t client_auth, int version, bool shows, bool known, const char *name, bool let_in)
{
	struct secure *s;
	struct authority stranger = make_authority("Stranger"), *a;
	EVP_PKEY *key = make_key("P-256");
	X509 *x;
	struct peer *p;

	asking = client_auth;
	s = secure_new(ask);
	a = known ? &s->authority : &stranger;
	x = make_certificate(
		key, "phone", "URI:sip:alice@example.net", -DAY, DAY, a->certificate, a->key);
	p = client_new(&s->authority, version);
	if (shows)
		cr_assert_eq(SSL_CTX_use_cert_and_key(p->context, x, key, NULL, 1), 1);
	client_dial(p, s->f->port[ACCESS_TLS], name);
	UNTIL(s->f, (peer_step(p), COUNTED(TLS_HANDSHAKES) + COUNTED(TLS_FAILED_PEER) == 1));
	cr_assert_eq(COUNTED(TLS_HANDSHAKES), let_in, "auth %u version %x shows %d known %d",
		client_auth, version, shows, known);
	if (!let_in)
		UNTIL(s->f, (peer_step(p), p->result == -1));
	peer_free(p);
	X509_free(x);
	EVP_PKEY_free(key);
	authority_free(&stranger);
	secure_free(s);
}

Test(tls, client_certificates)
{
	static const char *const names[] = {"sip.example.net",
		"phones.example.net"}; /* of the default certificate, and of another */

	for (unsigned i = 0; i < 2; i++)
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			enter(CLIENT_AUTH_OPTIONAL, version, false, false, names[i], true);
			enter(CLIENT_AUTH_OPTIONAL, version, true, true, names[i], true);
			enter(CLIENT_AUTH_OPTIONAL, version, true, false, names[i], false);
			enter(CLIENT_AUTH_REQUIRED, version, false, false, names[i], false);
			enter(CLIENT_AUTH_REQUIRED, version, true, true, names[i], true);
			enter(CLIENT_AUTH_REQUIRED, version, true, false, names[i], false);
		}
}

static void ask_core(struct image *image)
{
	image->listener[CORE_TLS].client_auth = CLIENT_AUTH_REQUIRED;
}

Test(tls, without_authorities_no_certificate_is_good)
{
	struct secure *s = secure_new(ask_core);
	struct peer *p = client_new(&s->authority, 0);
	X509 *x = make_certificate(s->key[0], "phone", "URI:sip:alice@example.net", -DAY, DAY,
		s->authority.certificate, s->authority.key);

	cr_assert_eq(SSL_CTX_use_cert_and_key(p->context, x, s->key[0], NULL, 1), 1);
	client_dial(p, s->f->port[CORE_TLS], NULL);
	UNTIL(s->f, (peer_step(p), COUNTED(TLS_FAILED_PEER) == 1));
	X509_free(x);
	peer_free(p);
	secure_free(s);
}

Test(tls, what_is_no_tls)
{
	struct secure *s = secure_new(NULL);
	int fd = dial("127.0.0.1", s->f->port[ACCESS_TLS]);
	size_t n = request(raw, "OPTIONS", 1, NULL, "TCP");

	cr_assert_eq(send(fd, raw, n, MSG_NOSIGNAL), (ssize_t)n);
	UNTIL(s->f, COUNTED(TLS_FAILED_PROTOCOL) == 1);
	cr_assert_eq(streams_count(s->f->t.streams), 0);
	cr_assert_eq(s->f->count, 0);
	close(fd);
	secure_free(s);
}

/* ---- what a handshake may cost ---- */

static void tight(struct image *image)
{
	image->s.handshakes_max = 6;
	image->s.handshakes_per_source = 4;
	image->s.handshake_ms = 300;
}

Test(tls, half_open_handshakes_are_bounded)
{
	struct secure *s = secure_new(tight);
	struct fixture *f = s->f;
	struct peer *p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS");
	int fd[10], udp, port;

	for (unsigned i = 0; i < 10; i++)
		fd[i] = dial(i < 6 ? "127.0.0.2" : "127.0.0.3", f->port[ACCESS_TLS]);
	UNTIL(f, COUNTED(TLS_REFUSED_FULL) + COUNTED(TLS_REFUSED_SOURCE) == 4);
	cr_assert_eq(COUNTED(TLS_REFUSED_SOURCE), 2);
	cr_assert_eq(tls_handshakes(f->t.tls), 6);
	/* who is there already notices nothing, UDP does not either */
	tell_peer(p, raw, n);
	UNTIL(f, f->count == 1);
	udp = bound("127.0.0.1", SOCK_DGRAM, &port);
	n = request(raw, "OPTIONS", 2, NULL, "UDP");
	throw_at(udp, "127.0.0.1", f->port[ACCESS_UDP], raw, n);
	UNTIL(f, f->count == 2);
	/* and in time there is room again */
	UNTIL(f, tls_handshakes(f->t.tls) == 0);
	cr_assert_eq(COUNTED(TLS_FAILED_LATE), 6);
	peer_free(p);
	p = opened(s, ACCESS_TLS, client_new(&s->authority, 0));
	for (unsigned i = 0; i < 10; i++)
		close(fd[i]);
	close(udp);
	peer_free(p);
	secure_free(s);
}

Test(tls, without_a_certificate_nobody_is_kept_waiting)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TLS]);

	UNTIL(f, COUNTED(TLS_NO_CERTIFICATE) == 1);
	cr_assert_eq(streams_count(f->t.streams), 0);
	close(fd);
	fixture_free(f);
}

/* ---- session tickets ---- */

static void with_tickets(struct image *image)
{
	image->s.tickets = 1;
}

static SSL_SESSION *session;
static int keep_session(SSL *ssl, SSL_SESSION *new)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = new;
	return 1;
}

static bool resumes(struct secure *s, int version)
{
	struct peer *p = client_new(&s->authority, version);
	bool resumed;

	SSL_CTX_set_session_cache_mode(
		p->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(p->context, keep_session);
	client_dial(p, s->f->port[ACCESS_TLS], "sip.example.net");
	if (session)
		SSL_set_session(p->ssl, session);
	UNTIL(s->f, peer_step(p));
	tell_peer(p, raw, request(raw, "OPTIONS", 1, NULL, "TLS"));
	UNTIL(s->f, s->f->count == 1);
	order(s->f, &message_at(s->f, 0)->flow, "\r\n\r\n", 4, 0,
		false); /* the ticket comes before it */
	UNTIL(s->f, peer_step(p) && p->size == 4);
	forget(s->f);
	resumed = SSL_session_reused(p->ssl);
	if (resumed &&
		version == TLS1_2_VERSION) /* a ticket renewed: OpenSSL tells of it here only */
		keep_session(p->ssl, SSL_get1_session(p->ssl));
	SSL_shutdown(p->ssl);
	peer_free(p);
	return resumed;
}

static void give_tickets(struct secure *s, unsigned first, unsigned count)
{
	struct sign_tickets t = {.count = (uint16_t)count};
	unsigned char packet[SIGN_PACKET_MAX];
	size_t n;

	for (unsigned i = 0; i < count; i++) {
		memset(t.key[i].name, (int)(first - i), 16);
		memset(t.key[i].aes, (int)(first - i + 100), 32);
		memset(t.key[i].hmac, (int)(first - i + 200), 32);
		t.key[i].expires_ms = clock_ms() + 600000;
	}
	n = sign_tickets_encode(&t, packet);
	cr_assert_eq(sign_packet_send(s->signer[0].fd, packet, n), 0);
	loop_once(s->f->t.loop, 50);
}

Test(tls, tickets_where_they_are_on)
{
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct secure *s = secure_new(with_tickets);

		SSL_SESSION_free(session);
		session = NULL;
		cr_assert_not(resumes(s, version)); /* no keys yet: no tickets, and no failure */
		cr_assert_null(session);
		give_tickets(s, 3, 1);
		cr_assert_not(resumes(s, version));
		cr_assert_not_null(session);
		cr_assert(resumes(s, version), "%x", version);
		give_tickets(s, 4, 2); /* rotated: the old one is read and a new one given */
		cr_assert(resumes(s, version), "%x", version);
		give_tickets(s, 5, 1); /* the oldest is not told any more, but not expired either */
		cr_assert(resumes(s, version), "%x", version);
		cr_assert_eq(COUNTED(TLS_RESUMED), 3);
		secure_free(s);
	}
}

Test(tls, a_listener_that_asks_for_more_resumes_nothing)
{
	struct secure *s = secure_new(with_tickets);

	SSL_SESSION_free(session);
	session = NULL;
	give_tickets(s, 3, 1);
	cr_assert_not(resumes(s, TLS1_3_VERSION));
	cr_assert(resumes(s, TLS1_3_VERSION));
	s->f->image.listener[ACCESS_TLS].client_auth = CLIENT_AUTH_OPTIONAL;
	cr_assert_not(resumes(s, TLS1_3_VERSION));
	cr_assert(resumes(s, TLS1_3_VERSION));
	cr_assert_eq(COUNTED(TLS_RESUMED), 2);
	secure_free(s);
}

Test(tls, no_tickets_where_they_are_off)
{
	struct secure *s = secure_new(NULL);

	give_tickets(s, 3, 1);
	cr_assert_not(resumes(s, TLS1_3_VERSION));
	cr_assert_null(session);
	cr_assert_not(resumes(s, TLS1_2_VERSION));
	cr_assert(session == NULL || !SSL_SESSION_has_ticket(session));
	secure_free(s);
}
