/* forwards_set.c - the forwards that operators and users have set, and the file that they are kept
 * in: a line each, its fields with tabs between them (forwards.h). Relies on the state directory
 * being the master's alone to write (state.h). */
#include "forwards.h"

#include "common/log.h"
#include "master.h"
#include "master/workers/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORWARDS_FILE "forwards"
/* Bytes of a line: a user, a domain, a URI, two words, a number and tabs. */
#define FORWARD_LINE_MAX (USER_NAME_MAX + 254 + FORWARD_TO_MAX + 64)

/* ---- the file ---- */

/* Takes the text before the next tab, or the last. */
static bool forward_field(struct str *rest, char *out, size_t size)
{
	size_t n = str_find(*rest, '\t');
	struct str field = {rest->p, n};

	*rest = n < rest->n ? str_from(*rest, n + 1) : STR_EMPTY;
	return field.n && str_copy(field, out, size) == 0;
}

static bool forward_set_is_sane(const struct forward_set *row)
{
	char uri[FORWARD_TO_MAX + 1];
	bool timed = row->when == FORWARD_NO_ANSWER;
	long n = forward_uri(str_of(row->to), str_of(row->domain), uri);

	return row->when < FORWARD_WHENS && n > 0 && strcmp(uri, row->to) == 0 &&
	       userfile_name_valid(str_of(row->user)) &&
	       (timed ? row->seconds >= FORWARD_SECONDS_LEAST &&
				       row->seconds <= FORWARD_SECONDS_MOST
		      : !row->seconds);
}

static bool forward_read_line(struct str line, struct forward_set *out)
{
	char when[16], seconds[8], by[16];
	char *end;

	*out = (struct forward_set){.when = FORWARD_WHENS};
	if (!forward_field(&line, out->user, sizeof(out->user)) ||
		!forward_field(&line, out->domain, sizeof(out->domain)) ||
		!forward_field(&line, when, sizeof(when)) ||
		!forward_field(&line, seconds, sizeof(seconds)) ||
		!forward_field(&line, by, sizeof(by)) ||
		!forward_field(&line, out->to, sizeof(out->to)) || line.n)
		return false;
	out->when = (uint8_t)forward_when_of(str_of(when));
	out->by_user = strcmp(by, "user") == 0;
	unsigned long number = strtoul(seconds, &end, 10);
	if (*end || number > FORWARD_SECONDS_MOST)
		return false;
	out->seconds = (uint16_t)number;
	return forward_set_is_sane(out);
}

static int forwards_read(struct forwards_set *set, struct str text)
{
	size_t lines = 0, bad = 0;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines > FORWARDS_MAX)
		lines = FORWARDS_MAX;
	set->row = calloc(lines ? lines : 1, sizeof(*set->row));
	if (!set->row)
		return -ENOMEM;
	while (text.n && set->count < lines) {
		struct str line = {text.p, str_find(text, '\n')};

		text = line.n < text.n ? str_from(text, line.n + 1) : STR_EMPTY;
		if (forward_read_line(line, &set->row[set->count]))
			set->count++;
		else
			bad++;
	}
	if (bad)
		log_warn("forwards-unreadable", "lines=%zu", bad);
	return 0;
}

int forwards_load(int directory, struct forwards_set *set)
{
	struct stat st;
	char *text;

	if (fstatat(directory, FORWARDS_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_size > (off_t)FORWARDS_MAX * FORWARD_LINE_MAX)
		return -EBADMSG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	int error = state_read(directory, FORWARDS_FILE, text, (size_t)st.st_size);
	if (error == 0)
		error = forwards_read(set, (struct str){text, (size_t)st.st_size});
	free(text);
	return error;
}

void forwards_free(struct forwards_set *set)
{
	free(set->row);
	*set = (struct forwards_set){.row = NULL};
}

static int forwards_save(int directory, const struct forwards_set *set)
{
	size_t size = set->count * FORWARD_LINE_MAX + 1, n = 0;
	char *text = malloc(size);

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < set->count; i++) {
		const struct forward_set *f = &set->row[i];

		n += (size_t)snprintf(text + n, size - n, "%s\t%s\t%s\t%u\t%s\t%s\n", f->user,
			f->domain, forward_when_name(f->when), f->seconds,
			f->by_user ? "user" : "operator", f->to);
	}
	int error = state_write(directory, FORWARDS_FILE, text, n);
	free(text);
	return error;
}

/* ---- changes ---- */

/* Takes a set into use in the place of the one in force, once it is on disk. It is taken over, or
 * freed. */
static int forwards_use(struct master *m, struct forwards_set *set)
{
	int fd = -1, error = forwards_build(m->config, set, &fd);

	if (error == 0)
		error = forwards_save(m->state.fd, set);
	if (error) {
		if (fd >= 0)
			close(fd);
		forwards_free(set);
		return error;
	}
	forwards_free(&m->forwards);
	m->forwards = *set;
	if (m->supervisor.forwards >= 0)
		close(m->supervisor.forwards);
	m->supervisor.forwards = fd;
	supervise_forwards(&m->supervisor);
	return 0;
}

