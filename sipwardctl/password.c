/* password.c - passwords are typed or piped, never arguments: those can be read by every process.
 */
#include "password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One line without its end. Unbuffered: no copy stays in stdio. */
static int password_read_line(int fd, char out[PASSWORD_MAX])
{
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t got = read(fd, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || c == '\n')
			break;
		if (n + 1 >= PASSWORD_MAX)
			return -EINVAL;
		out[n++] = c;
	}
	if (n && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n ? 0 : -EINVAL;
}

static int password_ask(int tty, const char *prompt, char out[PASSWORD_MAX])
{
	struct termios before, quiet;

	if (tcgetattr(tty, &before) < 0)
		return -ENOTTY;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "%s", prompt);
	tcsetattr(tty, TCSAFLUSH, &quiet);
	int error = password_read_line(tty, out);
	tcsetattr(tty, TCSAFLUSH, &before);
	dprintf(tty, "\n");
	return error;
}

int ctl_password(const struct options *o, char out[PASSWORD_MAX])
{
	char again[PASSWORD_MAX] = "";
	int error;

	if (o->password_stdin) {
		error = password_read_line(STDIN_FILENO, out);
	} else {
		int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

		if (tty < 0) {
			client_fail(o, EXIT_REFUSED,
				"no terminal to ask for a password: use --password-stdin");
			return -ENOTTY;
		}
		error = password_ask(tty, "Password: ", out);
		if (error == 0)
			error = password_ask(tty, "Again: ", again);
		close(tty);
		if (error == 0 && strcmp(out, again) != 0) {
			client_fail(o, EXIT_REFUSED, "the two are not the same");
			error = -EINVAL;
			explicit_bzero(again, sizeof(again));
			return error;
		}
		explicit_bzero(again, sizeof(again));
	}
	if (error == -EINVAL)
		client_fail(o, EXIT_REFUSED, "a password has 1 to %d bytes", PASSWORD_MAX - 1);
	else if (error < 0)
		client_fail(o, EXIT_REFUSED, "cannot read the password: %s", strerror(-error));
	return error;
}
