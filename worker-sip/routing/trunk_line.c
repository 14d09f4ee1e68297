/* trunk_line.c - see trunk_line.h. The tokens of all trunks are made where settings or users change
 * and compared with one that comes in constant time each. Relies on libsodium. */
#include "trunk_line.h"

#include "common/log.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

/* What stands in the place of a token that was proved. */
#define LINE_BLANK 'x'
#define HA1S_BYTES 32

enum line_class { LINE_CLEAR, LINE_SECURE, LINE_CLASSES };

struct trunk_line {
	uint64_t id; /* of the trunk */
	uint16_t trunk;
	uint8_t ha1s[HA1S_BYTES]; /* of its credentials, whatever their order */
	uint8_t token[LINE_CLASSES][LINE_BYTES];
};

struct trunk_lines {
	unsigned count;
	struct trunk_line line[];
};

/* ---- making them ---- */

static bool trunk_has_line(const struct settings *s, unsigned trunk)
{
	const struct trunk_settings *t = settings_trunk(s, trunk);

	return t->match == TRUNK_MATCH_REGISTRATION && t->register_s && t->username.length;
}

static void line_hash_str(crypto_generichash_state *hash, struct str s)
{
	uint64_t n = s.n;

	crypto_generichash_update(hash, (const unsigned char *)&n, sizeof(n));
	crypto_generichash_update(hash, (const unsigned char *)s.p, s.n);
}

static void line_make(const struct sip *sip, struct trunk_line *l, enum line_class class)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, l->trunk);
	const unsigned char secure = class == LINE_SECURE;
	crypto_generichash_state hash;

	crypto_generichash_init(
		&hash, sip->keys.nonce_key, sizeof(sip->keys.nonce_key), LINE_BYTES);
	line_hash_str(&hash, S("the line of a trunk"));
	crypto_generichash_update(&hash, &secure, 1);
	line_hash_str(&hash, settings_str(sip->settings, t->name));
	line_hash_str(&hash, settings_str(sip->settings, t->username));
	crypto_generichash_update(&hash, l->ha1s, sizeof(l->ha1s));
	crypto_generichash_final(&hash, l->token[class], LINE_BYTES);
	sodium_memzero(&hash, sizeof(hash));
}

/* Adds one row of a trunk's credentials. */
static void line_add_ha1(const struct sip *sip, struct trunk_line *l, const struct user_row *row)
{
	crypto_generichash_state hash;
	uint8_t one[HA1S_BYTES];

	crypto_generichash_init(
		&hash, sip->keys.nonce_key, sizeof(sip->keys.nonce_key), sizeof(one));
	line_hash_str(&hash, S("a credential of a trunk"));
	line_hash_str(&hash, (struct str){row->name, row->name_length});
	crypto_generichash_update(&hash, &row->algorithms, 1);
	crypto_generichash_update(&hash, (const unsigned char *)row->ha1_md5, sizeof(row->ha1_md5));
	crypto_generichash_update(
		&hash, (const unsigned char *)row->ha1_sha256, sizeof(row->ha1_sha256));
	crypto_generichash_update(
		&hash, (const unsigned char *)row->ha1_sha512_256, sizeof(row->ha1_sha512_256));
	crypto_generichash_final(&hash, one, sizeof(one));
	for (size_t i = 0; i < sizeof(one); i++)
		l->ha1s[i] ^= one[i];
	sodium_memzero(&hash, sizeof(hash));
	sodium_memzero(one, sizeof(one));
}

/* Whether the row is of that trunk's credentials. */
static bool line_is_of(const struct trunk_line *l, const struct user_row *row)
{
	char key[USER_NAME_MAX];
	size_t n = users_trunk_key(l->id, STR_EMPTY, key);

	return str_starts((struct str){row->name, row->name_length}, (struct str){key, n});
}

/* The rows of one trunk lie anywhere in the image, under their realms. */
static void lines_add_credentials(const struct sip *sip, struct trunk_lines *lines)
{
	const struct users *u = sip->users;
	uint32_t seen = 0;

	for (uint32_t i = 0; u && i <= u->mask && seen < u->of_trunks; i++) {
		const struct user_row *row = &u->row[i];

		if (!row->hash || row->domain != USERS_OF_TRUNKS)
			continue;
		seen++;
		for (unsigned k = 0; k < lines->count; k++)
			if (line_is_of(&lines->line[k], row))
				line_add_ha1(sip, &lines->line[k], row);
	}
}

