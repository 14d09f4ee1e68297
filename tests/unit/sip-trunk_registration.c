/* We register at trunks (RFC 3261 section 10.2), refresh in time, and give up nothing for ever. */
#include "sip-worker.h"

#include "worker-sip/auth/digest.h"
#include "worker-sip/routing/names.h"

#define CHALLENGE(nonce)                                                                           \
	"WWW-Authenticate: Digest realm=\"carrier\", nonce=\"" nonce "\", qop=\"auth\"\n"

static void add_realm(void)
{
	char key[USER_NAME_MAX], ha1[65];
	size_t n = users_trunk_key(trunk_id(S("carrier")), S("carrier"), key);
	struct user_row row = {.domain = USERS_OF_TRUNKS,
		.algorithms = DIGEST_MD5,
		.name_length = (uint8_t)n,
		.hash = users_hash(USERS_OF_TRUNKS, (struct str){key, n})};

	memcpy(row.name, key, n);
	digest_ha1(DIGEST_MD5, S("acme"), S("carrier"), S("secret"), ha1);
	memcpy(row.ha1_md5, ha1, sizeof(row.ha1_md5));
	uint32_t at = row.hash & worker->users.head.mask;
	while (worker->users.row[at].hash)
		at = (at + 1) & worker->users.head.mask;
	worker->users.row[at] = row;
	worker->users.head.count++;
}

static struct trunk_settings *trunk(void)
{
	return &worker->image.trunk[0];
}

static void set_up(void)
{
	worker_set_up();
	add_realm();
	trunk()->username = fixture_text(&worker->image, "acme");
	trunk()->from_domain = fixture_text(&worker->image, "carrier.example");
	trunk()->contact_user = fixture_text(&worker->image, "4930123");
	trunk()->register_s = 600;
	trunk()->targets.count = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_registrations_take(&worker->sip);
}
TestSuite(trunk_registration, .init = set_up, .fini = worker_tear_down);

/* The next one; its repetitions over UDP are of no interest. */
static struct sent *take_register(void)
{
	struct sent *s = take("REGISTER", 0);

	if (s)
		take_all("REGISTER");
	return s;
}

static struct sent *first(void)
{
	pass(REGISTRATION_SPREAD_MS);
	struct sent *s = take_register();
	cr_assert_not_null(s);
	return s;
}

static uint64_t asked(const struct sent *s)
{
	uint64_t seconds;

	cr_assert_eq(str_number(value_of(s->message, HEADER_EXPIRES), UINT32_MAX, &seconds), 0);
	return seconds;
}

/* A next REGISTER comes between these times, in seconds, from now. */
static struct sent *comes_within(unsigned least, unsigned most)
{
	unsigned waited = 0;
	struct sent *s;

	for (; !(s = take_register()); waited++) {
		cr_assert_leq(waited, most, "nothing came");
		pass(1000);
	}
	cr_assert_geq(waited, least, "it came after %u s", waited);
	return s;
}

static char state[512];
static void note(void *arg, struct str json)
{
	(void)arg;
	snprintf(state, sizeof(state), "%.*s", (int)json.n, json.p);
}

static bool says(const char *part)
{
	state[0] = 0;
	trunk_registrations_list(&worker->sip, S("carrier"), note, NULL);
	return strstr(state, part) != NULL;
}

Test(trunk_registration, what_is_asked_and_when_it_is_refreshed)
{
	struct sent *s = first();
	const struct message *m = s->message;
	char contact[256];

	cr_assert(sent_to(s, "10.0.0.11:5060"));
	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:carrier.example")));
	cr_assert(has(value_of(m, HEADER_FROM), "<sip:acme@carrier.example>;tag="));
	cr_assert(str_equal(value_of(m, HEADER_TO), S("<sip:acme@carrier.example>")));
	cr_assert(has(value_of(m, HEADER_CONTACT), "<sip:4930123@"));
	cr_assert_eq(asked(s), 600);
	cr_assert(has(value_of(m, HEADER_SUPPORTED), "path"));
	/* another binding's expiry is not ours */
	snprintf(contact, sizeof(contact), "<sip:other@192.0.2.1>;expires=30, %.*s;expires=100",
		STR(value_of(m, HEADER_CONTACT)));
	respond(s, 200, .tag = "r", .contact = contact);
	cr_assert(says("\"registration\":\"registered\",\"registered_s\":100"), "%s", state);
	struct sent *again = comes_within(50, 76);
	cr_assert(str_equal(
		message_str(again->message, again->message->call_id), message_str(m, m->call_id)));
	cr_assert_eq(again->message->cseq, m->cseq + 1);
	/* by the header where the Contact has none */
	respond(again, 200, .tag = "r", .more = "Expires: 200\n");
	comes_within(100, 151);
}

