/* transport-torture.c - the parser against the torture messages of RFC 4475 and RFC 5118. */
#include "transport-parse.h"

struct torture {
	const char *name;
	unsigned status;    /* 0 with reason: dropped */
	const char *reason; /* NULL: parses */
};

static void torture(const char *folder, const struct torture *row, size_t rows)
{
	static char raw[MESSAGE_RAW_MAX];

	for (; rows; rows--, row++) {
		char path[256];

		snprintf(path, sizeof(path), "tests/torture/%s/%s.dat", folder, row->name);
		FILE *f = fopen(path, "rb");
		cr_assert_not_null(f, "%s", path);
		size_t size = fread(raw, 1, sizeof(raw), f);
		fclose(f);
		int error = parse_bytes(raw, size);

		if (!row->reason) {
			cr_assert_eq(error, 0, "%s: %s", row->name, failure.reason);
			continue;
		}
		cr_assert_eq(error, -EBADMSG, "%s parsed", row->name);
		cr_assert_str_eq(
			failure.reason, row->reason, "%s: '%s'", row->name, failure.reason);
		cr_assert_eq(failure.status, row->status, "%s: %u", row->name, failure.status);
	}
}

Test(torture, rfc4475)
{
	static const struct torture rows[] = {
		/* 3.1.1 valid */
		{"wsinv", 0, NULL},
		{"intmeth", 0, NULL},
		{"intmeth-without-nul", 0, NULL},
		{"esc01", 0, NULL},
		{"escnull", 0, NULL},
		{"esc02", 0, NULL},
		{"lwsdisp", 0, NULL},
		{"longreq", 0, NULL},
		{"dblreq", 0, NULL},
		{"semiuri", 0, NULL},
		{"transports", 0, NULL},
		{"mpart01", 0, NULL},
		{"unreason", 0, NULL},
		{"noreason", 0, NULL},
		/* 3.1.2 invalid */
		{"badinv01", 400, "Malformed Via"},
		{"clerr", 400, "Body Shorter Than Content-Length"},
		{"ncl", 400, "Malformed Content-Length"},
		{"scalar02", 400, "Malformed CSeq"},
		{"scalarlg", 0, NULL}, /* broken, and marked so */
		{"quotbal", 400, "Malformed To"},
		{"ltgtruri", 400, "Malformed Request-URI"},
		{"lwsruri", 400, "Malformed Request-Line"},
		{"lwsstart", 400, "Malformed Request-Line"},
		{"trws", 400, "Malformed Request-Line"},
		{"escruri", 400, "Malformed Request-URI"},
		{"baddate", 0, NULL},
		{"regbadct", 400, "Malformed Contact"},
		{"badaspec", 400, "Malformed To"},
		{"baddn", 400, "Malformed From"},
		{"badvers", 505, "Version Not Supported"},
		{"mismatch01", 400, "CSeq of Another Method"},
		{"mismatch02", 400, "CSeq of Another Method"},
		{"bigcode", 0, "Malformed Status-Line"},
		/* 3.2 to 3.4: what is for layers above parses */
		{"badbranch", 400, "Malformed Via"},
		{"insuf", 400, "Missing From"},
		{"unkscm", 0, NULL},
		{"novelsc", 0, NULL},
		{"unksm2", 0, NULL},
		{"bext01", 0, NULL},
		{"invut", 0, NULL},
		{"regaut01", 0, NULL},
		{"multi01", 400, "More Than One CSeq"},
		{"mcl01", 400, "More Than One Content-Length"},
		{"bcast", 0, NULL},
		{"zeromf", 0, NULL},
		{"cparam01", 0, NULL},
		{"cparam02", 0, NULL},
		{"regescrt", 0, NULL},
		{"sdp01", 0, NULL},
		{"inv2543", 400, "Missing Contact"},
	};

	torture("rfc4475", rows, sizeof(rows) / sizeof(*rows));
}

Test(torture, rfc4475_fields)
{
	static const struct torture wsinv = {"wsinv", 0, NULL}, intmeth = {"intmeth", 0, NULL},
				    dblreq = {"dblreq", 0, NULL}, escnull = {"escnull", 0, NULL};

	torture("rfc4475", &wsinv, 1);
	eq(block()->via_host, "192.0.2.2");
	eq(block()->via_branch, "390skdjuw");
	cr_assert_eq(block()->via_count, 3);
	cr_assert_eq(block()->cseq, 9);
	cr_assert_eq(block()->max_forwards, 68);
	eq(block()->to_tag, "1918181833n");
	eq(block()->from_tag, "98asjd8");
	eq(block()->contact.whole, "sip:jdrosen@example.com");
	cr_assert_eq(block()->body.length, 150);
	torture("rfc4475", &intmeth, 1);
	eq(block()->request_uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
	eq(block()->from_tag, "_token~1'+`*%!-.");
	cr_assert_eq(block()->method, METHOD_UNKNOWN);
	cr_assert_eq(block()->max_forwards, 255);
	cr_assert(str_starts(message_value(block(), HEADER_TO),
			  S("\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:1_")),
		"the bytes are as they came");
	torture("rfc4475", &escnull, 1);
	eq(block()->to.user, "null-%00-null");
	cr_assert_eq(block()->contact_count, 2);
	eq(block()->contact.whole, "sip:%00@host5.example.com");
	torture("rfc4475", &dblreq, 1);
	cr_assert_eq(block()->body.length, 0, "the second request is cut off");
}

Test(torture, rfc5118)
{
	static const struct torture rows[] = {
		{"ipv6-good", 0, NULL},
		{"ipv6-bad", 400, "Malformed Request-URI"},
		{"port-ambiguous", 0, NULL},
		{"port-unambiguous", 0, NULL},
		{"via-received-param-with-delim", 0, NULL},
		{"via-received-param-no-delim", 0, NULL},
		{"ipv6-in-sdp", 0, NULL},
		{"mult-ip-in-header", 0, NULL},
		{"mult-ip-in-sdp", 0, NULL},
		{"ipv4-mapped-ipv6", 0, NULL},
		{"ipv6-bug-abnf-3-colons", 0, NULL},
		{"ipv6-correct-abnf-2-colons", 0, NULL},
	};

	torture("rfc5118", rows, sizeof(rows) / sizeof(*rows));
	torture("rfc5118", &rows[2], 1);
	cr_assert_eq(block()->request_uri.port, 0);
	eq(block()->request_uri.host, "[2001:db8::10:5070]");
	torture("rfc5118", &rows[3], 1);
	cr_assert_eq(block()->request_uri.port, 5070);
}
