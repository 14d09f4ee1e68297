/* settings and users images: what is refused, and the look-ups. */
#include "ipc/settings.h"
#include "ipc/message.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

/* A small image, laid out by hand. */
struct image {
	struct settings s;
	struct zone_settings zone[2];
	struct prefix source[2];
	struct listener_settings listener[4];
	struct domain_settings domain[1];
	struct target_settings target[1];
	struct trunk_settings trunk[1];
	struct route_settings route[2];
	uint16_t trunks[4];
	char pool[128];
};

#define AT(member) (uint32_t) offsetof(struct image, member)

static struct image *im;
static size_t pool_used;

static struct text text(const char *s)
{
	struct text t = {AT(pool) + (uint32_t)pool_used, (uint32_t)strlen(s)};

	memcpy(im->pool + pool_used, s, strlen(s) + 1);
	pool_used += strlen(s) + 1;
	return t;
}

static struct endpoint at(const char *s)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse(str_of(s), &e), 0);
	return e;
}

static void setup(void)
{
	im = calloc(1, sizeof(*im));
	pool_used = 0;
	im->s = (struct settings){
		.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(*im),
		.zones = {AT(zone), 2},
		.listeners = {AT(listener), 4},
		.domains = {AT(domain), 1},
		.trunks = {AT(trunk), 1},
		.routes = {AT(route), 2},
		.message_max = MESSAGE_RAW_MAX,
	};
	im->zone[0] = (struct zone_settings){.name = text("access"),
		.auth = ZONE_AUTH_DIGEST,
		.rate = 50,
		.rate_window_ms = 1000};
	im->zone[1] = (struct zone_settings){
		.name = text("core"), .trust = 1, .sources = {AT(source), 2}};
	cr_assert_eq(prefix_parse(S("10.1.0.0/16"), &im->source[0]), 0);
	cr_assert_eq(prefix_parse(S("2001:db8::/32"), &im->source[1]), 0);
	im->listener[0] = (struct listener_settings){
		.name = text("udp"), .bind = at("192.0.2.1:5060"), .transport = TRANSPORT_UDP};
	im->listener[1] = (struct listener_settings){
		.name = text("wild"),
		.bind = at("0.0.0.0:5070"),
		.transport = TRANSPORT_TCP,
		.advertise_host = text("Sip.example.net"),
		.advertise_port = 5060,
	};
	im->listener[2] = (struct listener_settings){.name = text("core"),
		.bind = at("[2001:db8::1]:5062"),
		.transport = TRANSPORT_UDP,
		.zone = 1};
	im->listener[3] = (struct listener_settings){
		.name = text("tls"), .bind = at("192.0.2.1:5061"), .transport = TRANSPORT_TLS};
	im->domain[0] = (struct domain_settings){
		.name = text("example.net"),
		.realm = text("realm"),
		.expires_min = 60,
		.expires_max = 3600,
		.expires_default = 3600,
		.bindings_max = 10,
		.algorithms = DIGEST_MD5,
	};
	im->target[0] = (struct target_settings){.uri = text("sip:x"),
		.endpoint = at("10.1.0.9:5060"),
		.transport = TRANSPORT_UDP,
		.listener = 2};
	im->trunk[0] = (struct trunk_settings){
		.name = text("pbx"), .targets = {AT(target), 1}, .zone = 1};
	im->route[0] = (struct route_settings){
		.name = text("a"), .from = 3, .action = ROUTE_REGISTERED, .to_domain = 0};
	im->route[1] = (struct route_settings){.name = text("b"),
		.from = 1,
		.action = ROUTE_TRUNK,
		.to_domain = NONE_INDEX,
		.trunks = {AT(trunks), 1}};
}

static void teardown(void)
{
	free(im);
}

TestSuite(settings, .init = setup, .fini = teardown);

static int check(void)
{
	return settings_check(im, sizeof(*im));
}

Test(settings, sane)
{
	cr_assert_eq(check(), 0);
}

