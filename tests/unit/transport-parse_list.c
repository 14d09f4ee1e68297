/* transport-parse_list.c - header fields that are lists: how many elements and parameters they may
 * have, and what an element may be. */
#include "transport-value.h"

/* All lists of a message together have a bound: what reads them further in costs the square of
 * their length. */
Test(parse_list, list_elements_have_a_limit)
{
	static const uint8_t ids[] = {
		HEADER_CONTACT, HEADER_ROUTE, HEADER_SUPPORTED, HEADER_WARNING, HEADER_OTHER};
	static const char *const element[] = {"<sip:a>", "<sip:a>", "a", "a", "a"};

	for (size_t i = 0; i < sizeof(ids); i++) {
		begin(true);
		message.method = METHOD_REGISTER;
		for (unsigned k = 0; k < PARSE_ITEMS_MAX; k++)
			value(ids[i], element[i]);
		cr_assert(!parser.failed, "%s", element[i]);
		value(ids[i], element[i]);
		cr_assert_eq(parser.error.counter, COUNTER_PARSE_LIMIT, "%zu", i);
		cr_assert_str_eq(parser.error.reason, "Too Many List Elements");
	}
	/* in text a comma separates nothing */
	begin(true);
	for (unsigned k = 0; k < 2 * PARSE_ITEMS_MAX; k++)
		value(HEADER_SUBJECT, "a, b");
	cr_assert(!parser.failed);
}

Test(parse_list, parameters_have_a_limit)
{
	static char list[8192];
	char *at = list + sprintf(list, "Digest a0=b");

	for (unsigned i = 1; i < PARSE_PARAMS_MAX; i++)
		at += sprintf(at, ", a%u=b", i);
	begin(true);
	value(HEADER_WWW_AUTHENTICATE, list);
	cr_assert(!parser.failed);
	sprintf(at, ", more=b");
	value(HEADER_WWW_AUTHENTICATE, list);
	cr_assert_str_eq(parser.error.reason, "Too Many Parameters");
	cr_assert_eq(parser.error.counter, COUNTER_PARSE_LIMIT);
	/* another scheme is a list like others */
	begin(true);
	value(HEADER_WWW_AUTHENTICATE, "Bearer abc==");
	cr_assert(!parser.failed);
	at = list + sprintf(list, "<sip:a@b>");
	for (unsigned i = 0; i <= PARAMS_MAX; i++)
		at += sprintf(at, ";p%u", i);
	begin(true);
	value(HEADER_CONTACT, list);
	cr_assert_str_eq(parser.error.reason, "Too Many Parameters");
}

Test(parse_list, routes_stand_in_brackets)
{
	static const uint8_t ids[] = {
		HEADER_ROUTE, HEADER_RECORD_ROUTE, HEADER_PATH, HEADER_SERVICE_ROUTE};

	for (size_t i = 0; i < sizeof(ids); i++) {
		begin(true);
		value(ids[i], "<sip:a;lr>, <sip:b>;x=1");
		cr_assert(!parser.failed);
		value(ids[i], "<sip:a;lr>, sip:b");
		cr_assert(parser.failed, "%s", header_name(ids[i]));
	}
	begin(true);
	value(HEADER_P_ASSERTED_IDENTITY, "sip:a@b, tel:+1");
	cr_assert(!parser.failed);
}
