/* common-endpoint.c - addresses and ports. */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>

/* NULL: refused. */
struct row {
	const char *text, *expected;
};
#define EACH(table) for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)

static const struct row hosts[] = {
	{"192.0.2.1", "192.0.2.1:7"},
	{"0.0.0.0", "0.0.0.0:7"},
	{"255.255.255.255", "255.255.255.255:7"},
	{"2001:db8::1", "[2001:db8::1]:7"},
	{"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]:7"},
	{"[::]", "[::]:7"},
	{"::1", "[::1]:7"},
	{"[::ffff:192.0.2.1]", "192.0.2.1:7"},
	{"::ffff:c000:201", "192.0.2.1:7"},
	{"fe80::1%3", "[fe80::1%3]:7"},
	{"[fe80::1%4294967295]", "[fe80::1%4294967295]:7"},
	{"[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]",
		"[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:7"},
	{"ff02::1%2", "[ff02::1%2]:7"},
	{"fe80::1%4294967296", NULL},
	{"fe80::1%0", NULL},
	{"fe80::1%", NULL},
	{"fe80::1%lo", NULL},
	{"fe80::1%25lo", NULL},
	{"2001:db8::1%3", NULL},
	{"::ffff:192.0.2.1%3", NULL},
	{"192.0.2.1%3", NULL},
	{"", NULL},
	{"[]", NULL},
	{"[", NULL},
	{"[192.0.2.1]", NULL},
	{"192.0.2", NULL},
	{"192.0.2.1.5", NULL},
	{"192.0.2.256", NULL},
	{"192.0.2.01", NULL},
	{"0x7f.0.0.1", NULL},
	{"2130706433", NULL},
	{"127.1", NULL},
	{" 192.0.2.1", NULL},
	{"192.0.2.1 ", NULL},
	{"localhost", NULL},
	{"example.net", NULL},
	{"2001:db8::1::2", NULL},
	{"2001:db8:::1", NULL},
	{"[2001:db8::1", NULL},
	{"2001:db8::1]", NULL},
	{"[[::1]]", NULL},
	{"12345:db8::1", NULL},
	{"1:2:3:4:5:6:7:8:9", NULL},
	{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", NULL},
};

Test(endpoint, parses_hosts)
{
	EACH(hosts)
	{
		struct endpoint e = {.family = 99};
		char buffer[ENDPOINT_TEXT_SIZE];
		int rc = endpoint_parse_host(str_of(hosts[i].text), 7, &e);

		cr_assert_eq(rc, hosts[i].expected ? 0 : -EINVAL, "%s", hosts[i].text);
		if (rc) {
			cr_assert_eq(e.family, 99, "written although refused: %s", hosts[i].text);
			continue;
		}
		cr_assert_eq(endpoint_text(&e, buffer), strlen(hosts[i].expected));
		cr_assert_str_eq(buffer, hosts[i].expected);
		/* The text reads back as the same bytes. */
		struct endpoint back;
		cr_assert_eq(endpoint_parse(str_of(buffer), &back), 0);
		cr_assert_eq(memcmp(&e, &back, sizeof(e)), 0);
	}
}

static const struct row pairs[] = {
	{"192.0.2.1:5060", "192.0.2.1:5060"},
	{"192.0.2.1:0", "192.0.2.1:0"},
	{"192.0.2.1:65535", "192.0.2.1:65535"},
	{"[2001:db8::1]:5061", "[2001:db8::1]:5061"},
	{"[::ffff:10.0.0.1]:5060", "10.0.0.1:5060"},
	{"[fe80::1%2]:5060", "[fe80::1%2]:5060"},
	{"192.0.2.1:65536", NULL},
	{"192.0.2.1:005060", NULL},
	{"192.0.2.1:", NULL},
	{"192.0.2.1:-1", NULL},
	{"192.0.2.1:5060 ", NULL},
	{"192.0.2.1", NULL},
	{":5060", NULL},
	{"", NULL},
	{":", NULL},
	{"2001:db8::1:5060", NULL},
	{"::1:5060", NULL},
	{"[2001:db8::1]", NULL},
	{"[2001:db8::1]5060", NULL},
	{"[2001:db8::1]::5060", NULL},
	{"[192.0.2.1]:5060", NULL},
	{"example.net:5060", NULL},
};

Test(endpoint, parses_hosts_with_ports)
{
	EACH(pairs)
	{
		struct endpoint e = {.family = 99};
		char buffer[ENDPOINT_TEXT_SIZE];
		int rc = endpoint_parse(str_of(pairs[i].text), &e);

		cr_assert_eq(rc, pairs[i].expected ? 0 : -EINVAL, "%s", pairs[i].text);
		if (rc) {
			cr_assert_eq(e.family, 99);
			continue;
		}
		endpoint_text(&e, buffer);
		cr_assert_str_eq(buffer, pairs[i].expected);
	}
}

Test(endpoint, refuses_bytes_behind_a_nul)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse_host(S("192.0.2.1\0"), 1, &e), -EINVAL);
	cr_assert_eq(endpoint_parse_host(S("[::1\0x]"), 1, &e), -EINVAL);
	cr_assert_eq(endpoint_parse_host(STR_NONE, 1, &e), -EINVAL);
}

