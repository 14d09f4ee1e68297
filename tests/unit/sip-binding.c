/* sip-binding.c - the records of the location store: what is written is read, what is not exactly a
 * record is refused. */
#include "sip-location.h"

Test(binding, round_trip)
{
	char buffer[BINDINGS_SIZE_MAX];
	struct binding in[2], out[BINDINGS_MAX];

	in[0] = sample("sip:alice@198.51.100.7:5060;ob", 60000);
	in[1] = (struct binding){.flow = {.id = FLOW_ID(3, 4, 5),
					 .transport = TRANSPORT_TLS,
					 .listener = 1,
					 .peer = fixture_endpoint("[2001:db8::1]:49152")},
		.expires_at = UINT64_MAX,
		.cseq = INT32_MAX,
		.q = 1000,
		.contact = S("sip:x")};
	in[1].flow.peer.scope = 9;
	long n = bindings_encode(&test_listeners, in, 2, buffer, sizeof(buffer));
	cr_assert_gt(n, 0);
	cr_assert_leq(n, 500);
	cr_assert_eq(bindings_decode(&test_listeners, (struct str){buffer, (size_t)n}, out), 2);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(memcmp(&in[i].flow, &out[i].flow, sizeof(in[i].flow)), 0);
		cr_assert(in[i].expires_at == out[i].expires_at && in[i].cseq == out[i].cseq &&
			  in[i].reg_id == out[i].reg_id && in[i].q == out[i].q);
		cr_assert(str_equal(in[i].contact, out[i].contact) &&
			  str_equal(in[i].call_id, out[i].call_id) &&
			  str_equal(in[i].path, out[i].path) &&
			  str_equal(in[i].instance, out[i].instance) &&
			  str_equal(in[i].user_agent, out[i].user_agent));
	}
}

Test(binding, decodes_to_the_exact_end)
{
	char buffer[BINDINGS_SIZE_MAX];
	struct binding b[2] = {sample("sip:a@b", 60000), sample("sip:c@d", 60000)},
		       out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&test_listeners, b, 2, buffer, sizeof(buffer) - 1);

	for (size_t i = 0; i < n; i++) {
		char *exact = malloc(i ? i : 1); /* so that a sanitizer sees one byte too many */

		memcpy(exact, buffer, i);
		cr_assert_eq(bindings_decode(&test_listeners, (struct str){exact, i}, out),
			-EBADMSG, "cut at %zu", i);
		free(exact);
	}
	buffer[n] = 0;
	cr_assert_eq(bindings_decode(&test_listeners, (struct str){buffer, n + 1}, out), -EBADMSG);
	buffer[0]++;
	cr_assert_eq(bindings_decode(&test_listeners, (struct str){buffer, n}, out), -EBADMSG,
		"another version");
}

Test(binding, whatever_stands_there_is_refused_or_whole)
{
	char buffer[BINDINGS_SIZE_MAX], bad[512];
	struct binding b = sample("sip:a@b", 60000), out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer));

	cr_assert_lt(n, sizeof(bad));
	for (size_t i = 0; i < n; i++)
		for (unsigned value = 0; value < 256; value++) {
			memcpy(bad, buffer, n);
			bad[i] = (char)value;
			/* who was taken over writes a right check, too */
			struct hash_key key = {{(uint8_t)bad[1]}};
			uint32_t check = (uint32_t)hash_bytes(
				&key, bad + BINDINGS_HEAD, n - BINDINGS_HEAD);
			cr_assert(value == (unsigned char)buffer[i] || i < 1 ||
					  bindings_decode(&test_listeners, (struct str){bad, n},
						  out) == -EBADMSG,
				"the check misses byte %zu", i);
			memcpy(bad + 2, &check, sizeof(check));
			int got = bindings_decode(&test_listeners, (struct str){bad, n}, out);
			cr_assert(got == -EBADMSG || got == 1);
			if (got != 1)
				continue;
			cr_assert(out[0].q <= 1000 && out[0].flow.transport < TRANSPORT_COUNT &&
				  out[0].flow.id == (transport_is_stream(out[0].flow.transport)
								    ? out[0].flow.id
								    : 0));
			for (size_t j = 0; j < out[0].contact.n; j++)
				cr_assert_geq((unsigned char)out[0].contact.p[j], 0x20);
		}
}

/* Where the listener stands in a record's first binding, behind expires_at to q. */
#define LISTENER_AT (BINDINGS_HEAD + 26)
#define PLACE "\3\0"

/* The record of version 2 that is like one of version 3: it has the listener's place. */
static size_t older(const char *record, size_t n, char *old)
{
	struct hash_key key = {{1}};
	uint32_t check;

	memcpy(old, record, LISTENER_AT);
	old[0] = BINDINGS_VERSION_PLACES;
	memcpy(old + LISTENER_AT, PLACE, 2);
	memcpy(old + LISTENER_AT + 2, record + LISTENER_AT + 8, n - LISTENER_AT - 8);
	n -= 6;
	check = (uint32_t)hash_bytes(&key, old + BINDINGS_HEAD, n - BINDINGS_HEAD);
	memcpy(old + 2, &check, sizeof(check));
	return n;
}

