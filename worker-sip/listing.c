/* listing.c - the rows that sipwardctl shows of this worker, as JSON lines in REPLY packets. */
#include "listing.h"

#include "worker-sip/call/call.h"
#include "common/clock.h"
#include "json.h"
#include "worker-sip/registrar/location.h"

#include <errno.h>

/* Rows of `sipwardctl registrations` read in one step. */
#define LIST_PAGE 256
/* The text of a REPLY packet is sent on when it holds this much. */
#define REPLY_CHUNK 32768

struct reply {
	struct sip *sip;
	uint32_t id;
	size_t n;
	char text[REPLY_CHUNK + 8192];
	char after[AOR_MAX]; /* last address of record listed */
	size_t after_length;
	struct str asked; /* the address of record asked for */
};

static void reply_send(struct reply *r, bool last)
{
	struct lifeline_reply head = {.id = r->id, .last = last};

	worker_send(&r->sip->worker, LIFELINE_REPLY, &head, sizeof(head), r->text, r->n);
	r->n = 0;
}

static void reply_line(void *arg, struct str json)
{
	struct reply *r = arg;

	if (json.n + 1 > sizeof(r->text) - r->n)
		return;
	memcpy(r->text + r->n, json.p, json.n);
	r->n += json.n;
	r->text[r->n++] = '\n';
	if (r->n >= REPLY_CHUNK)
		reply_send(r, false);
}

static void reply_binding(void *arg, struct str aor, const struct binding *b)
{
	struct reply *r = arg;
	char buffer[8192], peer[ENDPOINT_TEXT_SIZE];
	struct writer w = WRITER(buffer);
	uint64_t now = clock_realtime_ms();

	write_literal(&w, "{");
	write_json_field(&w, "aor", aor);
	write_json_field(&w, "contact", b->contact);
	write_json_field(&w, "transport", str_of(transport_name(b->flow.transport)));
	write_json_field(&w, "source", (struct str){peer, endpoint_text(&b->flow.peer, peer)});
	write_literal(&w, "\"q\":");
	write_number(&w, b->q / 1000);
	write_literal(&w, ".");
	write_number(&w, b->q % 1000 / 100);
	write_literal(&w, ",\"expires\":");
	write_number(&w, b->expires_at > now ? (b->expires_at - now) / 1000 : 0);
	write_literal(&w, "}");
	if (!w.full)
		reply_line(r, writer_text(&w));
	if (aor.n <= sizeof(r->after)) {
		memcpy(r->after, aor.p, aor.n);
		r->after_length = aor.n;
	}
}

static void reply_one(void *arg, const struct binding *b)
{
	struct reply *r = arg;

	reply_binding(arg, r->asked, b);
}

/* The bindings of the address of record that the operator named, with or without its scheme. One
 * that names nobody has none. */
static void reply_address(struct reply *r, struct str name)
{
	char text[sizeof(((struct lifeline_query *)0)->argument) + 4], buffer[AOR_MAX];
	struct writer w = WRITER(text);
	struct uri_parts uri;

	if (!str_starts(name, S("sip:")) && !str_starts(name, S("sips:")))
		write_literal(&w, "sip:");
	write_str(&w, name);
	long n = w.full || uri_parse(writer_text(&w), &uri) ? -EINVAL : aor_of(&uri, buffer);
	if (n <= 0)
		return;
	r->asked = (struct str){buffer, (size_t)n};
	location_lookup(r->sip->location, r->asked, reply_one, r);
}

void listing_answer(struct sip *sip, const struct lifeline_query *q)
{
	static struct reply r;

	r.sip = sip;
	r.id = q->id;
	r.n = 0;
	if (q->what == QUERY_CALLS) {
		call_list(sip, reply_line, &r);
	} else if (q->what == QUERY_REGISTRATIONS && q->argument[0]) {
		reply_address(&r, str_of(q->argument));
	} else if (q->what == QUERY_REGISTRATIONS) {
		r.after_length = 0;
		while (location_list(sip->location, (struct str){r.after, r.after_length},
			       LIST_PAGE, reply_binding, &r) > 0)
			;
	}
	reply_send(&r, true);
}