static bool forward_set_is_of(
	const struct forward_set *f, const char *user, const char *domain, enum forward_when when)
{
	return strcmp(f->user, user) == 0 && strcasecmp(f->domain, domain) == 0 &&
	       (when == FORWARD_WHENS || f->when == when);
}

/* Copies those that are not of a user for when, with room for one more. */
static int forwards_without(const struct forwards_set *from, const char *user, const char *domain,
	enum forward_when when, struct forwards_set *to)
{
	*to = (struct forwards_set){.row = calloc(from->count + 1, sizeof(*to->row))};
	if (!to->row)
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++)
		if (!forward_set_is_of(&from->row[i], user, domain, when))
			to->row[to->count++] = from->row[i];
	return 0;
}

/* Whether the domain has such a user. */
static bool forward_user_exists(const struct master *m, const char *user, const char *domain)
{
	struct stat st;
	bool found = false;

	if (fstat(m->supervisor.users, &st) < 0 || !st.st_size)
		return false;
	const void *image = mmap(
		NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, m->supervisor.users, 0);
	if (image == MAP_FAILED)
		return false;
	for (size_t i = 0; i < m->config->domain_count; i++)
		if (!m->config->domains[i].gone &&
			strcasecmp(m->config->domains[i].name, domain) == 0)
			found = users_find(image, (unsigned)i, str_of(user)) != NULL;
	munmap((void *)image, (size_t)st.st_size);
	return found;
}

int forwards_set(struct master *m, const struct forward_set *row)
{
	struct forwards_set set;

	if (!forward_set_is_sane(row))
		return -EINVAL;
	if (!forward_user_exists(m, row->user, row->domain))
		return -ENOENT;
	int error = forwards_without(&m->forwards, row->user, row->domain, row->when, &set);
	if (error)
		return error;
	if (set.count == FORWARDS_MAX) {
		forwards_free(&set);
		return -ENOSPC;
	}
	set.row[set.count++] = *row;
	return forwards_use(m, &set);
}

int forwards_clear(struct master *m, const char *user, const char *domain, enum forward_when when)
{
	struct forwards_set set;
	int error = forwards_without(&m->forwards, user, domain, when, &set);

	if (error)
		return error;
	int cleared = (int)(m->forwards.count - set.count);
	if (!cleared) {
		forwards_free(&set);
		return 0;
	}
	error = forwards_use(m, &set);
	return error ? error : cleared;
}

/* ---- what users dial ---- */

static bool forward_text_ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

/* Copies an order's texts, which have to fit. */
static bool forward_order_takes(const struct lifeline_forward_order *o, struct forward_set *row)
{
	return str_copy(str_of(o->user), row->user, sizeof(row->user)) == 0 &&
	       str_copy(str_of(o->domain), row->domain, sizeof(row->domain)) == 0 &&
	       str_copy(str_of(o->to), row->to, sizeof(row->to)) == 0;
}

static void forward_log_order(const struct forward_set *row, int error)
{
	char user[2 * USER_NAME_MAX], domain[300];

	log_warn("forward-order-failed", "user=%s domain=%s error=\"%s\"",
		log_value(str_of(row->user), user, sizeof(user)),
		log_value(str_of(row->domain), domain, sizeof(domain)), error_text(error));
}

bool forwards_order(
	struct master *m, struct worker_slot *w, const struct lifeline_forward_order *order)
{
	struct lifeline_forward_done done = {.id = order->id, .error = -EAGAIN};
	struct forward_set row = {.when = order->when, .seconds = order->seconds, .by_user = true};
	uint64_t left_out;

	if (w->role != PEER_SIP || order->when >= FORWARD_WHENS ||
		!forward_text_ends(order->user, sizeof(order->user)) ||
		!forward_text_ends(order->domain, sizeof(order->domain)) ||
		!forward_text_ends(order->to, sizeof(order->to)) ||
		!forward_order_takes(order, &row))
		return false;
	if (log_limit_pass(&m->forward_orders, loop_now(m->loop), FORWARD_ORDERS_MAX,
		    LOG_LIMIT_SECOND, &left_out)) {
		if (left_out)
			log_warn("forward-orders-left-out", "orders=%llu",
				(unsigned long long)left_out);
		int result = row.to[0] ? forwards_set(m, &row)
		                       : forwards_clear(m, row.user, row.domain, row.when);

		done.error = result < 0 ? result : 0;
		if (done.error)
			forward_log_order(&row, done.error);
	}
	if (worker_lives(w))
		worker_tell(w, LIFELINE_FORWARD_DONE, &done, sizeof(done), -1);
	return true;
}
