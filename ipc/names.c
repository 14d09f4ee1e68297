/* names.c - names of header fields, methods and statuses: from headers.def, methods.def and the
 * IANA registry of SIP response codes.
 *
 * header_of stands on the hot path: a hash table over the names, filled once before main and never
 * written again.
 */
#include "names.h"

#include "octet.h"

#include <assert.h>

static const struct header_row {
	struct str name, compact;
} headers[HEADER_COUNT] = {
#define HEADER(id, name, compact)                                                                  \
	[HEADER_##id] = {{name, sizeof(name) - 1}, {compact, sizeof(compact) - 1}},
#include "headers.def"
#undef HEADER
};

static const struct str methods[METHOD_COUNT] = {
	[METHOD_UNKNOWN] = {"?", 1},
#define METHOD(id, name) [METHOD_##id] = {name, sizeof(name) - 1},
#include "methods.def"
#undef METHOD
};

_Static_assert(HEADER_COUNT < HEADER_UNREADABLE, "ids are octets");

#define SLOTS 512
static uint8_t slots[SLOTS]; /* open addressing, linear probing; HEADER_OTHER: empty */
static uint8_t compact[26];

static unsigned header_slot(struct str name)
{
	unsigned first = (uint8_t)name.p[0] | 0x20, last = (uint8_t)name.p[name.n - 1] | 0x20,
		 middle = (uint8_t)name.p[name.n / 2] | 0x20;

	return (unsigned)(name.n * 37 + first * 11 + middle * 61 + last * 5) % SLOTS;
}

__attribute__((constructor)) static void fill_slots(void)
{
	memset(slots, HEADER_OTHER, sizeof(slots));
	memset(compact, HEADER_OTHER, sizeof(compact));
	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		unsigned slot = header_slot(headers[id].name);

		while (slots[slot] != HEADER_OTHER)
			slot = (slot + 1) % SLOTS;
		slots[slot] = (uint8_t)id;
		if (headers[id].compact.n)
			compact[headers[id].compact.p[0] - 'a'] = (uint8_t)id;
	}
}

/* The usual spelling is compared first: it costs the least. */
static bool header_is_named(uint8_t id, struct str name)
{
	struct str known = headers[id].name;

	return known.n == name.n &&
	       (!memcmp(known.p, name.p, name.n) || !strncasecmp(known.p, name.p, name.n));
}

uint8_t header_of(struct str name)
{
	if (name.n < 2) {
		char c = name.n ? octet_lower(name.p[0]) : 0;

		return c >= 'a' && c <= 'z' ? compact[c - 'a'] : HEADER_OTHER;
	}
	for (unsigned slot = header_slot(name);; slot = (slot + 1) % SLOTS) {
		uint8_t id = slots[slot];

		if (id == HEADER_OTHER || header_is_named(id, name))
			return id;
	}
}

const char *header_name(enum header id)
{
	assert((unsigned)id < HEADER_COUNT);
	return headers[id].name.p;
}

bool header_takes_nul(uint8_t id)
{
	switch (id) {
	case HEADER_FROM:
	case HEADER_TO:
	case HEADER_CONTACT:
	case HEADER_REPLY_TO:
	case HEADER_REFER_TO:
	case HEADER_REFERRED_BY:
	case HEADER_P_ASSERTED_IDENTITY:
	case HEADER_P_PREFERRED_IDENTITY:
	case HEADER_REMOTE_PARTY_ID:
	case HEADER_DIVERSION:
	case HEADER_HISTORY_INFO: return true;
	default: return false;
	}
}

bool header_is_text(uint8_t id)
{
	switch (id) {
	case HEADER_SUBJECT:
	case HEADER_USER_AGENT:
	case HEADER_SERVER:
	case HEADER_ORGANIZATION:
	case HEADER_TIMESTAMP:
	case HEADER_PRIORITY: return true;
	default: return false;
	}
}

const char *method_name(uint8_t method)
{
	return method < METHOD_COUNT ? methods[method].p : "?";
}

uint8_t method_of(struct str name)
{
	for (unsigned m = METHOD_UNKNOWN + 1; m < METHOD_COUNT; m++)
		if (str_equal(name, methods[m]))
			return (uint8_t)m;
	return METHOD_UNKNOWN;
}

const char *status_reason(unsigned status)
{
	switch (status) {
	case 100: return "Trying";
	case 180: return "Ringing";
	case 181: return "Call Is Being Forwarded";
	case 182: return "Queued";
	case 183: return "Session Progress";
	case 199: return "Early Dialog Terminated";
	case 200: return "OK";
	case 202: return "Accepted";
	case 204: return "No Notification";
	case 300: return "Multiple Choices";
	case 301: return "Moved Permanently";
	case 302: return "Moved Temporarily";
	case 305: return "Use Proxy";
	case 380: return "Alternative Service";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 402: return "Payment Required";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 406: return "Not Acceptable";
	case 407: return "Proxy Authentication Required";
	case 408: return "Request Timeout";
	case 410: return "Gone";
	case 412: return "Conditional Request Failed";
	case 413: return "Request Entity Too Large";
	case 414: return "Request-URI Too Long";
	case 415: return "Unsupported Media Type";
	case 416: return "Unsupported URI Scheme";
	case 417: return "Unknown Resource-Priority";
	case 420: return "Bad Extension";
	case 421: return "Extension Required";
	case 422: return "Session Interval Too Small";
	case 423: return "Interval Too Brief";
	case 424: return "Bad Location Information";
	case 425: return "Bad Alert Message";
	case 428: return "Use Identity Header";
	case 429: return "Provide Referrer Identity";
	case 430: return "Flow Failed";
	case 433: return "Anonymity Disallowed";
	case 436: return "Bad Identity-Info";
	case 437: return "Unsupported Certificate";
	case 438: return "Invalid Identity Header";
	case 439: return "First Hop Lacks Outbound Support";
	case 440: return "Max-Breadth Exceeded";
	case 469: return "Bad Info Package";
	case 470: return "Consent Needed";
	case 480: return "Temporarily Unavailable";
	case 481: return "Call/Transaction Does Not Exist";
	case 482: return "Loop Detected";
	case 483: return "Too Many Hops";
	case 484: return "Address Incomplete";
	case 485: return "Ambiguous";
	case 486: return "Busy Here";
	case 487: return "Request Terminated";
	case 488: return "Not Acceptable Here";
	case 489: return "Bad Event";
	case 491: return "Request Pending";
	case 493: return "Undecipherable";
	case 494: return "Security Agreement Required";
	case 500: return "Server Internal Error";
	case 501: return "Not Implemented";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Server Time-out";
	case 505: return "Version Not Supported";
	case 513: return "Message Too Large";
	case 555: return "Push Notification Service Not Supported";
	case 580: return "Precondition Failure";
	case 600: return "Busy Everywhere";
	case 603: return "Decline";
	case 604: return "Does Not Exist Anywhere";
	case 606: return "Not Acceptable";
	case 607: return "Unwanted";
	case 608: return "Rejected";
	default: return "Unknown";
	}
}
