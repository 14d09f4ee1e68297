/* collector.c - see collector.h. */
#include "collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool collector_endpoint(const char *text, struct endpoint *out)
{
	static const char prefix[] = "udp:";

	return strncmp(text, prefix, sizeof(prefix) - 1) == 0 &&
	       endpoint_parse(str_of(text + sizeof(prefix) - 1), out) == 0 && out->port &&
	       !endpoint_is_wildcard(out);
}

static int collector_password_line(struct str text, struct lifeline_hep *how)
{
	size_t n = str_find(text, '\n');

	if (n && text.p[n - 1] == '\r')
		n--;
	if (!n || n > HEP_PASSWORD_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return -EINVAL;
	memcpy(how->password, text.p, n);
	how->password_size = (uint8_t)n;
	return 0;
}

int collector_password(const char *path, struct lifeline_hep *how)
{
	char buffer[HEP_PASSWORD_MAX + 2];
	struct stat st;
	int fd, error;
	ssize_t n;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		error = -errno;
	else
		error = !S_ISREG(st.st_mode) ? -EINVAL : st.st_mode & 0007 ? -EPERM : 0;
	n = error ? 0 : read(fd, buffer, sizeof(buffer));
	if (n < 0)
		error = -errno;
	close(fd);
	if (error == 0)
		error = collector_password_line((struct str){buffer, (size_t)n}, how);
	explicit_bzero(buffer, sizeof(buffer));
	return error;
}

static void collector_read_password(struct reader *r, cfg_t *hep)
{
	const struct config_value *v = config_value(hep, "password-file");
	const char *path = r->c->hep_password_file;
	struct lifeline_hep how;
	int error = collector_password(path, &how);

	explicit_bzero(&how, sizeof(how));
	if (!path || !v || error == 0)
		return;
	if (error == -EPERM)
		reader_error(r, hep, v->line,
			"password-file: everyone on this machine can read or write \"%s\": its "
			"mode "
			"must be 0640 or less",
			path);
	else if (error == -EINVAL)
		reader_error(r, hep, v->line,
			"password-file: expected a file whose first line has 1 to %d bytes; "
			"\"%s\" has not",
			HEP_PASSWORD_MAX, path);
	else
		reader_error(r, hep, v->line, "password-file: \"%s\" cannot be read: %s", path,
			strerror(-error));
}

void collector_read(struct reader *r, cfg_t *hep)
{
	const struct config_value *collector = config_value(hep, "collector"),
				  *password = config_value(hep, "password-file");
	struct endpoint to;

	if (collector && !collector_endpoint(collector->text, &to))
		reader_expected(r, hep, "collector", collector,
			"\"udp:ADDRESS:PORT\" with a numeric address, as in "
			"\"udp:192.0.2.9:9060\"");
	if (!collector && password)
		reader_error(r, hep, password->line,
			"password-file goes with collector, which is missing");
	collector_read_password(r, hep);
}
