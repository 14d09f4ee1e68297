/* digest.c - digest authentication (digest.h). MD5 and SHA-512/256 are libcrypto's, everything else
 * libsodium's.
 *
 * A nonce is base64 of: time (6 bytes, big-endian ms), random (4 bytes), a MAC over both that says
 * "ours" (3 bytes), and a MAC over both, the slot and the source address that says "for you" (8
 * bytes). It is short, because every challenge carries it to whoever asks. Two MACs, so that a
 * nonce that wandered (the phone's next request went to another slot, its address changed) can be
 * told from one that was made up: the first only says how either is counted, the second is what is
 * believed, and names the nonce in the replay window. The source is bound by address without port:
 * a phone opens a new connection, or its NAT a new port, between a challenge and its answer. The
 * slot is bound because the slot's owner alone knows which counts were used (replay.h).
 */
#include "digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>

/* Bytes of a hash's input that are joined before they are hashed, at most. */
#define JOINED_MAX 512
#define NONCE_TIME 6
#define NONCE_HEAD 10
#define NONCE_OURS 3
#define NONCE_BOUND 8
#define NONCE_BYTES (NONCE_HEAD + NONCE_OURS + NONCE_BOUND)
#define NONCE_LENGTH (NONCE_BYTES / 3 * 4)
_Static_assert(NONCE_BYTES % 3 == 0, "base64 without padding and without bits to spare");
_Static_assert(NONCE_LENGTH <= NONCE_LENGTH_MAX, "room for a nonce");
/* A nonce may lie so far in the future: the clock may have been set back, and another worker may
 * have read it a little ahead. */
#define NONCE_SKEW_MS 5000

/* ---- hashes ---- */

/* Found once, by digest_init: looking it up costs as much as a hash. Never changed after that. */
static const EVP_MD *md5, *sha512_256;
/* Used for every hash of libcrypto's, one after the other: making a context costs as much as a
 * hash, too. */
static EVP_MD_CTX *context;

struct hasher {
	uint8_t algorithm;
	bool failed;
	crypto_hash_sha256_state sha256;
};

/* Without a branch or a table: the time tells nothing of a hash that is to be compared. */
static void digest_write_hex(char *to, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned high = bytes[i] >> 4, low = bytes[i] & 15;

		to[2 * i] = (char)('0' + high + ((9 - high) >> 8 & ('a' - '0' - 10)));
		to[2 * i + 1] = (char)('0' + low + ((9 - low) >> 8 & ('a' - '0' - 10)));
	}
}

static void hasher_begin(struct hasher *h, uint8_t algorithm)
{
	h->algorithm = algorithm;
	h->failed = false;
	if (algorithm == DIGEST_SHA256) {
		crypto_hash_sha256_init(&h->sha256);
		return;
	}
	if (!context)
		context = EVP_MD_CTX_new();
	const EVP_MD *md = algorithm == DIGEST_MD5 ? md5 ? md5 : EVP_md5()
	                   : sha512_256 ? sha512_256
	                                           : EVP_sha512_256();
	h->failed = !context || EVP_DigestInit_ex(context, md, NULL) != 1;
}

static void hasher_add(struct hasher *h, struct str s)
{
	if (h->algorithm == DIGEST_SHA256)
		crypto_hash_sha256_update(&h->sha256, (const unsigned char *)s.p, s.n);
	else if (!h->failed)
		h->failed = EVP_DigestUpdate(context, s.p, s.n) != 1;
}

/* Hex of the hash into buffer, its length returned; 0 where the hash failed. */
static size_t hasher_end(struct hasher *h, char buffer[65])
{
	unsigned char hash[32];
	size_t n = h->algorithm == DIGEST_MD5 ? 16 : 32;

	if (h->algorithm == DIGEST_SHA256)
		crypto_hash_sha256_final(&h->sha256, hash);
	else if (!h->failed)
		h->failed = EVP_DigestFinal_ex(context, hash, NULL) != 1;
	if (h->failed)
		return 0;
	digest_write_hex(buffer, hash, n);
	buffer[2 * n] = 0;
	return 2 * n;
}

/* Most of what is hashed is short enough to be joined first: each call of a hash's function costs
 * as much as some fifty bytes. */
static void hasher_join(struct hasher *h, struct writer *w, struct str s)
{
	if (s.n > w->size - w->n) {
		hasher_add(h, writer_text(w));
		w->n = 0;
	}
	if (s.n > w->size)
		hasher_add(h, s);
	else
		write_str(w, s);
}

