/* policy.c - what becomes of each header line between the legs: policy.def, obeyed. */
#include "policy.h"

#include "ipc/syntax.h"
#include "option_tags.h"
#include "privacy.h"
#include "realm.h"

#include <stdio.h>

enum receiver {
	RECEIVER_HOSTS = 0,
	RECEIVER_NEEDED,
	RECEIVER_WHOLE,
	RECEIVER_IDENTITY,
	RECEIVER_NETWORK,
	RECEIVER_SOFTWARE,
	RECEIVER_UNKNOWN,
	RECEIVER_NOBODY,
	RECEIVERS
};

struct policy_row {
	uint8_t what, receiver;
};

static const struct policy_row policies[HEADER_COUNT] = {
#define POLICY(header, what, receiver) [HEADER_##header] = {POLICY_##what, RECEIVER_##receiver},
#include "ipc/policy.def"
#undef POLICY
};

static struct policy_row policy_of(const struct message *m, const struct message_header *h)
{
	if (h->id < HEADER_COUNT)
		return policies[h->id];
	if (h->id == HEADER_UNREADABLE)
		return (struct policy_row){POLICY_NEVER, RECEIVER_NOBODY};
	/* Private headers (RFC 3427, RFC 7315) of a carrier's network mean something only where
	 * they are trusted. */
	struct str name = message_header_name(m, h);
	if (name.n > 2 && (name.p[0] | 0x20) == 'p' && name.p[1] == '-')
		return (struct policy_row){POLICY_TRUSTED, RECEIVER_NETWORK};
	return (struct policy_row){POLICY_PASS, RECEIVER_UNKNOWN};
}

/* Software on the other leg may end its strings at a NUL, and read another name or another header
 * than we did. */
static bool policy_has_nul(struct str s)
{
	return str_find(s, 0) < s.n;
}

static bool policy_line_has_nul(const struct message *m, const struct message_header *h)
{
	return policy_has_nul((struct str){message_raw(m) + h->line, (size_t)(h->end - h->line)});
}

/* Whether a header is a list with an empty element. Where nobody knows what a header is, a comma
 * separates nothing. */
static bool policy_has_empty(const struct message_header *h, struct str value)
{
	return h->id != HEADER_OTHER && !header_is_text(h->id) && list_has_empty(value);
}

struct policy_sides policy_sides(struct sip *sip, const struct message *in, unsigned from_zone,
	unsigned to_zone, const struct flow *to)
{
	const struct zone_settings *sender = settings_zone(sip->settings, from_zone),
				   *receiver = settings_zone(sip->settings, to_zone);

	/* RFC 3323 and RFC 3325 section 7: whoever asked for it is not shown to those who are not
	 * trusted. */
	const unsigned privacy = receiver->trust ? 0 : privacy_of(in);

	return (struct policy_sides){.in = in,
		.from = sender,
		.to = receiver,
		.hosts = hosts_between(sip, from_zone, to_zone, to),
		.hide_identity = privacy & PRIVACY_ID,
		.hide_user = privacy & PRIVACY_USER,
		.has_nul = policy_has_nul((struct str){message_raw(in), in->body.at}),
		.has_empty = in->empty_elements};
}

/* What the receiver's zone says, an enum zone_leaving. */
static uint32_t policy_leaving(const struct zone_settings *to, uint8_t receiver)
{
	switch (receiver) {
	case RECEIVER_HOSTS: return to->hosts;
	case RECEIVER_NEEDED: return to->hosts == LEAVING_PASS ? LEAVING_PASS : LEAVING_REWRITE;
	case RECEIVER_WHOLE: return to->hosts == LEAVING_PASS ? LEAVING_PASS : LEAVING_DROP;
	case RECEIVER_IDENTITY: return to->identities;
	case RECEIVER_NETWORK: return to->network_headers;
	case RECEIVER_SOFTWARE: return to->software;
	case RECEIVER_UNKNOWN: return to->unknown_headers;
	default: return LEAVING_DROP;
	}
}

/* Whether a header says who calls, as a network has it. */
static bool policy_is_identity(uint8_t id)
{
	return id == HEADER_P_ASSERTED_IDENTITY || id == HEADER_P_PREFERRED_IDENTITY ||
	       id == HEADER_REMOTE_PARTY_ID;
}

/* Whether a header line passes as it is. */
static bool policy_passes(
	const struct policy_sides *sides, const struct message_header *h, uint8_t policy)
{
	const struct settings *settings = sides->hosts.sip->settings;
	struct str value = message_header_value(sides->in, h);

	switch (policy) {
	case POLICY_PASS: return true;
	case POLICY_TRUSTED:
		return sides->from->trust && !(sides->hide_identity && policy_is_identity(h->id));
	case POLICY_CREDENTIALS:
		return !sides->proved && realm_credentials_readable(value) &&
		       !realm_is_ours(settings, value);
	case POLICY_CHALLENGE: return sides->from->trust && !realm_is_ours(settings, value);
	case POLICY_OPTIONS: return option_tags_bridged(value);
	case POLICY_MAPPED: return h->id == HEADER_EVENT && !sides->event_mapped;
	default: return false;
	}
}

/* What becomes of a line that passes by its sender: POLICY_PASS, or what is written in its place.
 */
