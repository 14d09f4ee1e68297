/* option_tags.c - which option tags are kept across the legs: see option_tags.h. */
#include "option_tags.h"

#include "ipc/syntax.h"

#include <assert.h>

enum { STRIPPED, BRIDGED };

static const struct {
	struct str tag; /* in lower case */
	uint8_t what;
} option_tag_table[] = {
#define OPTION(tag, what) {{tag, sizeof(tag) - 1}, what},
#include "option-tags.def"
#undef OPTION
};

#define OPTION_TAGS (sizeof(option_tag_table) / sizeof(option_tag_table[0]))
#define OPTION_LENGTH 32 /* longer than each of the table */
#define OPTION_LETTER 32 /* the values that differ among letters, without regard to case */

_Static_assert(OPTION_TAGS <= 64, "a bit for each");

/* Rows by length and by first letter, a bit each: both together leave few rows of the table,
 * mostly none. Made at the first use. */
static struct {
	bool made;
	uint64_t length[OPTION_LENGTH], letter[OPTION_LETTER];
} option_tag_rows;

static void option_tag_rows_make(void)
{
	for (size_t i = 0; i < OPTION_TAGS; i++) {
		struct str tag = option_tag_table[i].tag;

		assert(tag.n && tag.n < OPTION_LENGTH);
		option_tag_rows.length[tag.n] |= UINT64_C(1) << i;
		option_tag_rows.letter[tag.p[0] % OPTION_LETTER] |= UINT64_C(1) << i;
	}
	option_tag_rows.made = true;
}

bool option_tag_bridged(struct str tag)
{
	uint64_t rows;

	if (!option_tag_rows.made)
		option_tag_rows_make();
	if (!tag.n || tag.n >= OPTION_LENGTH)
		return false;
	rows = option_tag_rows.length[tag.n] &
	       option_tag_rows.letter[(uint8_t)tag.p[0] % OPTION_LETTER];
	for (; rows; rows &= rows - 1) {
		int i = __builtin_ctzll(rows);

		if (str_equal_nocase(option_tag_table[i].tag, tag))
			return option_tag_table[i].what == BRIDGED;
	}
	return false;
}

bool option_tags_bridged(struct str list)
{
	struct str item;

	while (list_next(&list, &item) == 0)
		if (!option_tag_bridged(item))
			return false;
	return true;
}

void option_tags_write(struct writer *w, const struct message *m, const struct message_header *h)
{
	struct str rest = message_header_value(m, h), item;
	bool any = false;

	while (list_next(&rest, &item) == 0) {
		if (!option_tag_bridged(item))
			continue;
		if (!any) {
			write_str(w, message_header_name(m, h));
			write_literal(w, ": ");
		} else {
			write_literal(w, ", ");
		}
		any = true;
		write_str(w, item);
	}
	if (any)
		write_literal(w, "\r\n");
}

unsigned option_tags_require(const struct message *m, struct writer *unsupported)
{
	static const uint8_t ids[] = {HEADER_REQUIRE, HEADER_PROXY_REQUIRE};
	bool any = false;

	for (size_t i = 0; i < sizeof(ids); i++)
		for (const struct message_header *h = message_first(m, ids[i]); h;
			h = message_next(m, h)) {
			struct str rest = message_header_value(m, h), item;

			while (list_next(&rest, &item) == 0) {
				/* A back-to-back user agent must understand all that a proxy must:
				 * nothing of Proxy-Require can be kept. */
				if (ids[i] == HEADER_REQUIRE && option_tag_bridged(item))
					continue;
				if (any)
					write_literal(unsupported, ", ");
				else
					write_literal(unsupported, "Unsupported: ");
				write_str(unsupported, item);
				any = true;
			}
		}
	if (any)
		write_literal(unsupported, "\r\n");
	return any ? 420 : 0;
}
