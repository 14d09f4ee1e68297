/* redirect_contact.c - see redirect_contact.h. */
#include "redirect_contact.h"

#include "ipc/syntax.h"

/* Whether the URI's host is for the receiver to see. */
static bool redirect_contact_is_plain(const struct hosts *hosts, const struct uri_parts *uri)
{
	return uri->scheme == URI_TEL ||
	       (!hosts_named(hosts, uri->whole) && settings_listener_at(hosts->sip->settings,
							   uri->host, uri->port) == NONE_INDEX);
}

static void redirect_contact_write_uri(
	struct writer *w, const struct uri_parts *uri, const struct hosts *hosts)
{
	if (redirect_contact_is_plain(hosts, uri)) {
		write_str(w, uri->whole);
		return;
	}
	struct str phone;

	write_str(w, uri->scheme == URI_SIPS ? S("sips:") : S("sip:"));
	if (uri->user.n) {
		write_str(w, uri->user);
		write_literal(w, "@");
	}
	write_sent_by(w, hosts->sip, hosts->to);
	if (uri_param_find(uri->params, S("user"), &phone))
		write_literal(w, ";user=phone");
}

void redirect_contact_write(struct writer *w, const struct message *m, const struct hosts *hosts)
{
	for (const struct message_header *h = message_first(m, HEADER_CONTACT); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), q;
		struct address a;

		while (contact_next(&rest, &a) == 0) {
			if (a.uri.scheme == URI_OTHER || a.uri.scheme == URI_NONE)
				continue;
			write_literal(w, "Contact: <");
			redirect_contact_write_uri(w, &a.uri, hosts);
			write_literal(w, ">");
			if (param_find(a.params, S("q"), &q) && q.n) {
				write_literal(w, ";q=");
				write_str(w, q);
			}
			write_literal(w, "\r\n");
		}
	}
}
