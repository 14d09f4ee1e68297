/* transport-certificates.c - identities of certificates (RFC 5922 section 7), choosing among them
 * by server name, generations from staging to being dropped. */
#include "transport-tls.h"
#include "worker-transport/tls/identity.h"

static EVP_PKEY *key;

static X509 *named(const char *common, const char *names)
{
	if (!key)
		key = make_key("P-256");
	return make_certificate(key, common, names, -DAY, DAY, NULL, NULL);
}

static bool is(const char *common, const char *names, const char *name)
{
	X509 *x = named(common, names);
	bool same = identity_is(x, str_of(name));

	X509_free(x);
	return same;
}

Test(identity, sip_domains_before_hosts)
{
	cr_assert(is("x", "URI:sip:example.net", "example.net"));
	cr_assert(is("x", "URI:sip:Example.NET", "eXample.net"));
	cr_assert(is("x", "URI:sip:other.net,URI:sip:example.net", "example.net"));
	cr_assert(is("x", "DNS:example.net", "example.net"));
	cr_assert(is("x", "DNS:example.net.", "example.net"));
	cr_assert(is("x", "DNS:example.net", "example.net."));
	/* where there is a SIP domain, DNS names count for nothing */
	cr_assert_not(is("x", "URI:sip:other.net,DNS:example.net", "example.net"));
	/* other schemes are not looked at, and a user's URI is no domain's */
	cr_assert(is("x", "URI:https://other.net,DNS:example.net", "example.net"));
	cr_assert_not(is("x", "URI:https://example.net", "example.net"));
	cr_assert_not(is("x", "URI:sips:example.net", "example.net"));
	cr_assert_not(is("x", "URI:sip:alice@example.net", "example.net"));
	cr_assert(is("x", "URI:sip:alice@other.net,DNS:example.net", "example.net"));
	cr_assert(is("x", "URI:sip:example.net;transport=tls", "example.net"));
}

Test(identity, whole_names_alone)
{
	cr_assert_not(is("x", "DNS:*.example.net", "sip.example.net"));
	cr_assert_not(is("x", "URI:sip:*.example.net", "sip.example.net"));
	cr_assert_not(is("x", "DNS:*.example.net", "*.example.net"));
	cr_assert_not(is("x", "DNS:sip.example.net", "example.net"));
	cr_assert_not(is("x", "DNS:example.net", "sip.example.net"));
	cr_assert_not(is("x", "DNS:example.net", ""));
	cr_assert_not(is("x", "DNS:example.ne", "example.net"));
}

Test(identity, common_name_only_where_there_is_nothing_else)
{
	cr_assert(is("example.net", NULL, "example.net"));
	cr_assert_not(is("example.net", "DNS:other.net", "example.net"));
	cr_assert_not(is("example.net", "IP:127.0.0.1", "example.net"));
	cr_assert_not(is("example.net", "URI:https://other.net", "example.net"));
	cr_assert_not(is("*.example.net", NULL, "sip.example.net"));
}

Test(identity, addresses)
{
	cr_assert(is("x", "IP:192.0.2.1", "192.0.2.1"));
	cr_assert(is("x", "IP:2001:db8::1", "[2001:db8::1]"));
	cr_assert(is("x", "IP:2001:db8::1", "2001:db8:0::1"));
	cr_assert_not(is("x", "IP:192.0.2.1", "192.0.2.2"));
	cr_assert_not(is("x", "DNS:192.0.2.1", "192.0.2.1"));
	cr_assert_not(is("192.0.2.1", NULL, "192.0.2.1"));
	cr_assert_not(is("x", "IP:192.0.2.1", "sip.example.net"));
}

Test(identity, a_nul_ends_nothing)
{
	X509 *x = named("x", NULL);
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	ASN1_STRING_set(text, "example.net\0.evil.org", 21);
	GENERAL_NAME_set0_value(g, GEN_DNS, text);
	sk_GENERAL_NAME_push(names, g);
	cr_assert_eq(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND), 1);
	cr_assert_not(identity_is(x, S("example.net")));
	GENERAL_NAMES_free(names);
	X509_free(x);
}

