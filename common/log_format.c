/* log_format.c - see log_format.h. A line reads "ts level process event key=value ...", where
 * values are quoted and escaped as log_value does it. What does not read so is kept whole as the
 * message: a worker that was taken over may send any printable text. */
#include "log_format.h"

#include "json_text.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* Characters of a field's name, its prefix not counted; journald takes 64. */
#define FIELD_NAME_MAX 40

static struct {
	enum log_format format;
	int journal; /* a datagram socket connected to journald; 0: none */
	const char *journal_path;
} output = {.format = LOG_FORMAT_LOGFMT, .journal_path = JOURNAL_SOCKET};

/* ---- the line ---- */

struct log_text {
	char *p;
	size_t n, size;
	bool full;
};

static void log_text_add(struct log_text *t, const char *p, size_t n)
{
	if (t->full || n > t->size - t->n) {
		t->full = true;
		return;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void log_text_add_text(struct log_text *t, const char *text)
{
	log_text_add(t, text, strlen(text));
}

/* Takes a word from the front of *rest, and the blank behind it. */
static struct str log_word(struct str *rest)
{
	size_t n = str_find(*rest, ' ');
	struct str word = {rest->p, n};

	*rest = str_from(*rest, n < rest->n ? n + 1 : n);
	return word;
}

static int log_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape at the front of s means; *used: its length. */
static char log_unescape(struct str s, size_t *used)
{
	if (s.p[0] != '\\' || s.n < 2) {
		*used = 1;
		return s.p[0];
	}
	if (s.p[1] == 'x' && s.n >= 4 && log_hex(s.p[2]) >= 0 && log_hex(s.p[3]) >= 0) {
		*used = 4;
		return (char)(log_hex(s.p[2]) << 4 | log_hex(s.p[3]));
	}
	*used = 2;
	return s.p[1] == 'n' ? '\n' : s.p[1] == 'r' ? '\r' : s.p[1] == 't' ? '\t' : s.p[1];
}

static bool log_is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* Takes the next key=value from the front of *rest; the value, without its quotes and escapes, in
 * buffer, which has room for a line. False: what follows is none, or nothing. */
static bool log_pair(struct str *rest, struct str *key, char *buffer, struct str *value)
{
	size_t at = 0, n = 0, used;

	while (at < rest->n && log_is_name(rest->p[at]))
		at++;
	if (!at || at >= rest->n || rest->p[at] != '=')
		return false;
	*key = (struct str){rest->p, at};
	at++;
	bool quoted = at < rest->n && rest->p[at] == '"';
	for (at += quoted; at < rest->n && rest->p[at] != (quoted ? '"' : ' '); at += used)
		buffer[n++] = quoted ? log_unescape(str_from(*rest, at), &used)
		                     : (used = 1, rest->p[at]);
	at += quoted && at < rest->n;
	at += at < rest->n && rest->p[at] == ' ';
	*value = (struct str){buffer, n};
	*rest = str_from(*rest, at);
	return true;
}

struct log_head {
	struct str time, level, process, event;
};

/* Takes the head of a line. False: it has none. */
static bool log_head_take(struct str *rest, struct log_head *h)
{
	struct str line = *rest;

	h->time = log_word(&line);
	h->level = log_word(&line);
	h->process = log_word(&line);
	h->event = log_word(&line);
	if (!h->event.n || h->time.n < 20 || h->time.p[h->time.n - 1] != 'Z')
		return false;
	*rest = line;
	return true;
}

static int log_level_of_str(struct str level)
{
	char name[8];

	if (level.n >= sizeof(name))
		return -1;
	memcpy(name, level.p, level.n);
	name[level.n] = 0;
	return log_level_of(name);
}

/* ---- JSON ---- */

static void log_json_string(struct log_text *t, struct str s)
{
	log_text_add_text(t, "\"");
	for (size_t i = 0; i < s.n; i++) {
		char text[JSON_TEXT_BYTE_MAX];

		log_text_add(t, text, json_text_byte((unsigned char)s.p[i], text));
	}
	log_text_add_text(t, "\"");
}

static void log_json_member(struct log_text *t, struct str key, struct str value)
{
	log_text_add_text(t, t->n > 1 ? "," : "");
	log_json_string(t, key);
	log_text_add_text(t, ":");
	log_json_string(t, value);
}

size_t log_format_json(struct str line, char *out, size_t size)
{
	struct log_text t = {.p = out, .size = size};
	char buffer[LOG_LINE_MAX + 1];
	struct log_head h;
	struct str key, value;

	if (line.n > LOG_LINE_MAX)
		return 0;
	log_text_add_text(&t, "{");
	if (log_head_take(&line, &h)) {
		log_json_member(&t, S("time"), h.time);
		log_json_member(&t, S("level"), h.level);
		log_json_member(&t, S("process"), h.process);
		log_json_member(&t, S("event"), h.event);
		while (log_pair(&line, &key, buffer, &value))
			log_json_member(&t, key, value);
	}
	if (line.n)
		log_json_member(&t, S("text"), line);
	log_text_add_text(&t, "}\n");
	return t.full ? 0 : t.n;
}

/* ---- journald ---- */

/* One field; one with a line end in it has its size in place of "=". */
static void log_journal_field(
	struct log_text *t, const char *prefix, struct str key, struct str value)
{
	log_text_add_text(t, prefix);
	for (size_t i = 0; i < key.n && i < FIELD_NAME_MAX; i++) {
		char c = isalnum((unsigned char)key.p[i]) ? (char)toupper((unsigned char)key.p[i])
		                                          : '_';

		log_text_add(t, &c, 1);
	}
	if (memchr(value.p, '\n', value.n)) {
		uint64_t n = value.n;
		char little[8];

		for (unsigned i = 0; i < 8; i++, n >>= 8)
			little[i] = (char)(n & 0xff);
		log_text_add_text(t, "\n");
		log_text_add(t, little, sizeof(little));
	} else {
		log_text_add_text(t, "=");
	}
	log_text_add(t, value.p, value.n);
	log_text_add_text(t, "\n");
}

size_t log_format_journal(struct str line, char *out, size_t size)
{
	/* of syslog(3), by enum log_level */
	static const char *const priority[] = {"3", "4", "6", "7"};
	struct log_text t = {.p = out, .size = size};
	char buffer[LOG_LINE_MAX + 1];
	struct log_head h;
	struct str key, value, message = line;

	if (line.n > LOG_LINE_MAX)
		return 0;
	log_journal_field(&t, "", S("SYSLOG_IDENTIFIER"), S("sipward"));
	if (log_head_take(&line, &h)) {
		int level = log_level_of_str(h.level);

		/* journald knows the time, and the level has its field */
		message = str_from(message, (size_t)(h.process.p - message.p));
		log_journal_field(&t, "", S("PRIORITY"), str_of(priority[level < 0 ? 2 : level]));
		log_journal_field(&t, "SIPWARD_", S("PROCESS"), h.process);
		log_journal_field(&t, "SIPWARD_", S("EVENT"), h.event);
		while (log_pair(&line, &key, buffer, &value))
			log_journal_field(&t, "SIPWARD_", key, value);
	}
	log_journal_field(&t, "", S("MESSAGE"), message);
	return t.full ? 0 : t.n;
}

/* Whether standard error is the stream that JOURNAL_STREAM names, "device:inode". */
static bool log_journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && (unsigned long long)st.st_dev == device &&
	       (unsigned long long)st.st_ino == inode;
}

static int log_journal_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (output.journal)
		return 0;
	if (str_copy(str_of(output.journal_path), address.sun_path, sizeof(address.sun_path)))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	output.journal = fd;
	return 0;
}

