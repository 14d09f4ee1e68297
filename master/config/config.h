/* config.h - the operator's config file, checked whole, as plain C arrays that the master works
 * from.
 *
 * The file is in libconfuse's syntax. Nothing of it is used before all of it
 * has been checked: names, units, ranges, references between sections, the users files. Every error
 * says FILE:LINE, what was expected and what is near it; up to CONFIG_ERRORS_MAX are collected in
 * one go. Relative paths in the file are relative to the folder of the file.
 */
#ifndef SIPWARD_MASTER_CONFIG_CONFIG_H
#define SIPWARD_MASTER_CONFIG_CONFIG_H

#include "ipc/lifeline.h"
#include "ipc/settings.h"
#include "ipc/userfile.h"

#define CONFIG_PATH_DEFAULT "/etc/sipward/sipward.conf"
#define CONFIG_FILE_MAX (4u << 20) /* bytes: some 30,000 routes */
#define CONFIG_WARNINGS_MAX 64
#define CONFIG_PATH_MAX 4096
#define CONFIG_RUNTIME_DIRECTORY_MAX                                                               \
	64 /* bytes: endpoints inside it must fit a Unix socket address */

/* Bounds of the arrays; ZONES_MAX and LISTENERS_MAX are in settings.h. */
#define LISTENER_CERTIFICATES_MAX 16
#define ORIGINS_MAX 64 /* per listener */
#define DOMAINS_MAX 256
#define TRUNKS_MAX 256
#define ROUTES_MAX 16384
#define TARGETS_MAX 16           /* per trunk */
#define ROUTE_TRUNKS_MAX 16      /* per route */
#define CONFIG_FORWARDS_MAX 4096 /* users of the config whose calls go on */
#define SOURCES_MAX 1024         /* per zone */
#define NEVER_BAN_MAX 256        /* per zone, and of limits */
#define DENY_MAX 1024            /* per zone */
#define NAMES_MAX 64             /* per certificate */
#define HIDDEN_NAMES_MAX 64      /* per zone */
#define CDR_SOCKET_MAX 107       /* bytes of a Unix socket's path */
#define NAME_MAX_LENGTH 64       /* bytes of a section's title */
#define GROUPS_MAX 64            /* per domain, and per list of numbers */

/* The fields of the plain options (ipc/options.def). */
#define CONFIG_TYPE_DURATION(least, most) uint32_t
#define CONFIG_TYPE_SECONDS_OR_OFF(least, most) uint32_t
#define CONFIG_TYPE_COUNT(least, most) uint32_t
#define CONFIG_TYPE_COUNT_OR_OFF(least, most) uint32_t
#define CONFIG_TYPE_SIZE(least, most) uint32_t
#define CONFIG_TYPE_BOOL uint32_t
#define CONFIG_TYPE_WORD(words) uint32_t
#define CONFIG_TYPE_PATH char *
#define CONFIG_TYPE_TEXT(most) char *
#define CONFIG_FIELD(section, name, kind, preset, field, receivers, help) CONFIG_TYPE_##kind field;

/* A rule about numbers and headers (ipc/rule.h). */
struct config_rule {
	char *text;
	int line;
};
struct config_rules {
	struct config_rule *rule;
	size_t count;
};

/* All strings below are owned by the config, NUL-terminated and never NULL unless said so. line:
 * where the section begins. */
struct config_zone {
	char *name;
	struct prefix *sources;
	size_t source_count;
	struct prefix *deny;
	size_t deny_count;
	struct prefix *never_ban; /* and those of limits */
	size_t never_ban_count;
	char **hidden_names; /* lower case */
	size_t hidden_name_count;
	struct config_rules rules;
	int line;
	uint32_t rate, rate_window_ms;                /* 0: no limit */
	uint32_t ban_failures, ban_window_ms, ban_ms; /* 0: no bans */
	bool gone;                                    /* removed while running (places.h) */
	uint8_t label;                                /* of counters (control/metric_labels.h) */
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_ZONE
#include "ipc/options.def"
};

struct config_listener {
	char *name;
	char *advertise_host; /* "": none */
	struct endpoint bind;
	int line, bind_line;
	uint16_t advertise_port;                          /* 0: the bound port */
	uint16_t zone;                                    /* index */
	uint16_t certificates[LISTENER_CERTIFICATES_MAX]; /* indexes, the first is the default */
	size_t certificate_count;
	char **origins; /* lower case */
	size_t origin_count;
	bool gone;         /* removed while running (places.h) */
	uint8_t transport; /* enum transport */
			   /* client_ca is NULL where there is none */
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_LISTENER
#include "ipc/options.def"
};

