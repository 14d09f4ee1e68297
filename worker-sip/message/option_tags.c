/* option_tags.c - which option tags are kept across the legs: see option_tags.h. */
#include "option_tags.h"

#include "ipc/octet.h"
#include "ipc/syntax.h"

bool option_tag_bridged(struct str tag)
{
	enum { STRIPPED, BRIDGED };
	static const struct {
		struct str tag;
		uint8_t what;
	} table[] = {
#define OPTION(tag, what) {{tag, sizeof(tag) - 1}, what},
#include "option-tags.def"
#undef OPTION
	};
	const char first = tag.n ? octet_lower(tag.p[0]) : 0;

	/* lengths and first letters tell most of them apart; those of the table are lower case */
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (tag.n == table[i].tag.n && first == table[i].tag.p[0] &&
			str_equal_nocase(table[i].tag, tag))
			return table[i].what == BRIDGED;
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
