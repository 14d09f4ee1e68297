/* metrics_process.c - what the kernel says of each process, from /proc: all that can be read there
 * by whoever may see the process. */
#include "metrics.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct process_figures {
	uint64_t resident; /* bytes */
	uint64_t ticks;    /* of processor time */
	uint64_t fds;      /* 0: not known */
	double started;    /* unix time */
};

/* Unix time at which the machine started, which the times in /proc count from. */
static double process_boot_time(void)
{
	struct timespec now, up;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9;
}

/* proc(5): the fields behind the name, which may hold blanks and parentheses, begin with the
 * third. */
static bool process_read_stat(pid_t pid, struct process_figures *out)
{
	char path[64], line[1024];
	unsigned long utime, stime;
	unsigned long long start;
	long pages;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	const char *at = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!at ||
		sscanf(at + 1,
			" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d "
			"%*d %llu %*u %ld",
			&utime, &stime, &start, &pages) != 4)
		return false;
	out->resident = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	out->ticks = utime + stime;
	out->started = process_boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK);
	return true;
}

static bool process_read(pid_t pid, struct process_figures *out)
{
	char path[64];
	struct stat st;

	*out = (struct process_figures){0};
	if (pid <= 0 || !process_read_stat(pid, out))
		return false;
	/* Since Linux 6.2 the size of that folder is the number of fds, for whoever asks. */
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if (stat(path, &st) == 0)
		out->fds = (uint64_t)st.st_size;
	return true;
}

enum process_metric { PROCESS_RESIDENT, PROCESS_CPU, PROCESS_FDS, PROCESS_START, PROCESS_METRICS };
static const struct {
	const char *name, *type, *help;
} process_rows[PROCESS_METRICS] = {
	[PROCESS_RESIDENT] = {"process_resident_memory_bytes", "gauge",
		"memory that the process has in use"},
	[PROCESS_CPU] = {"process_cpu_seconds_total", "counter",
		"processor time that this life of the process has used"},
	[PROCESS_FDS] = {"process_open_fds", "gauge", "fds that the process has open"},
	[PROCESS_START] = {"process_start_time_seconds", "gauge",
		"when the process was started, unix time"},
};

static void process_write(FILE *f, enum process_metric metric, const char *role, unsigned index,
	const struct process_figures *p)
{
	if (metric == PROCESS_FDS && !p->fds)
		return;
	fprintf(f, "sipward_%s{role=\"%s\",worker=\"%u\"} ", process_rows[metric].name, role,
		index);
	switch (metric) {
	case PROCESS_RESIDENT: fprintf(f, "%llu\n", (unsigned long long)p->resident); break;
	case PROCESS_CPU:
		fprintf(f, "%.2f\n", (double)p->ticks / (double)sysconf(_SC_CLK_TCK));
		break;
	case PROCESS_FDS: fprintf(f, "%llu\n", (unsigned long long)p->fds); break;
	default: fprintf(f, "%.2f\n", p->started);
	}
}

/* The master's own figures, then those of each worker. */
void metrics_processes(FILE *f, const struct supervisor *s)
{
	struct process_figures figures[1 + ROLE_COUNT * ROLE_WORKERS_MAX];
	bool known[1 + ROLE_COUNT * ROLE_WORKERS_MAX];

	known[0] = process_read(getpid(), &figures[0]);
	for (unsigned i = 0; i < s->count; i++)
		known[i + 1] = process_read(s->worker[i].pid, &figures[i + 1]);
	for (unsigned m = 0; m < PROCESS_METRICS; m++) {
		metrics_head(f, process_rows[m].name, process_rows[m].type, process_rows[m].help);
		if (known[0])
			process_write(f, m, "master", 0, &figures[0]);
		for (unsigned i = 0; i < s->count; i++)
			if (known[i + 1])
				process_write(f, m, role_name(s->worker[i].role),
					s->worker[i].index, &figures[i + 1]);
	}
}
