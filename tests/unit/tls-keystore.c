/* The key store: what is taken, what a check says, what is signed, and what stays in memory. */
#include "tls-fixture.h"

#include <fcntl.h>
#include <unistd.h>

static struct keystore *s;
static uint16_t bad;
static char text[KEYSTORE_TEXT_MAX];
static int64_t not_after[CERTIFICATES_MAX];
static unsigned n;

static void setup(void)
{
	fixture_begin();
	cr_assert_eq(keystore_new(&s), 0);
}

static void teardown(void)
{
	keystore_free(s);
	fixture_end();
}

TestSuite(keystore, .init = setup, .fini = teardown);

static int check(uint32_t generation)
{
	text[0] = 0;
	return keystore_check(s, generation, time(NULL), &bad, text, not_after, &n);
}

static void refused(int error, unsigned index, const char *what)
{
	int got = check(1);

	cr_expect_eq(got, error, "%d: %s", got, text);
	cr_expect_eq(bad, index);
	cr_expect(strstr(text, what), "%s", text);
	keystore_drop(s, 1);
}

Test(keystore, signs_with_every_kind_of_key)
{
	static const struct {
		const char *kind;
		enum key_kind is;
		uint16_t schemes[7];
	} row[] = {
		{"P-256", KEY_P256,
			{SCHEME_ECDSA_SHA256, SCHEME_ECDSA_SHA384, SCHEME_ECDSA_SHA512}},
		{"P-384", KEY_P384,
			{SCHEME_ECDSA_SHA384, SCHEME_ECDSA_SHA256, SCHEME_ECDSA_SHA512}},
		{"ED25519", KEY_ED25519, {SCHEME_ED25519}},
		{"2048", KEY_RSA,
			{SCHEME_RSA_PSS_SHA256, SCHEME_RSA_PSS_SHA384, SCHEME_RSA_PSS_SHA512,
				SCHEME_RSA_PKCS1_SHA256, SCHEME_RSA_PKCS1_SHA384,
				SCHEME_RSA_PKCS1_SHA512}},
		{"3072", KEY_RSA, {SCHEME_RSA_PSS_SHA256}},
		{"4096", KEY_RSA, {SCHEME_RSA_PSS_SHA256}},
	};
	struct pair pair[6];
	unsigned char exchange[100] = {[64] = 3, [66] = 29, [67] = 32}, signature[SIGNATURE_MAX];
	size_t size;

	for (unsigned i = 0; i < 6; i++) {
		pair[i] = make_pair(row[i].kind, "DNS:a.example", -DAY, 30 * DAY);
		cr_assert_eq(
			put_pair(s, 1, i, row[i].kind, "a.example", pair[i].chain, pair[i].key), 0);
	}
	cr_assert_eq(check(1), 0, "%s", text);
	cr_assert_eq(n, 6);
	for (unsigned i = 0; i < 6; i++) {
		const struct key *k = keystore_find(s, 1, (uint16_t)i);

		cr_assert_not_null(k);
		cr_expect_eq(key_kind(k), row[i].is);
		cr_expect_str_eq(key_name(k), row[i].kind);
		cr_expect(llabs(not_after[i] - (time(NULL) + 30 * DAY)) < 60);
		for (unsigned j = 0; row[i].schemes[j]; j++) {
			cr_assert_eq(sign_policy_permitted(row[i].is, row[i].schemes[j], exchange,
					     sizeof(exchange)),
				0);
			cr_assert_eq(key_sign(k, row[i].schemes[j], exchange, sizeof(exchange),
					     signature, &size),
				0);
			cr_expect(verifies(pair[i].public, row[i].schemes[j], exchange,
					  sizeof(exchange), signature, size),
				"%s %04x", row[i].kind, row[i].schemes[j]);
			exchange[0] ^= 1;
			cr_expect_not(verifies(pair[i].public, row[i].schemes[j], exchange,
				sizeof(exchange), signature, size));
		}
	}
	cr_expect_null(keystore_find(s, 1, 6));
	cr_expect_null(keystore_find(s, 2, 0));
	cr_expect_null(keystore_find(s, 0, 0));
}

Test(keystore, a_key_of_another_certificate)
{
	struct pair a = make_pair("P-256", NULL, -DAY, DAY),
		    b = make_pair("P-256", NULL, -DAY, DAY), c = make_pair("2048", NULL, -DAY, DAY);

	put_pair(s, 1, 0, "good", "", a.chain, a.key);
	put_pair(s, 1, 1, "main", "", a.chain, b.key);
	refused(-EKEYREJECTED, 1, "certificate \"main\": the key does not belong");
	put_pair(s, 1, 0, "main", "", a.chain, c.key);
	refused(-EKEYREJECTED, 0, "the key does not belong");
}

Test(keystore, keys_that_are_not_served)
{
	static const char *const kinds[] = {"1024", "P-521", "secp256k1", "P-224", "ED448"};

	for (size_t i = 0; i < 5; i++) {
		struct pair p = make_pair(kinds[i], NULL, -DAY, DAY);

		put_pair(s, 1, 0, "main", "", p.chain, p.key);
		refused(-EKEYREJECTED, 0, "expected a key of RSA 2048");
	}
}

