/* settings.h - a worker's slice of the config, as one flat image in a sealed memfd; and the users
 * image.
 *
 * The master builds it from the parsed config (settings_builder in master/), each role gets its own
 * slice: a transport worker's has no routes, trunks or domains beyond what it needs, and no secret.
 * No pointers: arrays by offset and count, strings as struct text into the pool. settings_check
 * comes before anything is read.
 */
#ifndef SIPWARD_IPC_SETTINGS_H
#define SIPWARD_IPC_SETTINGS_H

#include "common/endpoint.h"
#include "common/labelled.h"
#include "flow.h"

#define SETTINGS_MAGIC 0x53575053u
#define SETTINGS_VERSION 9
#define ZONES_MAX 64
#define EMERGENCY_MAX 64 /* numbers */
#define EMERGENCY_NUMBER_MAX 32
#define EMERGENCY_SERVICE_MAX 64
#define ROUTE_EVENTS_MAX 16       /* event packages of a route */
#define ROUTE_EVENT_LENGTH_MAX 64 /* of the name of one */
#define NUMBER_LISTS_MAX 64
#define LIST_NUMBERS_MAX 1024 /* patterns that a list permits, and that it blocks */
#define SCANNERS_MAX 64       /* words */
#define SCANNER_WORD_LEAST 4  /* bytes: a shorter one would stand where nobody meant it */
#define SCANNER_WORD_MOST 64
#define LISTENERS_MAX 256
#define DNS_SERVERS_MAX 4
#define NONE_INDEX 0xffff

/* A string in the image's pool; NUL-terminated there (the NUL is not counted). */
struct text {
	uint32_t at;
	uint32_t length;
};
/* An array in the image. */
struct array {
	uint32_t at; /* from the start of the image, a multiple of 8 */
	uint32_t count;
};

/* The fields of the plain options that workers receive (options.def). A field that a role does not
 * receive is 0 in its image. */
#define SETTINGS_TYPE_DURATION(least, most) uint32_t
#define SETTINGS_TYPE_SECONDS_OR_OFF(least, most) uint32_t
#define SETTINGS_TYPE_COUNT(least, most) uint32_t
#define SETTINGS_TYPE_COUNT_OR_OFF(least, most) uint32_t
#define SETTINGS_TYPE_SIZE(least, most) uint32_t
#define SETTINGS_TYPE_BOOL uint32_t
#define SETTINGS_TYPE_WORD(words) uint32_t
#define SETTINGS_TYPE_PATH struct text
#define SETTINGS_TYPE_TEXT(most) struct text
#define SETTINGS_FOR_MASTER(declaration)
#define SETTINGS_FOR_TRANSPORT(declaration) declaration
#define SETTINGS_FOR_SIP(declaration) declaration
#define SETTINGS_FOR_TRANSPORT_SIP(declaration) declaration
#define SETTINGS_FIELD(section, name, kind, preset, field, receivers, help)                        \
	SETTINGS_FOR_##receivers(SETTINGS_TYPE_##kind field;)

/* A rule about numbers and headers (rule.h); SIP workers' alone. */
struct rule_settings {
	_Alignas(8) struct text text;
	uint64_t line; /* of the config */
};

enum zone_auth { ZONE_AUTH_NONE = 0, ZONE_AUTH_DIGEST = 1 };
/* bindings-full of domains, in the order of its row in options.def. */
enum bindings_full { BINDINGS_FULL_REFUSE = 0, BINDINGS_FULL_REPLACE = 1 };
/* bindings-by of domains, likewise. */
enum bindings_by { BINDINGS_BY_CONTACT = 0, BINDINGS_BY_FLOW = 1 };
/* What becomes of headers on their way to a zone. */
enum zone_leaving { LEAVING_REWRITE = 0, LEAVING_DROP, LEAVING_PASS };

/* assert-identity of zones, in the order of its row in options.def. */
enum assert_identity { ASSERT_ANONYMOUS = 0, ASSERT_ALWAYS, ASSERT_NEVER };

/* assert-as and believed of zones, in the order of their rows. */
enum assert_as { ASSERT_AS_ASSERTED = 0, ASSERT_AS_REMOTE_PARTY, ASSERT_AS_BOTH };
enum believed { BELIEVED_ASSERTED = 0, BELIEVED_REMOTE_PARTY, BELIEVED_PREFERRED, BELIEVED_FROM };

