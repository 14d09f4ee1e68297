/* client.h - asks the master over its control socket, and prints what it says. */
#ifndef SIPWARD_SIPWARDCTL_CLIENT_H
#define SIPWARD_SIPWARDCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

/* The options of the command line, which stand before the command. */
struct options {
	const char *socket; /* of the master */
	const char *file;   /* a users file to work on; NULL: the master is asked */
	const char *realm;  /* of the file's users; NULL: the domain */
	bool json;          /* answers are printed as JSON */
	bool password_stdin;
};

/* Says an error of sipwardctl's own: on stderr, or as a refusal of the master's would be printed
 * with --json. Returns code. */
int client_fail(const struct options *o, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Sends one request (stolen) and waits for its answer. The caller's to json_decref; NULL after
 * having said why there is none. */
json_t *client_exchange(const struct options *o, json_t *request);
/* Prints an answer (stolen; NULL: there is none) and returns the exit code that it stands for. */
int client_print(const struct options *o, json_t *answer);

#endif