Test(keystore, files_that_are_none)
{
	struct pair p = make_pair("P-256", NULL, -DAY, DAY);
	char half[4096];

	put_pair(s, 1, 0, "main", "", "", p.key);
	refused(-EBADMSG, 0, "the chain holds no certificate");
	put_pair(s, 1, 0, "main", "", "hello\n", p.key);
	refused(-EBADMSG, 0, "the chain holds no certificate");
	put_pair(s, 1, 0, "main", "", p.chain, "");
	refused(-EKEYREJECTED, 0, "holds no private key");
	put_pair(s, 1, 0, "main", "", p.chain, p.chain);
	refused(-EKEYREJECTED, 0, "holds no private key");
	snprintf(half, sizeof(half),
		"%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", p.chain);
	put_pair(s, 1, 0, "main", "", half, p.key);
	refused(-EBADMSG, 0, "certificate 2 of the chain cannot be parsed");
	snprintf(half, sizeof(half), "%.*s", (int)strlen(p.key) / 2, p.key);
	put_pair(s, 1, 0, "main", "", p.chain, half);
	refused(-EKEYREJECTED, 0, "holds no private key");
}

Test(keystore, an_encrypted_key_is_told_apart)
{
	struct pair p = make_pair("P-256", NULL, -DAY, DAY);
	BIO *b = BIO_new(BIO_s_mem());
	char *key;

	PEM_write_bio_PrivateKey(
		b, p.public, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)(uintptr_t) "secret");
	key = text_of(b);
	put_pair(s, 1, 0, "main", "", p.chain, key);
	refused(-EKEYREJECTED, 0, "the key is encrypted");
	free(key);
}

Test(keystore, a_key_file_may_begin_with_its_parameters)
{
	struct pair p = make_pair("P-256", NULL, -DAY, DAY);
	char key[4096];

	snprintf(key, sizeof(key),
		"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n%s",
		p.key);
	put_pair(s, 1, 0, "main", "", p.chain, key);
	cr_expect_eq(check(1), 0, "%s", text);
}

Test(keystore, dates)
{
	struct pair old = make_pair("P-256", NULL, -2 * DAY, -DAY),
		    new = make_pair("P-256", NULL, DAY, 2 * DAY),
		    good = make_pair("P-256", NULL, -DAY, DAY),
		    other = make_pair("P-256", NULL, -DAY, DAY);
	char chain[8192];

	put_pair(s, 1, 0, "main", "", old.chain, old.key);
	cr_expect_eq(check(1), -EKEYEXPIRED);
	cr_expect_eq(n, 1, "dates are told all the same");
	cr_expect_eq(keystore_commit(s, 1), 0, "an operator may have nothing better");
	refused(-EKEYEXPIRED, 0, "certificate \"main\": expired at 20");
	put_pair(s, 1, 0, "main", "", new.chain, new.key);
	refused(-EKEYEXPIRED, 0, "not valid before 20");
	snprintf(chain, sizeof(chain), "%s%s", good.chain, old.chain);
	put_pair(s, 1, 0, "main", "", chain, good.key);
	refused(-EKEYEXPIRED, 0, "expired at");
	/* another fault goes before a date */
	put_pair(s, 1, 0, "old", "", old.chain, old.key);
	put_pair(s, 1, 1, "wrong", "", good.chain, other.key);
	refused(-EKEYREJECTED, 1, "wrong");
}

Test(keystore, names)
{
	struct pair p = make_pair("P-256",
		"DNS:sip.example.net,DNS:*.wild.example,IP:192.0.2.1,URI:sip:example.org", -DAY,
		DAY);
	static const char *const good[] = {"sip.example.net", "SIP.Example.NET", "a.wild.example",
		"*.wild.example", "192.0.2.1", "example.org", "sip.example.net example.org", ""};
	static const char *const wrong[] = {"example.net", "x.sip.example.net", "wild.example",
		"a.b.wild.example", "192.0.2.2", "*.example.net", "sip.example.net other"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		put_pair(s, 1, 0, "main", good[i], p.chain, p.key);
		cr_expect_eq(check(1), 0, "%s: %s", good[i], text);
		keystore_drop(s, 1);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_pair(s, 1, 0, "main", wrong[i], p.chain, p.key);
		refused(-EBADMSG, 0, "does not name");
	}
}

Test(keystore, generations)
{
	struct pair p = make_pair("ED25519", NULL, -DAY, DAY);

	cr_expect_eq(check(1), -ENOENT);
	cr_expect_eq(keystore_commit(s, 1), -ENOENT);
	for (uint32_t g = 1; g <= GENERATIONS_MAX; g++)
		cr_assert_eq(put_pair(s, g, 0, "main", "", p.chain, p.key), 0);
	cr_assert_eq(put_pair(s, GENERATIONS_MAX + 1, 0, "main", "", p.chain, p.key), -ENOSPC);
	cr_expect_null(keystore_find(s, GENERATIONS_MAX + 1, 0));
	cr_expect_eq(keystore_commit(s, 2), 0);
	cr_expect_not_null(keystore_find(s, 1, 0), "the one before lives until it is dropped");
	keystore_drop(s, 1);
	cr_expect_null(keystore_find(s, 1, 0));
	keystore_drop(s, 1);
	cr_expect_eq(put_pair(s, 99, 0, "main", "", p.chain, p.key), 0);
	cr_expect_not_null(keystore_find(s, 2, 0));
}

