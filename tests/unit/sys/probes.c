/* Each probe does one forbidden thing in the plainest way. It runs in a process of its own that ends
 * afterwards. */
#include "probes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/must.h"

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static void path_in(const struct room *r, const char *rest, char buf[static 256])
{
	snprintf(buf, 256, "%s/%s", r->dir, rest);
}

/* ---- sockets ---- */

static int packet_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int raw_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int netlink_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int tcp_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int tcp6_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
}

static int udp_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_INET, SOCK_DGRAM, 0));
}

static int unix_socket(const struct room *r)
{
	(void)r;
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int bind_tcp(const struct room *r)
{
	const struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return result(bind(r->tcp, (const struct sockaddr *)&a, sizeof a));
}

static int listen_again(const struct room *r)
{
	return result(listen(r->listener, 1));
}

static int packet_bind(const struct room *r)
{
	const struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003) };
	return r->packet < 0 ? ENOTSOCK : result(bind(r->packet, (const struct sockaddr *)&a, sizeof a));
}

static int packet_statistics_off(const struct room *r)
{
	int version = TPACKET_V2;
	return r->packet < 0
		   ? ENOTSOCK
		   : result(setsockopt(r->packet, SOL_PACKET, PACKET_VERSION, &version, sizeof version));
}

static int packet_membership(const struct room *r)
{
	struct packet_mreq m = { .mr_ifindex = 1, .mr_type = PACKET_MR_MULTICAST, .mr_alen = 6 };
	static const unsigned char address[6] = { 0x33, 0x33, 0xff, 1, 2, 3 };
	memcpy(m.mr_address, address, sizeof address);
	return r->packet < 0 ? ENOTSOCK
			     : result(setsockopt(r->packet, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m));
}

static int tcp_option(const struct room *r)
{
	int on = 1;
	return result(setsockopt(r->tcp, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
}

/* ---- files ---- */

static int open_one(const char *path, int flags)
{
	return result(open(path, flags | O_CLOEXEC, 0600));
}

static int read_world_readable(const struct room *r)
{
	char path[256];
	path_in(r, "public", path);
	return open_one(path, O_RDONLY);
}

static int read_passwd(const struct room *r)
{
	(void)r;
	return open_one("/etc/passwd", O_RDONLY);
}

static int read_shadow(const struct room *r)
{
	(void)r;
	return open_one("/etc/shadow", O_RDONLY);
}

static int list_other_folder(const struct room *r)
{
	char path[256];
	path_in(r, strcmp(r->name, "watcher") == 0 ? "run/bgpd" : "run/watcher", path);
	return open_one(path, O_RDONLY | O_DIRECTORY);
}

static int create_in_own_folder(const struct room *r)
{
	char path[256], name[64];
	snprintf(name, sizeof name, "run/%s/file", r->name);
	path_in(r, name, path);
	return open_one(path, O_WRONLY | O_CREAT);
}

static int read_manifest(const struct room *r)
{
	char path[256];
	path_in(r, "man/service.yaml", path);
	return open_one(path, O_RDONLY);
}

static int write_manifest(const struct room *r)
{
	char path[256];
	path_in(r, "man/open-to-all.yaml", path);
	return open_one(path, O_WRONLY);
}

static int write_status(const struct room *r)
{
	char from[256], to[256], folder[256];
	path_in(r, "man/.status/services", folder);
	path_in(r, "man/.status/services/.web.json", from);
	path_in(r, "man/.status/services/web.json", to);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return errno;
	int fd = open(from, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, "{}", 2) != 2 || fsync(fd) < 0 || rename(from, to) < 0)
		return errno;
	return 0;
}

static int read_key(const struct room *r)
{
	char path[256];
	path_in(r, "keys/gossip", path);
	return open_one(path, O_RDONLY);
}

static int read_kubeconfig(const struct room *r)
{
	char path[256];
	path_in(r, "kube/config", path);
	return open_one(path, O_RDONLY);
}

static int read_linked_key(const struct room *r)
{
	char path[256];
	path_in(r, "pki/client.key", path);
	return open_one(path, O_RDONLY);
}

/* A new file takes the place of the old one while the daemon runs. */
static int read_replaced_token(const struct room *r)
{
	char path[256];
	path_in(r, "pki/token.new", path);
	return open_one(path, O_RDONLY);
}

static int write_state(const struct room *r)
{
	char from[256], to[256];
	path_in(r, "state/.mirror", from);
	path_in(r, "state/mirror", to);
	int fd = open(from, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) < 0 || rename(from, to) < 0)
		return errno;
	return open_one(to, O_RDONLY);
}

