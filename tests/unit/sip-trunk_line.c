/* A request for the Contact that we registered at a trunk is that trunk's (match = registration).
 */
#include "sip-worker.h"

#include "ipc/line.h"
#include "worker-sip/message/writer.h"

#include <ctype.h>

static struct trunk_settings *trunk(void)
{
	return &worker->image.trunk[0];
}

static void settings_taken(void)
{
	cr_assert_eq(settings_check(&worker->image, sizeof(worker->image)), 0);
	trunk_lines_take(&worker->sip);
}

static void set_up(void)
{
	worker_set_up();
	trunk()->username = fixture_text(&worker->image, "acme");
	trunk()->contact_user = fixture_text(&worker->image, "4930123");
	trunk()->register_s = 600;
	trunk()->match = TRUNK_MATCH_REGISTRATION;
	trunk()->targets.count = 1;
	worker->image.route[1].from |= 1u << ZONE_CORE;
	routes_taken();
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	settings_taken();
}
TestSuite(trunk_line, .init = set_up, .fini = worker_tear_down);

/* The token of the trunk over that transport, with a NUL. */
static const char *token(uint8_t transport)
{
	static char text[2][LINE_LENGTH + 1];
	static unsigned turn;
	char *out = text[turn++ % 2];

	cr_assert(trunk_line(&worker->sip, 0, transport, out));
	out[LINE_LENGTH] = 0;
	return out;
}

/* The Contact of the trunk with that token. */
static const char *uri_with(const char *line)
{
	static char text[256];
	struct flow to = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
	char host[ENDPOINT_TEXT_SIZE + 1];
	struct writer w = WRITER(host);

	write_sent_by(&w, &worker->sip, &to);
	snprintf(text, sizeof(text), "sip:4930123@%.*s;line=%s", STR(writer_text(&w)), line);
	return text;
}

/* A credential of the trunk for that realm. */
static void add_realm(const char *realm, char ha1)
{
	char key[USER_NAME_MAX];
	size_t n = users_trunk_key(trunk_id(S("carrier")), str_of(realm), key);
	struct user_row row = {.domain = USERS_OF_TRUNKS,
		.algorithms = DIGEST_MD5,
		.name_length = (uint8_t)n,
		.hash = users_hash(USERS_OF_TRUNKS, (struct str){key, n})};

	memcpy(row.name, key, n);
	memset(row.ha1_md5, ha1, sizeof(row.ha1_md5));
	uint32_t at = row.hash & worker->users.head.mask;
	while (worker->users.row[at].hash)
		at = (at + 1) & worker->users.head.mask;
	worker->users.row[at] = row;
	worker->users.head.count++;
	worker->users.head.of_trunks++;
	trunk_lines_take(&worker->sip);
}

static unsigned found(const struct flow *by, const char *method, const char *uri)
{
	struct said *s = ask(.by = by, .method = method, .uri = uri, .max_forwards = 70);

	return trunk_line_find(
		&worker->sip, s->message, settings_listener(&worker->image.s, by->listener)->zone);
}

Test(trunk_line, is_of_the_trunk_its_credentials_and_the_transport)
{
	char first[LINE_LENGTH + 1], text[LINE_LENGTH];

	strcpy(first, token(TRANSPORT_UDP));
	cr_assert_str_eq(token(TRANSPORT_TCP), first);
	cr_assert_str_neq(token(TRANSPORT_TLS), first);
	trunk_lines_take(&worker->sip); /* as a successor does */
	cr_assert_str_eq(token(TRANSPORT_UDP), first);
	add_realm("carrier", 'a');
	cr_assert_str_neq(token(TRANSPORT_UDP), first);
	strcpy(first, token(TRANSPORT_UDP));
	add_realm("other", 'a');
	cr_assert_str_neq(token(TRANSPORT_UDP), first);
	worker->sip.keys.nonce_key[0] ^= 1;
	strcpy(first, token(TRANSPORT_UDP));
	trunk_lines_take(&worker->sip);
	cr_assert_str_neq(token(TRANSPORT_UDP), first);
	trunk()->match = TRUNK_MATCH_SOURCE;
	settings_taken();
	cr_assert_not(trunk_line(&worker->sip, 0, TRANSPORT_UDP, text));
	trunk()->match = TRUNK_MATCH_REGISTRATION;
	trunk()->register_s = 0;
	settings_taken();
	cr_assert_not(trunk_line(&worker->sip, 0, TRANSPORT_UDP, text));
}

