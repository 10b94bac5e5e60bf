#include "sandbox/tables.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/sanitizers.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* TCGETS2 of asm/ioctls.h, which newer C libraries use; the header and theirs do not go together. */
#define TERMIOS2_GET 0x802c542aU

#define PIDFD_IOCTLS 0xff00 /* linux/pidfd.h: type 0xff */
#define IOCTL_TYPE   0xff00

/* Several names for one thing: what a 32-bit machine, musl or another version of glibc calls. */
const struct sandbox_row sandbox_basics[] = {
	/* malloc: grows, moves and gives back */
	CALL("brk"),
	CALL("mmap"),
	CALL("mmap2"),
	CALL("munmap"),
	CALL("mremap"),
	CALL("madvise"),
	CALL("mprotect"),
	/* clocks, where the vDSO does not have them */
	CALL("clock_gettime"),
	CALL("clock_gettime64"),
	CALL("clock_getres"),
	CALL("clock_getres_time64"),
	CALL("gettimeofday"),
	CALL("time"),
	/* locks within the C library, restarted calls */
	CALL("futex"),
	CALL("futex_time64"),
	CALL("restart_syscall"),
	CALL("sched_yield"),
	CALL("membarrier"),
	/* hashes of libevent and jansson begin with random numbers */
	CALL("getrandom"),
	/* the heap's areas get names in newer kernels; qsort(3) asks for the size of the memory */
	SANDBOX_ONLY("prctl", 0, PR_SET_VMA),
	CALL("sysinfo"),
	CALL("sched_getaffinity"),
	/* who am I: libevent asks whether it may trust the environment, syslog(3) for the pid */
	CALL("getpid"),
	CALL("gettid"),
	CALL("getppid"),
	CALL("getuid"),
	CALL("geteuid"),
	CALL("getgid"),
	CALL("getegid"),
	CALL("getuid32"),
	CALL("geteuid32"),
	CALL("getgid32"),
	CALL("getegid32"),
	/* handlers; blocking; return from one; abort(3) ends by a signal to itself */
	CALL("rt_sigaction"),
	CALL("rt_sigprocmask"),
	CALL("rt_sigreturn"),
	CALL("sigreturn"),
	SANDBOX_ONLY("tgkill", 2, SIGABRT),
	SANDBOX_ONLY("tkill", 1, SIGABRT),
	/* the limit on descriptors, read by sysconf(3) */
	CALL("prlimit64"),
	CALL("getrlimit"),
	CALL("ugetrlimit"),
	CALL("exit"),
	CALL("exit_group"),
	END,
};

const struct sandbox_row sandbox_streams[] = {
	CALL("read"),
	CALL("readv"),
	CALL("write"),
	CALL("writev"),
	CALL("close"),
	CALL("fcntl"),
	CALL("fcntl64"),
	CALL("lseek"),
	CALL("_llseek"),
	CALL("poll"),
	CALL("ppoll"),
	CALL("ppoll_time64"),
	/* syslog, pieces for and from other processes of ours */
	CALL("sendto"),
	CALL("send"),
	CALL("recvfrom"),
	CALL("recv"),
	CALL("sendmsg"),
	CALL("recvmsg"),
	CALL("shutdown"),
	/* what waits in a socket or a terminal; whether it is a terminal (stdio; musl asks for a size) */
	SANDBOX_ONLY("ioctl", 1, FIONREAD),
	SANDBOX_ONLY("ioctl", 1, TCGETS),
	SANDBOX_ONLY("ioctl", 1, TERMIOS2_GET),
	SANDBOX_ONLY("ioctl", 1, TIOCGWINSZ),
	END,
};

const struct sandbox_row sandbox_loop[] = {
	CALL("epoll_create"),
	CALL("epoll_create1"),
	CALL("epoll_ctl"),
	CALL("epoll_wait"),
	CALL("epoll_pwait"),
	CALL("epoll_pwait2"),
	CALL("timerfd_create"),
	CALL("timerfd_settime"),
	CALL("timerfd_settime64"),
	CALL("eventfd2"),
	/* its way from a signal's handler to the loop */
	CALL("pipe"),
	CALL("pipe2"),
	SANDBOX_ONLY("socketpair", 0, AF_UNIX),
	END,
};

