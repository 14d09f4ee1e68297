/* hosts.c - fuzz target of what is hidden in text from the other side: any text.
 *
 * The first octet says whose names are listed and how much room there is. No numeric address and no
 * listed name that a plain search finds (sides.h) survives; done once is done; text without one
 * stays as it is, and so does all text where the receiver's zone has hosts pass; what is written
 * grows by no more than our own host for each one found, and never out of its buffer.
 */
#include "sides.h"

#include <stdlib.h>

enum { NAMES = 1, ANY_OF_OURS = 2, SMALL = 4 };

static struct str rewrite(const struct hosts *hosts, struct str text, size_t size, bool *full)
{
	struct writer w = {.p = malloc(size + 1), .size = size}; /* a write behind it is seen */

	CHECK(w.p);
	write_without_hosts(&w, hosts, text);
	CHECK(w.n <= w.size);
	*full = w.full;
	return writer_text(&w);
}

static void check_text(const struct hosts *hosts, struct str text, bool any_of_ours)
{
	const size_t most = text.n + (text.n / 3 + 1) * (sizeof(OUTSIDE_HOST) - 1);
	bool full;
	struct str once = rewrite(hosts, text, most, &full), twice;

	CHECK(!full);
	CHECK(hosts_named(hosts, text) == !str_equal(once, text));
	if (!any_of_ours && !sides_is_glued(text))
		CHECK(sides_find_host(once, hosts->names.count).n == 0);
	twice = rewrite(hosts, once, most, &full);
	CHECK(sides_is_glued(text) || (!full && str_equal(once, twice)));
	free((char *)once.p);
	free((char *)twice.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool full;

	if (!size || size > MESSAGE_RAW_MAX)
		return 0;
	sides_open();
	sides_hide_name(data[0] & NAMES);
	struct hosts hosts = hosts_between(&sip, INSIDE, OUTSIDE, &way[OUTSIDE]);
	char *copy = malloc(
		size - 1 ? size - 1 : 1); /* exact, so that a read behind the text is seen */

	CHECK(copy);
	memcpy(copy, data + 1, size - 1);
	struct str text = {copy, size - 1}, written;

	hosts.any_of_ours = data[0] & ANY_OF_OURS;
	check_text(&hosts, text, hosts.any_of_ours);
	if (data[0] & SMALL) {
		written = rewrite(&hosts, text, text.n / 2, &full);
		free((char *)written.p);
	}
	hosts.keep = true;
	written = rewrite(&hosts, text, text.n, &full);
	CHECK(!full && str_equal(written, text) && !hosts_named(&hosts, text));
	free((char *)written.p);
	free(copy);
	return 0;
}