Test(trunk_line, is_found_in_our_own_address_and_nowhere_else)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0),
		    tcp = flow_of(CORE_TCP, "10.0.0.9:5060", FLOW_ID(0, 1, 3));
	char clear[LINE_LENGTH + 1], other[300], *hex;

	strcpy(clear, token(TRANSPORT_UDP));
	cr_assert_eq(found(&core, "OPTIONS", uri_with(clear)), 0);
	cr_assert_eq(found(&tcp, "OPTIONS", uri_with(clear)), 0);
	for (hex = clear; *hex; hex++)
		*hex = (char)toupper(*hex);
	cr_assert_eq(found(&core, "OPTIONS", uri_with(clear)), 0, "hex has no case");
	/* what went out over TLS is no secret any more where somebody shows it over UDP */
	cr_assert_eq(found(&core, "OPTIONS", uri_with(token(TRANSPORT_TLS))), NONE_INDEX);
	/* the registrar would keep whatever a trusted zone says */
	cr_assert_eq(found(&core, "REGISTER", uri_with(clear)), NONE_INDEX);
	cr_assert_eq(found(&alice, "OPTIONS", uri_with(clear)), NONE_INDEX, "of another zone");
	snprintf(other, sizeof(other), "sip:4930123@10.0.0.7;line=%s", clear);
	cr_assert_eq(found(&core, "OPTIONS", other), NONE_INDEX, "of another host");
	snprintf(other, sizeof(other), "%s0", uri_with(clear));
	cr_assert_eq(found(&core, "OPTIONS", other), NONE_INDEX, "too long");
	other[strlen(other) - 2] = 0;
	cr_assert_eq(found(&core, "OPTIONS", other), NONE_INDEX, "too short");
	clear[31] = clear[31] == '0' ? '1' : '0';
	cr_assert_eq(found(&core, "OPTIONS", uri_with(clear)), NONE_INDEX, "another one");
}

Test(trunk_line, goes_no_further_than_here)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);
	char more[256], to[300], clear[LINE_LENGTH + 1];

	strcpy(clear, token(TRANSPORT_UDP));
	snprintf(to, sizeof(to), "<%s>", uri_with(clear));
	snprintf(more, sizeof(more), "Subject: called as %s\nX-Called: <sip:a@b.example;line=%s>\n",
		clear, clear);
	struct said *s = ask(.by = &core, .method = "INVITE", .uri = uri_with(clear), .to = to,
		.more = more, .contact = "<sip:carrier@10.0.0.9>");
	struct sent *out = take_request("INVITE");
	cr_assert(sent_to(out, "10.0.0.11:5060"));
	cr_assert_not(raw_has(out, clear));
	cr_assert_not(has(message_str(out->message, out->message->request_uri.whole), "line"));
	cr_assert(has(message_str(out->message, out->message->request_uri.whole), "4930123"));
	cr_assert_eq(counters_page->counter[COUNTER_TRUNK_LINES_SHOWN], 1);
	cancel(s);
	take_response(200);
	take_response(487);
}

/* The next REGISTER; its repetitions over UDP are of no interest. */
static struct sent *take_register(void)
{
	struct sent *s = take_request("REGISTER");

	take_all("REGISTER");
	return s;
}

/* The Contacts of a REGISTER. */
static struct str contacts(const struct sent *s)
{
	const struct message *m = s->message;

	return (struct str){message_raw(m), m->raw_size};
}