Test(identity, patterns)
{
	static const struct {
		const char *pattern, *name;
		bool covers;
	} rows[] = {
		{"sip.example.net", "SIP.example.net", true},
		{"*.example.net", "a.example.net", true},
		{"*.example.net", "a.b.example.net", false},
		{"*.example.net", "example.net", false},
		{"*.example.net", ".example.net", false},
		{"*", "x", false},
		{"*.", "x.", false},
		{"sip.example.net.", "sip.example.net", true},
		{"a.example.net", "b.example.net", false},
		{"", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(identity_covers(str_of(rows[i].pattern), str_of(rows[i].name)),
			rows[i].covers, "%s %s", rows[i].pattern, rows[i].name);
}

/* ---- choosing ---- */

static const char *chosen(struct secure *s, uint16_t listener, const char *name)
{
	const struct certificate *c = certificates_choose(
		s->f->t.certificates, &s->f->image.listener[listener], str_of(name));

	return c ? c->name : "";
}

static void two(struct image *image)
{
	image->certificates[0] = 1;
	image->certificates[1] = 2;
	image->listener[CORE_TLS].certificates.count = 2;
}

Test(certificates, chosen_by_name)
{
	struct secure *s = secure_new(NULL);

	cr_assert_str_eq(chosen(s, ACCESS_TLS, ""), "c0");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "sip.example.net"), "c0");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "PHONES.example.net"), "c1");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "x.example.org"), "c2");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "x.y.example.org"), "c0");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "elsewhere"), "c0");
	secure_free(s);
	s = secure_new(two);
	cr_assert_str_eq(chosen(s, CORE_TLS, ""), "c1");
	cr_assert_str_eq(
		chosen(s, CORE_TLS, "sip.example.net"), "c1", "a listener shows its own alone");
	cr_assert_str_eq(chosen(s, CORE_TLS, "x.example.org"), "c2");
	secure_free(s);
}

Test(certificates, a_whole_name_before_a_wildcard)
{
	struct secure *s = secure_new(NULL);
	X509 *wild = make_certificate(s->key[0], "w", "DNS:*.example.net", -DAY, DAY,
		s->authority.certificate, s->authority.key);

	cr_assert_eq(hand_over(&s->f->t, 2, 0, "*.example.net", wild, NULL), 0);
	cr_assert_eq(hand_over(&s->f->t, 2, 1, "", s->x[1], NULL),
		0); /* without names: those it bears */
	cr_assert_eq(hand_over(&s->f->t, 2, 2, "", s->x[2], NULL), 0);
	cr_assert_eq(certificates_commit(s->f->t.certificates, 2), 0);
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "phones.example.net"), "c1");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "sip.example.net"), "c0");
	cr_assert_str_eq(chosen(s, ACCESS_TLS, "a.example.org"), "c2");
	X509_free(wild);
	secure_free(s);
}

/* ---- checks ---- */

static struct {
	int calls, error;
	uint32_t sequence;
	uint16_t index;
	char text[CERTIFICATES_TEXT_MAX];
} told;

static void note_verdict(void *arg, uint32_t sequence, int error, uint16_t index, const char *text)
{
	(void)arg;
	told.calls++;
	told.sequence = sequence;
	told.error = error;
	told.index = index;
	snprintf(told.text, sizeof(told.text), "%s", text);
}

static void check(struct secure *s, uint32_t generation)
{
	uint64_t end = clock_ms() + PATIENCE_MS;

	memset(&told, 0, sizeof(told));
	certificates_check(s->f->t.certificates, generation, 77, note_verdict, NULL);
	while (!told.calls && clock_ms() < end)
		loop_once(s->f->t.loop, 50);
	cr_assert_eq(told.calls, 1);
	cr_assert_eq(told.sequence, 77);
}

/* Certificate 0 as it is, certificate 1 of generation 2 as given; checks. */
static void try(
	struct secure *s, const char *names, X509 *x, X509 *extra, int error, const char *text)
{
	cr_assert_eq(hand_over(&s->f->t, 2, 0, "sip.example.net", s->x[0], NULL), 0);
	cr_assert_eq(hand_over(&s->f->t, 2, 1, names, x, extra), 0);
	check(s, 2);
	cr_assert_eq(told.error, error, "%d: %s", told.error, told.text);
	if (error) {
		cr_assert_eq(told.index, 1);
		cr_assert_not_null(strstr(told.text, text), "%s", told.text);
		cr_assert_not_null(strstr(told.text, "\"c1\""), "%s", told.text);
	}
	certificates_drop(s->f->t.certificates, 2);
	X509_free(x);
}

