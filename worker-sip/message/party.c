/* party.c - the values of From and To as another leg gets them: see party.h. */
#include "party.h"

#include "ipc/octet.h"
#include "ipc/rule.h"

/* Software on the other leg may end its strings at a NUL, and read another name than we did. */
static bool party_has_nul(struct str s)
{
	return str_find(s, 0) < s.n;
}

/* The header parameters but for tag, and tag. */
static void party_write_params(struct writer *w, struct str params, struct str tag)
{
	struct str name, item;

	while (param_next(&params, &name, &item) == 0) {
		if (str_equal_nocase(name, S("tag")) || party_has_nul(item))
			continue;
		write_literal(w, ";");
		write_str(w, name);
		if (item.p) {
			write_literal(w, "=");
			write_str(w, item);
		}
	}
	if (tag.n) {
		write_literal(w, ";tag=");
		write_str(w, tag);
	}
}

void write_address_tag(struct writer *w, struct str value, struct str tag)
{
	struct str rest = value, params;
	struct address a;

	if (address_next(&rest, &a)) {
		w->full = true; /* the parser lets no such From or To through */
		return;
	}
	params = a.params;
	if (party_has_nul(a.display)) {
		write_literal(w, "<");
		write_str(w, a.uri.whole);
		write_literal(w, ">");
	} else {
		/* everything before the parameters, as written */
		size_t head = params.n ? (size_t)(params.p - value.p) : value.n;

		while (params.n && head && value.p[head - 1] != ';')
			head--;
		write_str(w, str_trim((struct str){value.p, params.n && head ? head - 1 : head}));
	}
	party_write_params(w, params, tag);
}

/* Whether a user can be the number of a tel: URI (RFC 3966 section 3), "+" and digits. */
static bool party_is_number(struct str user)
{
	const char *end = user.p + user.n;

	return user.n > 1 && *user.p == '+' && octet_span(user.p + 1, end, OCTET_DIGIT) == end;
}

/* A name that rules have made is in part the sender's. */
static void party_write_display(struct writer *w, const struct hosts *hosts,
	const struct address *a, const struct party_change *change)
{
	struct str display = change->display.p ? change->display : a->display;
	char buffer[4 * RULE_PART_MAX];
	struct writer hidden = WRITER(buffer);

	if (!display.n || (!change->display.p && party_has_nul(display)))
		return;
	if (!change->display.p) {
		write_str(w, display);
	} else {
		write_without_hosts(&hidden, hosts, display);
		display = writer_text(&hidden);
		w->full |= hidden.full;
		write_literal(w, "\"");
		for (size_t i = 0; i < display.n; i++) {
			if (display.p[i] == '"' || display.p[i] == '\\')
				write_literal(w, "\\");
			write_bytes(w, display.p + i, 1);
		}
		write_literal(w, "\"");
	}
	write_literal(w, " ");
}

static void party_write_uri(struct writer *w, const struct hosts *hosts, const struct address *a,
	const struct party_change *change)
{
	struct str user = change->user.p ? change->user : a->uri.user;
	bool sip = a->uri.scheme == URI_SIP || a->uri.scheme == URI_SIPS;
	bool tel = a->uri.scheme == URI_TEL;

	if ((!sip && !tel) || (!change->user.p && !change->host.p)) {
		write_str(w, a->uri.whole);
		return;
	}
	if (tel && !change->host.p && party_is_number(user)) {
		write_literal(w, "tel:");
		write_str(w, user);
		return;
	}
	write_str(w, a->uri.scheme == URI_SIPS ? S("sips:") : S("sip:"));
	if (user.n) {
		write_str(w, user);
		write_literal(w, "@");
	}
	if (change->host.p)
		write_str(w, change->host);
	else if (tel)
		write_own_host(w, hosts->sip, hosts->to);
	else
		write_str(w, a->uri.host);
	if (!change->host.p && a->uri.port) {
		write_literal(w, ":");
		write_number(w, a->uri.port);
	}
	if (tel) {
		write_literal(w, ";user=phone");
	} else if (a->uri.params.n) {
		write_literal(w, ";");
		write_str(w, a->uri.params);
	}
}

/* The value with the parts that are changed, and with tag. */
static void party_write_changed(struct writer *w, const struct hosts *hosts, struct str value,
	struct str tag, const struct party_change *change)
{
	struct address a;

	if (address_next(&value, &a)) {
		w->full = true;
		return;
	}
	party_write_display(w, hosts, &a, change);
	write_literal(w, "<");
	party_write_uri(w, hosts, &a, change);
	write_literal(w, ">");
	party_write_params(w, a.params, tag);
}

void write_party(struct writer *w, const struct hosts *hosts, struct str value, struct str tag,
	const struct party_change *change)
{
	struct writer hidden = WRITER(hosts->sip->scratch.party);

	if (hosts_suspected(hosts, value)) {
		write_without_hosts(&hidden, hosts, value);
		if (hidden.full)
			w->full = true;
		value = writer_text(&hidden);
	}
	if (change)
		party_write_changed(w, hosts, value, tag, change);
	else
		write_address_tag(w, value, tag);
}
