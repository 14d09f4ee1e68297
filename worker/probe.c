/* probe.c - acts that a jail must prevent (probe.h).
 *
 * Each is one system call, or what leads up to it. Called with a closed jail: nothing here may need
 * what a worker may not do, but for the act itself. Nothing is undone, for the process ends
 * afterwards.
 */
#include "probe.h"

#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* A port that nobody has. */
#define PORT 40961
#define PORTS 100 /* tried, one after the other */
/* Raw IPv4 comes after all families. */
#define FAMILIES AF_MAX
/* A listener of the mesh may think for this long. */
#define ANSWER_MS 3000

enum {
#define ROLE(id, letter, ...) letter = 1 << PEER_##id,
#include "ipc/roles.def"
#undef ROLE
	ALL = (1 << ROLE_COUNT) - (1 << ROLE_FIRST),
};
/* Roles that ZeroMQ joins. */
#define Z(roles) ((roles) << 8)

static const struct {
	const char *text;
	unsigned roles;
} table[PROBE_COUNT] = {
#define PROBE(id, text, roles) [PROBE_##id] = {text, roles},
#include "probe.def"
#undef PROBE
};

const char *probe_text(unsigned act)
{
	return act < PROBE_COUNT && table[act].text ? table[act].text : "?";
}

bool probe_permitted(unsigned act, enum peer_role role, enum carrier carrier)
{
	unsigned roles = 1u << role | (carrier == CARRIER_ZEROMQ ? Z(1u << role) : 0);

	return act < PROBE_COUNT && (table[act].roles & roles);
}

unsigned probe_variants(unsigned act)
{
	return act == PROBE_SOCKET_FAMILY ? FAMILIES + 1 : 1;
}

/* 0 for what went well. */
static int probe_outcome(long n)
{
	return n < 0 ? -errno : 0;
}

static int probe_try_open(const char *path, int flags)
{
	return probe_outcome(open(path, flags | O_CLOEXEC, 0600));
}

/* A sibling's fd, and so its edges. What stands in for its pidfd is a fd that is none, for there is
 * no way to a true one: the kernel's word on that would mean that the filter has let the call
 * through. */
static int probe_try_take_fd(void)
{
	int error = probe_outcome(syscall(SYS_pidfd_getfd, LIFELINE_FD, LIFELINE_FD, 0));

	return error == -EBADF ? 0 : error;
}

static int probe_try_proc(const struct lifeline_probe *p)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", p->pid);
	return probe_try_open(path, O_RDONLY);
}

static int probe_try_fork(void)
{
	long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		syscall(SYS_exit_group, 0);
	return probe_outcome(child);
}