Test(keystore, order_counts)
{
	struct pair p = make_pair("ED25519", NULL, -DAY, DAY);

	put_pair(s, 1, 1, "main", "", p.chain, p.key);
	refused(-EBADMSG, 1, "out of order");
	put_pair(s, 1, 0, "main", "", p.chain, p.key);
	keystore_commit(s, 1);
	put_pair(s, 1, 1, "late", "", p.chain, p.key);
	refused(-EBADMSG, 1, "out of order");
}

Test(keystore, sizes_add_up_or_nothing_is_taken)
{
	static char buffer[LIFELINE_PACKET_MAX];
	struct pair p = make_pair("ED25519", NULL, -DAY, DAY);
	size_t whole = packet_of(buffer, 1, 0, "main", "", p.chain, p.key);

	for (size_t size = 0; size <= whole + 1; size++) {
		packet_of(buffer, 1, 0, "main", "", p.chain, p.key);
		if (size != whole)
			cr_assert_eq(keystore_take(s, buffer, size), -EBADMSG, "%zu", size);
	}
	cr_expect_eq(check(1), -ENOENT);
	packet_of(buffer, 0, 0, "main", "", p.chain, p.key);
	cr_expect_eq(keystore_take(s, buffer, whole), -EBADMSG, "no generation");
	packet_of(buffer, 1, 0, "main", "", p.chain, p.key);
	memset(buffer + offsetof(struct lifeline_certificate, name), 'x', 64);
	cr_expect_eq(keystore_take(s, buffer, whole), -EBADMSG, "a name without end");
	packet_of(buffer, 1, 0, "main", "", p.chain, p.key);
	((struct lifeline_certificate *)(void *)buffer)->chain_size = UINT32_MAX;
	cr_expect_eq(keystore_take(s, buffer, whole), -EBADMSG, "sizes that overflow");
}

/* Counts needle in all of this process's writable memory; needle is kept inverted so as not to find
 * itself. */
static unsigned find_in_memory(const unsigned char *inverted, size_t size)
{
	static unsigned char window[65536];
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY);
	unsigned long from, to;
	unsigned found = 0;
	char line[512], mode[8];

	while (fgets(line, sizeof(line), maps)) {
		/* what is larger is a sanitizer's shadow */
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r' ||
			mode[1] != 'w' || to - from > 1ul << 28)
			continue;
		for (unsigned long at = from; at < to; at += sizeof(window) - size) {
			ssize_t got = pread(mem, window, sizeof(window), (off_t)at);

			for (ssize_t i = 0;
				i + (ssize_t)size <= got && at + (unsigned long)i + size <= to;
				i++) {
				size_t k = 0;

				while (k < size &&
					(unsigned char)~window[i + (ssize_t)k] == inverted[k])
					k++;
				found += k == size;
			}
		}
		/* the window itself holds what it was read from */
		explicit_bzero(window, sizeof(window));
	}
	fclose(maps);
	close(mem);
	return found;
}

/* Takes a key after having noted two parts of it, and counts what stays: its text, and its number
 * as DER has it. */
static void take_and_search(const char *kind, unsigned *texts, unsigned *numbers)
{
	static unsigned char text_part[24], number_part[24];
	struct pair p = make_pair(kind, NULL, -DAY, DAY);
	char *middle = strchr(p.key, '\n') + 20;
	BIGNUM *number = NULL;
	unsigned char bytes[512];

	cr_assert_eq(
		EVP_PKEY_get_bn_param(p.public, kind[0] == 'P' ? "priv" : "rsa-factor1", &number),
		1);
	BN_bn2bin(number, bytes);
	for (size_t i = 0; i < sizeof(text_part); i++) {
		text_part[i] = (unsigned char)~middle[i];
		number_part[i] = (unsigned char)~bytes[i + 4];
	}
	explicit_bzero(bytes, sizeof(bytes));
	BN_clear_free(number);
	EVP_PKEY_free(p.public);
	made[made_count - 1].public = NULL;
	cr_expect_geq(find_in_memory(text_part, sizeof(text_part)), 1, "the search works");
	put_pair(s, 1, 0, "main", "", p.chain, p.key);
	cr_assert_eq(check(1), 0);
	explicit_bzero(p.key, strlen(p.key));
	*texts = find_in_memory(text_part, sizeof(text_part));
	*numbers = find_in_memory(number_part, sizeof(number_part));
}

Test(keystore, nothing_of_the_key_text_stays)
{
	unsigned texts, numbers;

	take_and_search("P-256", &texts, &numbers);
	cr_expect_eq(texts, 0);
	cr_expect_eq(numbers, 0);
	keystore_drop(s, 1);
	take_and_search("2048", &texts, &numbers);
	cr_expect_eq(texts, 0);
	cr_expect_eq(numbers, 0);
}