/* anonymous of zones, in the order of its row in options.def. */
enum anonymous { ANONYMOUS_ACCEPT = 0, ANONYMOUS_REFUSE };

enum not_utf8 { NOT_UTF8_CONVERT = 0, NOT_UTF8_DROP, NOT_UTF8_PASS };
enum line_ends { LINE_ENDS_REFUSE = 0, LINE_ENDS_SERVE };

struct zone_settings {
	_Alignas(8) struct text name;
	struct array sources;      /* struct prefix; a trusted zone's peers */
	struct array deny;         /* struct prefix; transport workers' alone */
	struct array never_ban;    /* struct prefix; transport workers' alone */
	struct array hidden_names; /* struct text in lower case, no dot at the end: hosts and
	                              domains. SIP workers' alone */
	struct array rules;        /* struct rule_settings, of what comes from the zone */
	uint32_t rate;             /* requests per rate_window_ms and source; 0: no limit */
	uint32_t rate_window_ms;
	uint32_t ban_failures; /* 0: no bans */
	uint32_t ban_window_ms;
	uint32_t ban_ms;
	uint32_t label; /* its row of the labelled counters (common/labelled.h) */
	/* bits (1 << enum transport): by these a source that is none of its sources is heard, as
	 * far as it shows what only we gave out; see settings_hears_strangers */
	uint64_t strangers;
	/* auth is an enum zone_auth; hosts, identities, network_headers, unknown_headers and
	 * software are an enum zone_leaving; not_utf8 and line_ends enums of their names */
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_ZONE
#include "options.def"
};
struct listener_settings {
	_Alignas(8) struct text name;
	struct text advertise_host; /* length 0: none. Host for Via and Contact */
	struct endpoint bind;
	uint16_t advertise_port; /* 0: the bound port */
	uint16_t zone;
	uint8_t transport; /* enum transport */
	uint8_t gone;      /* 1: removed from the config, what it has begun goes on */
	uint8_t zero[2];
	struct array certificates; /* uint16_t certificate indexes, padded to 8 bytes; the first is
	                              the default */
	struct array
		origins; /* struct text: Origins a WebSocket client may come from; count 0: any */
			 /* ORIGIN_NONE among them: clients that name none may come too */
			 /* client_auth is an enum client_auth, when_draining an
	                  * enum when_draining */
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_LISTENER
#include "options.def"
};
#define ORIGIN_NONE "none"
enum when_draining { WHEN_DRAINING_REFUSE = 0, WHEN_DRAINING_IGNORE };
enum client_auth { CLIENT_AUTH_NONE = 0, CLIENT_AUTH_OPTIONAL, CLIENT_AUTH_REQUIRED };
enum digest_algorithm { DIGEST_MD5 = 1, DIGEST_SHA256 = 2, DIGEST_SHA512_256 = 4 }; /* bits */
#define DIGEST_ALGORITHMS 3
#define DIGEST_ALL (DIGEST_MD5 | DIGEST_SHA256 | DIGEST_SHA512_256)