static int probe_try_family(unsigned variant)
{
	return probe_outcome(variant == FAMILIES
				     ? socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)
				     : socket((int)variant, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int probe_stream(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A port that is named: the kernel's choice of one, which connections out need, is allowed. One
 * that is taken proves nothing. */
static int probe_try_port(bool out)
{
	for (uint16_t port = PORT;; port++) {
		struct sockaddr_in a = {.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr = {htonl(out ? INADDR_LOOPBACK : INADDR_ANY)}};
		int fd = probe_stream(AF_INET);

		if (fd < 0)
			return -errno;
		int error = probe_outcome(out ? connect(fd, (struct sockaddr *)&a, sizeof(a))
					      : bind(fd, (struct sockaddr *)&a, sizeof(a)));
		if (out || error != -EADDRINUSE || port == PORT + PORTS)
			return error;
		close(fd);
	}
}

static int probe_try_listen(void)
{
	int fd = probe_stream(AF_INET);

	if (fd < 0)
		fd = 0; /* the role has no socket() at all: whatever else is open */
	return probe_outcome(listen(fd, 1));
}

/* A leading '@' stands for the zero byte of an abstract name. */
static int probe_reach(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(a);
	int fd = probe_stream(AF_UNIX);

	if (fd < 0)
		return -errno;
	if (str_copy(str_of(path), a.sun_path, sizeof(a.sun_path)))
		return -ENAMETOOLONG;
	if (a.sun_path[0] == '@') {
		a.sun_path[0] = 0;
		size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	}
	return connect(fd, (struct sockaddr *)&a, size) < 0 ? -errno : fd;
}

static int probe_try_reach(const char *path)
{
	int fd = probe_reach(path);

	return fd < 0 ? fd : 0;
}

/* Waits for n bytes. */
static int probe_take_bytes(int fd, unsigned char *buffer, size_t n)
{
	for (size_t have = 0; have < n;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (poll(&p, 1, ANSWER_MS) <= 0)
			return -ETIMEDOUT;
		got = recv(fd, buffer + have, n - have, 0);
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		have += (size_t)got;
	}
	return 0;
}

/* The handshake of ZMTP 3.0 with the PLAIN mechanism, by hand: libzmq would hide its end from us.
 * The listener answers WELCOME to whom it believes. */
static int probe_try_mesh(const struct lifeline_probe *p, bool token)
{
	unsigned char greeting[64] = {0xff, [9] = 0x7f, 3, 0, 'P', 'L', 'A', 'I', 'N'},
		      hello[64] = {4, 0, 5, 'H', 'E', 'L', 'L', 'O'}, answer[255];
	size_t n = 8, user = token ? strnlen(p->user, sizeof(p->user) - 1) : 0;
	int fd = probe_reach(p->path), error;

	if (fd < 0)
		return fd;
	hello[n++] = (unsigned char)user;
	memcpy(hello + n, p->user, user);
	n += user;
	hello[n++] = token ? MESH_TOKEN_SIZE : 0;
	if (token) {
		memcpy(hello + n, p->token, MESH_TOKEN_SIZE);
		n += MESH_TOKEN_SIZE;
	}
	hello[1] = (unsigned char)(n - 2);
	if (send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL) < 0)
		return -errno;
	error = probe_take_bytes(fd, greeting, sizeof(greeting));
	if (error == 0 && send(fd, hello, n, MSG_NOSIGNAL) < 0)
		error = -errno;
	if (error == 0)
		error = probe_take_bytes(
			fd, answer, 10); /* a command's head and the longest name asked for */
	if (error)
		return error;
	return memcmp(answer + 2, "\7WELCOME", 8) == 0 ? 0 : -EACCES;
}

/* For a socket on which a sibling could pass one stands an fd that is none: the kernel's
 * word on that would mean that the filter has let the call through. */
static int probe_try_receive_fd(void)
{
	struct msghdr message = {.msg_iov = NULL};
	int error = probe_outcome(recvmsg(LIFELINE_FD + 1000000, &message, MSG_DONTWAIT));

	return error == -EBADF ? 0 : error;
}

static int probe_try_read_memory(pid_t pid)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)&table, 1};

	return probe_outcome(process_vm_readv(pid, &here, 1, &there, 1, 0));
}

static int probe_try_executable(bool later)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | (later ? 0 : PROT_EXEC),
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	return later ? probe_outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC)) : 0;
}

static int probe_try_bpf(void)
{
	union bpf_attr attributes = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return probe_outcome(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes)));
}

static int probe_try_perf(void)
{
	struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	return probe_outcome(syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0));
}

static int probe_try_io_uring(void)
{
	char parameters[256] = {0};

	return probe_outcome(syscall(SYS_io_uring_setup, 1, parameters));
}

static int probe_try_raise_limit(void)
{
	const struct rlimit more = {64, 64};

	return probe_outcome(setrlimit(RLIMIT_NPROC, &more));
}