Test(trunk_line, is_in_the_contact_and_takes_the_place_of_an_old_one)
{
	char before[LINE_LENGTH + 1], part[128];

	strcpy(before, token(TRANSPORT_UDP));
	trunk_registrations_take(&worker->sip);
	pass(REGISTRATION_SPREAD_MS);
	struct sent *s = take_register();
	snprintf(part, sizeof(part), ";line=%s>\r\n", before);
	cr_assert(has(value_of(s->message, HEADER_CONTACT), ";line="));
	cr_assert(has(contacts(s), part));
	cr_assert_eq(s->message->contact_count, 1);
	respond(s, 200, .tag = "r", .more = "Expires: 600\n");
	/* new credentials: at once, and the old binding goes */
	trunk_registrations_credentials(&worker->sip);
	settle();
	quiet();
	add_realm("carrier", 'b');
	trunk_registrations_credentials(&worker->sip);
	settle();
	s = take_register();
	cr_assert_eq(s->message->contact_count, 2);
	snprintf(part, sizeof(part), ";line=%s>;expires=0\r\n", before);
	cr_assert(has(contacts(s), part));
	snprintf(part, sizeof(part), ";line=%s>\r\n", token(TRANSPORT_UDP));
	cr_assert(has(contacts(s), part));
	respond(s, 200, .tag = "r", .more = "Expires: 600\n");
	trunk_registrations_credentials(&worker->sip);
	settle();
	quiet();
	/* what is taken back is what stands there */
	strcpy(before, token(TRANSPORT_UDP));
	add_realm("third", 'c');
	trunk_registrations_stop(&worker->sip);
	s = take_register();
	cr_assert_eq(s->message->contact_count, 1);
	snprintf(part, sizeof(part), ";line=%s>\r\n", before);
	cr_assert(has(contacts(s), part));
	respond(s, 200, .tag = "r");
}

/* ---- strangers ---- */

static struct flow stranger, other;

static void set_up_strangers(void)
{
	set_up();
	worker->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_UDP | 1u << TRANSPORT_TCP;
	settings_taken();
	stranger = flow_of(CORE_UDP, "10.0.1.9:5060", 0);
	other = flow_of(CORE_UDP, "10.0.1.10:5060", 0);
}
TestSuite(stranger, .init = set_up_strangers, .fini = worker_tear_down);

static struct said *stranger_calls(void)
{
	return ask(.by = &stranger, .method = "INVITE", .uri = uri_with(token(TRANSPORT_UDP)),
		.contact = "<sip:carrier@10.0.1.9>");
}

/* The same bytes, from there. */
static void again(struct said *s, const struct flow *by)
{
	s->message->flow = *by;
	core_message(&worker->sip, s->message,
		slot_of_message(s->message, &worker->sip.keys.slot_key, worker->sip.settings));
	settle();
}

static uint64_t refused(void)
{
	return counters_page->counter[COUNTER_SOURCE_REFUSED];
}

Test(stranger, calls_the_contact_that_is_registered)
{
	stranger_calls();
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "t", .contact = "<sip:callee@10.0.1.11>");
	struct sent *ok = take_response(200);
	cr_assert(sent_to(ok, "10.0.1.9:5060"));
	caller_asks(ok, "ACK", 1);
	take_request("ACK");
	/* another machine of that carrier goes on */
	caller_asks(ok, "INFO", 2, .by = &other);
	struct sent *info = take_request("INFO");
	respond(info, 200);
	cr_assert(sent_to(take_response(200), "10.0.1.10:5060"));
	/* what the callee asks goes where the call came from */
	callee_asks(out, "t", "BYE", 1);
	struct sent *bye = take_request("BYE");
	cr_assert(sent_to(bye, "10.0.1.9:5060"));
	respond(bye, 200, .by = &other);
	take_response(200);
	cr_assert_eq(refused(), 0);
	cr_assert_eq(counters_page->counter[COUNTER_STRANGERS_SERVED], 4);
}

