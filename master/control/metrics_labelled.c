/* metrics_labelled.c - the labelled counters and the histograms as Prometheus text. What a worker
 * writes is numbers alone: names come from the master's own table. */
#include "ipc/names.h"
#include "metrics.h"

/* The value of a class. */
static const char *const metrics_class[LABEL_CLASSES] = {
	"none", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"};

/* The label and its rows in the block. */
struct metrics_rows {
	const char *label;
	char *const *name;
	unsigned count;
};

static void metrics_labels(
	FILE *f, const char *name, const struct metrics_rows *rows, unsigned row, unsigned method)
{
	fprintf(f, "sipward_%s{%s=\"", name, rows->label);
	metrics_label(f, row == LABEL_OTHER ? LABEL_OTHER_NAME : rows->name[row]);
	fprintf(f, "\",method=\"%s\"",
		method && method < METHOD_COUNT ? method_name((uint8_t)method) : "other");
}

static uint64_t metrics_sum(const struct supervisor *s, size_t at)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_SIP)
			sum += metrics_load(
				(const uint64_t *)((const char *)s->worker[i].page + at));
	return sum;
}

/* Cells that nothing was counted in are left out: there are thousands. at: of the cells in the
 * page. */
static void metrics_cells(FILE *f, const struct supervisor *s, const char *name,
	const struct metrics_rows *rows, size_t at, unsigned classes, const char *help)
{
	metrics_head(f, name, "counter", help);
	for (unsigned row = 0; row < rows->count; row++)
		for (unsigned method = 0; method < LABEL_METHODS; method++)
			for (unsigned class = 0; class < classes; class ++) {
				size_t cell = (row * LABEL_METHODS + method) * classes + class;
				uint64_t n = metrics_sum(s, at + cell * sizeof(uint64_t));

				if (!n || (row != LABEL_OTHER && !rows->name[row]))
					continue;
				metrics_labels(f, name, rows, row, method);
				if (classes > 1)
					fprintf(f, ",class=\"%s\"", metrics_class[class]);
				fprintf(f, "} %llu\n", (unsigned long long)n);
			}
}

/* What the one worker says that pings the trunk of that row; while slots move it may be two. at: of
 * the row in the page. 0: nobody does. */
static uint64_t metrics_told(const struct supervisor *s, size_t at)
{
	uint64_t told = 0;

	for (unsigned i = 0; i < s->count && !told; i++)
		if (s->worker[i].role == PEER_SIP)
			told = metrics_load(
				(const uint64_t *)((const char *)s->worker[i].page + at));
	return told;
}

static size_t metrics_gauge_at(size_t first, unsigned row)
{
	return first + row * sizeof(uint64_t);
}

static void metrics_trunks(FILE *f, const struct metrics_source *from)
{
	static const char *const states[] = {[TRUNK_GAUGE_DOWN] = "down",
		[TRUNK_GAUGE_UP] = "up",
		[TRUNK_GAUGE_DISABLED] = "disabled"};
	const size_t first = offsetof(struct page, labelled.trunk_gauge);

	metrics_head(f, "trunk_state", "gauge",
		"1 for the state that a trunk is in: up, down (all of its targets are, or we are "
		"not registered there), disabled");
	for (unsigned row = LABEL_OTHER + 1; row < LABEL_TRUNKS; row++) {
		uint64_t state = metrics_told(from->supervisor, metrics_gauge_at(first, row));

		for (unsigned k = TRUNK_GAUGE_DOWN; k <= TRUNK_GAUGE_DISABLED; k++) {
			if (state == TRUNK_GAUGE_NONE || !from->labels->trunk[row])
				continue;
			fputs("sipward_trunk_state{trunk=\"", f);
			metrics_label(f, from->labels->trunk[row]);
			fprintf(f, "\",state=\"%s\"} %d\n", states[k], state == k);
		}
	}
}

static void metrics_registrations(FILE *f, const struct metrics_source *from)
{
	const size_t first = offsetof(struct page, labelled.registration_gauge);

	metrics_head(f, "trunk_registered", "gauge",
		"1 for a trunk at which we are registered, 0 for one at which we are to be");
	for (unsigned row = LABEL_OTHER + 1; row < LABEL_TRUNKS; row++) {
		uint64_t state = metrics_told(from->supervisor, metrics_gauge_at(first, row));

		if (state == REGISTRATION_GAUGE_NONE || !from->labels->trunk[row])
			continue;
		fputs("sipward_trunk_registered{trunk=\"", f);
		metrics_label(f, from->labels->trunk[row]);
		fprintf(f, "\"} %d\n", state == REGISTRATION_GAUGE_STANDS);
	}
}

void metrics_labelled(FILE *f, const struct metrics_source *from)
{
	const struct metrics_rows zones = {"zone", from->labels->zone, LABEL_ZONES},
				  trunks = {"trunk", from->labels->trunk, LABEL_TRUNKS};
	const struct supervisor *s = from->supervisor;
#define CELLS(member) offsetof(struct page, labelled.member)

	metrics_cells(f, s, "zone_requests_total", &zones, CELLS(zone_requests), 1,
		"requests from a zone, repeated ones too");
	metrics_cells(f, s, "zone_responses_total", &zones, CELLS(zone_responses), LABEL_CLASSES,
		"responses of SIP workers to requests from a zone, repetitions not counted");
	metrics_cells(f, s, "trunk_requests_total", &trunks, CELLS(trunk_requests), 1,
		"requests outside of dialogs sent to a trunk's targets");
	metrics_cells(f, s, "trunk_responses_total", &trunks, CELLS(trunk_responses), LABEL_CLASSES,
		"responses to these; class none: no response came, or none that can be read");
#undef CELLS
	metrics_trunks(f, from);
	metrics_registrations(f, from);
}

/* Sets of roles, as in ipc/lifeline.c. */
enum {
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "ipc/roles.def"
#undef ROLE
};
static const unsigned metrics_measured_by[HISTOGRAM_COUNT] = {
#define HISTOGRAM(id, name, roles, ...) [HISTOGRAM_##id] = (roles),
#include "common/histograms.def"
};

static void metrics_histogram(FILE *f, const struct supervisor *s, unsigned h)
{
	const struct histogram_row *row = &histogram_rows[h];
	uint64_t n = 0, sum_ms = 0;

	metrics_head(f, row->name, "histogram", row->help);
	for (unsigned k = 0; k <= HISTOGRAM_BOUNDS_MAX; k++) {
		uint32_t bound = row->bound_ms[k];

		for (unsigned i = 0; i < s->count; i++)
			if (metrics_measured_by[h] & 1u << s->worker[i].role)
				n += metrics_load(&s->worker[i].page->histogram[h].bucket[k]);
		if (bound)
			fprintf(f, "sipward_%s_bucket{le=\"%g\"} %llu\n", row->name, bound / 1000.0,
				(unsigned long long)n);
	}
	for (unsigned i = 0; i < s->count; i++)
		if (metrics_measured_by[h] & 1u << s->worker[i].role)
			sum_ms += metrics_load(&s->worker[i].page->histogram[h].sum_ms);
	fprintf(f,
		"sipward_%s_bucket{le=\"+Inf\"} %llu\nsipward_%s_sum %llu.%03u\nsipward_%s_count "
		"%llu\n",
		row->name, (unsigned long long)n, row->name, (unsigned long long)(sum_ms / 1000),
		(unsigned)(sum_ms % 1000), row->name, (unsigned long long)n);
}

void metrics_histograms(FILE *f, const struct supervisor *s)
{
	for (unsigned h = 0; h < HISTOGRAM_COUNT; h++)
		metrics_histogram(f, s, h);
}
