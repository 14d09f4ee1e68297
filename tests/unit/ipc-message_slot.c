/* ipc-message_slot.c - the slot of a message, rule by rule. Blocks are made by hand, with the
 * fields alone that the rules read. */
#include "ipc/message_slot.h"
#include "ipc/token.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct hash_key key = {{1, 2, 3}};
static _Alignas(8) char buffer[4096];

struct parts {
	bool response;
	uint8_t method;
	const char *branch, *to_tag, *user, *to_user, *to_host, *call_id, *event;
};

/* A block whose raw bytes are the parts one behind the other. */
static const struct message *make(struct parts p)
{
	struct message *m = (struct message *)(void *)buffer;
	struct message_header *h = (struct message_header *)(void *)(m + 1);
	char *raw;
	size_t n = 0;

	memset(buffer, 0, sizeof(buffer));
	memset(m->first, 0xff, sizeof(m->first));
	m->is_request = !p.response;
	m->method = p.method;
	m->header_count = p.event ? 1 : 0;
	raw = (char *)(h + m->header_count);
#define PUT(into, text)                                                                            \
	do {                                                                                       \
		const char *t = (text) ? (text) : "";                                              \
		(into) = (struct span){(uint16_t)n, (uint16_t)strlen(t)};                          \
		n += (size_t)sprintf(raw + n, "%s", t);                                            \
	} while (0)
	PUT(m->via_branch, p.branch);
	PUT(m->to_tag, p.to_tag);
	PUT(m->request_uri.user, p.user);
	PUT(m->to.user, p.to_user);
	n += (size_t)sprintf(raw + n, "@");
	PUT(m->to.host, p.to_host);
	m->to.scheme = URI_SIP;
	PUT(m->call_id, p.call_id ? p.call_id : "call");
	if (p.event) {
		h->id = HEADER_EVENT;
		m->first[HEADER_EVENT] = 0;
		PUT(h->value, p.event);
	}
	return m;
}
static uint8_t slot(struct parts p)
{
	return slot_of_message(make(p), &key, NULL);
}

static char token[TOKEN_LENGTH + 1], branch[BRANCH_LENGTH + 1];
static void mint(uint8_t in_slot)
{
	struct token_keys keys = {.generation = 3};

	token_mint(&keys, TOKEN_TAG, in_slot, 77, token);
	snprintf(branch, sizeof(branch), BRANCH_COOKIE "%s", token);
}

static const struct str call = {"call", 4}, aor = {"sip:alice@example.com", 21};

Test(slot, by_token)
{
	for (unsigned s = 0; s < SLOT_COUNT; s += 51) {
		mint((uint8_t)s);
		cr_assert_eq(slot((struct parts){.response = true, .branch = branch}), s);
		cr_assert_eq(slot((struct parts){.method = METHOD_BYE, .to_tag = token}), s);
		cr_assert_eq(slot((struct parts){.method = METHOD_INVITE, .user = token}), s);
	}
	mint(9);
	char tag[TOKEN_LENGTH + 1];
	memcpy(tag, token, sizeof(tag));
	mint(200);
	cr_assert_eq(slot((struct parts){.method = METHOD_BYE, .to_tag = tag, .user = token}), 9,
		"the To-tag goes first");
	cr_assert_eq(slot((struct parts){.method = METHOD_SUBSCRIBE,
			     .user = token,
			     .to_user = "alice",
			     .to_host = "example.com",
			     .event = "reg"}),
		200);
}

Test(slot, tokens_where_they_do_not_count)
{
	mint((uint8_t)(slot_of_call_id(call, &key) + 1));
	uint8_t expected = slot_of_call_id(call, &key);
	cr_assert_eq(slot((struct parts){.method = METHOD_INVITE, .branch = branch}), expected,
		"a request's branch is its sender's");
	cr_assert_eq(slot((struct parts){.response = true, .branch = token}), expected,
		"without the cookie");
	cr_assert_eq(slot((struct parts){.response = true, .to_tag = token}), expected,
		"a response goes by its branch");
	token[TOKEN_LENGTH - 1] = 0;
	cr_assert_eq(slot((struct parts){.method = METHOD_BYE, .to_tag = token}), expected,
		"a token cut short");
}

