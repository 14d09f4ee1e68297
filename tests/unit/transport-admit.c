/* transport-admit.c - limits and bans of sources, with a clock of the test's own. */
#include "transport-fixture.h"
#include "worker-transport/stranger.h"

struct limits {
	struct image image;
	struct lifeline_bans orders;
	struct admit *a;
};

static struct limits *limits_new(uint32_t rate, uint32_t window)
{
	struct limits *l = calloc(1, sizeof(*l));

	cr_assert_geq(sodium_init(), 0);
	make_settings(&l->image);
	l->image.zone[ZONE_ACCESS].rate = rate;
	l->image.zone[ZONE_ACCESS].rate_window_ms = window;
	cr_assert_eq(admit_new(&l->a, &l->image.s, &l->orders), 0);
	return l;
}

static void limits_free(struct limits *l)
{
	admit_free(l->a);
	free(l);
}

static unsigned taken(struct limits *l, const char *host, unsigned tries, uint64_t now)
{
	struct endpoint e = at(host, 5060);
	unsigned n = 0;

	for (unsigned i = 0; i < tries; i++)
		n += admit_request(l->a, ACCESS_UDP, &e, now) == 0;
	return n;
}

static bool punish(struct limits *l, const char *host, uint64_t now)
{
	struct endpoint e = at(host, 5060);

	return admit_penalty(l->a, ACCESS_UDP, &e, 0, now);
}

static int passes(struct limits *l, unsigned listener, const char *host, uint64_t now)
{
	struct endpoint e = at(host, 1234);

	return admit_source(l->a, listener, &e, now);
}

Test(admit, emergency_has_a_rate_of_its_own)
{
	struct limits *l = limits_new(1, 1000);
	struct endpoint e = at("192.0.2.1", 5060), other = at("192.0.2.2", 5060);

	cr_assert_eq(taken(l, "192.0.2.1", 2, 5000), 1);
	for (unsigned i = 0; i < EMERGENCY_REQUESTS; i++)
		cr_assert_eq(admit_emergency(l->a, ACCESS_UDP, &e, 5000 + i), 0);
	cr_assert_eq(admit_emergency(l->a, ACCESS_UDP, &e, 5999), -EBUSY);
	cr_assert_eq(admit_emergency(l->a, ACCESS_UDP, &other, 5999), 0);
	cr_assert_eq(admit_emergency(l->a, ACCESS_UDP, &e, 6000), 0);
	cr_assert_eq(COUNTED(EMERGENCY_PAST_RATE), EMERGENCY_REQUESTS + 2);
	limits_free(l);
}

Test(admit, rate_is_exact_and_refills)
{
	struct limits *l = limits_new(50, 1000);

	cr_assert_eq(taken(l, "192.0.2.1", 200, 1000), 50);
	cr_assert_eq(taken(l, "192.0.2.1", 10, 1019), 0); /* 20 ms a request */
	cr_assert_eq(taken(l, "192.0.2.1", 10, 1020), 1);
	cr_assert_eq(taken(l, "192.0.2.1", 200, 1520), 25);
	cr_assert_eq(taken(l, "192.0.2.1", 200, 100000), 50);
	cr_assert_eq(taken(l, "192.0.2.1", 10, 200000), 10);
	cr_assert_eq(taken(l, "192.0.2.1", 200, 300000),
		50); /* never more than a window's worth, whatever was left */
	cr_assert_eq(taken(l, "192.0.2.2", 200, 300000), 50); /* each for itself */
	limits_free(l);
}

Test(admit, slow_rates_work)
{
	struct limits *l = limits_new(1, 60000);

	cr_assert_eq(taken(l, "192.0.2.1", 5, 1), 1);
	cr_assert_eq(taken(l, "192.0.2.1", 5, 60000), 0);
	cr_assert_eq(taken(l, "192.0.2.1", 5, 60001), 1);
	limits_free(l);
}

Test(admit, no_rate_no_limit)
{
	struct limits *l = limits_new(0, 0);

	cr_assert_eq(taken(l, "192.0.2.1", 10000, 1), 10000);
	limits_free(l);
}

