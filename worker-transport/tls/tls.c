/* tls.c - TLS connections.
 *
 * A handshake needs more than the connection: the signing and its counts stand in a struct of their
 * own, which is freed when the handshake is over. A suspended handshake is an OpenSSL job with a
 * stack. The job must have come to its end before its SSL is freed, so giving a handshake up means
 * failing its signature and letting the job run out. Relies on: tls_peer.c for trust,
 * tls_bio.c for the socket, sign_client.c for signatures, certificates.c, tcp_layer.c for
 * connecting.
 */
#include "tls.h"

#include "common/counters.h"
#include "common/log.h"
#include "worker-transport/admit.h"
#include "certificates.h"
#include "tls_bio.h"
#include "tls_connection.h"
#include "tls_context.h"
#include "sign_client.h"
#include "worker-transport/tcp_layer.h"
#include "worker-transport/to_sip.h"
#include "worker-transport/transport_worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TICKETS_PER_HANDSHAKE 1

/* ---- the log ---- */

static bool tls_may_log(struct tls *tls)
{
	uint64_t now = loop_now(tls->t->loop), left_out;

	if (!log_limit_pass(&tls->limit, now, TLS_LOG_RATE, LOG_LIMIT_SECOND, &left_out))
		return false;
	if (left_out)
		log_info("tls-log-limited", "left_out=%llu", (unsigned long long)left_out);
	return true;
}

static void tls_log_failed(struct tls_connection *c, const char *event, const char *reason)
{
	const struct settings *s = c->tls->t->settings;
	char peer[ENDPOINT_TEXT_SIZE], text[REASON_MAX], listener[64], name[64];

	if (!log_enabled(LOG_INFO) || !tls_may_log(c->tls))
		return;
	endpoint_text(&c->peer, peer);
	log_info(event, "peer=%s listener=%s direction=%s%s%s reason=%s", peer,
		log_value(settings_str(s, settings_listener(s, c->listener)->name), listener,
			sizeof(listener)),
		c->outgoing ? "out" : "in", c->outgoing ? " name=" : "",
		c->outgoing ? log_value(str_of(c->name), name, sizeof(name)) : "",
		log_value(str_of(reason), text, sizeof(text)));
}

/* ---- callbacks of a server's handshake ---- */

/* Server name indication (RFC 6066 section 3). */
static int tls_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_connection *c = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct certificate *certificate;

	(void)arg;
	if (!name)
		return SSL_TLSEXT_ERR_NOACK;
	certificate = certificates_choose(c->tls->t->certificates,
		settings_listener(c->tls->t->settings, c->listener), str_of(name));
	if (!certificate) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (SSL_get_SSL_CTX(ssl) == certificate->context)
		return SSL_TLSEXT_ERR_OK;
	/* the new context brings the certificate with its key, and forgets whom we believe */
	if (!SSL_set_SSL_CTX(ssl, certificate->context) || !tls_set_authorities(c)) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_OK;
}

