/* sip-telephone.c - a telephone number is one thing however a URI writes it: RFC 3966, RFC 3261
 * section 19.1.6, RFC 4694, RFC 4904. */
#include "worker-sip/routing/telephone.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct uri_parts parsed(const char *text)
{
	struct uri_parts u;

	cr_assert_eq(uri_parse(str_of(text), &u), 0, "%s", text);
	return u;
}

Test(telephone, digits)
{
	static const char *const row[][2] = {
		{"tel:+1202", "+1202"},
		{"tel:+1202;npdi;rn=+1301", "+1202"},
		{"tel:+1(202)55-5.0", "+12025550"},
		{"tel:7042;phone-context=example.com", "7042"},
		{"tel:*2-1#;phone-context=+49", "*21#"},
		{"sip:+1202@d", "+1202"},
		{"sip:+1-202@d", "+1202"},
		{"sip:%2B1-202@d", "+1202"},
		{"sip:+1202;npdi;rn=+1301@d;user=phone", "+1202"},
		{"sip:+1202;npdi;rn=+1301@d", "+1202"},
		{"sips:+49-30-123.456@d;user=phone", "+4930123456"},
		{"sip:+49%2D30@d;x;USER=Phone", "+4930"},
		{"sip:030-1@d;us%65r=pho%6Ee", "0301"},
		{"sip:0(30)1@d;user=phone", "0301"},
		{"sip:030-1;phone-context=+49@d", "0301"},
		{"sip:0301;tgrp=TG-1;trunk-context=+1-630@d", "0301"},
		{"sip:*21%23@d;user=phone", "*21#"},
		{"sip:1a-F@d;user=phone", "1aF"},
	};
	char buffer[64];

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct uri_parts u = parsed(row[i][0]);
		long n = telephone_digits(&u, buffer, sizeof(buffer));

		cr_expect(n > 0 && str_equal((struct str){buffer, (size_t)n}, str_of(row[i][1])),
			"%s: %.*s", row[i][0], (int)(n > 0 ? n : 0), buffer);
	}
}

Test(telephone, names_are_no_numbers)
{
	static const char *const none[] = {"sip:d", "sip:alice@d", "sip:alice@d;user=phone",
		"sip:bob.b@d;user=phone", "sip:alice;x@d", "sip:030-1@d", "sip:100.1@d;user=ip",
		"sip:+@d", "sip:+-@d;user=phone", "sip:-@d;user=phone", "sip:+1a@d", "sip:;x@d",
		"sip:+1%00@d", "sip:+1*@d", "sip:0301%3Bx@d", "sip:030 1@d;user=phone",
		"sip:%20301@d;user=phone"};
	char buffer[64];

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct uri_parts u;

		if (uri_parse(str_of(none[i]), &u))
			continue;
		cr_expect_eq(telephone_digits(&u, buffer, sizeof(buffer)), -EINVAL, "%s", none[i]);
	}
	struct uri_parts u = parsed("tel:+123456");
	cr_assert_eq(telephone_digits(&u, buffer, 6), -ENOBUFS);
	cr_assert_eq(telephone_digits(&u, buffer, 7), 7);
}

/* What a trunk gets of a Request-URI. */
Test(telephone, what_belongs_to_who_is_called)
{
	static const char *const row[][2] = {
		{"sip:a@b", "a@h"},
		{"sip:a:secret@b:5070", "a@h"},
		{"tel:+1202;npdi;rn=+1301", "+1202;npdi;rn=+1301@h;user=phone"},
		{"tel:+1-202", "+1-202@h;user=phone"},
		{"tel:70-42;phone-context=example.com;ext=5",
			"70-42;phone-context=example.com;ext=5@h;user=phone"},
		{"tel:*21#;phone-context=+49", "*21%23;phone-context=+49@h;user=phone"},
		{"tel:+1;x=[a:b]%20/&$", "+1;x=%5Ba%3Ab%5D%20/&$@h;user=phone"},
		{"sip:+1202;npdi;rn=+1301@d;user=phone", "+1202;npdi;rn=+1301@h;user=phone"},
		{"sip:+1202;npdi;rn=+1301@d", "+1202;npdi;rn=+1301@h"},
		{"sip:+1;tgrp=TG-1;trunk-context=+1-630@d;user=phone",
			"+1;tgrp=TG-1;trunk-context=+1-630@h;user=phone"},
		{"sip:1@d;target=sip:2%40d;cause=486", "1@h;target=sip:2%40d;cause=486"},
		{"sip:1@d;transport=tcp;maddr=10.0.0.1;ttl=1;method=INVITE;lr;ob;gr=x;comp=sigcomp;"
		 "received=10.0.0.2;sigcomp-id=x;cause=302",
			"1@h;cause=302"},
		{"sip:1@d;TRANSPORT=tcp;%74ransport=tcp;m%61ddr=x;isub=1%20", "1@h;isub=1%20"},
		{"sip:1@d;lr-x;x;user=ip", "1@h;lr-x;x;user=ip"},
	};
	char buffer[256];

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct uri_parts u = parsed(row[i][0]), again;
		struct writer w = WRITER(buffer);

		write_literal(&w, "sip:");
		telephone_write_user(&w, &u);
		write_literal(&w, "@h");
		telephone_write_params(&w, &u);
		cr_expect(str_equal(str_from(writer_text(&w), 4), str_of(row[i][1])), "%s: %.*s",
			row[i][0], STR(writer_text(&w)));
		cr_expect_eq(uri_parse(writer_text(&w), &again), 0, "%s", row[i][0]);
	}
}