Test(certificates, what_a_check_finds)
{
	struct secure *s = secure_new(NULL);
	struct authority *a = &s->authority;
	EVP_PKEY *small = make_key("RSA1024"), *odd = make_key("P-521");

	try(s, "phones.example.net",
		make_certificate(s->key[1], "x", "DNS:phones.example.net", -DAY, DAY,
			a->certificate, a->key),
		a->certificate, 0, "");
	try(s, "phones.example.net",
		make_certificate(
			s->key[1], "x", "DNS:*.example.net", -DAY, DAY, a->certificate, a->key),
		NULL, 0, "");
	try(s, "*.example.net",
		make_certificate(
			s->key[1], "x", "DNS:*.example.net", -DAY, DAY, a->certificate, a->key),
		NULL, 0, "");
	try(s, "phones.example.net sip.example.net",
		make_certificate(s->key[1], "x", "DNS:phones.example.net", -DAY, DAY,
			a->certificate, a->key),
		NULL, -EBADMSG, "does not name sip.example.net");
	try(s, "",
		make_certificate(s->key[1], "x", "DNS:x", -2 * DAY, -DAY, a->certificate, a->key),
		NULL, -EKEYEXPIRED, "expired");
	try(s, "", make_certificate(s->key[1], "x", "DNS:x", DAY, 2 * DAY, a->certificate, a->key),
		NULL, -EKEYEXPIRED, "not valid yet");
	try(s, "", make_certificate(s->key[0], "x", "DNS:x", -DAY, DAY, a->certificate, a->key),
		NULL, -EIO, "no test signature"); /* the signer has RSA there */
	try(s, "", make_certificate(small, "x", "DNS:x", -DAY, DAY, a->certificate, a->key), NULL,
		-EBADMSG, "its key is none of");
	try(s, "", make_certificate(odd, "x", "DNS:x", -DAY, DAY, a->certificate, a->key), NULL,
		-EBADMSG, "its key is none of");
	EVP_PKEY_free(small);
	EVP_PKEY_free(odd);
	cr_assert_eq(certificates_generation(s->f->t.certificates), 1);
	secure_free(s);
}

Test(certificates, another_key_of_the_same_kind)
{
	struct secure *s = secure_new(NULL);
	EVP_PKEY *other = make_key("RSA2048");

	s->signer[0].key[1] = other;
	try(s, "",
		make_certificate(s->key[1], "x", "DNS:x", -DAY, DAY, s->authority.certificate,
			s->authority.key),
		NULL, -EKEYREJECTED, "does not belong to it");
	EVP_PKEY_free(other);
	secure_free(s);
}

Test(certificates, a_check_without_a_key_worker_ends, .timeout = 60)
{
	struct secure *s = secure_new(NULL);

	signer_die(&s->signer[0]);
	cr_assert_eq(hand_over(&s->f->t, 2, 0, "sip.example.net", s->x[0], NULL), 0);
	check(s, 2);
	cr_assert_eq(told.error, -EIO);
	cr_assert_eq(told.index, 0);
	cr_assert_not_null(strstr(told.text, "no key worker answers"), "%s", told.text);
	secure_free(s);
}

Test(certificates, packets_that_do_not_add_up)
{
	struct secure *s = secure_new(NULL);
	struct certificates *c = s->f->t.certificates;
	static _Alignas(8) char buffer[4096];
	struct lifeline_certificate *head = (void *)buffer;

	*head = (struct lifeline_certificate){.generation = 3, .chain_size = 100};
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) - 1), -EBADMSG);
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) + 99), -EBADMSG);
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) + 101), -EBADMSG);
	head->key_size = 10; /* a transport worker is never given one */
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) + 110), -EBADMSG);
	head->key_size = 0;
	head->index = 1;
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) + 100), -EBADMSG);
	certificates_drop(c, 3);
	memset(buffer + sizeof(*head), 'x', 100);
	head->index = 0;
	cr_assert_eq(certificates_take(c, buffer, sizeof(*head) + 100), 0);
	check(s, 3);
	cr_assert_eq(told.error, -EBADMSG);
	cr_assert_not_null(strstr(told.text, "holds no certificate"), "%s", told.text);
	cr_assert_eq(certificates_commit(c, 3), -EBADMSG);
	check(s, 99);
	cr_assert_eq(told.error, -ENOENT);
	cr_assert_eq(certificates_commit(c, 99), -ENOENT);
	cr_assert_eq(certificates_generation(c), 1);
	secure_free(s);
}