const struct sandbox_row sandbox_reading[] = {
	CALL("open"),
	CALL("openat"),
	CALL("stat"),
	CALL("stat64"),
	CALL("lstat"),
	CALL("lstat64"),
	CALL("fstat"),
	CALL("fstat64"),
	CALL("newfstatat"),
	CALL("fstatat64"),
	CALL("statx"),
	CALL("fstatfs"),
	CALL("fstatfs64"),
	CALL("access"),
	CALL("faccessat"),
	CALL("faccessat2"),
	CALL("readlink"),
	CALL("readlinkat"),
	CALL("getdents"),
	CALL("getdents64"),
	CALL("getcwd"),
	/* shared objects of NSS (dlopen(3)) */
	CALL("pread64"),
	END,
};

/* Any other family is refused: a module of NSS that would go over the network goes on without. */
const struct sandbox_row sandbox_local[] = {
	SANDBOX_ONLY("socket", 0, AF_UNIX),
	{ "socket", 0, UINT32_MAX, AF_UNIX, EAFNOSUPPORT },
	CALL("connect"),
	CALL("getsockopt"),
	CALL("setsockopt"),
	CALL("getsockname"),
	CALL("getpeername"),
	/* libcap asks when it is loaded, and nss-systemd loads it */
	SANDBOX_ONLY("prctl", 0, PR_CAPBSET_READ),
	SANDBOX_ONLY("prctl", 0, PR_GET_SECUREBITS),
	SANDBOX_ONLY("prctl", 0, PR_GET_NAME),
	END,
};

const struct sandbox_row sandbox_children[] = {
	{ "clone", 0, SANDBOX_NEW_NAMESPACES, 0, 0 },
	/* Its flags are in memory, where no filter sees them: the C libraries fall back to clone(2). */
	{ "clone3", 0, 0, 0, ENOSYS },
	CALL("fork"),
	CALL("vfork"),
	CALL("set_robust_list"),
	CALL("set_tid_address"),
	CALL("rseq"),
	END,
};

const struct sandbox_row sandbox_execution[] = {
	CALL("execve"), CALL("arch_prctl"), CALL("set_tls"), CALL("uname"), END,
};

/* What takes its place when it is whole, or is taken away when it is not. */
const struct sandbox_row sandbox_replacing[] = {
	CALL("rename"), CALL("renameat"), CALL("renameat2"), CALL("unlink"), CALL("unlinkat"), END,
};

const struct sandbox_row sandbox_keeper[] = {
	/* its socket, in a directory that only its user can enter; sandbox_replacing gives it its names */
	CALL("bind"),
	CALL("listen"),
	CALL("accept"),
	CALL("accept4"),
	CALL("umask"),
	CALL("chmod"),
	CALL("fchmodat"),
	CALL("fchmodat2"),
	/* the terminal: its other side, size, program in front, output stopped and let go on */
	SANDBOX_ONLY("ioctl", 1, TIOCGPTPEER),
	SANDBOX_ONLY("ioctl", 1, TIOCSWINSZ),
	SANDBOX_ONLY("ioctl", 1, TIOCGPGRP),
	SANDBOX_ONLY("ioctl", 1, TIOCNXCL),
	SANDBOX_ONLY("ioctl", 1, TCXONC),
	SANDBOX_ONLY("ioctl", 1, TCFLSH),
	/* when the program in front ends; how the shell ended */
	CALL("pidfd_open"),
	{ "ioctl", 1, IOCTL_TYPE, PIDFD_IOCTLS, 0 },
	END,
};

#ifdef WITH_SANITIZERS
const bool sandbox_is_sanitized = true;
#else
const bool sandbox_is_sanitized = false;
#endif

const struct sandbox_row sandbox_sanitizers[] = {
#ifdef WITH_SANITIZERS
	CALL("sigaltstack"),
	CALL("sched_getaffinity"),
	CALL("readlink"),
	CALL("readlinkat"),
	CALL("getdents64"),
	CALL("personality"),
	/* the leak check stops all threads at the end */
	CALL("clone"),
	CALL("ptrace"),
	CALL("wait4"),
	CALL("prctl"),
	CALL("process_vm_readv"),
	CALL("getrusage"),
	CALL("kill"),
	CALL("tgkill"),
	CALL("sched_getparam"),
	CALL("sched_getscheduler"),
	CALL("uname"),
	CALL("dup2"),
	CALL("dup3"),
	CALL("unlink"),
	CALL("getpgrp"),
	CALL("execve"),
	CALL("setrlimit"),
#endif
	END,
};

const struct sandbox_row *const sandbox_keeper_tables[] = {
	sandbox_basics,	   sandbox_streams,    sandbox_loop,
	sandbox_reading,   sandbox_local,      sandbox_keeper,
	sandbox_replacing, sandbox_sanitizers, NULL,
};