Test(admit, ipv6_counts_by_64)
{
	struct limits *l = limits_new(10, 1000);

	cr_assert_eq(taken(l, "2001:db8:1:2::1", 7, 1), 7);
	cr_assert_eq(taken(l, "2001:db8:1:2:ffff::9", 7, 1), 3);
	cr_assert_eq(taken(l, "2001:db8:1:3::1", 20, 1), 10);
	limits_free(l);
}

Test(admit, trusted_sources_only_and_without_limit)
{
	struct limits *l = limits_new(1, 1000);
	struct endpoint core = at("127.0.0.1", 5060);

	l->image.zone[ZONE_CORE].rate = 1;
	l->image.zone[ZONE_CORE].rate_window_ms = 1000;
	l->image.zone[ZONE_CORE].ban_failures = 1;
	l->image.zone[ZONE_CORE].ban_window_ms = l->image.zone[ZONE_CORE].ban_ms = 1000;
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.1", 1), 0);
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.2", 1), -EACCES);
	cr_assert_eq(COUNTED(DROP_NOT_A_SOURCE), 1);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(admit_request(l->a, CORE_UDP, &core, 1), 0);
		cr_assert_not(admit_penalty(l->a, CORE_UDP, &core, 0, 1));
	}
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.1", 1), 0);
	limits_free(l);
}

Test(admit, failures_ban_for_a_time)
{
	struct limits *l = limits_new(0, 0);

	cr_assert_not(punish(l, "192.0.2.1", 1000));
	cr_assert_not(punish(l, "192.0.2.1", 1500));
	cr_assert_not(punish(l, "192.0.2.2", 1500)); /* somebody else's failure */
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 1500), 0);
	cr_assert(punish(l, "192.0.2.1", 1900));
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 1900), -EPERM);
	cr_assert_eq(passes(l, ACCESS_TCP, "192.0.2.1", 1900), -EPERM); /* the same zone */
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.2", 1900), 0);
	cr_assert_not(punish(l, "192.0.2.1", 2000)); /* told once */
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 61899), -EPERM);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 61900), 0);
	cr_assert_eq(COUNTED(BANS_MADE), 1);
	cr_assert_eq(COUNTED(BANS), 0);
	cr_assert_eq(COUNTED(DROP_BANNED), 3);
	limits_free(l);
}

Test(admit, failures_out_of_the_window_do_not_add_up)
{
	struct limits *l = limits_new(0, 0);

	for (uint64_t now = 1000; now < 100000; now += 501)
		cr_assert_not(punish(l, "192.0.2.1", now), "at %llu", (unsigned long long)now);
	limits_free(l);
}

Test(admit, connections_per_source)
{
	struct limits *l = limits_new(0, 0);
	struct endpoint a = at("192.0.2.1", 1), b = at("192.0.2.2", 1), core = at("127.0.0.1", 1);
	struct source *held[3], *other;

	l->image.zone[ZONE_ACCESS].connections_per_source = 3;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &a, 1, &held[i]), 0);
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &a, 1, &other), -EMFILE);
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &b, 1, &other), 0);
	admit_disconnect(l->a, held[1]);
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &a, 1, &held[1]), 0);
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &a, 1, &other), -EMFILE);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(admit_connect(l->a, CORE_TCP, &core, 1, &other), 0);
	cr_assert_null(other);
	limits_free(l);
}

/* A flood from forged addresses makes room from its own, not from bans and connections. */
Test(admit, the_table_is_bounded)
{
	struct limits *l = limits_new(1, 60000);
	struct endpoint connected = at("198.51.100.1", 1), e = at("10.0.0.0", 5060);
	struct source *held;

	l->image.zone[ZONE_ACCESS].connections_per_source = 1;
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &connected, 1, &held), 0);
	for (int i = 0; i < 3; i++)
		punish(l, "198.51.100.2", 1);
	cr_assert_eq(taken(l, "198.51.100.3", 1, 1), 1);
	for (uint32_t i = 0; i < SOURCES_MAX + 10; i++) {
		uint32_t n = htonl(0x0a000000 + i);

		memcpy(e.address, &n, 4);
		cr_assert_eq(admit_request(l->a, ACCESS_UDP, &e, 2), 0);
	}
	cr_assert_eq(COUNTED(SOURCES), SOURCES_MAX);
	cr_assert_eq(COUNTED(ADMIT_FORGOTTEN), 13);      /* the flood, and three before it */
	cr_assert_eq(taken(l, "198.51.100.3", 1, 2), 1); /* forgotten */
	cr_assert_eq(passes(l, ACCESS_UDP, "198.51.100.2", 2), -EPERM);
	cr_assert_eq(admit_connect(l->a, ACCESS_TCP, &connected, 2, &held), -EMFILE);
	limits_free(l);
}

