/* sip-authorize.h - requests of alice to authorize over sip-fixture.h, with credentials as a client
 * computes them. */
#ifndef SIPWARD_TESTS_UNIT_SIP_AUTHORIZE_H
#define SIPWARD_TESTS_UNIT_SIP_AUTHORIZE_H

#include "sip-fixture.h"

#include "worker-sip/auth/authorize.h"
#include "worker-sip/call/dialog.h"

static struct fixture *f;

static inline void set_up(void)
{
	f = fixture_new();
	cr_assert_eq(dialogs_new(&f->sip.dialogs), 0); /* their memory is that of records */
}
static inline void tear_down(void)
{
	dialogs_free(f->sip.dialogs);
	fixture_free(f);
}

/* One request of alice and what is in its credentials; what is NULL is as usual. */
struct ask {
	const char *method, *uri, *from, *to, *peer;
	unsigned listener;
	uint8_t slot;
	/* credentials; user NULL: none */
	const char *user, *password, *realm, *nonce, *digest_uri, *nc, *algorithm, *qop, *cnonce,
		*extra;
	bool wrong_header;
};
#define REGISTER .method = "REGISTER"
#define INVITE .method = "INVITE"
#define ALICE .user = "alice", .password = "wonderland"

/* The response as a client computes it. */
static inline void respond(const struct ask *a, const char *nonce, const char *uri, char out[65])
{
	uint8_t algorithm = !a->algorithm                          ? DIGEST_MD5
	                    : !strcmp(a->algorithm, "SHA-256")     ? DIGEST_SHA256
	                    : !strcmp(a->algorithm, "SHA-512-256") ? DIGEST_SHA512_256
	                                                           : DIGEST_MD5;
	char ha1[65], all[1024], method[128];
	size_t n = digest_ha1(algorithm, str_of(a->user),
		str_of(a->realm ? a->realm : "example.net"), str_of(a->password), ha1);
	char a2[65];

	/* H(x:y:z) with the parts cut at other colons is the same hash */
	snprintf(method, sizeof(method), "%s", a->method);
	char *colon = strchr(uri, ':');
	char scheme[16];
	snprintf(scheme, sizeof(scheme), "%.*s", (int)(colon - uri), uri);
	digest_ha1(algorithm, str_of(method), str_of(scheme), str_of(colon + 1), a2);
	snprintf(all, sizeof(all), "%s:%s:%s:%s", a->nc ? a->nc : "00000001",
		a->cnonce ? a->cnonce : "c0", a->qop ? a->qop : "auth", a2);
	digest_ha1(algorithm, (struct str){ha1, n}, str_of(nonce), str_of(all), out);
}

/* The sender of the request that is being authorized. */
static struct identity sender;
static bool allowed;

/* Returns the status of the answer; 0: it may go on. */
static inline unsigned ask(struct ask a)
{
	static char text[8192];
	char credentials[2048] = "", response[65];
	bool registers = strcmp(a.method, "REGISTER") == 0;

	a.uri = a.uri ? a.uri : registers ? "sip:example.net" : "sip:bob@example.net";
	a.from = a.from ? a.from : "sip:alice@example.net";
	a.to = a.to ? a.to : registers ? "sip:alice@example.net" : "sip:bob@example.net";
	struct flow flow = fixture_flow(f, a.listener, a.peer ? a.peer : "198.51.100.7:5060", 0);
	const char *uri = a.digest_uri ? a.digest_uri : a.uri;
	bool proxy = !registers && strchr(a.uri, '@');
	if (a.user) {
		respond(&a, a.nonce, uri, response);
		snprintf(credentials, sizeof(credentials),
			"%s: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", "
			"response=\"%s\"%s%s%s%s%s%s%s%s%s\r\n",
			proxy != a.wrong_header ? "Proxy-Authorization" : "Authorization", a.user,
			a.realm ? a.realm : "example.net", a.nonce, uri, response,
			a.algorithm ? ", algorithm=" : "", a.algorithm ? a.algorithm : "",
			a.qop && !*a.qop ? "" : ", qop=", a.qop ? a.qop : "auth",
			a.qop && !*a.qop ? "" : ", nc=",
			a.qop && !*a.qop ? ""
			: a.nc           ? a.nc
					 : "00000001",
			a.qop && !*a.qop ? "" : ", cnonce=\"",
			a.qop && !*a.qop ? ""
			: a.cnonce       ? a.cnonce
					 : "c0",
			a.qop && !*a.qop ? "" : "\"");
	}
	f->branch++;
	snprintf(text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK%u\r\nFrom: <%s>;tag=%u\r\nTo: "
		"<%s>\r\nCall-ID: %u\r\nCSeq: 1 %s\r\n%s%s\r\n",
		a.method, a.uri, f->branch, a.from, f->branch, a.to, f->branch, a.method,
		a.extra ? a.extra : "", credentials);
	const struct message *m = fixture_message(f, text, &flow);
	struct transaction *t;
	f->answers = 0;
	cr_assert_eq(transactions_request(f->sip.transactions, m, a.slot, &t), REQUEST_NEW);
	struct incoming in = {.sip = &f->sip,
		.message = m,
		.zone = settings_listener(&f->image.s, a.listener)->zone,
		.slot = a.slot,
		.transaction = t};
	memset(&in.sender, 0xee, sizeof(in.sender));
	in.sender.trusted = in.sender.authenticated = false;
	allowed = authorize(&in);
	sender = in.sender;
	unsigned status = fixture_status(f);
	cr_assert_eq(allowed, status == 0, "%u", status);
	if (allowed)
		answer(&f->sip, t, 200, STR_EMPTY);
	return status;
}

/* The nonce of the last answer. */
static inline const char *nonce_of(const char *header)
{
	static char buffer[4][256];
	static unsigned turn;
	const char *value = fixture_header(f, header, 0);

	cr_assert_not_null(value);
	value = strstr(value, "nonce=\"") + 7;
	char *to = buffer[turn++ % 4];
	snprintf(to, sizeof(buffer[0]), "%.*s", (int)strcspn(value, "\""), value);
	return to;
}

static inline const char *register_nonce(void)
{
	cr_assert_eq(ask((struct ask){REGISTER}), 401);
	return nonce_of("WWW-Authenticate");
}

static inline bool is_stale(const char *header)
{
	const char *value = fixture_header(f, header, 0);

	return value && strstr(value, "stale=true");
}

/* Whether alice's phone is offered both algorithms, or MD5 alone (false). */
static inline bool offers_both(void)
{
	cr_assert_eq(ask((struct ask){REGISTER}), 401);
	return fixture_headers(f, "WWW-Authenticate") == 2;
}

static inline void some_time(uint64_t ms)
{
	virtual_clock_advance(f->sip.loop, (unsigned)ms);
}

#endif
