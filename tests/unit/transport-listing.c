/* transport-listing.c - the lists of streams and of messages that are kept, and that they go on
 * where their reader stopped them. */
#include "transport-fixture.h"
#include "worker-transport/listing.h"

struct reader {
	char text[400000];
	size_t size, buffer; /* buffer: bytes taken before it says -EAGAIN, once */
	unsigned pieces, lasts, turns;
	bool gone;
	bool narrow; /* it says -EAGAIN to every other piece */
};

static int take(void *arg, uint32_t id, const char *text, size_t size, bool last)
{
	struct reader *r = arg;

	cr_assert_eq(id, 77);
	cr_assert_eq(r->lasts, 0);
	cr_assert_leq(size, LISTING_PIECE);
	if (r->gone)
		return -EPIPE;
	if (r->narrow && !last && (r->turns++ & 1))
		return -EAGAIN;
	cr_assert_lt(r->size + size, sizeof(r->text));
	if (r->buffer && r->size + size > r->buffer) {
		r->buffer = 0;
		return -EAGAIN;
	}
	memcpy(r->text + r->size, text, size);
	r->size += size;
	r->text[r->size] = 0;
	r->pieces++;
	r->lasts += last;
	return 0;
}

static void many(struct image *image)
{
	image->s.connections_max = 1000;
	image->zone[ZONE_ACCESS].connections_per_source = 1000;
	strcpy(image->pool + image->listener[ACCESS_TCP].name.at - offsetof(struct image, pool),
		"t\"p");
}

static unsigned lines(const struct reader *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->size; i++)
		n += r->text[i] == '\n';
	return n;
}

Test(listing, one_line_a_stream)
{
	struct fixture *f = fixture_new(many);
	struct reader *r = calloc(1, sizeof(*r));
	int fd = dial("127.0.0.3", f->port[ACCESS_TCP]);
	struct listings *l;

	UNTIL(f, flow_count(f->t.flows) == 1);
	cr_assert_eq(listings_new(&l, &f->t, take, r), 0);
	cr_assert_eq(listing_start(l, 77, LISTING_STREAMS), 0);
	cr_assert_eq(r->lasts, 1);
	cr_assert_eq(lines(r), 1);
	cr_assert(str_starts(str_of(r->text),
			  S("{\"flow\":\"0300000700000001\",\"worker\":3,\"transport\":\"TCP\","
			    "\"listener\":\"t\\\"p\",\"zone\":\"access\",\"peer\":\"127.0.0.3:")),
		"%s", r->text);
	cr_assert(strstr(r->text, "\"direction\":\"in\",\"state\":\"open\""), "%s", r->text);
	listings_free(l);
	close(fd);
	free(r);
	fixture_free(f);
}

Test(listing, goes_on_when_there_is_room_again)
{
	struct fixture *f = fixture_new(many);
	struct reader *r = calloc(1, sizeof(*r));
	struct listings *l;
	char id[64];
	int fd[300];

	for (int i = 0; i < 300; i++) {
		fd[i] = dial("127.0.0.3", f->port[ACCESS_TCP]);
		UNTIL(f, flow_count(f->t.flows) == (size_t)i + 1);
	}
	r->buffer = 50000;
	cr_assert_eq(listings_new(&l, &f->t, take, r), 0);
	cr_assert_eq(listing_start(l, 77, LISTING_STREAMS), 0);
	cr_assert_eq(r->lasts, 0);
	UNTIL(f, r->lasts == 1);
	cr_assert_gt(r->pieces, 2);
	cr_assert_eq(lines(r), 300);
	for (unsigned i = 1; i <= 300; i++) {
		snprintf(id, sizeof(id), "{\"flow\":\"03000007%08x\"", i);
		cr_assert(strstr(r->text, id), "%u", i);
	}
	listings_free(l);
	for (int i = 0; i < 300; i++)
		close(fd[i]);
	free(r);
	fixture_free(f);
}

/* A reader that is slower than we are gets each piece of a message once, however large it is. */
Test(listing, goes_on_within_a_message)
{
	struct fixture *f = fixture_new(NULL);
	struct reader *r = calloc(1, sizeof(*r));
	struct flow flow = {.transport = TRANSPORT_UDP, .peer = at("127.0.0.3", 5060)};
	static char bytes[10 * LISTING_TEXT - 1];
	char offset[32];
	struct listings *l;

	memset(bytes, 1, sizeof(bytes)); /* six bytes in JSON */
	cr_assert_eq(trace_resize(&f->t.trace, 256 << 10), 0);
	for (int i = 0; i < 2; i++)
		trace_add(&f->t.trace, &flow, &flow.peer, false,
			(struct str){bytes, i ? 10 : sizeof(bytes)});
	r->narrow = true;
	cr_assert_eq(listings_new(&l, &f->t, take, r), 0);
	cr_assert_eq(listing_start_trace(l, 77, S("0 all")), 0);
	UNTIL(f, r->lasts == 1);
	cr_assert_eq(lines(r), 11);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(offset, sizeof(offset), "\"offset\":%u,", i * LISTING_TEXT);
		cr_assert(strstr(r->text, offset), "%s", offset);
	}
	listings_free(l);
	free(r);
	fixture_free(f);
}

Test(listing, ends_with_its_reader_and_is_bounded)
{
	struct fixture *f = fixture_new(NULL);
	struct reader *r = calloc(1, sizeof(*r));
	struct listings *l;

	cr_assert_eq(listings_new(&l, &f->t, take, r), 0);
	r->gone = true;
	for (int i = 0; i < LISTINGS_MAX * 2; i++)
		cr_assert_eq(listing_start(l, 77, LISTING_STREAMS),
			0); /* each ends at once and leaves its place */
	listings_free(l);
	free(r);
	fixture_free(f);
}