Test(admit, bans_are_bounded)
{
	struct limits *l = limits_new(0, 0);
	struct endpoint e = at("10.0.0.0", 5060);

	log_set_level(LOG_ERROR);
	l->image.zone[ZONE_ACCESS].ban_failures = 1;
	for (uint32_t i = 0; i < BANS_MAX + 1; i++) {
		uint32_t n = htonl(0x0a000000 + i);

		memcpy(e.address, &n, 4);
		cr_assert(admit_penalty(l->a, ACCESS_UDP, &e, 0, 1));
	}
	cr_assert_eq(COUNTED(BANS), BANS_MAX);
	cr_assert_eq(COUNTED(BANS_CUT), 1);
	cr_assert_eq(passes(l, ACCESS_UDP, "10.0.0.0", 2), 0);
	cr_assert_eq(passes(l, ACCESS_UDP, "10.0.0.1", 2), -EPERM);
	cr_assert_eq(passes(l, ACCESS_UDP, "10.0.64.0", 2), -EPERM);
	limits_free(l);
}

Test(admit, bans_outlive_a_reload)
{
	struct limits *l = limits_new(0, 0);
	struct image other;

	for (int i = 0; i < 3; i++)
		punish(l, "192.0.2.1", 1);
	make_settings(&other);
	admit_settings(l->a, &other.s);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 2), -EPERM);
	strcpy(other.pool + other.zone[ZONE_ACCESS].name.at - offsetof(struct image, pool),
		"outside");
	other.zone[ZONE_ACCESS].name.length = 6; /* "outsid": the name of another zone */
	admit_settings(l->a, &other.s);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 2), 0);
	limits_free(l);
}

static bool tries(struct limits *l, const char *host, uint64_t user, uint64_t now)
{
	struct endpoint e = at(host, 5060);

	return admit_penalty(l->a, ACCESS_UDP, &e, user, now);
}

/* A ban after 3 failures within a second; one attempt in 10 with one name is one. */
Test(admit, attempts_of_one_phone_are_one_failure)
{
	struct limits *l = limits_new(0, 0);

	l->image.zone[ZONE_ACCESS].ban_attempts = 10;
	for (int i = 0; i < 20; i++)
		cr_assert_not(tries(l, "192.0.2.1", 7, 1000 + (uint64_t)i), "attempt %d", i);
	cr_assert(tries(l, "192.0.2.1", 7, 1020), "one that goes on is banned");
	cr_assert_eq(COUNTED(BAN_ATTEMPTS_ALIKE), 18);
	/* the same name from elsewhere */
	cr_assert_not(tries(l, "192.0.2.2", 7, 1020));
	/* name after name */
	cr_assert_not(tries(l, "192.0.2.2", 8, 1020));
	cr_assert(tries(l, "192.0.2.2", 9, 1020));
	/* a phone that tries at its own pace: its attempts are forgotten with the window */
	for (uint64_t now = 5000; now < 100000; now += 501)
		cr_assert_not(tries(l, "192.0.2.3", 7, now), "at %llu", (unsigned long long)now);
	limits_free(l);
}

Test(admit, who_is_never_banned)
{
	struct limits *l = limits_new(0, 0);

	l->image.zone[ZONE_ACCESS].never_ban = (struct array){offsetof(struct image, source), 1};
	l->image.source = (struct prefix){.network = at("192.0.2.0", 0), .bits = 24};
	for (uint64_t user = 1; user < 100; user++)
		cr_assert_not(tries(l, "192.0.2.9", user, 1000));
	cr_assert_eq(COUNTED(BANS_SPARED), 99);
	for (uint64_t user = 1; user < 4; user++)
		tries(l, "192.0.3.9", user, 1000);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.9", 1000), 0);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.3.9", 1000), -EPERM);
	/* one address of a /64 that is banned as a whole */
	l->image.source = (struct prefix){.network = at("2001:db8::1", 0), .bits = 128};
	for (uint64_t user = 1; user < 4; user++)
		tries(l, "2001:db8::2", user, 1000);
	cr_assert_eq(passes(l, ACCESS_UDP, "2001:db8::1", 1000), 0);
	cr_assert_eq(passes(l, ACCESS_UDP, "2001:db8::3", 1000), -EPERM);
	limits_free(l);
}

