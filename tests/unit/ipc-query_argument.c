/* ipc-query_argument.c - the arguments of questions to workers, and of commands in their table. */
#include "ipc/command_table.h"
#include "ipc/query_argument.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(query_argument, what_is_added_is_found)
{
	char text[64] = "";

	cr_assert_null(query_argument(text, "user").p);
	cr_assert_eq(query_argument_add(text, sizeof(text), "user", "a=b c"), 0);
	cr_assert_eq(query_argument_add(text, sizeof(text), "users", ""), 0);
	cr_assert_eq(query_argument_add(text, sizeof(text), "older", "60"), 0);
	cr_assert(str_equal(query_argument(text, "user"), S("a=b c")));
	cr_assert_not_null(query_argument(text, "users").p);
	cr_assert_eq(query_argument(text, "users").n, 0);
	cr_assert_null(query_argument(text, "use").p);
	cr_assert_eq(query_argument_number(text, "older", 7), 60);
	cr_assert_eq(query_argument_number(text, "user", 7), 7);
	cr_assert_eq(query_argument_number(text, "limit", 7), 7);
}

Test(query_argument, no_line_can_be_smuggled_in)
{
	char text[32] = "";

	cr_assert_eq(query_argument_add(text, sizeof(text), "user", "a\nlimit=0"), -EINVAL);
	cr_assert_eq(query_argument_add(text, sizeof(text), "user", "a\x7f"), -EINVAL);
	cr_assert_eq(text[0], '\0');
	cr_assert_eq(query_argument_add(text, 8, "user", "a"), 0, "with its NUL it just fits");
	cr_assert_eq(query_argument_add(text, 8, "b", ""), -ENOBUFS);
	cr_assert_str_eq(text, "user=a\n");
}

Test(query_argument, numbers)
{
	uint64_t number = 5;

	cr_assert(query_number(S("0"), &number) && number == 0);
	cr_assert(query_number(S("999999999999999999"), &number));
	cr_assert_not(query_number(S(""), &number));
	cr_assert_not(query_number(STR_NONE, &number));
	cr_assert_not(query_number(S("-1"), &number));
	cr_assert_not(query_number(S("1s"), &number));
	cr_assert_not(query_number(S("9999999999999999999"), &number));
}

static void argument_is(
	const char **at, const char *name, const char *value, bool flag, bool optional)
{
	struct command_argument a;

	cr_assert(command_argument_next(at, &a));
	cr_assert_str_eq(a.name, name);
	cr_assert_str_eq(a.value, value);
	cr_assert_eq(a.flag, flag);
	cr_assert_eq(a.optional, optional);
}

Test(command_table, arguments)
{
	const char *at = "AOR [CONTACT] [--older SECONDS] [--count] --id ID";
	struct command_argument a;

	argument_is(&at, "aor", "AOR", false, false);
	argument_is(&at, "contact", "CONTACT", false, true);
	argument_is(&at, "older", "SECONDS", true, true);
	argument_is(&at, "count", "", true, true);
	argument_is(&at, "id", "ID", true, false);
	cr_assert_not(command_argument_next(&at, &a));
	at = "";
	cr_assert_not(command_argument_next(&at, &a));
}

Test(command_table, every_row_can_be_read)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *at = command_rows[i].arguments;
		struct command_argument a;

		while (command_argument_next(&at, &a)) {
			cr_assert(a.name[0], "%s", command_rows[i].name);
			cr_assert(a.flag || a.value[0], "%s", command_rows[i].name);
		}
		cr_assert_eq(command_find(command_rows[i].name), i);
	}
}