Test(binding, records_of_older_versions_are_read)
{
	char buffer[BINDINGS_SIZE_MAX], old[512];
	struct binding b = sample("sip:a@b", 60000), out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer));

	n = older(buffer, n, old);
	for (int version = 2; version >= 1; version--) {
		cr_assert_eq(bindings_decode(&test_listeners, (struct str){old, n}, out), 1);
		cr_assert(str_equal(out[0].contact, b.contact) && out[0].cseq == b.cseq &&
			  out[0].expires_at == b.expires_at && out[0].flow.listener == 3);
		cr_assert_eq(
			bindings_decode(&test_listeners, (struct str){old, n - 1}, out), -EBADMSG);
		old[0] = 1;
		memmove(old + 2, old + BINDINGS_HEAD, n - BINDINGS_HEAD);
		n -= 4;
	}
}

/* Whatever its place in the config is now; and one that is not there is not another one. */
Test(binding, a_listener_is_known_by_its_name)
{
	static const struct binding_listeners moved = {.count = 2, .name = {14, 11}},
					      without = {.count = 1, .name = {11}};
	char buffer[BINDINGS_SIZE_MAX], again[BINDINGS_SIZE_MAX];
	struct binding b = sample("sip:a@b", 60000), out[BINDINGS_MAX];
	size_t n = (size_t)bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer));

	cr_assert_eq(bindings_decode(&moved, (struct str){buffer, n}, out), 1);
	cr_assert_eq(out[0].flow.listener, 0);
	cr_assert_eq(bindings_decode(&without, (struct str){buffer, n}, out), 1);
	cr_assert_eq(out[0].flow.listener, NONE_INDEX);
	/* another binding of the record is refreshed meanwhile */
	cr_assert_eq(bindings_encode(&without, out, 1, again, sizeof(again)), (long)n);
	cr_assert_arr_eq(again, buffer, n);
}

Test(binding, a_name_is_of_transport_and_address)
{
	struct {
		struct settings s;
		struct listener_settings listener[3];
	} image = {.s.listeners = {sizeof(struct settings), 3},
		.listener = {
			{.transport = TRANSPORT_UDP, .bind = fixture_endpoint("192.0.2.1:5060")},
			{.transport = TRANSPORT_TCP, .bind = fixture_endpoint("192.0.2.1:5060")},
			{.transport = TRANSPORT_UDP, .bind = fixture_endpoint("192.0.2.1:5070")}}};
	struct binding_listeners l, other;

	binding_listeners_set(&l, &image.s);
	cr_assert(l.count == 3 && l.name[0] != l.name[1] && l.name[0] != l.name[2]);
	image.listener[0].name = (struct text){8, 8};
	image.listener[0].zone = 2;
	binding_listeners_set(&other, &image.s);
	cr_assert_eq(other.name[0], l.name[0]);
}

Test(binding, what_cannot_be_read_is_not_written)
{
	char buffer[BINDINGS_SIZE_MAX], longer[BINDING_PATH_MAX + 1];

	memset(longer, 'a', sizeof(longer));
	struct binding good = sample("sip:a@b", 1), b = good;
	cr_assert_gt(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), 0);
	cr_assert_eq(bindings_encode(&test_listeners, &b, 0, buffer, sizeof(buffer)), -EINVAL);
	cr_assert_eq(bindings_encode(&test_listeners, &b, BINDINGS_MAX + 1, buffer, sizeof(buffer)),
		-EINVAL);
	b.contact = S("sip:a@b\r\nX: y");
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL);
	b = good, b.contact = (struct str){longer, BINDING_CONTACT_MAX + 1};
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL);
	b = good, b.path = (struct str){longer, sizeof(longer)};
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL);
	b = good, b.flow.transport = TRANSPORT_TCP;
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL,
		"a stream without its connection");
	b = good, b.flow.id = 5;
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL);
	b = good, b.q = 1001;
	cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer, sizeof(buffer)), -EINVAL);
	cr_assert_eq(bindings_encode(&test_listeners, &good, 1, buffer, 20), -EINVAL);
}

Test(binding, a_control_byte_is_found_wherever_it_stands)
{
	char buffer[BINDINGS_SIZE_MAX], contact[19];

	for (size_t n = 1; n <= sizeof(contact); n++)
		for (size_t at = 0; at < n; at++)
			for (unsigned value = 0; value < 256; value++) {
				/* what stands before it may borrow from it */
				memset(contact, value % 3 ? 0xa0 : 0x80, n);
				contact[at] = (char)value;
				struct binding b = sample("", 1);
				b.contact = (struct str){contact, n};
				cr_assert_eq(bindings_encode(&test_listeners, &b, 1, buffer,
						     sizeof(buffer)) < 0,
					value < 0x20 || value == 0x7f, "%u at %zu of %zu", value,
					at, n);
			}
}