Test(slot, by_address_of_record)
{
	uint8_t expected = slot_of_aor(aor, &key);

	cr_assert_neq(expected, slot_of_call_id(call, &key),
		"else this test could not fail: choose another key");
	cr_assert_eq(
		slot((struct parts){
			.method = METHOD_REGISTER, .to_user = "alice", .to_host = "example.com"}),
		expected);
	cr_assert_eq(
		slot((struct parts){
			.method = METHOD_REGISTER, .to_user = "%61lice", .to_host = "EXAMPLE.com"}),
		expected);
	cr_assert_eq(slot((struct parts){.method = METHOD_SUBSCRIBE,
			     .to_user = "alice",
			     .to_host = "example.com",
			     .event = "reg;id=1"}),
		expected);
	mint((uint8_t)(expected + 1));
	cr_assert_eq(slot((struct parts){.method = METHOD_REGISTER,
			     .to_tag = token,
			     .to_user = "alice",
			     .to_host = "example.com"}),
		expected, "whatever tag it brings");
	cr_assert_eq(slot((struct parts){.method = METHOD_REGISTER,
			     .user = token,
			     .to_user = "alice",
			     .to_host = "example.com"}),
		expected);
	cr_assert_eq(slot((struct parts){.method = METHOD_SUBSCRIBE,
			     .to_user = "alice",
			     .to_host = "example.com",
			     .event = "presence"}),
		slot_of_call_id(call, &key));
	cr_assert_eq(slot((struct parts){.method = METHOD_SUBSCRIBE,
			     .to_user = "alice",
			     .to_host = "example.com",
			     .event = "regx"}),
		slot_of_call_id(call, &key));
	cr_assert_eq(
		slot((struct parts){
			.method = METHOD_INVITE, .to_user = "alice", .to_host = "example.com"}),
		slot_of_call_id(call, &key));
	cr_assert_eq(slot((struct parts){.method = METHOD_REGISTER, .to_host = "example.com"}),
		slot_of_call_id(call, &key), "no user: no address of record");
}

Test(slot, our_own_address_is_the_first_domain)
{
	static struct {
		_Alignas(8) struct settings s;
		_Alignas(8) struct listener_settings listener;
		_Alignas(8) struct text name[2];
		char pool[32];
	} image = {.pool = "10.0.0.9\0example.com"};
	struct settings *s = &image.s;
	uint8_t expected = slot_of_aor(aor, &key);
	const struct parts own = {
		.method = METHOD_REGISTER, .to_user = "alice", .to_host = "192.0.2.1"};

	s->listeners = (struct array){(uint32_t)((char *)&image.listener - (char *)s), 1};
	s->domain_names = (struct array){(uint32_t)((char *)image.name - (char *)s), 2};
	image.name[0] = (struct text){(uint32_t)(image.pool - (char *)s), 8};
	image.name[1] = (struct text){(uint32_t)(image.pool - (char *)s) + 9, 11};
	s->first_domain = 1;
	cr_assert_eq(endpoint_parse(S("192.0.2.1:5060"), &image.listener.bind), 0);
	cr_assert_eq(slot_of_message(make(own), &key, s), expected);
	cr_assert_neq(slot_of_message(make(own), &key, NULL), expected);
	struct parts other = own;
	other.to_host = "192.0.2.2";
	cr_assert_eq(slot_of_message(make(other), &key, s), slot(other), "nobody's address");
	other.to_host = "10.0.0.9";
	cr_assert_eq(endpoint_parse(S("10.0.0.9:5060"), &image.listener.bind), 0);
	cr_assert_eq(slot_of_message(make(other), &key, s), slot(other), "a domain of its own");
	s->first_domain = NONE_INDEX;
	cr_assert_eq(endpoint_parse(S("192.0.2.1:5060"), &image.listener.bind), 0);
	cr_assert_eq(slot_of_message(make(own), &key, s), slot(own), "there is no domain");
}

Test(slot, by_call_id)
{
	unsigned seen[SLOT_COUNT] = {0}, used = 0;

	for (unsigned i = 0; i < 2560; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		uint8_t s = slot((struct parts){.method = METHOD_INVITE, .call_id = id});
		cr_assert_eq(s, slot((struct parts){.method = METHOD_CANCEL, .call_id = id}),
			"a CANCEL follows its INVITE");
		used += !seen[s]++;
	}
	cr_assert_gt(used, 240, "calls spread over the slots");
}