Test(trunk_registration, credentials_and_what_ends_them)
{
	struct sent *s = first();

	respond(s, 401, .tag = "r", .more = CHALLENGE("n1"));
	struct sent *again = take_request("REGISTER");
	struct credentials c;
	char ha1[65];
	cr_assert_eq(credentials_parse(value_of(again->message, HEADER_AUTHORIZATION), &c), 0);
	digest_ha1(DIGEST_MD5, S("acme"), S("carrier"), S("secret"), ha1);
	cr_assert(digest_verify(&c, S("REGISTER"), (struct str){ha1, 32}));
	cr_assert(str_equal(c.uri, S("sip:carrier.example")));
	respond(again, 401, .tag = "r", .more = CHALLENGE("n2"));
	cr_assert(says("\"registration\":\"failed\"") && says("\"registration_status\":401"));
	quiet();
	/* RFC 5626 section 4.5: with a random part, and longer each time */
	s = comes_within(14, 31);
	cr_assert_not(message_first(s->message, HEADER_AUTHORIZATION));
	respond(s, 403, .tag = "r");
	s = comes_within(29, 61);
	respond(s, 403, .tag = "r");
	s = comes_within(59, 121);
	respond(s, 200, .tag = "r");
	cr_assert(says("\"registration\":\"registered\""));
}

Test(trunk_registration, a_longer_time_is_asked_for_once)
{
	struct sent *s = first();

	respond(s, 423, .tag = "r", .more = "Min-Expires: 1800\n");
	s = take_request("REGISTER");
	cr_assert_eq(asked(s), 1800);
	respond(s, 423, .tag = "r", .more = "Min-Expires: 3600\n");
	quiet();
	cr_assert(says("\"registration_status\":423"));
}

Test(trunk_registration, a_silent_target_is_followed_by_the_next)
{
	trunk_registrations_free(&worker->sip);
	trunk()->targets.count = 2;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_registrations_take(&worker->sip);
	cr_assert(sent_to(first(), "10.0.0.11:5060"));
	pass(ANSWER);
	struct sent *s = NULL, *last = NULL;
	while ((s = take("REGISTER", 0))) /* repetitions of the first among them */
		last = s;
	cr_assert(last && sent_to(last, "10.0.0.12:5060"));
	respond(last, 200, .tag = "r");
	cr_assert(says("\"registration\":\"registered\""));
}

/* A REGISTER says of its target what a call would. */
Test(trunk_registration, an_answer_and_none_say_whether_a_target_is_up)
{
	trunk()->register_required = 0;
	trunk_registrations_free(&worker->sip);
	trunk()->targets.count = 2;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_registrations_take(&worker->sip);
	cr_assert(sent_to(first(), "10.0.0.11:5060"));
	pass(ANSWER);
	cr_assert_eq(counters_page->counter[COUNTER_TARGETS_DOWN], 1);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	struct sent *invite = take_request("INVITE");
	cr_assert(sent_to(invite, "10.0.0.12:5060"), "the silent one is tried last");
	respond(invite, 486, .tag = "b");
	/* that one has lost the REGISTER alone; the next round begins with the first */
	pass(ANSWER);
	take_all("REGISTER");
	cr_assert_eq(counters_page->counter[COUNTER_TARGETS_DOWN], 1);
	struct sent *s = comes_within(14, 31);
	cr_assert(sent_to(s, "10.0.0.11:5060"));
	respond(s, 401, .tag = "r", .more = CHALLENGE("n1"));
	cr_assert_eq(counters_page->counter[COUNTER_TARGETS_UP], 1);
	respond(take_request("REGISTER"), 503, .tag = "r");
	cr_assert_eq(counters_page->counter[COUNTER_TARGETS_DOWN], 2);
}

Test(trunk_registration, it_is_taken_back)
{
	respond(first(), 200, .tag = "r");
	trunk_registrations_stop(&worker->sip);
	struct sent *s = take_request("REGISTER");
	cr_assert_eq(asked(s), 0);
	respond(s, 401, .tag = "r", .more = CHALLENGE("n1"));
	cr_assert(trunk_registrations_leaving(&worker->sip));
	s = take_request("REGISTER");
	cr_assert_eq(asked(s), 0);
	respond(s, 200, .tag = "r");
	cr_assert_not(trunk_registrations_leaving(&worker->sip));
	pass(600000);
	quiet();
}