Test(stranger, hangs_up_from_somewhere_else)
{
	stranger_calls();
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "t");
	struct sent *ok = take_response(200);
	caller_asks(ok, "ACK", 1, .by = &other);
	take_request("ACK");
	struct said *bye = caller_asks(ok, "BYE", 2, .by = &other);
	respond(take_request("BYE"), 200);
	take_response(200);
	/* the 200 was lost */
	again(bye, &other);
	take_response(200);
	cr_assert_eq(refused(), 0);
	/* and later the dialog is of no use to anybody */
	pass(2 * 64 * T1);
	again(bye, &stranger);
	caller_asks(ok, "INFO", 3, .by = &other);
	quiet();
	cr_assert_eq(refused(), 2);
}

Test(stranger, gives_up_and_is_refused)
{
	struct said *invite = stranger_calls();

	respond(take_request("INVITE"), 180, .tag = "t");
	take_response(180);
	/* without the token nobody else may */
	receive(&other,
		"CANCEL sip:4930123@10.0.0.1 SIP/2.0\nVia: %.*s\nFrom: %.*s\nTo: %.*s\n"
		"Call-ID: call-of-alice\nMax-Forwards: 70\nCSeq: 1 CANCEL\n\n",
		STR(message_str(invite->message, invite->message->via)),
		STR(value_of(invite->message, HEADER_FROM)),
		STR(value_of(invite->message, HEADER_TO)));
	quiet();
	cr_assert_eq(refused(), 1);
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response(487));
	respond(take_request("CANCEL"), 200);
	cr_assert_eq(refused(), 1);
}

Test(stranger, shows_the_right_token_or_none)
{
	char wrong[LINE_LENGTH + 1];

	strcpy(wrong, token(TRANSPORT_UDP));
	wrong[0] = wrong[0] == '0' ? '1' : '0';
	ask(.by = &stranger, .method = "INVITE", .uri = uri_with(wrong));
	ask(.by = &stranger, .method = "INVITE", .uri = uri_with(token(TRANSPORT_TLS)));
	ask(.by = &stranger, .method = "INVITE", .uri = "sip:5551000@example.net");
	ask(.by = &stranger, .method = "REGISTER", .uri = uri_with(token(TRANSPORT_UDP)));
	quiet();
	cr_assert_eq(refused(), 4);
	cr_assert_eq(counters_page->counter[COUNTER_TRUNK_LINES_WRONG], 2);
	cr_assert_eq(counters_page->counter[COUNTER_STRANGERS_SERVED], 0);
}

Test(stranger, of_a_trunk_that_is_disabled_or_gone)
{
	struct lifeline_trunks disabled = {.count = 1, .trunk = {trunk_id(S("carrier"))}};
	char uri[256];

	strcpy(uri, uri_with(token(TRANSPORT_UDP)));
	target_states_disable(worker->sip.target_states, &disabled);
	ask(.by = &stranger, .method = "OPTIONS", .uri = uri);
	quiet();
	disabled.count = 0;
	target_states_disable(worker->sip.target_states, &disabled);
	ask(.by = &stranger, .method = "OPTIONS", .uri = uri, .cseq = 2);
	cr_assert(sent_to(take_request("OPTIONS"), "10.0.0.11:5060"));
	trunk()->register_s = 0;
	settings_taken();
	ask(.by = &stranger, .method = "OPTIONS", .uri = uri, .cseq = 3);
	quiet();
	trunk()->register_s = 600;
	trunk()->name = fixture_text(&worker->image, "renamed");
	settings_taken();
	ask(.by = &stranger, .method = "OPTIONS", .uri = uri, .cseq = 4);
	quiet();
	cr_assert_eq(refused(), 3);
}

Test(stranger, of_a_zone_that_hears_none)
{
	worker->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_TLS;
	settings_taken();
	stranger_calls();
	quiet();
	cr_assert_eq(refused(), 1);
}