#define REFUSED(spoil)                                                                             \
	do {                                                                                       \
		struct image saved_ = *im;                                                         \
		spoil;                                                                             \
		cr_expect_eq(check(), -EBADMSG, "accepted: " #spoil);                              \
		*im = saved_;                                                                      \
	} while (0)

Test(settings, refuses_what_does_not_fit)
{
	REFUSED(im->s.magic++);
	REFUSED(im->s.version++);
	REFUSED(im->target[0].listener = 0);
	REFUSED(im->target[0].endpoint.family = 0);
	REFUSED(im->target[0].name = text("carrier.example")); /* and an address */
	REFUSED(im->s.dns_servers = im->s.trunks);
	REFUSED(im->zone[0].trust = 2);
	REFUSED(im->zone[0].auth = ZONE_AUTH_DIGEST + 1);
	REFUSED(im->zone[0].not_utf8 = NOT_UTF8_PASS + 1);
	REFUSED(im->zone[0].line_ends = LINE_ENDS_SERVE + 1);
	REFUSED(im->listener[0].client_auth = CLIENT_AUTH_REQUIRED + 1);
	REFUSED(im->trunk[0].verify = 2);
	REFUSED(im->s.tickets = 2);
	REFUSED(im->zone[0].hosts = LEAVING_PASS + 1);
	REFUSED(im->zone[0].identities = LEAVING_PASS + 1);
	REFUSED(im->zone[0].network_headers = LEAVING_PASS + 1);
	REFUSED(im->zone[0].unknown_headers = LEAVING_PASS + 1);
	REFUSED(im->zone[0].software = LEAVING_PASS + 1);
	REFUSED(im->zone[0].hidden_names = ((struct array){sizeof(*im) - 8, 2}));
	REFUSED(im->zone[0].deny = ((struct array){sizeof(*im) - 8, 2}));
	REFUSED(im->zone[0].never_ban = ((struct array){sizeof(*im) - 8, 2}));
	REFUSED(im->s.emergency = ((struct array){sizeof(*im) - 8, 2}));
	REFUSED(im->s.scanners = ((struct array){sizeof(*im) - 8, 2}));
	REFUSED(im->s.size--);
	REFUSED(im->s.zones.at = sizeof(*im) + 8);
	REFUSED(im->s.zones.at++);
	REFUSED(im->s.zones.at = 8);
	REFUSED(im->s.zones.count = ZONES_MAX + 1);
	REFUSED(im->s.listeners.count = UINT32_MAX);
	REFUSED(im->s.routes.count = 1000);
	REFUSED(im->zone[0].name.length = 1000);
	REFUSED(im->zone[0].name.length--);
	REFUSED(im->zone[0].name.length += 2);
	REFUSED(im->zone[0].name.at = 0);
	REFUSED(im->zone[0].trust = 2);
	REFUSED(im->zone[0].rate_window_ms = 0);
	REFUSED(im->zone[0].ban_failures = 1);
	REFUSED(im->source[0].bits = 33);
	REFUSED(im->source[1].network.family = 5);
	REFUSED(im->listener[1].zone = 2);
	REFUSED(im->listener[1].transport = TRANSPORT_COUNT);
	REFUSED(im->listener[1].transport = 0);
	REFUSED(im->listener[1].bind.family = 0);
	REFUSED(im->domain[0].expires_default = 59);
	REFUSED(im->domain[0].algorithms = 8);
	REFUSED(im->domain[0].bindings_max = 0);
	REFUSED(im->target[0].listener = 4);
	REFUSED(im->target[0].listener = 0);
	REFUSED(im->trunk[0].zone = 2);
	REFUSED(im->trunk[0].targets.count = 0);
	REFUSED(im->route[0].to_domain = 1);
	REFUSED(im->route[0].from = 4);
	REFUSED(im->route[0].action = 9);
	REFUSED(im->route[1].trunks.count = 0);
	REFUSED(im->trunks[0] = 1);
	REFUSED(im->route[0].action = ROUTE_REFUSE);
	REFUSED(im->s.message_max = MESSAGE_RAW_MAX + 1);
	cr_assert_eq(settings_check(im, sizeof(im->s) - 1), -EBADMSG);
	cr_assert_eq(settings_check(im, sizeof(*im) - 8), -EBADMSG);
}

Test(settings, zone_and_sources)
{
	struct endpoint inside = at("10.1.2.3:5060"), outside = at("10.2.0.1:5060"),
			inside6 = at("[2001:db8::9]:1");
	bool permitted = false;

	cr_assert_eq(settings_zone_of(&im->s, 0, &outside, &permitted), 0);
	cr_assert(permitted, "a zone without sources hears everybody");
	cr_assert_eq(settings_zone_of(&im->s, 2, &inside, &permitted), 1);
	cr_assert(permitted);
	cr_assert_eq(settings_zone_of(&im->s, 2, &inside6, &permitted), 1);
	cr_assert(permitted);
	cr_assert_eq(settings_zone_of(&im->s, 2, &outside, &permitted), 1);
	cr_assert(!permitted);
}

Test(settings, domains_in_any_case)
{
	cr_assert_eq(settings_domain_of(&im->s, S("EXAMPLE.net")), 0);
	cr_assert_eq(settings_domain_of(&im->s, S("example.org")), NONE_INDEX);
	cr_assert_eq(settings_domain_of(&im->s, STR_EMPTY), NONE_INDEX);
}

Test(settings, is_this_us)
{
	cr_assert_eq(settings_listener_at(&im->s, S("192.0.2.1"), 5060), 0);
	cr_assert_eq(settings_listener_at(&im->s, S("192.0.2.1"), 0), 0);
	cr_assert_eq(settings_listener_at(&im->s, S("192.0.2.1"), 5061), 3);
	cr_assert_eq(settings_listener_at(&im->s, S("192.0.2.1"), 5062), NONE_INDEX);
	cr_assert_eq(settings_listener_at(&im->s, S("192.0.2.2"), 5060), NONE_INDEX);
	cr_assert_eq(settings_listener_at(&im->s, S("[2001:DB8:0::1]"), 5062), 2);
	cr_assert_eq(settings_listener_at(&im->s, S("sip.EXAMPLE.net"), 0), 1);
	cr_assert_eq(settings_listener_at(&im->s, S("sip.example.net"), 5070), NONE_INDEX,
		"the advertised port counts, not the bound one");
	cr_assert_eq(settings_listener_at(&im->s, S("0.0.0.0"), 5070), NONE_INDEX);
	im->listener[0].advertise_host = text("203.0.113.7");
	cr_assert_eq(settings_listener_at(&im->s, S("203.0.113.7"), 0), 0);
}

#define ROWS 8
static struct users *users_of(size_t rows)
{
	size_t size = sizeof(struct users) + rows * sizeof(struct user_row);
	struct users *u = calloc(1, size);

	u->magic = USERS_MAGIC;
	u->size = (uint32_t)size;
	u->mask = (uint32_t)rows - 1;
	return u;
}

static void add(struct users *u, unsigned domain, const char *name)
{
	struct str s = str_of(name);
	uint32_t h = users_hash(domain, s), i;

	for (i = h & u->mask; u->row[i].hash; i = (i + 1) & u->mask)
		;
	u->row[i] = (struct user_row){.hash = h,
		.domain = (uint16_t)domain,
		.algorithms = DIGEST_MD5,
		.name_length = (uint8_t)s.n};
	memcpy(u->row[i].name, s.p, s.n);
	u->count++;
}

Test(users, found_by_domain_and_name)
{
	struct users *u = users_of(ROWS);

	cr_assert_eq(users_check(u, u->size), 0);
	cr_assert_null(users_find(u, 0, S("alice")));
	for (int i = 0; i < ROWS - 1; i++)
		add(u, (unsigned)i % 2,
			(const char *[]){
				"alice", "bob", "carol", "dave", "eve", "frank", "grace"}[i]);
	cr_assert_eq(users_check(u, u->size), 0);
	cr_assert_not_null(users_find(u, 0, S("alice")));
	cr_assert_not_null(users_find(u, 1, S("frank")));
	cr_assert_null(users_find(u, 1, S("alice")));
	cr_assert_null(users_find(u, 0, S("Alice")));
	cr_assert_null(users_find(u, 0, STR_EMPTY));
	cr_assert_null(users_find(u, 0, S("nobody")));
	free(u);
}

Test(users, refuses_what_would_mislead)
{
	struct users *u = users_of(ROWS);
	struct user_row *row;

	add(u, 0, "alice");
	row = (struct user_row *)(uintptr_t)users_find(u, 0, S("alice"));
	u->count = 2;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	u->count = 1;
	u->mask = 6;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	u->mask = 15;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	u->mask = UINT32_MAX;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	u->mask = ROWS - 1;
	row->name_length = 200;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	row->name_length = 5;
	row->name[0] = 'b';
	cr_assert_eq(users_check(u, u->size), -EBADMSG, "a row in the wrong place is never found");
	row->name[0] = 'a';
	row->algorithms = 0;
	cr_assert_eq(users_check(u, u->size), -EBADMSG);
	row->algorithms = DIGEST_MD5;
	cr_assert_eq(users_check(u, u->size), 0);
	cr_assert_eq(users_check(u, u->size - 1), -EBADMSG);
	for (int i = 0; i < ROWS - 1; i++)
		add(u, 1, "x");
	cr_assert_eq(users_check(u, u->size), -EBADMSG, "a full table has no end for a search");
	free(u);
}

/* RFC 5922 section 4: the certificate must show the name that was to be reached. */
Test(settings, a_profile_is_of_a_trunk_or_of_a_name)
{
	unsigned trunk, written;

	cr_assert_eq(settings_profile(&im->s, 0, 0), 1);
	cr_assert(settings_profile_of(&im->s, 1, &trunk, &written));
	cr_assert_eq(trunk, 0);
	cr_assert_eq(written, NONE_INDEX);
	im->target[0].endpoint = (struct endpoint){0};
	im->target[0].name = text("carrier.example");
	cr_assert_eq(check(), 0);
	cr_assert_eq(settings_profile(&im->s, 0, 0), 2);
	cr_assert(settings_profile_of(&im->s, 2, &trunk, &written));
	cr_assert_eq(trunk, 0);
	cr_assert_eq(written, 0);
	cr_assert_not(settings_profile_of(&im->s, 3, &trunk, &written));
}
