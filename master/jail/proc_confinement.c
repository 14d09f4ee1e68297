/* proc_confinement.c - reads /proc/PID (proc_confinement.h). Namespaces and root are compared with
 * our own, because each worker has some of its own; reading them takes the right to trace the
 * process, which an ordinary user does not have over one that is not dumpable. */
#include "proc_confinement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const fields[] = {"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:",
	"CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))
static const char *const limits[] = {"Max file size", "Max core file size", "Max processes",
	"Max open files", "Max msgqueue size"};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))
static const char *const spaces[] = {"user", "mnt", "net", "ipc", "pid"};
#define SPACES (sizeof(spaces) / sizeof(spaces[0]))

struct text {
	char *at;
	size_t left;
};

static void confinement_put(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void confinement_put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->at, t->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->left) {
		t->left = 1;
		return;
	}
	t->at += n;
	t->left -= (size_t)n;
}

static int confinement_read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);
	int error = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	buffer[n > 0 ? n : 0] = '\0';
	return error;
}

/* The line of text that begins with name, its blanks squeezed. */
static void confinement_line(const char *text, const char *name, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (const char *at = text; at && *at;
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		if (strncmp(at, name, strlen(name)) != 0)
			continue;
		for (; *at && *at != '\n' && n + 1 < size; at++)
			if ((*at != ' ' && *at != '\t') || (n && out[n - 1] != ' '))
				out[n++] = *at == '\t' ? ' ' : *at;
		while (n && out[n - 1] == ' ')
			n--;
		out[n] = '\0';
		return;
	}
}

static void confinement_put_threads(struct text *t, pid_t pid, const char *status)
{
	char path[64], other[4096], mine[128], its[128];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status", (int)pid, e->d_name);
		if (e->d_name[0] == '.' || confinement_read_file(path, other, sizeof(other)) < 0)
			continue;
		for (size_t i = 0; i < FIELDS; i++) {
			confinement_line(status, fields[i], mine, sizeof(mine));
			confinement_line(other, fields[i], its, sizeof(its));
			if (strcmp(mine, its) != 0)
				confinement_put(t, "a thread has %s\n", its);
		}
	}
	if (d)
		closedir(d);
}

static void confinement_put_spaces(struct text *t, pid_t pid)
{
	char path[64], its[64], ours[64];
	struct stat root, here;

	for (size_t i = 0; i < SPACES; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, spaces[i]);
		ssize_t n = readlink(path, its, sizeof(its) - 1);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		ssize_t m = readlink(path, ours, sizeof(ours) - 1);
		confinement_put(t, "namespace %s: %s\n", spaces[i],
			n < 0 || m < 0                                ? "not readable"
			: n == m && memcmp(its, ours, (size_t)n) == 0 ? "the master's"
								      : "its own");
	}
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	if (stat(path, &root) < 0 || stat("/", &here) < 0)
		confinement_put(t, "root: not readable\n");
	else
		confinement_put(t, "root: %s\n",
			root.st_dev == here.st_dev && root.st_ino == here.st_ino ? "the master's"
										 : "its own");
}

int confinement_read(pid_t pid, char out[CONFINEMENT_MAX])
{
	struct text t = {out, CONFINEMENT_MAX};
	char path[64], text[4096], line[128];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int error = confinement_read_file(path, text, sizeof(text));
	if (error < 0)
		return error;
	for (size_t i = 0; i < FIELDS; i++) {
		confinement_line(text, fields[i], line, sizeof(line));
		confinement_put(&t, "%s\n", line);
	}
	confinement_put_threads(&t, pid, text);
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	error = confinement_read_file(path, text, sizeof(text));
	if (error < 0)
		return error;
	for (size_t i = 0; i < LIMITS; i++) {
		confinement_line(text, limits[i], line, sizeof(line));
		confinement_put(&t, "%s\n", line);
	}
	confinement_put_spaces(&t, pid);
	return 0;
}

bool confinement_same(const char *probe, const char *live, char *difference, size_t size)
{
	while (*probe || *live) {
		size_t n = strcspn(probe, "\n"), m = strcspn(live, "\n");

		if (n != m || memcmp(probe, live, n) != 0) {
			snprintf(difference, size, "\"%.*s\" where the probe has \"%.*s\"",
				(int)(m < 100 ? m : 100), live, (int)(n < 100 ? n : 100), probe);
			return false;
		}
		probe += n + (probe[n] == '\n');
		live += m + (live[m] == '\n');
	}
	return true;
}
