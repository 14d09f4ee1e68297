/* cdr.h - the file or the Unix datagram socket that SIP workers write the records of calls to, as
 * the section cdr has it: opened here, for they have no files. */
#ifndef SIPWARD_MASTER_CDR_H
#define SIPWARD_MASTER_CDR_H

#include "master/config/config.h"

/* Opens what the config names: *out is the fd, or -1 where it names nothing. A file is made where
 * there is none, with mode 0640, and written at its end only; one that is no regular file, or a
 * symbolic link, is -EINVAL or -ELOOP. A socket that nobody receives at yet is no error. -errno. */
int cdr_open(const struct config *c, int *out);
/* Connects the socket to whoever receives at its path now. Nothing for a file. -errno. */
int cdr_connect(const struct config *c, int fd);

struct master;
/* Opens it anew, and hands it to the workers. -errno, logged: they go on with what they have. */
int cdr_reopen(struct master *m);

#endif
