/* forwards.h - where calls to users go on: a hash table in an image of its own, which the master
 * makes of the config and of what operators and users have set, and all SIP workers read. */
#ifndef SIPWARD_IPC_FORWARDS_H
#define SIPWARD_IPC_FORWARDS_H

#include "settings.h"

#define FORWARDS_MAGIC 0x46575244u
#define FORWARDS_MAX 16384 /* rows in use, over all users */
#define FORWARD_TO_MAX 256 /* bytes of a URI */
/* Seconds that a phone may ring before a call goes on. */
#define FORWARD_SECONDS_LEAST 3
#define FORWARD_SECONDS_MOST 180
#define FORWARD_SECONDS_USUAL 20

/* When a user's calls go on. */
enum forward_when {
	FORWARD_ALWAYS,
	FORWARD_BUSY,
	FORWARD_NO_ANSWER,
	FORWARD_AWAY, /* no phone of his is there, or none can be reached */
	FORWARD_WHENS
};
/* "always", "busy", "no-answer", "away"; forward_when_of: FORWARD_WHENS for another word. */
const char *forward_when_name(enum forward_when when);
enum forward_when forward_when_of(struct str name);

struct forward_row {
	uint32_t hash;   /* of domain, name and when; 0: empty row */
	uint16_t domain; /* index into the settings' domains */
	uint8_t when;    /* enum forward_when */
	uint8_t name_length;
	uint16_t to_length;
	uint16_t seconds; /* of FORWARD_NO_ANSWER; else 0 */
	char name[USER_NAME_MAX];
	char to[FORWARD_TO_MAX]; /* a URI that uri_parse takes, of sip, sips or tel, with a user */
};
struct forwards {
	uint32_t magic;
	uint32_t size;
	uint32_t mask; /* rows - 1, a power of two less one */
	uint32_t count;
	struct forward_row row[];
};

int forwards_check(const void *image, size_t size); /* 0 or -EBADMSG */
/* The row's place to start looking (linear probing). */
uint32_t forward_hash(unsigned domain, struct str name, enum forward_when when);
/* The row of a user; NULL: he has none, or f is NULL. */
const struct forward_row *forwards_find(
	const struct forwards *f, unsigned domain, struct str name, enum forward_when when);

/* Writes the URI that a text names, with a NUL: a user or number of the domain, NAME@DOMAIN, or a
 * URI of sip, sips or tel. Its length; -EINVAL: it names none, or is longer than FORWARD_TO_MAX. */
long forward_uri(struct str text, struct str domain, char out[FORWARD_TO_MAX + 1]);
/* Whether that URI is the user's own: his calls would go round in a circle. */
bool forward_is_own(struct str uri, struct str user, struct str domain);

#endif