/* Certificates that a kubeconfig holds itself reach TLS libraries under such a name. */
static int read_memfd_by_name(const struct room *r)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", r->memfd);
	return open_one(path, O_RDONLY);
}

static int read_own_figures(const struct room *r)
{
	(void)r;
	return open_one("/proc/self/statm", O_RDONLY);
}

static int read_figures_of_others(const struct room *r)
{
	(void)r;
	return open_one("/proc/1/status", O_RDONLY);
}

static int make_memfd(const struct room *r)
{
	(void)r;
	int fd = memfd_create("x", MFD_CLOEXEC);
	if (fd < 0 || write(fd, "x", 1) != 1 || fallocate(fd, 3, 0, 4096) < 0)
		return errno;
	return 0;
}

static int make_device(const struct room *r)
{
	char path[256], name[64];
	snprintf(name, sizeof name, "run/%s/device", r->name);
	path_in(r, name, path);
	return result(mknod(path, S_IFCHR | 0600, 0x103));
}

/* ---- power over oneself and others ---- */

static int become_root(const struct room *r)
{
	(void)r;
	return result(setuid(0));
}

static int become_group_root(const struct room *r)
{
	(void)r;
	return result(setgid(0));
}

static int execute(const struct room *r)
{
	(void)r;
	static char name[] = "true";
	char *const argv[] = { name, NULL }, *const env[] = { NULL };
	execve("/bin/true", argv, env);
	return errno;
}

static int fork_one(const struct room *r)
{
	(void)r;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : waitpid(pid, NULL, 0) == pid ? 0 : errno;
}

static void *idle(void *arg)
{
	return arg;
}

static int start_thread(const struct room *r)
{
	(void)r;
	pthread_t t;
	int e = pthread_create(&t, NULL, idle, NULL);
	return e ? e : pthread_join(t, NULL);
}

static int trace(const struct room *r)
{
	(void)r;
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_memory_of_parent(const struct room *r)
{
	char here[8];
	struct iovec local = { here, sizeof here }, remote = { (void *)(uintptr_t)r, sizeof here };
	return result(process_vm_readv(getppid(), &local, 1, &remote, 1, 0));
}

static int signal_parent(const struct room *r)
{
	(void)r;
	return result(kill(getppid(), 0));
}

static int signal_init(const struct room *r)
{
	(void)r;
	return result(kill(1, 0));
}

static int abort_itself(const struct room *r)
{
	(void)r;
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGUSR1, &ignore, NULL);
	return raise(SIGUSR1) == 0 ? 0 : errno;
}

static int mount_something(const struct room *r)
{
	char path[256];
	path_in(r, "man", path);
	return result(mount("none", path, "tmpfs", 0, NULL));
}

static int load_bpf(const struct room *r)
{
	(void)r;
	union bpf_attr a;
	memset(&a, 0, sizeof a);
	a.map_type = BPF_MAP_TYPE_ARRAY;
	a.key_size = a.value_size = 4;
	a.max_entries = 1;
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}