Test(trunk_registration, by_order)
{
	respond(first(), 200, .tag = "r");
	cr_assert_not(trunk_registration_order(&worker->sip, S("nobody"), false));
	cr_assert(trunk_registration_order(&worker->sip, S("carrier"), false));
	settle();
	struct sent *s = take_request("REGISTER");
	cr_assert_eq(asked(s), 0);
	respond(s, 200, .tag = "r");
	cr_assert(says("\"registration\":\"unregistered\""));
	pass(600000);
	quiet();
	cr_assert(trunk_registration_order(&worker->sip, S("carrier"), true));
	settle();
	s = take_request("REGISTER");
	cr_assert_eq(asked(s), 600);
	respond(s, 200, .tag = "r");
}

Test(trunk_registration, a_reload_that_leaves_it_changes_nothing_and_one_without_it_undoes_it)
{
	static _Alignas(8) struct image next;

	respond(first(), 200, .tag = "r");
	next = worker->image;
	trunk_registrations_leave(&worker->sip, &next.s);
	settle();
	quiet();
	next.trunk[0].register_s = 0;
	trunk_registrations_leave(&worker->sip, &next.s);
	settle();
	struct sent *s = take_request("REGISTER");
	cr_assert_eq(asked(s), 0);
	respond(s, 200, .tag = "r");
	cr_assert_not(says("registration"));
}

/* A reload has brought the settings that stand in the image now. */
static void reloaded(void)
{
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_bindings_take(&worker->sip);
	trunk_registrations_take(&worker->sip);
}

/* It may be much longer to the next refresh than the new time. */
Test(trunk_registration, a_reload_with_another_time_asks_for_it_at_once)
{
	respond(first(), 200, .tag = "r");
	reloaded();
	quiet();
	trunk()->register_s = 90;
	reloaded();
	settle();
	struct sent *s = take_request("REGISTER");
	cr_assert_eq(asked(s), 90);
	/* what the server wants longer stays so with a reload that does not change it */
	respond(s, 423, .tag = "r", .more = "Min-Expires: 1800\n");
	s = take_request("REGISTER");
	respond(s, 200, .tag = "r");
	reloaded();
	cr_assert_eq(asked(comes_within(900, 1351)), 1800);
}

/* To the registrar it is another address of record, or another Contact. */
Test(trunk_registration, a_reload_with_another_name_takes_the_old_binding_back)
{
	static _Alignas(8) struct image next;
	struct text before = trunk()->username;

	for (unsigned what = 0; what < 3; what++) {
		trunk_registrations_free(&worker->sip);
		trunk_registrations_take(&worker->sip);
		struct sent *s = first();
		respond(s, 200, .tag = "r");
		next = worker->image;
		struct text *text = what == 0   ? &next.trunk[0].username
		                    : what == 1 ? &next.trunk[0].contact_user
		                                : &next.trunk[0].name;
		*text = fixture_text(&next, what == 2 ? "renamed" : "other");
		trunk_registrations_leave(&worker->sip, &next.s);
		settle();
		struct sent *gone = take_request("REGISTER");
		cr_assert_eq(asked(gone), 0);
		cr_assert(str_equal(
			value_of(gone->message, HEADER_TO), value_of(s->message, HEADER_TO)));
		cr_assert(str_equal(value_of(gone->message, HEADER_CONTACT),
			value_of(s->message, HEADER_CONTACT)));
		cr_assert(str_equal(message_str(gone->message, gone->message->call_id),
			message_str(s->message, s->message->call_id)));
		worker->image = next;
		reloaded();
		s = first();
		cr_assert_eq(asked(s), 600);
		cr_assert_eq(has(value_of(s->message, HEADER_TO), "acme"), what == 2 || what == 1);
		cr_assert_not(str_equal(message_str(gone->message, gone->message->call_id),
			message_str(s->message, s->message->call_id)));
		trunk()->username = before;
	}
}

Test(trunk_registration, another_worker_s_trunk_is_not_registered_here)
{
	respond(first(), 200, .tag = "r");
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		worker->sip.slots.next[i] = 1;
	trunk_registrations_take(&worker->sip);
	pass(600000);
	quiet();
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		worker->sip.slots.next[i] = 0;
}

/* We are registered by the connection FLOW_ID(0, 1, 77) (way_back), for a while. */
static void register_by_a_connection(void)
{
	trunk_registrations_free(&worker->sip);
	worker->image.target[0].transport = TRANSPORT_TCP;
	worker->image.target[0].listener = CORE_TCP;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_registrations_take(&worker->sip);
	respond(first(), 200, .tag = "r");
	pass(REGISTRATION_REFRESH_LEAST_MS);
}

