/* sshidle-keeper: holds one parked terminal. Started by sshidled, see keeper.h. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/standard.h"
#include "config.h"
#include "keeper/holder.h"
#include "sandbox/tables.h"

enum { EXIT_USAGE = 2 };

static void print_usage(FILE *file)
{
	(void)fputs("usage: sshidle-keeper [-d] [-h] [-V]\n\n"
		    "Holds one parked terminal; started by sshidled(8), with descriptors.\n\n"
		    "  -d  log to standard error instead of syslog\n"
		    "  -h  print this\n"
		    "  -V  print the version\n",
		    file);
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static int check_start(const struct keeper_start *start)
{
	if (start->version != KEEPER_VERSION || start->has_leader > 1 || start->uid != geteuid() ||
	    start->lifetime_ns < 0 || start->runtime_dir[0] != '/')
		return -EINVAL;
	if (!is_terminated(start->from, sizeof(start->from)) ||
	    !is_terminated(start->user, sizeof(start->user)) ||
	    !is_terminated(start->server, sizeof(start->server)) ||
	    !is_terminated(start->program, sizeof(start->program)) ||
	    !is_terminated(start->runtime_dir, sizeof(start->runtime_dir)))
		return -EINVAL;
	return 0;
}

static int read_start(struct keeper_start *start)
{
	const ssize_t n = recv(KEEPER_FD_LINK, start, sizeof(*start), MSG_WAITALL);

	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*start) ? check_start(start) : -EBADMSG;
}

static int answer(int result)
{
	const struct keeper_held held = { .result = result, .pid = (int32_t)getpid() };

	return send(KEEPER_FD_LINK, &held, sizeof(held), MSG_NOSIGNAL) == (ssize_t)sizeof(held)
		       ? 0
		       : -EPIPE;
}

/* What was given is not to be given on. */
static void close_on_exec(const struct keeper_start *start)
{
	const int last = start->has_leader ? KEEPER_FD_LEADER : KEEPER_FD_SERVER;

	for (int fd = KEEPER_FD_MASTER; fd <= last; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* The screen of another is nobody's business: not in a core file, not through /proc, not by
 * ptrace(2) of another process of the same user. */
static void close_doors(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "sshidle-keeper", 0, 0, 0);
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
}

/* What the terminal prints and what clients send is parsed here. */
static int confine(void)
{
	int r = sandbox_forbid_calls(sandbox_keeper_tables, NULL);

	/* A kernel without seccomp filters. */
	return r == -ENOSYS || r == -EINVAL ? 0 : r;
}

static void on_terminate(int fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	holder_hang_up(argument, "the keeper was told to end");
}

static int run(struct event_base *base, const struct keeper_start *start)
{
	struct holder holder;
	struct event *terminate = evsignal_new(base, SIGTERM, on_terminate, &holder);
	int r = holder_init(&holder, base, start);

	if (r == 0 && (!terminate || event_add(terminate, NULL) < 0))
		r = -ENOMEM;
	if (answer(r) == 0 && r == 0) {
		log_info("holds pts/%u of %s  id=%u server=%s", start->pty, start->user, start->id,
			 start->server);
		(void)event_base_dispatch(base);
	}
	holder_deinit(&holder);
	if (terminate)
		event_free(terminate);
	return r;
}

static int keep(void)
{
	struct event_base *base;
	struct keeper_start start;
	int r = read_start(&start);

	if (r == 0)
		r = confine();
	if (r < 0) {
		(void)answer(r);
		log_error("cannot be started so: %s; sshidled starts it", strerror(-r));
		return r;
	}
	close_on_exec(&start);
	base = event_base_new();
	r = base && event_base_priority_init(base, HOLDER_PRIORITIES) == 0 ? run(base, &start)
									   : answer(-ENOMEM);
	if (base)
		event_base_free(base);
	return r;
}

int main(int argc, char **argv)
{
	bool to_stderr = false;
	int option;

	while ((option = getopt(argc, argv, "dhV")) >= 0) {
		switch (option) {
		case 'd':
			to_stderr = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		case 'V':
			(void)puts("sshidle-keeper " SSHIDLE_VERSION);
			return 0;
		default:
			print_usage(stderr);
			return EXIT_USAGE;
		}
	}
	close_doors();
	standard_fill();
	log_open("sshidle-keeper", to_stderr, LOG_LEVEL_INFO);
	return keep() < 0 ? 1 : 0;
}
