/* hosts.h - the hosts of one side, kept from the other: numeric addresses and names that its zone
 * lists, wherever they stand in the text of a header, become our own host as the receiver knows it.
 *
 * It is text that is searched and not a grammar that is parsed, so that a URI in a header that
 * nobody knows, an escaped URI among the headers of another one, a parameter and a comment are all
 * alike. A telephone number with dots ("+49.30.12.34", "tel:49.30.12.34",
 * "sip:49.30.12.34@example.net;user=phone"), a version ("1.2.3.4.5", "v1.2.3.4"), a number with a
 * zero before it ("049.30.12.34") and a time are no addresses.
 */
#ifndef SIPWARD_SIP_MESSAGE_HOSTS_H
#define SIPWARD_SIP_MESSAGE_HOSTS_H

#include "worker-sip/sip.h"

/* What is hidden, and from whom. */
struct hosts {
	struct sip *sip;
	const struct flow *to; /* the way to the receiver: our host there takes the place */
	struct array names;    /* struct text, of the sender's zone: they are hidden, too */
	bool keep;             /* the receiver's zone gets them as they are */
	bool any_of_ours;      /* addresses of ours on other legs are no hosts of the sender's */
};

/* For what goes from one zone to another by the flow. */
struct hosts hosts_between(
	struct sip *sip, unsigned from_zone, unsigned to_zone, const struct flow *to);

/* False where text surely has no numeric address: quick, for what stands in every message. */
static inline bool hosts_numeric_suspected(struct str text)
{
	const char *p = text.p, *end = text.p + text.n;

	/* most values are short */
	if (text.n < 16) {
		while (p < end && *p != '.' && *p != ':' && *p != '%')
			p++;
		if (p == end)
			return false;
		p = text.p;
	}
	/* "0.0" of an IPv4 address */
	for (; p < end && (p = memchr(p, '.', (size_t)(end - p))); p++)
		if (p > text.p && p + 1 < end && (uint8_t)(p[-1] - '0') < 10 &&
			(uint8_t)(p[1] - '0') < 10)
			return true;
	/* two colons of an IPv6 address, with at most four digits between them */
	for (p = text.p; p < end && (p = memchr(p, ':', (size_t)(end - p))); p++)
		if (memchr(p + 1, ':', end - p > 5 ? 5 : (size_t)(end - p - 1)))
			return true;
	/* a colon of one that is escaped */
	for (p = text.p; p < end && (p = memchr(p, '%', (size_t)(end - p))); p++)
		if (end - p > 2 && p[1] == '3' && (p[2] | 0x20) == 'a')
			return true;
	return false;
}

/* False where text surely names no host that is hidden. */
static inline bool hosts_suspected(const struct hosts *h, struct str text)
{
	return h->names.count || hosts_numeric_suspected(text);
}

/* Whether text names a host that the receiver must not see. */
bool hosts_named(const struct hosts *h, struct str text);
/* Writes text with each such host, and the port behind it, replaced by our host. */
void write_without_hosts(struct writer *w, const struct hosts *h, struct str text);

#endif