/* The application protocol (RFC 7301). */
static int tls_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
	const unsigned char *in, unsigned in_size, void *arg)
{
	/* the registered name of SIP is sip/2; sip is met too */
	static const unsigned char sip[] = "\005sip/2\003sip", http[] = "\010http/1.1";
	struct tls_connection *c = SSL_get_app_data(ssl);
	bool web = settings_listener(c->tls->t->settings, c->listener)->transport == TRANSPORT_WSS;
	unsigned own_size = (unsigned)(web ? sizeof(http) : sizeof(sip)) - 1;
	unsigned char *chosen;
	int result = SSL_select_next_proto(
		&chosen, out_size, web ? http : sip, own_size, in, in_size);

	(void)arg;
	/* A client that offers only other protocols is let in all the same: SIP over TLS needs no
	 * such name (RFC 3261 knows of none). */
	if (result != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

const struct tls_context_server tls_server = {
	.server_name = tls_server_name, .protocol = tls_protocol};

/* A server asks for our certificate: shows it over TLS 1.3. 1: go on, with or without it. */
static int tls_show_certificate(SSL *ssl, void *arg)
{
	struct tls_connection *c = arg;
	const struct certificate *own = certificates_at(c->tls->t->certificates, c->certificate);

	if (!own)
		return 1;
	if (SSL_version(ssl) != TLS1_3_VERSION) {
		/* TLS 1.2 would have us sign the whole transcript, which has no shape that a key
		 * worker could check */
		tls_log_failed(c, "tls-certificate-not-shown", "the server speaks TLS 1.2");
		return 1;
	}
	return SSL_use_cert_and_key(ssl, own->leaf, own->key, own->chain, 1);
}

/* ---- begin and end ---- */

static void tls_on_signature(struct signing *s, void *arg)
{
	struct tls_connection *c = arg;

	(void)s;
	stream_go_on(c->stream);
}

static void tls_handshake_count_failure(struct tls_handshake *h, enum counter counter)
{
	if (!h->counted)
		counter_add(counter, 1);
	h->counted = true;
}

/* The handshake is over, well or not: frees what it needed. */
static void tls_handshake_end(struct tls_connection *c)
{
	struct tls *tls = c->tls;
	struct tls_handshake *h = c->handshake;

	if (!h)
		return;
	c->handshake = NULL;
	tls->handshakes--;
	counter_set(COUNTER_TLS_HANDSHAKING, tls->handshakes);
	admit_handshake_done(h->held);
	free(h);
}

static void tls_connection_free(struct tls_connection *c)
{
	struct tls_handshake *h = c->handshake;

	if (h) {
		bool late = loop_now(c->tls->t->loop) >=
		            h->started + c->tls->t->settings->handshake_ms;

		if (!h->counted && late)
			tls_log_failed(c, "tls-handshake-failed", "not done in time");
		tls_handshake_count_failure(
			h, late ? COUNTER_TLS_FAILED_LATE : COUNTER_TLS_FAILED_GONE);
		if (h->signing.state == SIGNING_WAITING || h->signing.state == SIGNING_SENT) {
			sign_client_cancel(&h->signing);
			ERR_clear_error();
			SSL_do_handshake(c->ssl); /* the job runs out */
		}
	}
	SSL_free(c->ssl);
	ERR_clear_error();
	tls_handshake_end(c);
	free(c);
}

void tls_abandon(void *state)
{
	struct tls_connection *c = state;

	if (c && c->handshake)
		c->handshake->counted = true;
	if (c)
		tls_connection_free(c);
}

static int tls_connection_new(struct tls *tls, int fd, SSL_CTX *context, const struct flow *flow,
	struct source *held, struct tls_connection **out)
{
	const struct settings *s = tls->t->settings;
	struct tls_connection *c;
	BIO *bio;

	if (tls->handshakes >= s->handshakes_max) {
		to_sip_count_dropped(tls->t, flow, COUNTER_TLS_REFUSED_FULL);
		return -EBUSY;
	}
	if (admit_handshake(held, s->handshakes_per_source)) {
		to_sip_count_dropped(tls->t, flow, COUNTER_TLS_REFUSED_SOURCE);
		return -EBUSY;
	}
	c = calloc(1, sizeof(*c));
	if (c)
		c->handshake = calloc(1, sizeof(*c->handshake));
	if (!c || !c->handshake) {
		admit_handshake_done(held);
		free(c);
		return -ENOMEM;
	}
	c->tls = tls;
	c->peer = flow->peer;
	c->listener = flow->listener;
	c->handshake->held = held;
	c->handshake->started = loop_now(tls->t->loop);
	c->handshake->signing.done = tls_on_signature;
	c->handshake->signing.arg = c;
	tls->handshakes++;
	counter_set(COUNTER_TLS_HANDSHAKING, tls->handshakes);
	c->ssl = SSL_new(context);
	bio = tls_bio_new(tls->bio, fd);
	if (!c->ssl || !bio) {
		BIO_free(bio);
		tls_abandon(c);
		return -ENOMEM;
	}
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_app_data(c->ssl, c);
	*out = c;
	return 0;
}

int tls_accept(struct tls *tls, int fd, const struct flow *flow, struct source *held, void **state)
{
	const struct settings *s = tls->t->settings;
	const struct listener_settings *l = settings_listener(s, flow->listener);
	const struct certificate *certificate = certificates_choose(
		tls->t->certificates, l, STR_NONE);
	struct tls_connection *c;
	int error;

	if (!certificate) {
		to_sip_count_dropped(tls->t, flow, COUNTER_TLS_NO_CERTIFICATE);
		return -ENOENT;
	}
	error = tls_connection_new(tls, fd, certificate->context, flow, held, &c);
	if (error)
		return error;
	if (!tls_set_authorities(c) || !tls_set_session_context(c)) {
		tls_abandon(c);
		return -ENOMEM;
	}
	if (s->tickets && sign_client_ticket(tls->t->sign_client, loop_now(tls->t->loop)))
		SSL_set_num_tickets(c->ssl, TICKETS_PER_HANDSHAKE);
	else
		SSL_set_options(c->ssl, SSL_OP_NO_TICKET);
	SSL_set_accept_state(c->ssl);
	*state = c;
	return 0;
}

struct tls_profile {
	bool verify;
	uint16_t certificate;
	char name[IDENTITY_MAX + 1];
};

/* The settings' demands on a connection to that peer under that number (settings_profile; 0:
 * none). 0; -EINVAL: no such trunk. */
static int tls_profile_of(const struct settings *s, uint16_t number, const struct endpoint *peer,
	struct tls_profile *out)
{
	char host[ENDPOINT_TEXT_SIZE];
	size_t n = endpoint_host_text(peer, host);

	*out = (struct tls_profile){.verify = true, .certificate = NONE_INDEX};
	if (number) {
		unsigned i, written;

		if (!settings_profile_of(s, number, &i, &written))
			return -EINVAL;
		const struct trunk_settings *trunk = settings_trunk(s, i);
		struct str name = settings_str(s, trunk->tls_name);

		/* the name that was looked up, and not what the DNS made of it (RFC 5922 section 4)
		 */
		if (!name.n && written != NONE_INDEX)
			name = settings_str(
				s, SETTINGS_ROW(s, struct target_settings, trunk->targets, written)
					   ->name);
		out->verify = trunk->verify;
		out->certificate = trunk->certificate;
		if (name.n)
			return str_copy(name, out->name, sizeof(out->name)) ? -EINVAL : 0;
	}
	return str_copy((struct str){host, n}, out->name, sizeof(out->name));
}

/* Names the server that we want to reach. An address is no server name (RFC 6066 section 3). */
static bool tls_set_server_name(struct tls_connection *c)
{
	struct endpoint address;

	if (endpoint_parse_host(str_of(c->name), 0, &address) == 0)
		return true;
	return SSL_set_tlsext_host_name(c->ssl, c->name) == 1;
}

int tls_connect(struct tls *tls, int fd, const struct flow *to, void **state)
{
	struct tls_connection *c;
	struct tls_profile p;
	int error = tls_profile_of(tls->t->settings, to->profile, &to->peer, &p);

	if (error)
		return error;
	error = tls_connection_new(tls, fd, tls->client, to, NULL, &c);
	if (error)
		return error;
	c->outgoing = true;
	c->profile = to->profile;
	c->verify = p.verify;
	c->certificate = p.certificate;
	memcpy(c->name, p.name, sizeof(c->name));
	SSL_set_verify(c->ssl, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
		c->verify ? tls_verify_peer : NULL);
	if (c->certificate != NONE_INDEX)
		SSL_set_cert_cb(c->ssl, tls_show_certificate, c);
	else
		SSL_clear_mode(c->ssl, SSL_MODE_ASYNC); /* nothing to sign */
	if (!tls_set_server_name(c)) {
		tls_abandon(c);
		return -EINVAL;
	}
	SSL_set_connect_state(c->ssl);
	*state = c;
	return 0;
}

bool tls_profile_holds(const struct stream *s)
{
	const struct tls_connection *c = s->layer_state;
	struct tls_profile p;

	if (tls_profile_of(c->tls->t->settings, c->profile, &c->peer, &p))
		return false;
	if (p.verify != c->verify || p.certificate != c->certificate)
		return false;
	return strcmp(p.name, c->name) == 0;
}

unsigned tls_handshakes(const struct tls *tls)
{
	return tls->handshakes;
}

/* ---- the layer ---- */

static int tls_opened(struct tls_connection *c)
{
	count(TLS_HANDSHAKES);
	if (c->handshake)
		histogram_observe(
			HISTOGRAM_TLS_HANDSHAKE, loop_now(c->tls->t->loop) - c->handshake->started);
	if (SSL_session_reused(c->ssl))
		count(TLS_RESUMED);
	/* reads and writes from now on need no job of their own */
	SSL_clear_mode(c->ssl, SSL_MODE_ASYNC);
	tls_handshake_end(c);
	return 0;
}

/* Whether OpenSSL's error says that the peer's certificate is missing or not believed. */
static bool tls_is_certificate_error(unsigned long error)
{
	return ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ||
	       ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* The handshake has failed: counts and logs why, and returns a negative errno. kind: of
 * SSL_get_error; saved: errno behind the call. */
static int tls_failed(struct tls_connection *c, int kind, int saved)
{
	struct tls_handshake *h = c->handshake;
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_reason_error_string(error);
	char text[REASON_MAX];

	if (h->signing.state == SIGNING_FAILED) {
		snprintf(text, sizeof(text), "no signature: %s",
			h->signing.error == -ETIMEDOUT ? "no key worker answered"
						       : error_text(h->signing.error));
		tls_handshake_count_failure(h, COUNTER_TLS_FAILED_KEY);
		tls_log_failed(c, "tls-handshake-failed", text);
		return -EIO;
	}
	if (h->wrong[0] || tls_is_certificate_error(error)) {
		tls_handshake_count_failure(h, COUNTER_TLS_FAILED_PEER);
		tls_log_failed(
			c, "tls-peer-refused", h->wrong[0] ? h->wrong : "it shows no certificate");
		return -EKEYREJECTED;
	}
	if (kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN) {
		tls_handshake_count_failure(h, COUNTER_TLS_FAILED_GONE);
		if (c->outgoing)
			tls_log_failed(c, "tls-handshake-failed", "the peer ended the connection");
		return saved ? -saved : -ECONNRESET;
	}
	tls_handshake_count_failure(h, COUNTER_TLS_FAILED_PROTOCOL);
	tls_log_failed(c, "tls-handshake-failed", reason ? reason : "protocol error");
	return -EPROTO;
}

/* Whether a handshake waits: for the socket, or for its signature. kind: of SSL_get_error. */
static bool tls_is_unfinished(int kind)
{
	return kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE ||
	       kind == SSL_ERROR_WANT_ASYNC;
}

static int tls_open(struct stream *s)
{
	struct tls_connection *c = s->layer_state;
	struct transport_worker *t = c->tls->t;
	int result, kind, saved;

	c->stream = s;
	if (c->outgoing && !c->connected) {
		int error = tcp_layer_open(s);

		if (error)
			return error;
		c->connected = true;
		c->handshake->started = loop_now(t->loop);
		loop_set(t->loop, &s->deadline, t->settings->handshake_ms);
	}
	ERR_clear_error();
	sign_client_enter(t->sign_client, &c->handshake->signing);
	errno = 0;
	result = SSL_do_handshake(c->ssl);
	saved = errno;
	sign_client_enter(t->sign_client, NULL);
	/* a handshake has one signature of ours, and what follows it needs no job */
	if (c->handshake->signing.state == SIGNING_IDLE && c->handshake->signing.signature_size)
		SSL_clear_mode(c->ssl, SSL_MODE_ASYNC);
	if (result == 1)
		return tls_opened(c);
	kind = SSL_get_error(c->ssl, result);
	if (tls_is_unfinished(kind)) {
		s->wants = kind == SSL_ERROR_WANT_READ    ? EPOLLIN
		           : kind == SSL_ERROR_WANT_WRITE ? EPOLLOUT
		                                          : 0;
		return -EAGAIN;
	}
	result = tls_failed(c, kind, saved);
	ERR_clear_error();
	return result;
}

/* The result of a read or a write that gave no bytes, as stream_layer wants it. */
static ssize_t tls_outcome(struct stream *s, const struct tls_connection *c, int result, int saved)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ: s->wants |= EPOLLIN; return -EAGAIN;
	case SSL_ERROR_WANT_WRITE: s->wants |= EPOLLOUT; return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN: return 0;
	case SSL_ERROR_SYSCALL: return saved ? -saved : -ECONNRESET;
	default: count(TLS_ERRORS); return -EPROTO;
	}
}

static ssize_t tls_receive(struct stream *s, void *buffer, size_t size)
{
	struct tls_connection *c = s->layer_state;
	size_t n;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read_ex(c->ssl, buffer, size, &n);
	return result == 1 ? (ssize_t)n : tls_outcome(s, c, result, errno);
}

static bool tls_pending(const struct stream *s)
{
	const struct tls_connection *c = s->layer_state;

	return SSL_has_pending(c->ssl) == 1;
}

static ssize_t tls_send(struct stream *s, const struct iovec *iov, unsigned n)
{
	struct tls_connection *c = s->layer_state;
	const void *bytes = iov[0].iov_base;
	size_t size = iov[0].iov_len, done;
	ssize_t error;
	int result;

	if (n > 1 && size < RECORD_MAX) {
		size = 0;
		for (unsigned i = 0; i < n && size < RECORD_MAX; i++) {
			size_t part = iov[i].iov_len < RECORD_MAX - size ? iov[i].iov_len
			                                                 : RECORD_MAX - size;

			memcpy(c->tls->record + size, iov[i].iov_base, part);
			size += part;
		}
		bytes = c->tls->record;
	}
	ERR_clear_error();
	errno = 0;
	result = SSL_write_ex(c->ssl, bytes, size, &done);
	if (result == 1)
		return (ssize_t)done;
	error = tls_outcome(s, c, result, errno);
	return error ? error : -EPIPE;
}

/* Since TLS 1.3 each side ends for itself (RFC 8446 section 6.1). Before, close_notify was to be
 * answered at once, and what was to be written dropped (RFC 5246 section 7.2.1). */
static bool tls_one_way(const struct stream *s)
{
	const struct tls_connection *c = s->layer_state;

	return SSL_version(c->ssl) >= TLS1_3_VERSION;
}

static void tls_shut(struct stream *s)
{
	struct tls_connection *c = s->layer_state;

	ERR_clear_error();
	if (!c->handshake)
		SSL_shutdown(c->ssl);
	shutdown(s->fd, SHUT_WR);
}

static void tls_end(struct stream *s)
{
	struct tls_connection *c = s->layer_state;

	s->layer_state = NULL;
	tls_connection_free(c);
}

const struct stream_layer tls_layer = {.open = tls_open,
	.receive = tls_receive,
	.pending = tls_pending,
	.send = tls_send,
	.one_way = tls_one_way,
	.shut = tls_shut,
	.end = tls_end};

/* ---- all connections ---- */

int tls_new(struct tls **out, struct transport_worker *t)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	tls->t = t;
	tls->bio = tls_bio_method();
	tls->client = tls_context_new(t, NULL);
	tls->nobody = X509_STORE_new();
	if (!tls->bio || !tls->client || !tls->nobody) {
		tls_free(tls);
		return -ENOMEM;
	}
	*out = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	tls_authorities_free(tls);
	SSL_CTX_free(tls->client);
	X509_STORE_free(tls->nobody);
	BIO_meth_free(tls->bio);
	free(tls);
}
