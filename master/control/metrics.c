/* metrics.c - reads the workers' shared pages. Relaxed loads: a sample may be a moment old, never
 * torn. */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t metrics_load(const struct page *page, int c)
{
	return __atomic_load_n(&page->counter[c], __ATOMIC_RELAXED);
}

json_t *metrics_rows(const struct supervisor *s, bool all)
{
	json_t *rows = json_array();

	for (int c = 0; c < COUNTER_COUNT; c++) {
		uint64_t role[ROLE_COUNT] = {0}, own = metrics_load(counters_page, c), total = own;

		for (unsigned i = 0; i < s->count; i++) {
			uint64_t n = metrics_load(s->worker[i].page, c);

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

static void metrics_workers(FILE *f, const struct supervisor *s)
{
	fputs("# HELP sipward_worker_up 1 while the worker is ready\n# TYPE sipward_worker_up "
	      "gauge\n",
		f);
	for (unsigned i = 0; i < s->count; i++)
		fprintf(f, "sipward_worker_up{role=\"%s\",worker=\"%u\"} %d\n",
			role_name(s->worker[i].role), s->worker[i].index,
			s->worker[i].state == WORKER_READY);
}

static void metrics_certificates(FILE *f, const struct certificate_set *set)
{
	if (!set || !set->count)
		return;
	fputs("# HELP sipward_certificate_expiry_seconds when a certificate in force expires, unix "
	      "time\n"
	      "# TYPE sipward_certificate_expiry_seconds gauge\n",
		f);
	for (size_t i = 0; i < set->count; i++)
		if (set->entry[i].not_after)
			fprintf(f, "sipward_certificate_expiry_seconds{certificate=\"%s\"} %lld\n",
				set->entry[i].name, (long long)set->entry[i].not_after);
}

json_t *metrics_text(const struct supervisor *s, const struct certificate_set *certificates)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	metrics_workers(f, s);
	metrics_certificates(f, certificates);
	for (int c = 0; c < COUNTER_COUNT; c++) {
		const struct counter_row *row = &counter_rows[c];
		/* Prometheus counters end in _total. */
		const char *end = row->gauge ? "" : "_total";

		fprintf(f, "# HELP sipward_%s%s %s\n# TYPE sipward_%s%s %s\n", row->name, end,
			row->help, row->name, end, row->gauge ? "gauge" : "counter");
		fprintf(f, "sipward_%s%s{role=\"master\",worker=\"0\"} %llu\n", row->name, end,
			(unsigned long long)metrics_load(counters_page, c));
		for (unsigned i = 0; i < s->count; i++)
			fprintf(f, "sipward_%s%s{role=\"%s\",worker=\"%u\"} %llu\n", row->name, end,
				role_name(s->worker[i].role), s->worker[i].index,
				(unsigned long long)metrics_load(s->worker[i].page, c));
	}
	json_t *out = fclose(f) == 0 ? json_stringn(text, size) : NULL;
	free(text);
	return out;
}
