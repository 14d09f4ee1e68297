/* master-places.c - zones, listeners and domains keep their places when another config follows. */
#include "master-config.h"
#include "master/config/places.h"
#include "master/config/settings_builder.h"

static struct config *now;

static void tear_down(void)
{
	config_free(now);
	now = NULL;
	teardown();
}

TestSuite(places, .init = setup, .fini = tear_down);

#define ZONE(name) "zone " name " { trust = no hidden-names = \"" name ".example\" }\n"
#define LISTENER(name, port, zone)                                                                 \
	"listener " name " { bind = \"udp:127.0.0.1:" port "\" zone = " zone                       \
	" advertise = \"" name ".example\" }\n"
#define DOMAINS(first, second)                                                                     \
	"domain " first " { users = users realm = example.net }\n"                                 \
	"domain " second " { users = users realm = example.net }\n"

/* The config in force is now, and c follows it. */
static void follow(const char *text)
{
	config_free(now);
	now = c;
	c = NULL;
	load(text);
	cr_assert_eq(places_keep(now, c, &errors), 0, "%s", errors.text[0]);
	/* workers take it */
	for (unsigned role = ROLE_FIRST; role < ROLE_COUNT; role++) {
		int fd;

		cr_assert_eq(settings_build(c, role, 1, &fd), 0);
		close(fd);
	}
}

static void assert_zone(size_t place, const char *name, bool gone)
{
	cr_assert_lt(place, c->zone_count);
	cr_expect_str_eq(c->zones[place].name, name);
	cr_expect_eq(c->zones[place].gone, gone, "%s", name);
}

#define ZONES_AB ZONE("a") ZONE("b")
#define LISTENERS_AB LISTENER("la", "5060", "a") LISTENER("lb", "5062", "b")
#define DOMAINS_12 DOMAINS("one.example", "two.example")
#define ROUTE_R "route r { from = b to-domain = two.example action = registered }\n"
#define TWO ZONES_AB LISTENERS_AB DOMAINS_12 ROUTE_R

/* Calls of a zone that is gone go on, and its rules for what follows hold for them. */
Test(places, a_zone_that_is_gone_keeps_its_lists)
{
	load("zone a { trust = no deny = \"203.0.113.0/24\" rules = { 'in response header remove "
	     "X-A', 'out dialog header set X-B b' } }\n" ZONE("b") LISTENERS_AB DOMAINS_12);
	follow(ZONE("b") LISTENER("lb", "5062", "b") DOMAINS_12);
	assert_zone(0, "a", true);
	cr_assert_eq(c->zones[0].rules.count, 2);
	cr_expect_str_eq(c->zones[0].rules.rule[1].text, "out dialog header set X-B b");
	cr_expect_eq(c->zones[0].deny_count, 1);
}

Test(places, another_order_changes_no_place)
{
	load(TWO);
	follow("route r { from = b to-domain = two.example action = registered }\n" DOMAINS(
		"two.example", "one.example") LISTENER("lb", "5062", "b")
			LISTENER("la", "5060", "a") ZONE("b") ZONE("a"));
	cr_assert_eq(c->zone_count, 2);
	assert_zone(0, "a", false);
	assert_zone(1, "b", false);
	cr_expect_str_eq(c->listeners[0].name, "la");
	cr_expect_eq(c->listeners[0].zone, 0);
	cr_expect_eq(c->listeners[1].zone, 1);
	cr_expect_str_eq(c->domains[0].name, "one.example");
	cr_expect_eq(c->routes[0].from, 1u << 1);
	cr_expect_eq(c->routes[0].to_domain, 1);
	cr_expect_eq(c->first_domain, 1, "that is what the file says");
}

Test(places, lists_of_numbers_keep_their_zones)
{
	load(TWO);
	follow(ZONE("b") ZONE("a") LISTENER("lb", "5062", "b") LISTENER("la", "5060", "a") DOMAINS(
		"one.example", "two.example") "numbers n { from = b block = \"^00\" }\n");
	cr_expect_eq(c->numbers[0].from, 1u << 1);
}

