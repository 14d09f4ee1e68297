/* dns_sockets.c - see dns_sockets.h. */
#include "dns_sockets.h"

#include "common/log.h"
#include "ipc/dns.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void dns_sockets_tell(struct worker_slot *w)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (unsigned i = 0; i < 2 * DNS_SOCKETS && w->role == PEER_TRANSPORT; i++) {
		int fd = socket(
			families[i / DNS_SOCKETS], SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0 && errno != EAFNOSUPPORT)
			log_warn("dns-socket-failed", "error=\"%s\"", error_text(-errno));
		if (fd < 0)
			continue;
		worker_tell(w, LIFELINE_DNS_SOCKET, NULL, 0, fd);
		close(fd);
	}
}
