/* section_certificate.c - reads a certificate: its files and names. */
#include "section.h"

#include "options.h"

void section_read_certificate(struct reader *r, cfg_t *section, struct config_certificate *c)
{
	size_t count = section_list_count(r, section, "names", NAMES_MAX);

	c->line = config_section_line(section);
	c->name = section_name(r, section);
	options_read(r, section, "certificate", c);
	c->chain_line = config_value(section, "chain") ? config_value(section, "chain")->line
	                                               : c->line;
	c->key_line = config_value(section, "key") ? config_value(section, "key")->line : c->line;
	c->ocsp_line = config_value(section, "ocsp") ? config_value(section, "ocsp")->line
	                                             : c->line;
	c->names = reader_array(r, count, sizeof(*c->names));
	for (size_t i = 0; c->names && i < count; i++) {
		const struct config_value *v = config_list(section, "names", i);
		struct str host = str_of(v->text);

		if (str_starts(host, S("*.")))
			host = str_from(host, 2);
		if (!host_name_valid(host)) {
			reader_expected(r, section, "names", v, "a host name");
			continue;
		}
		c->names[c->name_count] = reader_copy(r, v->text);
		text_lower(c->names[c->name_count]);
		if (c->names[c->name_count])
			c->name_count++;
	}
}