void trunk_lines_free(struct sip *sip)
{
	struct trunk_lines *lines = sip->trunk_lines;

	if (!lines)
		return;
	sodium_memzero(lines->line, lines->count * sizeof(*lines->line));
	free(lines);
	sip->trunk_lines = NULL;
}

void trunk_lines_take(struct sip *sip)
{
	const struct settings *s = sip->settings;
	struct trunk_lines *lines;
	unsigned count = 0;

	trunk_lines_free(sip);
	for (unsigned i = 0; s && i < s->trunks.count; i++)
		count += trunk_has_line(s, i);
	if (!count)
		return;
	lines = calloc(1, sizeof(*lines) + count * sizeof(*lines->line));
	if (!lines) {
		log_error("trunk-lines-lost", "error=\"%s\"", error_text(-ENOMEM));
		return;
	}
	for (unsigned i = 0; i < s->trunks.count; i++)
		if (trunk_has_line(s, i))
			lines->line[lines->count++] = (struct trunk_line){
				.trunk = (uint16_t)i, .id = trunk_id(settings_trunk_name(s, i))};
	lines_add_credentials(sip, lines);
	for (unsigned i = 0; i < count; i++) {
		line_make(sip, &lines->line[i], LINE_CLEAR);
		line_make(sip, &lines->line[i], LINE_SECURE);
	}
	sip->trunk_lines = lines;
}

/* ---- using them ---- */

static enum line_class line_class_of(uint8_t transport)
{
	return transport == TRANSPORT_TLS ? LINE_SECURE : LINE_CLEAR;
}

bool trunk_line(const struct sip *sip, unsigned trunk, uint8_t transport, char out[LINE_LENGTH])
{
	const struct trunk_lines *lines = sip->trunk_lines;
	char text[LINE_LENGTH + 1];

	for (unsigned i = 0; lines && i < lines->count; i++)
		if (lines->line[i].trunk == trunk) {
			sodium_bin2hex(text, sizeof(text),
				lines->line[i].token[line_class_of(transport)], LINE_BYTES);
			memcpy(out, text, LINE_LENGTH);
			return true;
		}
	return false;
}

/* Whether the Request-URI is the address of a listener in that zone. */
static bool line_is_to_us(const struct settings *s, const struct message *m, unsigned zone)
{
	unsigned listener = settings_listener_at(
		s, message_str(m, m->request_uri.host), m->request_uri.port);

	return listener != NONE_INDEX && settings_listener(s, listener)->zone == zone;
}

unsigned trunk_line_find(const struct sip *sip, const struct message *m, unsigned zone)
{
	const struct trunk_lines *lines = sip->trunk_lines;
	bool secure = line_class_of(m->flow.transport) == LINE_SECURE;
	unsigned found = NONE_INDEX;
	uint8_t shown[LINE_BYTES];
	struct str text;

	if (!lines || m->method == METHOD_REGISTER || !line_of_request(m, &text))
		return NONE_INDEX;
	sodium_hex2bin(shown, sizeof(shown), text.p, text.n, NULL, NULL, NULL);
	for (unsigned i = 0; i < lines->count; i++) {
		const struct trunk_line *l = &lines->line[i];
		bool clear_is = sodium_memcmp(shown, l->token[LINE_CLEAR], LINE_BYTES) == 0,
		     secure_is = sodium_memcmp(shown, l->token[LINE_SECURE], LINE_BYTES) == 0;

		if ((clear_is || (secure_is && secure)) &&
			settings_trunk(sip->settings, l->trunk)->zone == zone)
			found = l->trunk;
	}
	if (found != NONE_INDEX && line_is_to_us(sip->settings, m, zone))
		return found;
	count(TRUNK_LINES_WRONG);
	return NONE_INDEX;
}

struct held_message *trunk_line_blank(const struct message *m)
{
	struct held_message *copy = held_message_new(m);
	struct str text;

	if (!copy || !line_of_request(m, &text))
		return copy;
	char *raw = (char *)(uintptr_t)message_raw(&copy->message);
	for (size_t at = 0; at + LINE_LENGTH <= m->raw_size; at++)
		if (strncasecmp(raw + at, text.p, LINE_LENGTH) == 0)
			memset(raw + at, LINE_BLANK, LINE_LENGTH);
	return copy;
}