static int look_for_keys(const struct room *r)
{
	(void)r;
	return result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

static int measure(const struct room *r)
{
	(void)r;
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof a,
				     .config = PERF_COUNT_SW_TASK_CLOCK };
	return result(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int use_rings(const struct room *r)
{
	(void)r;
	char parameters[120] = { 0 };
	return result(syscall(SYS_io_uring_setup, 2, parameters));
}

static int catch_faults(const struct room *r)
{
	(void)r;
	return result(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int new_namespace(const struct room *r)
{
	(void)r;
	return result(unshare(CLONE_NEWUSER));
}

static int change_root(const struct room *r)
{
	return result(chroot(r->dir));
}

static int raise_limits(const struct room *r)
{
	(void)r;
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return errno;
	return result(setrlimit(RLIMIT_NOFILE, &l));
}

static int executable_memory(const struct room *r)
{
	(void)r;
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? errno : 0;
}

static int plain_memory(const struct room *r)
{
	(void)r;
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ) < 0 || munmap(p, 1 << 20) < 0 ? errno : 0;
}

#define ALL ((1u << VARIANT_N) - 1)

const struct probe probes[] = {
	{ "a packet socket", packet_socket, BY_RIGHTS, 0 },
	{ "a raw socket", raw_socket, BY_RIGHTS, 0 },
	{ "a netlink socket", netlink_socket, BY_SECCOMP, 0 },
	{ "a TCP socket", tcp_socket, BY_SECCOMP, MAY(WATCHER_K8S) | MAY(GOSSIPD) | MAY(BGPD) },
	{ "a TCP socket over IPv6", tcp6_socket, BY_SECCOMP, MAY(WATCHER_K8S) | MAY(GOSSIPD) | MAY(BGPD) },
	{ "a UDP socket", udp_socket, BY_SECCOMP, MAY(WATCHER_K8S) | MAY(BFDD) },
	{ "a Unix socket", unix_socket, BY_SECCOMP, ALL },
	{ "bind", bind_tcp, BY_SECCOMP, MAY(BGPD) },
	{ "listen", listen_again, BY_SECCOMP, 0 },
	{ "bind of its packet socket", packet_bind, BY_SECCOMP, MAY(BGPD) | MAY(BFDD) },
	{ "an option of packet sockets", packet_statistics_off, BY_SECCOMP,
	  ALL & ~(MAY(L2D) | MAY(ALLOCATOR) | MAY(WATCHER_DIR)) },
	{ "a group membership", packet_membership, BY_SECCOMP, ALL & ~(MAY(ALLOCATOR) | MAY(WATCHER_DIR)) },
	{ "a socket option", tcp_option, BY_SECCOMP, ALL & ~(MAY(L2D) | MAY(ALLOCATOR) | MAY(WATCHER_DIR)) },
	{ "a file that all may read", read_world_readable, BY_LANDLOCK, 0 },
	{ "/etc/passwd", read_passwd, BY_LANDLOCK, 0 },
	{ "/etc/shadow", read_shadow, BY_RIGHTS, 0 },
	{ "another daemon's folder", list_other_folder, BY_LANDLOCK, 0 },
	{ "a file in its own folder", create_in_own_folder, BY_LANDLOCK, 0 },
	{ "a manifest", read_manifest, BY_LANDLOCK, MAY(WATCHER_DIR) },
	{ "writing a manifest", write_manifest, BY_LANDLOCK, 0 },
	{ "writing status", write_status, BY_LANDLOCK, MAY(WATCHER_DIR) },
	{ "the gossip key", read_key, BY_LANDLOCK, MAY(GOSSIPD) },
	{ "the kubeconfig", read_kubeconfig, BY_LANDLOCK, MAY(WATCHER_K8S) },
	{ "a key that the kubeconfig names", read_linked_key, BY_LANDLOCK, MAY(WATCHER_K8S) },
	{ "a token put in place of another", read_replaced_token, BY_LANDLOCK, MAY(WATCHER_K8S) },
	{ "its state file", write_state, BY_LANDLOCK, MAY(WATCHER_K8S) },
	{ "a memfd by name", read_memfd_by_name, BY_SECCOMP, ALL },
	{ "its own figures", read_own_figures, BY_LANDLOCK, ALL },
	{ "figures of process 1", read_figures_of_others, BY_LANDLOCK, 0 },
	{ "a memfd", make_memfd, BY_SECCOMP, ALL },
	{ "a device", make_device, BY_RIGHTS, 0 },
	{ "setuid(0)", become_root, BY_RIGHTS, 0 },
	{ "setgid(0)", become_group_root, BY_RIGHTS, 0 },
	{ "execve", execute, BY_SECCOMP, 0 },
	{ "fork", fork_one, BY_SECCOMP, 0 },
	{ "a thread", start_thread, BY_SECCOMP, ALL },
	{ "ptrace", trace, BY_SECCOMP, 0 },
	{ "memory of another process", read_memory_of_parent, BY_RIGHTS, 0 },
	{ "a signal to the supervisor", signal_parent, BY_RIGHTS, 0 },
	{ "a signal to process 1", signal_init, BY_RIGHTS, 0 },
	{ "a signal to itself", abort_itself, BY_SECCOMP, ALL },
	{ "mount", mount_something, BY_RIGHTS, 0 },
	{ "bpf", load_bpf, BY_SECCOMP, 0 },
	{ "keyctl", look_for_keys, BY_SECCOMP, 0 },
	{ "perf events", measure, BY_SECCOMP, 0 },
	{ "io_uring", use_rings, BY_SECCOMP, 0 },
	{ "userfaultfd", catch_faults, BY_SECCOMP, 0 },
	{ "a user namespace", new_namespace, BY_SECCOMP, 0 },
	{ "chroot", change_root, BY_RIGHTS, 0 },
	{ "setting limits", raise_limits, BY_SECCOMP, 0 },
	{ "executable memory", executable_memory, BY_SECCOMP, 0 },
	{ "plain memory", plain_memory, BY_SECCOMP, ALL },
};
const size_t n_probes = ARRAY_LEN(probes);