struct domain_settings {
	_Alignas(8) struct text name; /* lower case */
	struct text realm;
	uint32_t expires_min, expires_max, expires_default; /* seconds */
	uint8_t algorithms;                                 /* bits of enum digest_algorithm */
	uint8_t gone;                                       /* 1: removed from the config */
	uint8_t zero[2];
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_DOMAIN
#include "options.def"
};
struct target_settings {
	struct text uri;            /* as written */
	struct endpoint endpoint;   /* of a name: family 0, and the port that is written, or 0 */
	uint8_t transport;          /* enum transport; UDP unless ;transport= says otherwise */
	uint8_t explicit_transport; /* 1: ;transport= was given */
	uint16_t listener; /* the listener of the trunk's zone and transport that sends to it; of a
	                      name NONE_INDEX */
	uint16_t priority; /* the targets are sorted by it */
	uint16_t weight;
	struct text name; /* in lower case, to be looked up (RFC 3263); length 0: none */
	/* What a SIP worker sets in rows of its own (worker-sip/routing/target_rows.h); 0 here. */
	uint16_t written;          /* index of the target that the row stands for */
	uint16_t service_priority; /* of SRV */
	uint16_t service_weight;
	uint16_t zero;
	uint64_t host; /* hash of SRV's target and port */
};
static inline bool target_is_name(const struct target_settings *t)
{
	return t->name.length != 0;
}
/* What shows that a request comes from a trunk (match of a trunk). */
enum trunk_match { TRUNK_MATCH_SOURCE = 0, TRUNK_MATCH_REGISTRATION };
/* Which of the targets of one priority comes first (balance of a trunk). */
enum balance { BALANCE_ORDER = 0, BALANCE_RANDOM, BALANCE_CALL_ID, BALANCE_CALLER, BALANCE_CALLED };
/* The statuses from 300 to 699, a bit each. */
#define FAILOVER_FIRST 300
#define FAILOVER_LAST 699
#define FAILOVER_WORDS 7
static inline bool failover_has(const uint64_t bits[FAILOVER_WORDS], unsigned status)
{
	unsigned bit = status - FAILOVER_FIRST;

	return status >= FAILOVER_FIRST && status <= FAILOVER_LAST &&
	       (bits[bit / 64] >> bit % 64 & 1);
}
static inline void failover_add(uint64_t bits[FAILOVER_WORDS], unsigned status)
{
	bits[(status - FAILOVER_FIRST) / 64] |= UINT64_C(1) << (status - FAILOVER_FIRST) % 64;
}

struct trunk_settings {
	_Alignas(8) struct text name;
	struct array targets; /* struct target_settings, in order */
	uint16_t zone;
	uint16_t certificate; /* shown when the server asks for one; NONE_INDEX: none */
	struct text tls_name; /* SIP domain or host that the server's certificate must name (RFC
	                         5922 section 7); length 0: the target's address */
	uint64_t failover[FAILOVER_WORDS]; /* SIP workers' alone */
	uint64_t label;                    /* its row of the labelled counters */
	struct array rules;                /* struct rule_settings, of what goes out by it */
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_TRUNK
#include "options.def"
};
enum route_action { ROUTE_REGISTERED = 1, ROUTE_TRUNK = 2, ROUTE_REFUSE = 3 };

struct route_settings {
	struct text name;
	uint64_t from;       /* bits of zone indexes */
	struct text number;  /* a pattern (pattern.h) over the request URI's user; length 0: any */
	struct array trunks; /* uint16_t trunk indexes, padded to 8 bytes */
	struct array rules;  /* struct rule_settings */
	struct array events; /* struct text: packages; count 0: whatever the request is */
	uint16_t to_domain;  /* domain index, NONE_INDEX: any */
	uint16_t status;     /* of ROUTE_REFUSE */
	uint8_t action;      /* enum route_action */
	uint8_t zero[3];
	uint32_t line; /* of the config, where it begins */
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_ROUTE
#include "options.def"
};

/* What becomes of a redirection (redirect of a route), and what a zone is told of who has forwarded
 * a call (forwarded-by). */
enum redirect { REDIRECT_AUTO = 0, REDIRECT_FOLLOW, REDIRECT_PASS, REDIRECT_REFUSE };
enum forwarded_by {
	FORWARDED_BY_BOTH = 0,
	FORWARDED_BY_DIVERSION,
	FORWARDED_BY_HISTORY_INFO,
	FORWARDED_BY_NONE
};

/* A number of emergency. */
struct emergency_settings {
	struct text number;  /* digits */
	struct text service; /* of RFC 5031, as "sos.police"; length 0: none is named */
};
/* A group of users, in a list of numbers. */
struct group_settings {
	struct text name;
	uint32_t id; /* group_id */
	uint32_t zero;
};
/* A list of numbers that may or may not be called. SIP workers' alone. */
struct number_list_settings {
	_Alignas(8) struct text name;
	uint64_t from;       /* bits of zone indexes */
	struct array groups; /* struct group_settings; count 0: all who call */
	struct array permit; /* struct text: patterns (pattern.h), as of a route */
	struct array block;  /* the same */
	uint32_t zero;
#define OPTION SETTINGS_FIELD
#define OPTIONS OPTIONS_OF_NUMBERS
#include "options.def"
};