/* Whatever sources and never-ban say. */
Test(admit, who_is_denied)
{
	struct limits *l = limits_new(0, 0);
	struct endpoint peer = at("192.0.2.9", 0);

	l->image.source = (struct prefix){.network = at("192.0.2.0", 0), .bits = 24};
	l->image.zone[ZONE_ACCESS].never_ban = (struct array){offsetof(struct image, source), 1};
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.9", 1000), 0);
	cr_assert_not(admit_is_denied(l->a, ACCESS_UDP, &peer));
	l->image.zone[ZONE_ACCESS].deny = (struct array){offsetof(struct image, source), 1};
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.9", 1000), -ENOENT);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.3.9", 1000), 0);
	cr_assert(admit_is_denied(l->a, ACCESS_UDP, &peer));
	cr_assert_eq(COUNTED(DROP_DENIED), 1);
	limits_free(l);
}

static int banned_after(void (*change)(struct image *image))
{
	struct limits *l = limits_new(0, 0);
	struct image *other = calloc(1, sizeof(*other));
	int error;

	for (int i = 0; i < 3; i++)
		punish(l, "192.0.2.1", 1);
	make_settings(other);
	change(other);
	admit_settings(l->a, &other->s);
	error = passes(l, ACCESS_UDP, "192.0.2.1", 2);
	cr_assert_eq(COUNTED(BANS_LIFTED), error == 0);
	limits_free(l);
	free(other);
	return error;
}

static void nothing(struct image *image)
{
	(void)image;
}
static void other_failures(struct image *image)
{
	image->zone[ZONE_ACCESS].ban_failures++;
}
static void other_window(struct image *image)
{
	image->zone[ZONE_ACCESS].ban_window_ms++;
}
static void other_time(struct image *image)
{
	image->zone[ZONE_ACCESS].ban_ms++;
}
static void no_bans(struct image *image)
{
	image->zone[ZONE_ACCESS].ban_failures = 0;
}
static void spared(struct image *image)
{
	image->zone[ZONE_ACCESS].never_ban = (struct array){offsetof(struct image, source), 1};
	image->source = (struct prefix){.network = at("192.0.2.0", 0), .bits = 24};
}
static void other_rate(struct image *image)
{
	image->zone[ZONE_ACCESS].rate = 7;
	image->zone[ZONE_ACCESS].rate_window_ms = 1000;
}

Test(admit, a_ban_ends_with_its_rule)
{
	cr_assert_eq(banned_after(nothing), -EPERM);
	cr_assert_eq(banned_after(other_rate), -EPERM);
}
Test(admit, a_ban_ends_with_another_number_of_failures)
{
	cr_assert_eq(banned_after(other_failures), 0);
}
Test(admit, a_ban_ends_with_another_window)
{
	cr_assert_eq(banned_after(other_window), 0);
}
Test(admit, a_ban_ends_with_another_time)
{
	cr_assert_eq(banned_after(other_time), 0);
}
Test(admit, a_ban_ends_when_nobody_is_banned)
{
	cr_assert_eq(banned_after(no_bans), 0);
}
Test(admit, a_ban_ends_when_its_source_is_spared)
{
	cr_assert_eq(banned_after(spared), 0);
}

