/* syntax.c - fuzz target of the grammar of header values: each function of ipc/syntax.h over the
 * same bytes, in a buffer of exactly their size. The elements that a list function gives lie inside
 * the list, in order. */
#include "ipc/message.h"
#include "ipc/syntax.h"

#include <errno.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			__builtin_trap();                                                          \
	} while (0)

static bool inside(struct str s, struct str whole)
{
	return !s.n || (s.p >= whole.p && s.p + s.n <= whole.p + whole.n);
}

static void check_uri(const struct uri_parts *u, struct str text)
{
	char aor[AOR_MAX], undone[256];
	struct uri_parts same;

	CHECK(inside(u->whole, text) && inside(u->user, u->whole) &&
		inside(u->password, u->whole) && inside(u->host, u->whole) &&
		inside(u->params, u->whole) && inside(u->headers, u->whole));
	CHECK(uri_parse(u->whole, &same) == 0 && uri_equal(u, &same));
	long n = aor_of(u, aor);
	CHECK(n < 0 || (n < AOR_MAX && aor[n] == 0 && strlen(aor) == (size_t)n));
	n = uri_unescape(u->user, undone, sizeof(undone));
	/* what was parsed has no broken escape, and no NUL but an escaped one */
	CHECK(n == -ENOBUFS || (n < 0) == (u->user.n && memmem(u->user.p, u->user.n, "%00", 3)));
	CHECK(n <= 0 || !memchr(undone, 0, (size_t)n));
	if (u->scheme == URI_SIP || u->scheme == URI_SIPS)
		CHECK(is_host(u->host));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uri_parts uri;
	struct address address;
	struct via via;
	struct str name, value, rest;
	int error;

	if (!size || size > MESSAGE_RAW_MAX)
		return 0;
	char *copy = malloc(size);
	memcpy(copy, data, size);
	const struct str text = {copy, size};

	if (!uri_parse(text, &uri))
		check_uri(&uri, text);
	for (rest = text; !(error = address_next(&rest, &address));) {
		CHECK(inside(address.whole, text) && inside(address.display, address.whole) &&
			inside(address.params, address.whole) && inside(rest, text));
		check_uri(&address.uri, address.whole);
		CHECK(!address.params.n || params_check(address.params) == 0);
		for (struct str params = address.params;
			!(error = param_next(&params, &name, &value));)
			CHECK(inside(name, address.params) && inside(value, address.params));
		CHECK(error == -ENOENT);
	}
	for (rest = text; !contact_next(&rest, &address);) {
		CHECK(inside(address.whole, text) && inside(address.uri.whole, address.whole) &&
			inside(rest, text));
		CHECK(uri_parse_contact(address.uri.whole, &uri) == 0 &&
			uri_equal(&uri, &address.uri));
	}
	for (rest = text; !(error = via_next(&rest, &via)) || error == -EPROTONOSUPPORT;)
		CHECK(is_host(via.host) && inside(via.params, via.whole) &&
			inside(via.branch, via.params) && inside(via.whole, text));
	if (!via_front(text, &via))
		CHECK(is_host(via.host) && inside(via.params, via.whole) &&
			inside(via.whole, text));
	controls_quoted(text);
	for (rest = text; !param_next(&rest, &name, &value);)
		CHECK(name.n && inside(name, text) && inside(value, text));
	for (rest = text; !list_next(&rest, &value);)
		CHECK(value.n && inside(value, text));
	for (rest = text; !auth_param_next(&rest, &name, &value);)
		CHECK(name.n && inside(name, text) && inside(value, text));
	param_find(text, S("tag"), &value);
	list_has(text, S("100rel"));
	is_token(text);
	is_host(text);
	free(copy);
	return 0;
}
