/* sip-address_order.c - RFC 6724 section 6, for servers. */
#include "worker-sip/routing/address_order.h"

#include <criterion/criterion.h>

static struct address_candidate candidate[8];
static unsigned count;

static void add(const char *to, const char *from)
{
	struct address_candidate *c = &candidate[count++];

	cr_assert_eq(endpoint_parse_host(str_of(to), 5060, &c->to), 0);
	cr_assert_eq(endpoint_parse_host(str_of(from), 5060, &c->from), 0);
}

static void first(const char *host)
{
	char text[ENDPOINT_TEXT_SIZE];

	address_order(candidate, count);
	text[endpoint_host_text(&candidate[0].to, text)] = 0;
	cr_assert_str_eq(text, host);
	count = 0;
}

Test(address_order, ipv6_comes_before_ipv4)
{
	add("198.51.100.121", "0.0.0.0");
	add("2001:db8:1::1", "::");
	first("[2001:db8:1::1]");
}

/* Section 10.2 of the RFC. */
Test(address_order, a_scope_that_is_our_own_comes_first)
{
	add("2001:db8:1::1", "fe80::1");
	add("198.51.100.121", "198.51.100.117");
	first("198.51.100.121");
}

Test(address_order, a_label_that_is_our_own_comes_first)
{
	add("2001:db8:1::1", "2002:c633:6401::2");
	add("2002:c633:6401::1", "2002:c633:6401::2");
	first("[2002:c633:6401::1]");
}

Test(address_order, unique_local_addresses_come_last)
{
	add("fd00::1", "::");
	add("198.51.100.121", "0.0.0.0");
	first("198.51.100.121");
}

Test(address_order, the_longest_common_prefix_comes_first)
{
	add("2001:db8:1::1", "2001:db8:2::9");
	add("2001:db8:2::1", "2001:db8:2::9");
	first("[2001:db8:2::1]");
}

Test(address_order, the_same_whatever_order_the_server_has)
{
	add("192.0.2.2", "192.0.2.9");
	add("192.0.2.1", "192.0.2.9");
	first("192.0.2.1");
	add("192.0.2.1", "192.0.2.9");
	add("192.0.2.2", "192.0.2.9");
	first("192.0.2.1");
}
