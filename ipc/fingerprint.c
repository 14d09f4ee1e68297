/* fingerprint.c - fingerprints of bytes, and the list of those that a worker refuses. Relies on
 * libsodium's BLAKE2b: nobody finds other bytes with a fingerprint that is listed. */
#include "fingerprint.h"

#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <sodium.h>

_Static_assert(FINGERPRINT_SIZE == crypto_generichash_BYTES_MIN, "BLAKE2b's output");

void fingerprint_of(enum evidence_kind kind, const void *p, size_t n, struct fingerprint *out)
{
	crypto_generichash_state state;

	*out = (struct fingerprint){.size = (uint32_t)n, .kind = (uint8_t)kind};
	crypto_generichash_init(&state, NULL, 0, sizeof(out->byte));
	crypto_generichash_update(&state, &out->kind, sizeof(out->kind));
	crypto_generichash_update(&state, p, n);
	crypto_generichash_final(&state, out->byte, sizeof(out->byte));
}

const char *fingerprint_text(const struct fingerprint *f, char buffer[FINGERPRINT_TEXT_SIZE])
{
	return sodium_bin2hex(buffer, FINGERPRINT_TEXT_SIZE, f->byte, sizeof(f->byte));
}

bool fingerprint_refusable(const struct fingerprint *f)
{
	return f->kind == EVIDENCE_MESSAGE ||
	       (f->kind == EVIDENCE_STREAM && f->size >= FINGERPRINT_STREAM_MIN);
}

int refusals_set(struct refusals *r, const struct fingerprint *print, size_t count)
{
	if (count > FINGERPRINTS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!fingerprint_refusable(&print[i]))
			return -EINVAL;
	memset(r->sizes, 0, sizeof(r->sizes));
	for (size_t i = 0; i < count; i++) {
		r->print[i] = print[i];
		r->sizes[print[i].size / 64 % 16] |= UINT64_C(1) << print[i].size % 64;
	}
	r->count = (unsigned)count;
	return 0;
}

static void refusals_log(struct refusals *r, const struct fingerprint *f,
	const struct endpoint *source, uint64_t now)
{
	char text[FINGERPRINT_TEXT_SIZE], from[ENDPOINT_TEXT_SIZE] = "unknown";
	uint64_t left_out;

	if (!log_limit_pass(&r->limit, now, 1, LOG_LIMIT_SECOND, &left_out))
		return;
	if (source)
		endpoint_text(source, from);
	log_warn("message-refused",
		"reason=quarantined fingerprint=%s kind=%s size=%u source=%s left_out=%llu",
		fingerprint_text(f, text), evidence_kind_name(f->kind), f->size, from,
		(unsigned long long)left_out);
}

bool refusals_look(struct refusals *r, enum evidence_kind kind, struct str bytes,
	const struct endpoint *source, uint64_t now)
{
	struct fingerprint f = {.size = 0};

	for (unsigned i = 0; i < r->count; i++) {
		const struct fingerprint *listed = &r->print[i];

		if (listed->size != bytes.n || listed->kind != kind)
			continue;
		if (!f.size)
			fingerprint_of(kind, bytes.p, bytes.n, &f);
		if (memcmp(listed->byte, f.byte, sizeof(f.byte)) == 0) {
			count(DROP_QUARANTINED);
			refusals_log(r, &f, source, now);
			return true;
		}
	}
	return false;
}