static struct endpoint at(const char *text)
{
	struct endpoint e;

	cr_assert_eq(endpoint_parse_host(str_of(text), 5060, &e), 0, "%s", text);
	return e;
}

Test(endpoint, prefixes_contain_what_they_say)
{
	static const struct {
		const char *prefix, *inside, *outside;
	} row[] = {
		{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
		{"192.0.2.1", "192.0.2.1", "192.0.2.0"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.2"},
		{"10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
		{"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
		{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
		{"0.0.0.0/0", "203.0.113.9", "2001:db8::1"},
		{"::/0", "2001:db8::1", "203.0.113.9"},
		{"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
		{"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::2"},
		{"2001:db8::/127", "2001:db8::1", "2001:db8::2"},
		{"::ffff:192.0.2.0/120", "192.0.2.77", "192.0.1.77"},
		{"fe80::1%2", "fe80::1%2", "fe80::1%3"},
		{"fe80::/10", "fe80::1%2", "fec0::1"},
	};
	EACH(row)
	{
		struct prefix p;
		struct endpoint inside = at(row[i].inside), outside = at(row[i].outside);

		cr_assert_eq(prefix_parse(str_of(row[i].prefix), &p), 0, "%s", row[i].prefix);
		cr_assert(prefix_contains(&p, &inside), "%s", row[i].prefix);
		cr_assert(!prefix_contains(&p, &outside), "%s", row[i].prefix);
	}
}

Test(endpoint, refuses_bad_prefixes)
{
	static const char *const row[] = {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/",
		"192.0.2.0/-1", "192.0.2.0/24 ", "192.0.2.0/0024", "2001:db8::1/64",
		"2001:db8::/129", "/24", "", "example.net/24", "::ffff:192.0.2.0/95",
		"::ffff:192.0.2.1/120", "192.0.2.0/24/24", "1.0.0.0/0", "8000::/0"};

	EACH(row)
	{
		struct prefix p = {.bits = 99};

		cr_assert_eq(prefix_parse(str_of(row[i]), &p), -EINVAL, "%s", row[i]);
		cr_assert_eq(p.bits, 99);
	}
}

Test(endpoint, goes_to_the_kernel_and_back)
{
	static const char *const row[] = {"192.0.2.1", "::1", "fe80::1%5", "2001:db8::1"};

	EACH(row)
	{
		struct endpoint e = at(row[i]), back;
		struct sockaddr_storage sa;
		socklen_t n = endpoint_to_sockaddr(&e, &sa);

		cr_assert_eq(n,
			e.family == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, n, &back), 0);
		cr_assert_eq(memcmp(&e, &back, sizeof(e)), 0);
		cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&sa, n - 1, &back),
			-EAFNOSUPPORT);
	}
}

Test(endpoint, kernel_forms_are_made_canonical)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(5060),
		.sin6_scope_id = 9,
		.sin6_flowinfo = 77};
	struct endpoint e, expected = at("192.0.2.1");

	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &e), 0);
	cr_assert_eq(memcmp(&e, &expected, sizeof(e)), 0);
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	expected = at("2001:db8::1");
	cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&in6, sizeof(in6), &e), 0);
	cr_assert_eq(memcmp(&e, &expected, sizeof(e)), 0);

	struct sockaddr local = {.sa_family = AF_UNIX};
	cr_assert_eq(endpoint_from_sockaddr(&local, sizeof(local), &e), -EAFNOSUPPORT);
	cr_assert_eq(endpoint_from_sockaddr(&local, 0, &e), -EAFNOSUPPORT);
}

