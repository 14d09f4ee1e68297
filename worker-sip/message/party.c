/* party.c - the values of From and To as another leg gets them: see party.h. */
#include "party.h"

/* Software on the other leg may end its strings at a NUL, and read another name than we did. */
static bool party_has_nul(struct str s)
{
	return str_find(s, 0) < s.n;
}

void write_address_tag(struct writer *w, struct str value, struct str tag)
{
	struct str rest = value, params, name, item;
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

void write_party(struct writer *w, const struct hosts *hosts, struct str value, struct str tag)
{
	struct writer hidden = WRITER(hosts->sip->scratch.party);

	if (hosts_suspected(hosts, value)) {
		write_without_hosts(&hidden, hosts, value);
		if (hidden.full)
			w->full = true;
		value = writer_text(&hidden);
	}
	write_address_tag(w, value, tag);
}