Test(admit, an_operator_bans_and_lifts)
{
	struct limits *l = limits_new(0, 0);
	struct prefix office = {.network = at("192.0.2.0", 0), .bits = 24};

	l->orders.ban[0] = (struct lifeline_ban){.sources = office};
	l->orders.ban[1] = (struct lifeline_ban){
		.sources = {.network = at("127.0.0.1", 0), .bits = 32}, .until = 5000};
	l->orders.count = 2;
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.9", 1), -EPERM);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.3.9", 1), 0);
	cr_assert_eq(passes(l, ACCESS_UDP, "127.0.0.1", 4999), -EPERM);
	cr_assert_eq(passes(l, ACCESS_UDP, "127.0.0.1", 5000), 0);
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.1", 1), 0, "trusted zones are not banned");
	l->orders.count = 0;
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.9", 1), 0);
	/* those of the rule */
	for (int i = 0; i < 3; i++) {
		punish(l, "192.0.2.1", 1);
		punish(l, "192.0.3.1", 1);
		punish(l, "2001:db8::1", 1);
	}
	cr_assert_eq(admit_lift(l->a, &office, 2), 1);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.2.1", 2), 0);
	cr_assert_eq(passes(l, ACCESS_UDP, "192.0.3.1", 2), -EPERM);
	office = (struct prefix){.network = at("2001:db8::9", 0), .bits = 128};
	cr_assert_eq(admit_lift(l->a, &office, 2), 1);
	cr_assert_eq(passes(l, ACCESS_UDP, "2001:db8::1", 2), 0);
	cr_assert_eq(admit_lift(l->a, NULL, 2), 1);
	cr_assert_eq(COUNTED(BANS), 0);
	cr_assert_eq(COUNTED(BANS_LIFTED), 3);
	limits_free(l);
}

/* Strangers to a trusted zone which hears some have limits; its sources have none. */
Test(admit, strangers_are_limited)
{
	struct limits *l = limits_new(0, 0);
	struct endpoint e = at("127.0.0.2", 5060), known = at("127.0.0.1", 5060);
	struct source *held[STRANGER_CONNECTIONS + 1];
	unsigned n = 0;

	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.2", 1), -EACCES);
	l->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_UDP | 1u << TRANSPORT_TLS;
	cr_assert_eq(settings_check(&l->image, sizeof(l->image)), 0);
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.2", 1), 0);
	cr_assert_eq(passes(l, CORE_TCP, "127.0.0.2", 1), -EACCES);
	for (unsigned i = 0; i < 2 * STRANGER_RATE; i++) {
		n += admit_request(l->a, CORE_UDP, &e, 5000) == 0;
		cr_assert_eq(admit_request(l->a, CORE_UDP, &known, 5000), 0);
	}
	cr_assert_eq(n, STRANGER_RATE);
	l->image.zone[ZONE_CORE].rate = 1;
	l->image.zone[ZONE_CORE].rate_window_ms = 1000;
	n = 0;
	for (unsigned i = 0; i < STRANGER_RATE; i++)
		n += admit_request(l->a, CORE_UDP, &e, 90000) == 0;
	cr_assert_eq(n, 1, "what the zone says");
	for (unsigned i = 0; i < STRANGER_CONNECTIONS; i++)
		cr_assert_eq(admit_connect(l->a, CORE_TLS, &e, 5000, &held[i]), 0);
	cr_assert_eq(admit_connect(l->a, CORE_TLS, &e, 5000, &held[n]), -EMFILE);
	admit_disconnect(l->a, held[0]);
	cr_assert_eq(admit_connect(l->a, CORE_TLS, &e, 5000, &held[0]), 0);
	for (unsigned i = STRANGER_CONNECTIONS; i < STRANGERS_CONNECTIONS_MAX; i++) {
		struct endpoint each = e;
		struct source *one;

		each.address[1] = (uint8_t)(i / 200 + 1);
		each.address[2] = (uint8_t)(i % 200);
		cr_assert_eq(admit_connect(l->a, CORE_TLS, &each, 5000, &one), 0);
	}
	struct endpoint last = at("127.9.9.9", 5060);
	cr_assert_eq(admit_connect(l->a, CORE_TLS, &last, 5000, &held[n]), -EMFILE);
	admit_disconnect(l->a, held[0]);
	cr_assert_eq(admit_connect(l->a, CORE_TLS, &last, 5000, &held[0]), 0);
	/* an operator's ban is for them, too */
	l->orders.count = 1;
	l->orders.ban[0].sources = (struct prefix){.network = at("127.0.0.2", 0), .bits = 32};
	cr_assert_eq(passes(l, CORE_UDP, "127.0.0.2", 1), -EPERM);
	cr_assert(admit_is_banned(l->a, CORE_UDP, &e, 1));
	limits_free(l);
}