struct settings {
	uint32_t magic;
	uint16_t version;
	uint16_t first_domain; /* the first in the config; not one of domains: there is none */
	uint32_t size;         /* of the whole image */
	uint32_t zero2;
	uint64_t generation; /* of the config; rises with each reload */
	struct array zones, listeners, domains, trunks, routes;
	struct array domain_names; /* struct text: of the domains in their order, empty where one is
	                              gone; transport workers' too (address_of_record.h) */
	struct array number_lists; /* struct number_list_settings, in order */
	struct array emergency;    /* struct emergency_settings (emergency.h) */
	struct array scanners;     /* struct text in lower case; transport workers' alone */
	struct array dns_servers;  /* struct endpoint; what each name is asked of */
	uint8_t workers[8];        /* of each role: enum peer_role */
	/* what stands outside of sections with a title; message_max is at most MESSAGE_RAW_MAX */
#define OPTION SETTINGS_FIELD
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "options.def"
};

/* 0 or -EBADMSG: magic, version, size, every array and text inside the image and aligned, every
 * index in range. */
int settings_check(const void *image, size_t size);

static inline const void *settings_array(const struct settings *s, struct array a)
{
	return (const char *)s + a.at;
}
static inline struct str settings_str(const struct settings *s, struct text t)
{
	return (struct str){(const char *)s + t.at, t.length};
}
#define SETTINGS_ROW(s, type, array, index) (&((const type *)settings_array((s), (array)))[index])
static inline const struct zone_settings *settings_zone(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct zone_settings, s->zones, i);
}
static inline const struct listener_settings *settings_listener(
	const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct listener_settings, s->listeners, i);
}
static inline const struct domain_settings *settings_domain(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct domain_settings, s->domains, i);
}
static inline const struct trunk_settings *settings_trunk(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct trunk_settings, s->trunks, i);
}
static inline const struct route_settings *settings_route(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct route_settings, s->routes, i);
}

static inline const struct text *settings_domain_name(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct text, s->domain_names, i);
}
/* The name of the zone, or of the trunk, of that index; empty where there is none. */
static inline struct str settings_zone_name(const struct settings *s, unsigned i)
{
	return i < s->zones.count ? settings_str(s, settings_zone(s, i)->name) : STR_EMPTY;
}
static inline struct str settings_trunk_name(const struct settings *s, unsigned i)
{
	return i < s->trunks.count ? settings_str(s, settings_trunk(s, i)->name) : STR_EMPTY;
}

static inline bool settings_has_domain(const struct settings *s)
{
	return s->first_domain < s->domains.count;
}

/* Whether what comes by that listener comes from a trusted zone; not by one that there is not. */
static inline bool settings_trusts(const struct settings *s, unsigned listener)
{
	unsigned zone = listener < s->listeners.count ? settings_listener(s, listener)->zone
	                                              : NONE_INDEX;

	return zone < s->zones.count && settings_zone(s, zone)->trust;
}
/* Whether the sender of what came by that flow has not shown itself by that alone: it came as a
 * datagram, whose source address may be forged, and from an untrusted zone. */
static inline bool settings_is_stranger(const struct settings *s, const struct flow *flow)
{
	return flow->transport == TRANSPORT_UDP && !settings_trusts(s, flow->listener);
}

/* Whether by that listener also what comes from another source than its zone's may be served: where
 * it shows the Contact that we registered at a trunk (match = registration), or is of a dialog or
 * transaction of ours. */
static inline bool settings_hears_strangers(const struct settings *s, unsigned listener)
{
	const struct listener_settings *l = settings_listener(s, listener);

	return settings_zone(s, l->zone)->strangers >> l->transport & 1;
}

/* 64*T1 in milliseconds: how long a request is tried and its answer repeated (RFC 3261 section 17,
 * timers B, F, H and J; RFC 6026, timers L and M), and so how long all is kept that may be asked
 * about a transaction. */
static inline uint32_t settings_64_t1(const struct settings *s)
{
	return 64 * s->t1_ms;
}

/* The zone that an address on a listener belongs to: the listener's zone index; *permitted says
 * whether its zone's sources (if it names any) contain the peer. */
unsigned settings_zone_of(
	const struct settings *s, unsigned listener, const struct endpoint *peer, bool *permitted);
/* The first listener of that zone for that transport and address family, one that is gone where
 * there is no other; or NONE_INDEX. */