Test(places, what_is_new_comes_behind)
{
	load(TWO);
	follow(ZONE("c") LISTENER("lc", "5064", "c") "domain zero.example { users = users realm = "
						     "example.net }\n" TWO
						     "route s { from = { c, a } to-domain = "
						     "zero.example action = registered }\n");
	assert_zone(0, "a", false);
	assert_zone(2, "c", false);
	cr_expect_str_eq(c->listeners[2].name, "lc");
	cr_expect_eq(c->listeners[2].zone, 2);
	cr_expect_eq(c->routes[1].from, 1u << 2 | 1u << 0);
	cr_expect_eq(c->routes[1].to_domain, 2);
	cr_expect_eq(c->first_domain, 2);
}

Test(places, what_is_gone_keeps_its_place_and_comes_back)
{
	load(TWO);
	follow(ZONE("b") LISTENER("lb", "5062", "b") "domain two.example { users = users realm = "
						     "example.net }\n");
	cr_assert_eq(c->zone_count, 2);
	assert_zone(0, "a", true);
	assert_zone(1, "b", false);
	cr_expect_str_eq(c->zones[0].hidden_names[0], "a.example");
	cr_assert_eq(c->listener_count, 2);
	cr_expect(c->listeners[0].gone);
	cr_expect_str_eq(c->listeners[0].advertise_host, "la.example");
	cr_expect_eq(c->listeners[0].zone, 0);
	cr_assert_eq(c->domain_count, 2);
	cr_expect(c->domains[0].gone);
	cr_expect_null(c->domains[0].users_path);
	cr_expect_eq(c->domains[0].users.count, 0, "nobody is its user");
	cr_expect_eq(c->first_domain, 1);
	/* once more, it is gone still */
	follow(ZONE("b") LISTENER("lb", "5062", "b"));
	assert_zone(0, "a", true);
	cr_expect_eq(c->first_domain, NONE_INDEX);
	follow(TWO);
	cr_assert_eq(c->zone_count, 2);
	assert_zone(0, "a", false);
	cr_expect_not(c->listeners[0].gone || c->listeners[1].gone);
	cr_expect_not(c->domains[0].gone || c->domains[1].gone);
	cr_expect_gt(c->domains[0].users.count, 0);
}

Test(places, a_listener_is_its_address)
{
	load(TWO);
	follow(ZONE("a") ZONE("b") LISTENER("renamed", "5060", "a") LISTENER("la", "5066", "b"));
	cr_assert_eq(c->listener_count, 3);
	cr_expect_str_eq(c->listeners[0].name, "renamed");
	cr_expect_not(c->listeners[0].gone);
	cr_expect(c->listeners[1].gone);
	cr_expect_str_eq(c->listeners[2].name, "la");
}

Test(places, a_listener_stays_in_its_zone)
{
	load(TWO);
	now = c;
	c = NULL;
	load(ZONE("a") ZONE("b") LISTENER("la", "5060", "b"));
	errors.count = 0;
	cr_assert_eq(places_keep(now, c, &errors), -EINVAL);
	cr_assert_eq(errors.count, 1);
	cr_expect(strstr(errors.text[0], "listener \"la\" cannot move from zone \"a\" to \"b\""),
		"%s", errors.text[0]);
}

Test(places, there_are_only_so_many)
{
	char text[ZONES_MAX * 64] = "";
	size_t n = 0;

	load(TWO);
	for (unsigned i = 0; i < ZONES_MAX - 1; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "zone z%u { trust = no }\n", i);
	snprintf(text + n, sizeof(text) - n,
		"listener x { bind = \"udp:127.0.0.1:5070\" zone = z0 }\n");
	now = c;
	c = NULL;
	load(text);
	errors.count = 0;
	cr_assert_eq(places_keep(now, c, &errors), -EINVAL);
	cr_expect(strstr(errors.text[0], "64 places for zones"), "%s", errors.text[0]);
}