static size_t hasher_joined(
	uint8_t algorithm, const struct str *part, unsigned parts, char buffer[65])
{
	char joined[JOINED_MAX];
	struct writer w = WRITER(joined);
	struct hasher h;

	hasher_begin(&h, algorithm);
	for (unsigned i = 0; i < parts; i++) {
		if (i)
			hasher_join(&h, &w, S(":"));
		hasher_join(&h, &w, part[i]);
	}
	hasher_add(&h, writer_text(&w));
	sodium_memzero(joined, sizeof(joined)); /* a password, or what stands for it */
	return hasher_end(&h, buffer);
}

size_t digest_ha1(uint8_t algorithm, struct str username, struct str realm, struct str password,
	char buffer[65])
{
	return hasher_joined(algorithm, (const struct str[]){username, realm, password}, 3, buffer);
}

int digest_init(void)
{
	char buffer[65];

	if (sodium_init() < 0)
		return -ENOSYS;
	if (!md5)
		md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	if (!sha512_256)
		sha512_256 = EVP_MD_fetch(NULL, "SHA512-256", NULL);
	for (uint8_t algorithm = 1; algorithm & DIGEST_ALL; algorithm = (uint8_t)(algorithm << 1))
		if (!digest_ha1(algorithm, S("a"), S("b"), S("c"), buffer))
			return -ENOSYS;
	return 0;
}

/* Whether a response can be right at all: an algorithm that we know, and its length. */
static bool digest_comparable(const struct credentials *c, struct str ha1, size_t length)
{
	return c->algorithm && ha1.n == length && c->response.n == length;
}

/* H(A2): of the method, the URI, and with auth-int the hash of the body (RFC 7616 section 3.4.3).
 */
static size_t digest_a2(const struct digest_parts *d, char buffer[65])
{
	char body[65];
	struct str part[] = {d->method, d->uri, {body, 0}};

	if (!str_equal_nocase(d->qop, S("auth-int")))
		return hasher_joined(d->algorithm, part, 2, buffer);
	part[2].n = hasher_joined(d->algorithm, &d->body, 1, body);
	return part[2].n ? hasher_joined(d->algorithm, part, 3, buffer) : 0;
}

size_t digest_response(const struct digest_parts *d, char buffer[65])
{
	char a2[65];
	size_t n = digest_a2(d, a2);
	const struct str with[] = {d->ha1, d->nonce, d->nc, d->cnonce, d->qop, {a2, n}};
	const struct str without[] = {d->ha1, d->nonce, {a2, n}};

	if (!n)
		return 0;
	return d->qop.n ? hasher_joined(d->algorithm, with, 6, buffer)
	                : hasher_joined(d->algorithm, without, 3, buffer);
}

bool digest_verify(const struct credentials *c, struct str method, struct str ha1)
{
	return str_equal_nocase(c->qop, S("auth")) && digest_verify_any(c, method, STR_EMPTY, ha1);
}

bool digest_verify_any(
	const struct credentials *c, struct str method, struct str body, struct str ha1)
{
	char right[65];
	size_t length = c->algorithm == DIGEST_MD5 ? 32 : 64;
	const struct digest_parts parts = {.algorithm = c->algorithm,
		.ha1 = ha1,
		.nonce = c->nonce,
		.nc = c->nc,
		.cnonce = c->cnonce,
		.qop = c->qop,
		.method = method,
		.uri = c->uri,
		.body = body};

	if (!digest_comparable(c, ha1, length) || !digest_response(&parts, right))
		return false;
	return sodium_memcmp(right, c->response.p, length) == 0;
}

/* ---- credentials ---- */

/* Of lower-case hex the digit's value and one; 0: none. */
static const uint8_t hex_digit[256] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ['a'] = 11, 12, 13, 14, 15, 16};

static bool digest_is_hex(struct str s, size_t length)
{
	if (s.n != length)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!hex_digit[(unsigned char)s.p[i]])
			return false;
	return true;
}

/* Returns the member that a known parameter goes to. */
static struct str *credentials_place(struct credentials *c, struct str name)
{
#define KNOWN(text, member)                                                                        \
	{                                                                                          \
		text, sizeof(text) - 1, offsetof(struct credentials, member)                       \
	}
	static const struct {
		char name[10];
		uint8_t length, at;
	} known[] = {
		KNOWN("username", username),
		KNOWN("realm", realm),
		KNOWN("nonce", nonce),
		KNOWN("uri", uri),
		KNOWN("response", response),
		KNOWN("cnonce", cnonce),
		KNOWN("nc", nc),
		KNOWN("qop", qop),
		KNOWN("opaque", opaque),
		KNOWN("algorithm", algorithm_name),
	};
#undef KNOWN
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_equal_nocase(name, (struct str){known[i].name, known[i].length}))
			return (struct str *)(void *)((char *)c + known[i].at);
	return NULL;
}