static uint8_t policy_received(
	const struct policy_sides *sides, const struct message_header *h, uint8_t receiver)
{
	uint32_t leaving = policy_leaving(sides->to, receiver);
	bool by_host = receiver == RECEIVER_HOSTS || receiver == RECEIVER_WHOLE;
	struct str value = message_header_value(sides->in, h);

	if (leaving == LEAVING_PASS)
		return POLICY_PASS;
	if (leaving == LEAVING_DROP && !by_host)
		return POLICY_NEVER;
	if (receiver == RECEIVER_SOFTWARE)
		return POLICY_SOFTWARE;
	if (receiver == RECEIVER_UNKNOWN)
		value = (struct str){message_raw(sides->in) + h->line, (size_t)(h->end - h->line)};
	if (!hosts_suspected(&sides->hosts, value))
		return POLICY_PASS;
	struct hosts hosts = sides->hosts;

	hosts.keep = false; /* the option of this receiver says so, and not the zone's hosts */
	hosts.any_of_ours = receiver == RECEIVER_WHOLE;
	if (receiver == RECEIVER_UNKNOWN && hosts_named(&hosts, message_header_name(sides->in, h)))
		return POLICY_NEVER;
	if (!hosts_named(&hosts, message_header_value(sides->in, h)))
		return POLICY_PASS;
	return leaving == LEAVING_DROP ? POLICY_NEVER : POLICY_HOSTS;
}

static uint8_t policy_decide_line(const struct policy_sides *sides, const struct message_header *h)
{
	const struct policy_row policy = policy_of(sides->in, h);
	uint8_t what;

	if (sides->has_nul && policy_line_has_nul(sides->in, h)) {
		count(HEADERS_WITH_NUL);
		/* A line that is written anew is clean; this one does not pass. */
		return policy.what == POLICY_OURS || policy.what == POLICY_MAPPED ? policy.what
		                                                                  : POLICY_NEVER;
	}
	if (sides->hide_user && privacy_is_of_user(h->id)) {
		count(HEADERS_KEPT_BACK);
		return POLICY_NEVER;
	}
	/* first what most lines are */
	if (policy.what == POLICY_OURS || !policy_passes(sides, h, policy.what))
		return policy.what;
	what = policy_received(sides, h, policy.receiver);
	if (what != POLICY_PASS)
		count(HEADERS_KEPT_BACK);
	if (!sides->has_empty || (what != POLICY_PASS && what != POLICY_HOSTS) ||
		!policy_has_empty(h, message_header_value(sides->in, h)))
		return what;
	if (policy.what == POLICY_CREDENTIALS || policy.what == POLICY_CHALLENGE)
		return POLICY_NEVER;
	return what == POLICY_HOSTS ? POLICY_ELEMENTS_HOSTS : POLICY_ELEMENTS;
}

void policy_decide(const struct policy_sides *sides, const struct message_header *h,
	const struct message_header *end, uint8_t *what)
{
	for (; h < end; h++)
		*what++ = policy_decide_line(sides, h);
}

/* Why a line stays behind that the receiver might see. */
static const char *policy_never_word(
	const struct policy_sides *sides, const struct message_header *h, uint8_t policy)
{
	switch (policy) {
	case POLICY_NEVER:
		return h->id == HEADER_UNREADABLE ? "it cannot be read" : "it is of one side alone";
	case POLICY_TRUSTED:
		return sides->from->trust ? "its sender asked for privacy"
		                          : "its sender is not trusted to say it";
	case POLICY_CREDENTIALS: return "credentials for a realm of this gateway stay here";
	case POLICY_CHALLENGE: return "challenges pass from trusted zones alone";
	default: return "nothing of it is left";
	}
}

const char *policy_word(const struct policy_sides *sides, const struct message_header *h,
	uint8_t what, char word[POLICY_WORD_SIZE])
{
	static const char *const options[RECEIVERS] = {[RECEIVER_HOSTS] = "hosts",
		[RECEIVER_NEEDED] = "hosts",
		[RECEIVER_WHOLE] = "hosts",
		[RECEIVER_IDENTITY] = "identities",
		[RECEIVER_NETWORK] = "network-headers",
		[RECEIVER_SOFTWARE] = "software",
		[RECEIVER_UNKNOWN] = "unknown-headers"};
	const struct policy_row row = policy_of(sides->in, h);
	const char *option = options[row.receiver];

	switch (what) {
	case POLICY_PASS: return "passes";
	case POLICY_OURS: return "is written anew";
	case POLICY_MAPPED: return "passes with the other leg's name for the same, or not at all";
	case POLICY_OPTIONS: return "passes with the option tags that pass";
	case POLICY_WARNING: return "passes with a pseudonym for its host";
	case POLICY_ELEMENTS: return "passes without empty elements";
	case POLICY_HOSTS:
	case POLICY_ELEMENTS_HOSTS:
	case POLICY_SOFTWARE:
		snprintf(word, POLICY_WORD_SIZE, "is rewritten: option %s of the zone it goes to",
			option);
		return word;
	}
	if (policy_line_has_nul(sides->in, h))
		snprintf(word, POLICY_WORD_SIZE, "is removed: it holds a NUL");
	else if (sides->hide_user && privacy_is_of_user(h->id))
		return "is removed: its sender asked for privacy";
	else if (option && policy_passes(sides, h, row.what))
		snprintf(word, POLICY_WORD_SIZE, "is removed: option %s of the zone it goes to",
			option);
	else
		snprintf(word, POLICY_WORD_SIZE, "is removed: %s",
			policy_never_word(sides, h, row.what));
	return word;
}
