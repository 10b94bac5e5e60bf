/* The files that are open and closed to the engine, also by the back door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "sandbox/tables.h"
#include "text/config-file.h"

struct stage {
	char root[64];	   /* "own", the state's; "other"; "conf", the configuration's */
	char path[4][160]; /* of a file in each, and of a link from own to other */
};

enum { FILE_OWN, FILE_OTHER, FILE_CONF, FILE_LINK };

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
}

static void make_stage(struct stage *stage)
{
	static const char *const names[] = { "own", "other", "conf" };
	char directory[128];

	(void)snprintf(stage->root, sizeof(stage->root), "/tmp/sshidle-confine-XXXXXX");
	assert_non_null(mkdtemp(stage->root));
	for (int i = 0; i < 3; i++) {
		(void)snprintf(directory, sizeof(directory), "%s/%s", stage->root, names[i]);
		assert_int_equal(mkdir(directory, 0700), 0);
		(void)snprintf(stage->path[i], sizeof(stage->path[i]), "%s/file", directory);
		write_file(stage->path[i]);
	}
	(void)snprintf(stage->path[FILE_LINK], sizeof(stage->path[FILE_LINK]), "%s/own/link",
		       stage->root);
	assert_int_equal(symlink(stage->path[FILE_OTHER], stage->path[FILE_LINK]), 0);
}

static void remove_stage(struct stage *stage)
{
	static const char *const names[] = { "own/file",  "own/new",  "own/link", "other/file",
					     "conf/file", "conf/new", "own",	  "other",
					     "conf",	  "" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", stage->root, names[i]);
		(void)remove(path);
	}
}

/* 0, or the error. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static int try_beside(const char *path, const char *name, int flags)
{
	char other[200];

	(void)snprintf(other, sizeof(other), "%s", path);
	*strrchr(other, '/') = '\0';
	(void)snprintf(other + strlen(other), sizeof(other) - strlen(other), "/%s", name);
	return try_open(other, flags);
}

static int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

/* The number of the first line that is not as it should be; 0: all are. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static int look_around(const struct stage *stage, int version)
{
	char back_door[200];

	EXPECT(try_open("/etc/passwd", O_RDONLY) == 0);
	EXPECT(try_open("/proc/sys/kernel/random/boot_id", O_RDONLY) == 0);
	EXPECT(try_open("/dev/null", O_RDWR) == 0);
	EXPECT(try_open(stage->path[FILE_CONF], O_RDONLY) == 0);
	EXPECT(try_open(stage->path[FILE_OWN], O_RDWR | O_TRUNC) == 0);
	EXPECT(try_beside(stage->path[FILE_OWN], "new", O_WRONLY | O_CREAT) == 0);
	/* others' files, by whatever way */
	EXPECT(try_open(stage->path[FILE_OTHER], O_RDONLY) == EACCES);
	EXPECT(try_open(stage->path[FILE_LINK], O_RDONLY) == EACCES);
	(void)snprintf(back_door, sizeof(back_door), "/proc/self/root%s", stage->path[FILE_OTHER]);
	EXPECT(try_open(back_door, O_RDONLY) == EACCES);
	(void)snprintf(back_door, sizeof(back_door), "/etc/..%s", stage->path[FILE_OTHER]);
	EXPECT(try_open(back_door, O_RDONLY) == EACCES);
	EXPECT(chdir("/tmp") == 0 && try_open(stage->path[FILE_OTHER] + 5, O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc/self/environ", O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc/1/cmdline", O_RDONLY) == EACCES);
	EXPECT(sandbox_is_sanitized || try_open("/proc", O_RDONLY | O_DIRECTORY) == EACCES);
	EXPECT(try_open("/", O_RDONLY | O_DIRECTORY) == EACCES);
	EXPECT(try_open("/dev/ptmx", O_RDWR) == EACCES);
	EXPECT(try_open("/var/log", O_RDONLY | O_DIRECTORY) == EACCES);
	/* what it may read is not its to change */
	EXPECT(try_open(stage->path[FILE_CONF], O_WRONLY) == EACCES);
	EXPECT(try_beside(stage->path[FILE_CONF], "new", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(try_open("/etc/sshidle-confine", O_WRONLY | O_CREAT) == EACCES);
	EXPECT(unlink(stage->path[FILE_CONF]) < 0 && errno == EACCES);
	EXPECT(rename(stage->path[FILE_OWN], stage->path[FILE_CONF]) < 0);
	EXPECT(mkdir("/tmp/sshidle-confine-directory", 0700) < 0 && errno == EACCES);
	EXPECT(symlink("/etc", stage->path[FILE_OWN]) < 0);
	EXPECT(version < 4 || try_connect() == EACCES);
	EXPECT(version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM));
	return 0;
}

static int confined_look(const struct stage *stage)
{
	struct config_places config = { 0 };
	char directory[128];
	long version = syscall(444, NULL, 0, 1);

	if (version <= 0)
		return -1;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)snprintf(directory, sizeof(directory), "%s/conf", stage->root);
	if (config_places_add(&config, directory) < 0 ||
	    confine_files(stage->path[FILE_OWN], &config) < 0)
		return __LINE__;
	return look_around(stage, (int)version);
}

static void test_files(void **state)
{
	struct stage stage;
	int ends[2], line = 0, status;
	pid_t pid;

	(void)state;
	make_stage(&stage);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		line = confined_look(&stage);
		_exit(write(ends[1], &line, sizeof(line)) != sizeof(line));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(ends[0], &line, sizeof(line)), sizeof(line));
	remove_stage(&stage);
	if (line < 0) {
		print_message("skipped: this kernel has no Landlock\n");
		skip();
	}
	if (line > 0)
		print_error("line %d\n", line);
	assert_int_equal(line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