Test(certificates, a_chain_cut_short)
{
	struct secure *s = secure_new(NULL);
	static _Alignas(8) char buffer[8192];
	struct lifeline_certificate *head = (void *)buffer;
	size_t n = pem_of(s->x[0], (char *)(head + 1), 4000);

	n += pem_of(s->authority.certificate, (char *)(head + 1) + n, 4000) - 40;
	*head = (struct lifeline_certificate){.generation = 3, .chain_size = (uint32_t)n};
	cr_assert_eq(certificates_take(s->f->t.certificates, buffer, sizeof(*head) + n), 0);
	check(s, 3);
	cr_assert_eq(told.error, -EBADMSG);
	cr_assert_not_null(
		strstr(told.text, "certificate 2 of the chain cannot be parsed"), "%s", told.text);
	secure_free(s);
}

Test(certificates, generations_are_bounded)
{
	struct secure *s = secure_new(NULL);
	struct certificates *c = s->f->t.certificates;

	for (uint32_t g = 2; g <= GENERATIONS_MAX; g++)
		cr_assert_eq(hand_over(&s->f->t, g, 0, "", s->x[0], NULL), 0);
	cr_assert_eq(hand_over(&s->f->t, 100, 0, "", s->x[0], NULL), -ENOSPC);
	certificates_drop(c, 1); /* in use: stays */
	cr_assert_eq(hand_over(&s->f->t, 100, 0, "", s->x[0], NULL), -ENOSPC);
	cr_assert_eq(certificates_commit(c, 2), 0);
	certificates_drop(c, 1);
	cr_assert_eq(hand_over(&s->f->t, 100, 0, "", s->x[0], NULL), 0);
	secure_free(s);
}

/* ---- the swap ---- */

Test(certificates, a_commit_disturbs_no_connection)
{
	struct secure *s = secure_new(NULL);
	struct fixture *f = s->f;
	struct peer *before = client_new(&s->authority, 0), *during = client_new(&s->authority, 0),
		    *after = client_new(&s->authority, 0);
	EVP_PKEY *fresh = make_key("P-256");
	X509 *x = make_certificate(fresh, "fresh", "DNS:sip.example.net", -DAY, DAY,
		     s->authority.certificate, s->authority.key),
	     *seen;
	static char raw[2048];
	size_t n = request(raw, "OPTIONS", 1, NULL, "TLS"), done;

	client_dial(before, f->port[ACCESS_TLS], NULL);
	UNTIL(f, peer_step(before));
	s->signer[0].mute = true;
	client_dial(during, f->port[ACCESS_TLS], NULL);
	UNTIL(f, (peer_step(during), sign_client_pending(f->t.sign_client) == 1));
	/* one handshake waits for its signature while the generation that it began with is replaced
	 * and dropped here */
	cr_assert_eq(hand_over(&f->t, 2, 0, "sip.example.net", x, NULL), 0);
	cr_assert_eq(certificates_commit(f->t.certificates, 2), 0);
	certificates_drop(f->t.certificates, 1);
	signer_die(&s->signer[0]);
	signer_live(&s->signer[1], f->t.loop, f->t.sign_client, 0);
	UNTIL(f, peer_step(during));
	s->signer[1].key[0] = fresh;
	client_dial(after, f->port[ACCESS_TLS], NULL);
	UNTIL(f, peer_step(after));
	seen = SSL_get1_peer_certificate(after->ssl);
	cr_assert_eq(X509_cmp(seen, x), 0);
	X509_free(seen);
	seen = SSL_get1_peer_certificate(during->ssl);
	cr_assert_eq(X509_cmp(seen, s->x[0]), 0);
	X509_free(seen);
	cr_assert_eq(SSL_write_ex(before->ssl, raw, n, &done), 1);
	UNTIL(f, f->count == 1);
	peer_free(before);
	peer_free(during);
	peer_free(after);
	X509_free(x);
	EVP_PKEY_free(fresh);
	secure_free(s);
}