static uint8_t digest_algorithm_of(struct str name)
{
	if (!name.p || str_equal_nocase(name, S("MD5")))
		return DIGEST_MD5;
	if (str_equal_nocase(name, S("SHA-256")))
		return DIGEST_SHA256;
	return str_equal_nocase(name, S("SHA-512-256")) ? DIGEST_SHA512_256 : 0;
}

/* RFC 7616 section 3.4: these must be there. Returns the fault where one is not. */
static const char *credentials_missing(const struct credentials *c)
{
	return !c->username.p   ? "no username"
	       : !c->realm.p    ? "no realm"
	       : !c->nonce.p    ? "no nonce"
	       : !c->uri.p      ? "no uri"
	       : !c->response.p ? "no response"
	                        : NULL;
}

/* Whether what follows in the list begins credentials of its own: a scheme and its first parameter.
 * Those of several realms must have a line each (RFC 3261 section 20.7). */
static bool credentials_begin(struct str rest)
{
	struct str name, text;
	size_t space = 0;

	while (space < rest.n && rest.p[space] != ' ' && rest.p[space] != '\t')
		space++;
	struct str params = str_from(rest, space);

	return is_token((struct str){rest.p, space}) && !auth_param_next(&params, &name, &text);
}

/* Reads the parameters behind the scheme. Returns the fault, NULL where there is none. */
static const char *credentials_read_params(struct str rest, struct credentials *c)
{
	struct str name, text;
	int error;

	while ((error = auth_param_next(&rest, &name, &text)) == 0) {
		struct str *at = credentials_place(c, name);

		if (!at)
			continue; /* RFC 7616 section 3.4: unknown ones are ignored */
		if (at->p)
			return "a parameter twice";
		*at = text;
	}
	if (error == -ENOENT)
		return NULL;
	return credentials_begin(rest) ? "several credentials in one header"
	                               : "a parameter that cannot be read";
}

static const char *credentials_read(struct str value, struct credentials *c)
{
	struct str scheme = S("Digest");

	*c = (struct credentials){0};
	if (value.n < scheme.n || !str_equal_nocase((struct str){value.p, scheme.n}, scheme))
		return "another scheme than Digest";
	struct str rest = str_from(value, scheme.n);

	if (rest.n && str_trim(rest).p == rest.p)
		return "another scheme than Digest"; /* a longer word */
	const char *fault = credentials_read_params(str_trim(rest), c);

	if (!fault)
		fault = credentials_missing(c);
	if (fault)
		return fault;
	c->algorithm = digest_algorithm_of(c->algorithm_name);
	if (c->algorithm && !digest_is_hex(c->response, c->algorithm == DIGEST_MD5 ? 32 : 64))
		return "a response that is not the algorithm's lower-case hex digits";
	/* RFC 7616 section 3.4: with qop these must be there */
	if (c->qop.p && !c->cnonce.p)
		return "no cnonce";
	if (c->qop.p && !digest_is_hex(c->nc, 8))
		return c->nc.p ? "an nc that is not eight lower-case hex digits" : "no nc";
	return NULL;
}

int credentials_parse(struct str value, struct credentials *out)
{
	struct credentials c;

	if (credentials_read(value, &c))
		return -EINVAL;
	*out = c;
	return 0;
}

const char *credentials_fault(struct str value)
{
	struct credentials c;

	return credentials_read(value, &c);
}

/* ---- nonces ---- */

/* SipHash, a key of its own for each: a message authentication code for short texts. */
_Static_assert(crypto_shorthash_siphash24_BYTES >= NONCE_OURS &&
		       crypto_shorthash_siphash24_BYTES == NONCE_BOUND,
	"lengths of the codes");
_Static_assert(2 * crypto_shorthash_siphash24_KEYBYTES == 32, "two keys");

static void nonce_mac_ours(
	const uint8_t key[32], const uint8_t head[NONCE_HEAD], uint8_t out[NONCE_OURS])
{
	uint8_t mac[crypto_shorthash_siphash24_BYTES];

	crypto_shorthash_siphash24(mac, head, NONCE_HEAD, key);
	memcpy(out, mac, NONCE_OURS);
}