/* ---- output ---- */

void log_format_journal_at(const char *path)
{
	if (output.journal)
		close(output.journal);
	output.journal = 0;
	output.journal_path = path;
}

int log_format_set(enum log_format format)
{
	int error = 0;

	if (format == LOG_FORMAT_AUTO)
		format = log_journal_is_stderr() && log_journal_open() == 0 ? LOG_FORMAT_JOURNALD
		                                                            : LOG_FORMAT_LOGFMT;
	else if (format == LOG_FORMAT_JOURNALD)
		error = log_journal_open();
	output.format = error ? LOG_FORMAT_LOGFMT : format;
	log_set_writer(log_format_write);
	return error;
}

bool log_format_write(char *line, size_t n)
{
	static char formatted[LOG_FORMATTED_MAX];
	struct str text = {line, n};
	size_t size = 0;

	if (output.format == LOG_FORMAT_JOURNALD) {
		size = log_format_journal(text, formatted, sizeof(formatted));
		if (size && send(output.journal, formatted, size, MSG_NOSIGNAL) >= 0)
			return true;
		size = 0; /* journald is away, or behind: standard error is read by it, too */
	} else if (output.format == LOG_FORMAT_JSON) {
		size = log_format_json(text, formatted, sizeof(formatted));
	}
	if (size)
		return log_write_bytes(formatted, size);
	return log_write_line(line, n);
}