unsigned settings_listener_for(
	const struct settings *s, unsigned zone, uint8_t transport, uint8_t family);
/* The domain with that name (any case), or NONE_INDEX. */
unsigned settings_domain_of(const struct settings *s, struct str name);
/* The port that a URI without one means on that transport (RFC 3261 section 19.1.2 and RFC 7118
 * section 5). */
uint16_t settings_default_port(uint8_t transport);
/* The listener whose bound or advertised address is host:port (port 0: its transport's default), or
 * NONE_INDEX: "is this us?". */
unsigned settings_listener_at(const struct settings *s, struct str host, uint16_t port);
/* The same of an address and its port. */
unsigned settings_listener_at_address(const struct settings *s, const struct endpoint *address);

/* The number by which flow.profile names what a trunk demands of a target's server over TLS: one of
 * the trunk, or of the target that is a name, which is what the certificate must show. */
uint16_t settings_profile(const struct settings *s, unsigned trunk, unsigned written);
/* The trunk and the target (NONE_INDEX: no name) of such a number, which is not 0. False: there is
 * none. */
bool settings_profile_of(
	const struct settings *s, uint16_t profile, unsigned *trunk, unsigned *written);

/* What a trunk is known by wherever its place in the settings does not matter: a hash of its
 * name. */
uint64_t trunk_id(struct str name);

/* ---- users: a hash table in an image of its own, shared by all SIP workers ---- */

#define USERS_MAGIC 0x55575055u
#define USER_NAME_MAX 128
#define HA1_TEXT_MAX 64 /* hex of SHA-256 and SHA-512-256 */
#define USER_GROUPS_MAX 8
#define GROUP_NAME_MAX 32

struct user_row {
	uint32_t hash;      /* of domain and name; 0: empty row */
	uint16_t domain;    /* index into the settings' domains */
	uint8_t algorithms; /* bits of enum digest_algorithm that this user has */
	uint8_t name_length;
	char name[USER_NAME_MAX];
	char ha1_md5[32]; /* lower-case hex, no NUL */
	char ha1_sha256[64];
	char ha1_sha512_256[64];
	uint32_t group[USER_GROUPS_MAX]; /* group_id of each group that he is in; 0: no more */
};
struct users {
	uint32_t magic;
	uint32_t size;
	uint32_t mask; /* rows - 1, a power of two less one */
	uint32_t count;
	uint32_t of_trunks; /* of these, those of USERS_OF_TRUNKS */
	struct user_row row[];
};
/* The domain of rows that are not users of ours: what a trunk's server asks for. Such a row's name
 * is users_trunk_key. */
#define USERS_OF_TRUNKS 0xfffe
#define TRUNK_REALM_MAX (USER_NAME_MAX - 17)
/* The name of the row for that trunk (trunk_id) and realm, into buffer; its length, 0: the realm is
 * longer than TRUNK_REALM_MAX. */
size_t users_trunk_key(uint64_t trunk, struct str realm, char buffer[USER_NAME_MAX]);
int users_check(const void *image, size_t size); /* 0 or -EBADMSG */
/* The HA1 of the row for one algorithm, whether the user has it or not. */
static inline struct str user_row_ha1(const struct user_row *row, uint8_t algorithm)
{
	return algorithm == DIGEST_MD5 ? (struct str){row->ha1_md5, sizeof(row->ha1_md5)}
	       : algorithm == DIGEST_SHA256
	               ? (struct str){row->ha1_sha256, sizeof(row->ha1_sha256)}
	               : (struct str){row->ha1_sha512_256, sizeof(row->ha1_sha512_256)};
}
/* The row's place to start looking (linear probing). */
uint32_t users_hash(unsigned domain, struct str name);
/* What a group is known by, wherever its place in a config does not matter: a hash of its name, not
 * 0. */
uint32_t group_id(struct str name);
/* Whether the row is that of name in domain; hash: theirs. */
static inline bool user_row_is(
	const struct user_row *row, uint32_t hash, unsigned domain, struct str name)
{
	return row->hash == hash && row->domain == domain &&
	       str_equal((struct str){row->name, row->name_length}, name);
}
/* The row of name in domain; NULL: there is no such user. */
const struct user_row *users_find(const struct users *u, unsigned domain, struct str name);

#endif