/* RFC 5626 section 4.4: who is reached by a connection is not once that has ended. */
Test(trunk_registration, a_connection_that_ends_is_registered_by_anew)
{
	const uint64_t stream = FLOW_ID(0, 1, 77);

	register_by_a_connection();
	trunk_registrations_flow_closed(&worker->sip, stream + 1);
	pass(10);
	quiet();
	trunk_registrations_flow_closed(&worker->sip, stream);
	pass(1);
	struct sent *s = take_register();
	cr_assert_not_null(s);
	cr_assert_eq(s->to.id, 0, "by another one");
	cr_assert_eq(counters_page->counter[COUNTER_REGISTRATION_FLOWS_LOST], 1);
	/* a server that closes each connection is not asked without end */
	respond(s, 200, .tag = "r");
	trunk_registrations_flow_closed(&worker->sip, stream);
	pass(REGISTRATION_REFRESH_LEAST_MS - 1);
	quiet();
	pass(1);
	respond(take_request("REGISTER"), 200, .tag = "r");
	/* what was taken back is not made anew */
	trunk_registration_order(&worker->sip, S("carrier"), false);
	settle();
	take_all("REGISTER");
	trunk_registrations_flow_closed(&worker->sip, stream);
	pass(600000);
	quiet();
}

/* Nobody says of each connection that it has ended. */
Test(trunk_registration, so_are_those_of_a_transport_worker_that_ends)
{
	register_by_a_connection();
	trunk_registrations_transport_gone(&worker->sip, 1, 1);
	trunk_registrations_transport_gone(&worker->sip, 0, 2);
	pass(10);
	quiet();
	trunk_registrations_transport_gone(&worker->sip, 0, 1);
	pass(REGISTRATION_SPREAD_MS - 1); /* for its successor to be there */
	quiet();
	pass(1);
	take_request("REGISTER");
	/* it may not be there yet: what is lost here is no fault of the server's */
	for (unsigned i = 0; i < 2; i++) {
		pass(ANSWER);
		cr_assert_not_null(take_register());
	}
	cr_assert_eq(counters_page->counter[COUNTER_REGISTRATIONS_FAILED], 0);
	cr_assert_eq(counters_page->counter[COUNTER_TARGETS_DOWN], 0);
	pass(ANSWER);
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_REGISTRATIONS_FAILED], 1, "but not for ever");
	cr_assert_eq(counters_page->counter[COUNTER_REGISTRATION_FLOWS_LOST], 1);
	respond(comes_within(14, 31), 200, .tag = "r");
	register_by_a_connection();
	trunk_registrations_transport_gone(&worker->sip, 0, 1);
	pass(REGISTRATION_SPREAD_MS);
	respond(take_request("REGISTER"), 200, .tag = "r");
	cr_assert_eq(counters_page->counter[COUNTER_REGISTRATION_FLOWS_LOST], 2);
}

/* ---- a target that is a name ---- */

static void nothing_changed(struct sip *sip)
{
	(void)sip;
}

/* Makes the trunk's target a name that is reached over TLS, whose address another SIP worker has
 * found. */
static void target_is_found(const char *uri, const char *name, const char *address)
{
	static const struct hash_key same;
	struct image *image = &worker->image;
	const uint64_t id[] = {
		trunk_id(S("carrier")), hash_str(&same, str_of(uri)), image->trunk[0].zone};
	struct record_addresses found = {.name = hash_bytes(&same, id, sizeof(id)),
		.found_at = loop_now(worker->sip.loop),
		.count = 1,
		.address = {{.endpoint = fixture_endpoint(address), .transport = TRANSPORT_TLS}}};

	found.expires_at = found.found_at + 3600000;
	image->listener[CORE_TCP].transport = TRANSPORT_TLS;
	image->target[0] = (struct target_settings){.uri = fixture_text(image, uri),
		.name = fixture_text(image, name),
		.transport = TRANSPORT_TLS,
		.explicit_transport = 1};
	cr_assert_eq(names_new(&worker->sip.names, &worker->sip, nothing_changed), 0);
	cr_assert_eq(names_take(worker->sip.names), 0);
	names_told(worker->sip.names, &found);
	cr_assert_not_null(names_addresses(worker->sip.names, 0, 0));
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
}

/* RFC 5922 section 4: it is the name that was looked up which the certificate must show. */
Test(trunk_registration, a_name_is_what_the_certificate_must_show)
{
	trunk_registrations_free(&worker->sip);
	target_is_found(
		"sip:sip.carrier.example;transport=tls", "sip.carrier.example", "10.0.0.11:5061");
	trunk_registrations_take(&worker->sip);
	struct sent *s = first();
	cr_assert(sent_to(s, "10.0.0.11:5061"));
	cr_assert_eq(s->to.profile, settings_profile(worker->sip.settings, 0, 0));
	respond(s, 200, .tag = "r");
	trunk_registrations_free(&worker->sip);
	names_free(worker->sip.names);
}