static void nonce_mac_bound(const uint8_t key[32], const uint8_t head[NONCE_HEAD], uint8_t slot,
	const struct endpoint *source, uint8_t out[NONCE_BOUND])
{
	uint8_t text[NONCE_HEAD + 2 + sizeof(source->address) + sizeof(source->scope)];

	memcpy(text, head, NONCE_HEAD);
	text[NONCE_HEAD] = slot;
	text[NONCE_HEAD + 1] = source->family;
	memcpy(text + NONCE_HEAD + 2, source->address, sizeof(source->address));
	memcpy(text + NONCE_HEAD + 2 + sizeof(source->address), &source->scope,
		sizeof(source->scope));
	crypto_shorthash_siphash24(
		out, text, sizeof(text), key + crypto_shorthash_siphash24_KEYBYTES);
}

/* base64url (RFC 4648 section 5): nothing in it needs an escape within quotes. */
static void nonce_write(const uint8_t bytes[NONCE_BYTES], char to[NONCE_LENGTH])
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < NONCE_BYTES; i += 3, to += 4) {
		unsigned three = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 |
		                 bytes[i + 2];

		to[0] = digit[three >> 18];
		to[1] = digit[three >> 12 & 63];
		to[2] = digit[three >> 6 & 63];
		to[3] = digit[three & 63];
	}
}

/* The value of a digit; 64: it is none. */
static unsigned nonce_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == '-' ? 62 : c == '_' ? 63 : 64;
}

size_t nonce_make(const uint8_t key[32], uint64_t now_ms, uint8_t slot,
	const struct endpoint *source, char buffer[NONCE_LENGTH_MAX])
{
	uint8_t nonce[NONCE_BYTES];
	uint64_t random = random_u64();

	for (unsigned i = 0; i < NONCE_TIME; i++)
		nonce[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	memcpy(nonce + NONCE_TIME, &random, NONCE_HEAD - NONCE_TIME);
	nonce_mac_ours(key, nonce, nonce + NONCE_HEAD);
	nonce_mac_bound(key, nonce, slot, source, nonce + NONCE_HEAD + NONCE_OURS);
	nonce_write(nonce, buffer);
	return NONCE_LENGTH;
}

static bool nonce_read(struct str nonce, uint8_t out[NONCE_BYTES])
{
	unsigned bad = 0;

	if (nonce.n != NONCE_LENGTH)
		return false;
	/* nothing in it is secret: sodium's takes ten times as long */
	for (size_t i = 0, at = 0; i < NONCE_BYTES; i += 3, at += 4) {
		unsigned three = 0;

		for (size_t k = 0; k < 4; k++) {
			unsigned value = nonce_digit(nonce.p[at + k]);

			bad |= value;
			three = three << 6 | (value & 63);
		}
		out[i] = (uint8_t)(three >> 16);
		out[i + 1] = (uint8_t)(three >> 8);
		out[i + 2] = (uint8_t)three;
	}
	return bad < 64;
}

static uint64_t nonce_minted(const uint8_t bytes[NONCE_BYTES])
{
	uint64_t ms = 0;

	for (unsigned i = 0; i < NONCE_TIME; i++)
		ms = ms << 8 | bytes[i];
	return ms;
}

int nonce_check(const uint8_t key[32], struct str nonce, uint64_t now_ms, uint64_t max_age_ms,
	uint8_t slot, const struct endpoint *source, struct nonce_name *out)
{
	uint8_t bytes[NONCE_BYTES], ours[NONCE_OURS], bound[NONCE_BOUND];

	if (!nonce_read(nonce, bytes))
		return -EINVAL;
	nonce_mac_ours(key, bytes, ours);
	if (sodium_memcmp(ours, bytes + NONCE_HEAD, sizeof(ours)) != 0)
		return -EINVAL;
	uint64_t at = nonce_minted(bytes);
	nonce_mac_bound(key, bytes, slot, source, bound);
	if (sodium_memcmp(bound, bytes + NONCE_HEAD + NONCE_OURS, sizeof(bound)) != 0)
		return -ESTALE;
	if (at > now_ms + NONCE_SKEW_MS || (now_ms > at && now_ms - at > max_age_ms))
		return -ESTALE;
	memcpy(&out->serial, bound, sizeof(out->serial));
	out->minted_ms = at;
	return 0;
}