int probe_try(const struct lifeline_probe *p)
{
	char *const none[] = {NULL};
	char byte = ' ';
	int pair[2];

	switch ((enum probe_act)p->act) {
	case PROBE_HOLD: return 0;
	case PROBE_OPEN_PASSWD: return probe_try_open("/etc/passwd", O_RDONLY);
	case PROBE_OPEN_CONFIG:
	case PROBE_OPEN_STORE: return probe_try_open(p->path, O_RDONLY);
	case PROBE_CREATE_FILE: return probe_try_open("probe", O_WRONLY | O_CREAT);
	case PROBE_LIST_PROC: return probe_try_open("/proc", O_RDONLY | O_DIRECTORY);
	case PROBE_FORK: return probe_try_fork();
	case PROBE_THREAD:
		return probe_outcome(syscall(SYS_clone,
			CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0,
			0));
	case PROBE_EXECVE: return probe_outcome(execve("/bin/sh", none, none));
	case PROBE_SOCKET_STREAM_UNIX: return probe_outcome(probe_stream(AF_UNIX));
	case PROBE_SOCKET_STREAM_INET:
		return probe_outcome(probe_stream(AF_INET)) ? probe_outcome(probe_stream(AF_INET6))
		                                            : 0;
	case PROBE_SOCKET_FAMILY: return probe_try_family(p->variant);
	case PROBE_CONNECT_OUT: return probe_try_port(true);
	case PROBE_BIND_PORT: return probe_try_port(false);
	case PROBE_LISTEN: return probe_try_listen();
	case PROBE_CONNECT_ABSTRACT:
	case PROBE_CONNECT_CONTROL: return probe_try_reach(p->path);
	case PROBE_PAIR:
		return probe_outcome(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	case PROBE_TAKE_FD: return probe_try_take_fd();
	case PROBE_MESH_NO_TOKEN: return probe_try_mesh(p, false);
	case PROBE_MESH_OTHER_TOKEN: return probe_try_mesh(p, true);
	case PROBE_RECEIVE_FD: return probe_try_receive_fd();
	case PROBE_PTRACE: return probe_outcome(ptrace(PTRACE_SEIZE, p->pid, 0, 0));
	case PROBE_KILL: return probe_outcome(kill(p->pid, 0));
	case PROBE_PROC_MEM: return probe_try_proc(p);
	case PROBE_VM_READ: return probe_try_read_memory(p->pid);
	case PROBE_PIDFD: return probe_outcome(syscall(SYS_pidfd_open, p->pid, 0));
	case PROBE_MAP_EXECUTABLE: return probe_try_executable(false);
	case PROBE_MAKE_EXECUTABLE: return probe_try_executable(true);
	case PROBE_MEMFD: return probe_outcome(memfd_create("probe", 0));
	case PROBE_MODULE: return probe_outcome(syscall(SYS_finit_module, 0, "", 0));
	case PROBE_BPF: return probe_try_bpf();
	case PROBE_IO_URING: return probe_try_io_uring();
	case PROBE_PERF: return probe_try_perf();
	case PROBE_USERFAULTFD: return probe_outcome(syscall(SYS_userfaultfd, 1));
	case PROBE_KEYRING: return probe_outcome(syscall(SYS_add_key, "user", "probe", "x", 1, -3));
	case PROBE_UNSHARE: return probe_outcome(unshare(CLONE_NEWUSER));
	case PROBE_SETUID: return probe_outcome(syscall(SYS_setuid, 0));
	case PROBE_CHROOT: return probe_outcome(chroot("."));
	case PROBE_MOUNT: return probe_outcome(mount("none", "/", "tmpfs", 0, NULL));
	case PROBE_RAISE_LIMIT: return probe_try_raise_limit();
	case PROBE_DUMPABLE: return probe_outcome(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	case PROBE_IOCTL: return probe_outcome(ioctl(0, TIOCSTI, &byte));
	case PROBE_OTHER_ARCHITECTURE: return gate_call();
	case PROBE_NONE:
	case PROBE_COUNT: break;
	}
	return -EINVAL;
}