Test(stranger, answers_what_was_asked_by_that_listener)
{
	struct flow tcp = flow_of(CORE_TCP, "10.0.1.9:5060", FLOW_ID(0, 1, 5));

	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net");
	struct sent *out = take_request("MESSAGE");
	respond(out, 200, .by = &tcp);
	quiet();
	worker->image.zone[ZONE_CORE].strangers = 0;
	respond(out, 200, .by = &stranger);
	quiet();
	worker->image.zone[ZONE_CORE].strangers = 1u << TRANSPORT_UDP;
	respond(out, 200, .by = &stranger);
	take_response(200);
	cr_assert_eq(refused(), 2);
}

/* A dialog proves nothing of bindings. */
Test(stranger, registers_nobody)
{
	char more[64] = "Expires: 600\n";

	stranger_calls();
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "t");
	struct sent *ok = take_response(200);
	caller_asks(ok, "ACK", 1);
	take_request("ACK");
	caller_asks(ok, "REGISTER", 2, .more = more);
	quiet();
	cr_assert_eq(refused(), 1);
}

/* ---- tricks ---- */

/* The token everywhere but where the registrar's URI has it. */
Test(stranger, gets_nothing_by_the_token_in_another_place)
{
	const char *line = token(TRANSPORT_UDP);
	char host[64], uri[12][300], more[300], to[300];
	unsigned n = 0;

	snprintf(host, sizeof(host), "%s", strchr(uri_with(""), '@') + 1);
	*strchr(host, ';') = 0;
#define URI(...) snprintf(uri[n++], sizeof(uri[0]), __VA_ARGS__)
	URI("sip:4930123@evil.example;maddr=%s;line=%s", host, line);
	URI("sip:4930123@198.51.100.7;line=%s;maddr=10.0.0.1", line);
	URI("sip:4930123@10.0.0.1:5999;line=%s", line);
	URI("sip:line=%s@%s", line, host);
	URI("sip:4930123;line=%s@%s", line, host);
	URI("sip:4930123:line=%s@%s", line, host);
	URI("sip:4930123@%s;lines=%s", host, line);
	URI("sip:4930123@%s;line=0;line=%s", host, line);
	URI("sip:4930123@%s;line=%%%x%s", host, line[0], line + 1);
	URI("sip:4930123@%s;line=%.31s", host, line);
	URI("sip:4930123@%s;line", host);
	URI("tel:4930123;line=%s", line);
	snprintf(more, sizeof(more), "Route: <sip:%s;lr;line=%s>\nRoute: <%s>\n", host, line,
		uri_with(line));
	snprintf(to, sizeof(to), "<%s>;line=%s", uri_with(line), line);
	for (unsigned i = 0; i < n; i++) {
		ask(.by = &stranger, .method = "INVITE", .uri = uri[i], .cseq = i + 1, .more = more,
			.to = to, .from = to);
		quiet();
	}
	/* a strict router puts us into the Request-URI (RFC 3261 section 16.4) */
	snprintf(uri[0], sizeof(uri[0]), "sip:%s", host);
	ask(.by = &stranger, .method = "INVITE", .uri = uri[0], .cseq = 20, .more = more);
	snprintf(uri[0], sizeof(uri[0]), "sip:%s;lr", host);
	ask(.by = &stranger, .method = "OPTIONS", .uri = uri[0], .cseq = 21, .more = more);
	quiet();
	cr_assert_eq(refused(), n + 2);
}

/* A dialog of another zone, or a part of one's own names, opens nothing. */
Test(stranger, gets_nothing_by_a_dialog_that_is_not_this)
{
	struct flow bob = flow_of(OPEN_UDP, "198.51.100.2:5060", 0);

	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .from_tag = "x");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "t");
	struct sent *ok = take_response(200);
	caller_asks(ok, "ACK", 1);
	take_request("ACK");
	/* the caller's dialog, by the trunk's listener */
	caller_asks(ok, "BYE", 2, .by = &stranger);
	/* the trunk's dialog, with another tag of its own, and with the caller's */
	callee_asks(out, "u", "BYE", 1, .by = &stranger);
	callee_asks(out, "", "INFO", 2, .by = &stranger);
	quiet();
	cr_assert_eq(refused(), 3);
	/* and by the phones' listener the trunk's dialog is none */
	callee_asks(out, "t", "BYE", 3, .by = &bob);
	take_response(481);
	callee_asks(out, "t", "BYE", 4, .by = &stranger);
	respond(take_request("BYE"), 200);
	take_response(200);
}

