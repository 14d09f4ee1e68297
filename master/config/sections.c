/* sections.c - see sections.h. A section with an error keeps its place in its array, so that
 * references to it are not errors too. */
#include "sections.h"

#include "section.h"

/* Counts the sections of a kind, bounded, and makes room for them. */
static size_t sections_begin(
	struct reader *r, cfg_t *root, const char *kind, size_t most, size_t size, void *rows)
{
	size_t count = cfg_size(root, kind);

	if (count > most) {
		reader_error(r, root, config_section_line(cfg_getnsec(root, kind, (unsigned)most)),
			"there are %zu %s sections; at most %zu are possible", count, kind, most);
		count = most;
	}
	*(void **)rows = reader_array(r, count, size);
	return *(void **)rows ? count : 0;
}

#define READ_ALL(kind, rows, row_count, most)                                                      \
	do {                                                                                       \
		size_t n_ = sections_begin(                                                        \
			r, root, #kind, (most), sizeof(*r->c->rows), &r->c->rows);                 \
		for (size_t i_ = 0; i_ < n_; i_++) {                                               \
			section_read_##kind(                                                       \
				r, cfg_getnsec(root, #kind, (unsigned)i_), &r->c->rows[i_]);       \
			r->c->row_count = i_ + 1;                                                  \
		}                                                                                  \
	} while (0)

void config_sections_read(struct reader *r, cfg_t *root)
{
	READ_ALL(zone, zones, zone_count, ZONES_MAX);
	READ_ALL(certificate, certificates, certificate_count, CERTIFICATES_MAX);
	READ_ALL(listener, listeners, listener_count, LISTENERS_MAX);
	READ_ALL(domain, domains, domain_count, DOMAINS_MAX);
	READ_ALL(trunk, trunks, trunk_count, TRUNKS_MAX);
	READ_ALL(numbers, numbers, numbers_count, NUMBER_LISTS_MAX);
	READ_ALL(route, routes, route_count, ROUTES_MAX);
	READ_ALL(forward, forwards, forward_count, CONFIG_FORWARDS_MAX);
}