Test(endpoint, answers_questions)
{
	struct endpoint a = at("192.0.2.1"), b = a, none = {0};
	struct endpoint zero4 = at("0.0.0.0"), zero6 = at("::"), local4 = at("127.9.9.9"),
			local6 = at("::1");
	struct endpoint link2 = at("fe80::1%2"), link3 = at("fe80::1%3");
	char buffer[ENDPOINT_TEXT_SIZE];
	struct sockaddr_storage sa;

	b.port = 5061;
	cr_assert(endpoint_equal(&a, &a));
	cr_assert(!endpoint_equal(&a, &b));
	cr_assert(endpoint_same_host(&a, &b));
	cr_assert(!endpoint_same_host(&zero4, &zero6));
	cr_assert(!endpoint_same_host(&link2, &link3));
	cr_assert(endpoint_is_wildcard(&zero4));
	cr_assert(endpoint_is_wildcard(&zero6));
	cr_assert(!endpoint_is_wildcard(&a));
	cr_assert(!endpoint_is_wildcard(&none));
	cr_assert(endpoint_is_loopback(&local4));
	cr_assert(endpoint_is_loopback(&local6));
	cr_assert(!endpoint_is_loopback(&a));
	cr_assert(!endpoint_is_loopback(&zero6));
	cr_assert(!endpoint_is_loopback(&none));
	cr_assert_eq(endpoint_to_sockaddr(&none, &sa), 0);
	endpoint_text(&none, buffer);
	cr_assert_str_eq(buffer, "none");
	cr_assert_eq(endpoint_host_text(&a, buffer), 9);
	cr_assert_str_eq(buffer, "192.0.2.1");
	endpoint_host_text(&local6, buffer);
	cr_assert_str_eq(buffer, "[::1]");
	endpoint_host_text(&link2, buffer);
	cr_assert_str_eq(buffer, "[fe80::1]");
	cr_assert_eq(endpoint_address_text(&a, buffer), 9);
	cr_assert_str_eq(buffer, "192.0.2.1");
	cr_assert_eq(endpoint_address_text(&link2, buffer), 7);
	cr_assert_str_eq(buffer, "fe80::1");
}

Test(endpoint, of_a_private_network)
{
	static const struct {
		const char *address;
		bool is;
	} rows[] = {{"10.0.0.1:1", true}, {"172.15.0.1:1", false}, {"172.16.0.1:1", true},
		{"172.31.255.255:1", true}, {"172.32.0.1:1", false}, {"192.168.7.1:1", true},
		{"192.169.0.1:1", false}, {"100.63.0.1:1", false}, {"100.64.0.1:1", true},
		{"100.127.0.1:1", true}, {"100.128.0.1:1", false}, {"169.254.1.1:1", true},
		{"203.0.113.1:1", false}, {"[fc00::1]:1", true}, {"[fdff::1]:1", true},
		{"[fe80::1]:1", true}, {"[2001:db8::1]:1", false}, {"[::1]:1", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct endpoint e;

		cr_assert_eq(endpoint_parse(str_of(rows[i].address), &e), 0, "%s", rows[i].address);
		cr_expect_eq(endpoint_is_private(&e), rows[i].is, "%s", rows[i].address);
	}
}