/* Requests of sources may be repeated and cancelled by themselves alone. */
Test(stranger, gets_nothing_by_the_branch_of_another)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);
	struct said *invite = ask(.by = &core, .method = "INVITE", .uri = "sip:5551000@h.example",
		.contact = "<sip:carrier@10.0.0.9>");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "t");
	take_response(180);
	again(invite, &stranger);
	struct said from = *invite;
	from.flow = stranger;
	cancel(&from);
	quiet();
	cr_assert_eq(refused(), 2);
	from.flow = core;
	cancel(&from);
	take_response(200);
	struct sent *failure = take_response(487);
	from.flow = stranger;
	acknowledge_failure(&from, failure);
	cr_assert_eq(refused(), 3);
	from.flow = core;
	acknowledge_failure(&from, failure);
	respond(take_request("CANCEL"), 200);
	cr_assert_eq(refused(), 3);
}

/* Where a zone asks for credentials the token stands for them, in a datagram as well. */
Test(stranger, is_not_asked_for_credentials)
{
	struct zone_settings *z = &worker->image.zone[ZONE_CORE];

	z->trust = 0;
	z->auth = ZONE_AUTH_DIGEST;
	ask(.by = &stranger, .method = "INVITE", .uri = "sip:5551000@example.net", .cseq = 1);
	quiet(); /* none of its sources */
	z->sources.count = 0;
	ask(.by = &stranger, .method = "INVITE", .uri = "sip:5551000@example.net", .cseq = 2);
	take_response(407);
	stranger_calls();
	respond(take_request("INVITE"), 486, .tag = "t");
	take_response(486);
	ask(.by = &stranger, .method = "REGISTER", .uri = uri_with(token(TRANSPORT_UDP)),
		.cseq = 3);
	take_response(401);
}

/* ---- explained ---- */

static char told[8192];

static void tell(void *arg, struct str json)
{
	(void)arg;
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%.*s\n", STR(json));
}

static bool explained(const struct flow *by, const char *uri, const char *says)
{
	struct explanation x = {.row = tell};
	char text[1024];

	snprintf(text, sizeof(text),
		"INVITE %s SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nMax-Forwards: 70\n"
		"From: <sip:a@h>;tag=a\nTo: <sip:b@h>\nCall-ID: x\nCSeq: 1 INVITE\n"
		"Contact: <sip:a@h>\nContent-Length: 0\n\n",
		uri);
	struct message *m = message_of_lines(text);
	m->flow = *by;
	told[0] = 0;
	core_explain(&worker->sip, m, 0, &x);
	free(m);
	return strstr(told, says) != NULL;
}

Test(stranger, is_explained)
{
	const char *line = token(TRANSPORT_UDP);
	struct lifeline_trunks disabled = {.count = 1, .trunk = {trunk_id(S("carrier"))}};

	cr_assert(explained(&stranger, uri_with(line),
			  "\"name\":\"carrier\",\"says\":\"it comes from there: it is for the "
			  "Contact that is registered\""),
		"%s", told);
	cr_assert(strstr(told, "shows what only we gave out"), "%s", told);
	cr_assert(strstr(told, "\"sends\"") || strstr(told, "\"route\""), "%s", told);
	cr_assert_not(strstr(told, line), "%s", told);
	cr_assert(explained(&stranger, "sip:4930123@10.0.0.1", "none of its sources: dropped"));
	target_states_disable(worker->sip.target_states, &disabled);
	cr_assert(explained(&stranger, uri_with(line), "none of its sources: dropped"));
	quiet();
}
