/* target_history.c - see target_history.h. Relies on nothing. */
#include "target_history.h"

#include "common/clock.h"
#include "common/date.h"
#include "common/log.h"
#include "worker-sip/json.h"

#include <errno.h>
#include <stdio.h>

const char *target_reason(unsigned status, int error, char buffer[static TARGET_REASON_SIZE])
{
	if (error == -ETIMEDOUT)
		return "no answer";
	if (error)
		return error_text(error);
	if (!status)
		return "";
	snprintf(buffer, TARGET_REASON_SIZE, "answered %u", status);
	return buffer;
}

void target_history_add(struct target_history *h, bool down, unsigned status, int error)
{
	h->change[h->next] = (struct target_change){.at_ms = clock_realtime_ms(),
		.error = error,
		.status = (uint16_t)status,
		.down = down};
	h->next = (h->next + 1) % TARGET_CHANGES;
}

static void target_change_write(const struct target_change *c, struct writer *w)
{
	char date[DATE_TEXT_SIZE], buffer[TARGET_REASON_SIZE];
	const char *reason = target_reason(c->status, c->error, buffer);

	write_json(w, str_of(date_text((int64_t)(c->at_ms / 1000), date)));
	write_str(w, c->down ? S(" down") : S(" up"));
	if (*reason)
		write_literal(w, ": ");
	write_json(w, str_of(reason));
}

void target_history_write(const struct target_history *h, struct writer *w)
{
	write_literal(w, "\"history\":[");
	for (unsigned i = 1; i <= TARGET_CHANGES; i++) {
		const struct target_change *c =
			&h->change[(h->next + TARGET_CHANGES - i) % TARGET_CHANGES];

		if (!c->at_ms)
			break;
		if (i > 1)
			write_literal(w, ",");
		write_literal(w, "\"");
		target_change_write(c, w);
		write_literal(w, "\"");
	}
	write_literal(w, "],");
}