static inline bool config_transport_is_tls(uint8_t transport)
{
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

struct config_certificate {
	char *name;
	char **names; /* lower case */
	size_t name_count;
	int line, chain_line, key_line, ocsp_line;
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_CERTIFICATE
#include "ipc/options.def"
};

struct config_domain {
	char *name; /* lower case */
	char *realm;
	int line, users_line;
	uint32_t expires_min, expires_max, expires_default; /* seconds */
	uint8_t algorithms;                                 /* bits of enum digest_algorithm */
	char **groups;                                      /* that its users may be in */
	size_t group_count;
	bool gone;             /* removed while running (places.h); users_path is NULL then */
	struct userfile users; /* what the file held when the config was loaded; empty after
	                          config_forget_users */
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_DOMAIN
#include "ipc/options.def"
};

struct config_target {
	char *uri;
	struct endpoint endpoint;
	uint8_t transport;
	bool explicit_transport;
	bool has_weight;   /* it is written */
	uint16_t listener; /* index: the one of the trunk's zone that sends to it */
	uint16_t priority, weight;
	int line;
	char *name;    /* in lower case, of a target without an address, whose endpoint has the port
	                  that is written, or none; NULL: it has one */
	bool over_tls; /* it is, or may be once its name is looked up */
};

struct config_trunk {
	char *name;
	struct config_target *targets;
	size_t target_count;
	int line;
	uint16_t zone;
	char *tls_name;              /* lower case; "": the target's address */
	uint16_t certificate;        /* index, NONE_INDEX */
	struct userfile credentials; /* as a domain's users */
	/* of what is checked where the section is gone; 0: it is not in the file */
	struct {
		int username, credentials, registers, outbound, match, contact_user, from_domain;
	} at;
	bool register_wrong; /* it is there, and has been refused */
	uint64_t failover[FAILOVER_WORDS];
	struct config_rules rules;
	uint8_t label; /* of counters (control/metric_labels.h) */
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_TRUNK
#include "ipc/options.def"
};

static inline bool config_trunk_uses_tls(const struct config_trunk *t)
{
	for (size_t i = 0; t->targets && i < t->target_count; i++)
		if (t->targets[i].over_tls)
			return true;
	return false;
}

struct config_route {
	char *name;
	char *number; /* "": any */
	struct config_rules rules;
	uint16_t trunks[ROUTE_TRUNKS_MAX];
	size_t trunk_count;
	char **events; /* packages; count 0: whatever the request is */
	size_t event_count;
	int line;
	uint64_t from;      /* bits of zone indexes */
	uint16_t to_domain; /* index, NONE_INDEX */
	uint16_t status;    /* of ROUTE_REFUSE: 400 to 699; otherwise 0 */
	uint8_t action;     /* enum route_action */
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_ROUTE
#include "ipc/options.def"
};

/* Where calls to a user go on. */
struct config_forward {
	char *name; /* as the section is titled: NAME@DOMAIN */
	char *user, *domain;
	int line;
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_FORWARD
#include "ipc/options.def"
};

struct config_emergency {
	char *number;  /* digits */
	char *service; /* of RFC 5031 that it stands for, in lower case; "": none is named */
};

struct config_numbers {
	char *name;
	char **groups; /* count 0: all who call */
	size_t group_count;
	char **permit, **block;
	size_t permit_count, block_count;
	uint64_t from; /* bits of zone indexes */
	int line;
#define OPTION CONFIG_FIELD
#define OPTIONS OPTIONS_OF_NUMBERS
#include "ipc/options.def"
};

struct config {
	char *path;                    /* of the config file, as given */
	struct config_sources sources; /* lines are of it and of what it includes */
	char *control_path;            /* absolute; the control socket */
	struct config_emergency *emergency;
	size_t emergency_count;
	char **scanners; /* lower case */
	size_t scanner_count;
	struct prefix *never_ban; /* of limits */
	size_t never_ban_count;
	uint32_t control_mode; /* permission bits, 0600 to 0660 */
	/* by enum peer_role; [0] is unused */
	unsigned workers[ROLE_COUNT];
	char *user[ROLE_COUNT];  /* name of the user that the role's workers run as (when started as
	                            root) */
	char *group[ROLE_COUNT]; /* ""; the user's own group */
	int user_line[ROLE_COUNT];

	struct config_zone *zones;
	struct config_listener *listeners;
	struct config_certificate *certificates;
	struct config_domain *domains;
	struct config_trunk *trunks;
	struct config_numbers *numbers;
	struct config_route *routes;
	struct config_forward *forwards;
	struct endpoint dns_servers[DNS_SERVERS_MAX];
	size_t dns_server_count;
	size_t zone_count, listener_count, certificate_count, domain_count, trunk_count,
		numbers_count, route_count, forward_count;

	/* Of options that are checked where their sections are gone; 0: they are not in the file.
	 */
	struct {
		int runtime_directory, state_directory, control_group, trust, cdr_file, cdr_socket,
			web_bind;
	} line;

	uint16_t first_domain; /* index of the first one in the file; NONE_INDEX: there is none */
			       /* paths are absolute, log_level is an enum log_level */
#define OPTION CONFIG_FIELD
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"

	/* Sentences for the start log ("zone \"access\" (sipward.conf:12):
	 * ..."). */
	char *warnings[CONFIG_WARNINGS_MAX];
	size_t warning_count;
};

/* Adds "FILE:LINE: sentence" to the warnings; what there is no room for is left out. */
void config_warn(struct config *c, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Wipes what is secret, then frees. NULL is permitted. */
void config_free(struct config *x);
/* Wipes and frees the HA1s, of users and of trunks, once users_build has made their image. */
void config_forget_users(struct config *c);

/* Reads the bind of section web, "tcp:ADDRESS:PORT". False: it is something else. */
bool config_web_endpoint(const char *text, struct endpoint *out);

#endif
