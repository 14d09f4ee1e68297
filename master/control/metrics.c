/* metrics.c - what the workers' shared pages hold, as rows and as Prometheus text. */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

/* Who counts what: the groups of counters.def, each with its first row. Sets of roles are as in
 * ipc/lifeline.c. */
enum {
	M = 1 << PEER_NONE,
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "ipc/roles.def"
#undef ROLE
	ALL = (1 << ROLE_COUNT) - 1 - M,
};
/* A group takes no number of its own. */
enum {
#define COUNTED_BY(name, roles) GROUP_FIRST_##name, GROUP_BEFORE_##name = GROUP_FIRST_##name - 1,
#define COUNTER(id, name, help) GROUP_COUNTER_##id,
#define GAUGE(id, name, help) GROUP_COUNTER_##id,
#include "common/counters.def"
};
static const struct {
	int first;
	unsigned roles;
} metrics_groups[] = {
#define COUNTED_BY(name, roles) {GROUP_FIRST_##name, roles},
#include "common/counters.def"
};

/* Whether that role, PEER_NONE for the master, counts it. */
static bool metrics_counts(unsigned role, int counter)
{
	size_t i = sizeof(metrics_groups) / sizeof(metrics_groups[0]);

	while (metrics_groups[--i].first > counter)
		;
	return metrics_groups[i].roles & 1u << role;
}

static uint64_t metrics_counter(const struct page *page, int c)
{
	return metrics_load(&page->counter[c]);
}

json_t *metrics_rows(const struct supervisor *s, bool all)
{
	json_t *rows = json_array();

	for (int c = 0; c < COUNTER_COUNT; c++) {
		uint64_t role[ROLE_COUNT] = {0}, own = metrics_counter(counters_page, c),
			 total = own;

		for (unsigned i = 0; i < s->count; i++) {
			uint64_t n = metrics_counter(s->worker[i].page, c);

			role[s->worker[i].role] += n;
			total += n;
		}
		if (!total && !all)
			continue;
		json_t *row = json_pack(
			"{s:s, s:I}", "counter", counter_rows[c].name, "total", (json_int_t)total);
		for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
			json_object_set_new(row, role_name(r), json_integer((json_int_t)role[r]));
		json_object_set_new(row, "master", json_integer((json_int_t)own));
		json_object_set_new(row, "help", json_string(counter_rows[c].help));
		json_array_append_new(rows, row);
	}
	return rows;
}

void metrics_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP sipward_%s %s\n# TYPE sipward_%s %s\n", name, help, name, type);
}

void metrics_label(FILE *f, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', f);
		fputc((unsigned char)*value < 0x20 || *value == 0x7f ? '?' : *value, f);
	}
}

static void metrics_workers(FILE *f, const struct supervisor *s)
{
	metrics_head(f, "worker_up", "gauge", "1 while the worker is ready");
	for (unsigned i = 0; i < s->count; i++)
		if (!s->worker[i].retired)
			fprintf(f, "sipward_worker_up{role=\"%s\",worker=\"%u\"} %d\n",
				role_name(s->worker[i].role), s->worker[i].index,
				s->worker[i].state == WORKER_READY);
}

static void metrics_certificates(FILE *f, const struct certificate_set *set)
{
	metrics_head(f, "certificate_expiry_seconds", "gauge",
		"when a certificate in force expires, unix time");
	for (size_t i = 0; set && i < set->count; i++) {
		if (!set->entry[i].not_after)
			continue;
		fputs("sipward_certificate_expiry_seconds{certificate=\"", f);
		metrics_label(f, set->entry[i].name);
		fprintf(f, "\"} %lld\n", (long long)set->entry[i].not_after);
	}
}

static void metrics_build(FILE *f, uint64_t generation)
{
	metrics_head(f, "build_info", "gauge", "1, with the version of sipward");
	fprintf(f, "sipward_build_info{version=\"%s\"} 1\n", SIPWARD_VERSION);
	metrics_head(f, "config_generation", "gauge",
		"the config in force: 1 at the start, one more with each reload");
	fprintf(f, "sipward_config_generation %llu\n", (unsigned long long)generation);
}

static void metrics_counters(FILE *f, const struct supervisor *s)
{
	for (int c = 0; c < COUNTER_COUNT; c++) {
		const struct counter_row *row = &counter_rows[c];
		char name[128];

		/* Prometheus counters end in _total. */
		snprintf(name, sizeof(name), "%s%s", row->name, row->gauge ? "" : "_total");
		metrics_head(f, name, row->gauge ? "gauge" : "counter", row->help);
		if (metrics_counts(PEER_NONE, c))
			fprintf(f, "sipward_%s{role=\"master\",worker=\"0\"} %llu\n", name,
				(unsigned long long)metrics_counter(counters_page, c));
		for (unsigned i = 0; i < s->count; i++)
			if (metrics_counts(s->worker[i].role, c))
				fprintf(f, "sipward_%s{role=\"%s\",worker=\"%u\"} %llu\n", name,
					role_name(s->worker[i].role), s->worker[i].index,
					(unsigned long long)metrics_counter(s->worker[i].page, c));
	}
}

int metrics_text(const struct metrics_source *from, char **text, size_t *size)
{
	FILE *f = open_memstream(text, size);

	if (!f)
		return -ENOMEM;
	metrics_build(f, from->generation);
	metrics_workers(f, from->supervisor);
	metrics_processes(f, from->supervisor);
	metrics_certificates(f, from->certificates);
	metrics_labelled(f, from);
	metrics_histograms(f, from->supervisor);
	metrics_counters(f, from->supervisor);
	if (fclose(f) == 0)
		return 0;
	free(*text);
	return -ENOMEM;
}
