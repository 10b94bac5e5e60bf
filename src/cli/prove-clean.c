/*
 * What a run makes, and how it is taken away.
 *
 * Before anything is made, a line of a journal in the run's directory says what will have to be
 * undone.  A process that is forked first does nothing but wait for a pipe to close: it does when
 * the run ends, also by SIGKILL, and then the cleaner undoes the journal.  If the cleaner is killed
 * the run does it itself; if both are, the next run finds a directory whose journal nobody locks.
 *
 *     mark TAG         processes with PROVE_MARK=TAG... in their environment
 *     user NAME        a user of ours, and what it runs
 *     key UID PATH     lines that end with the run's tag in a file of authorized keys, as UID
 *     made UID PATH    a file, or a directory if it is empty, as UID
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/prove-private.h"
#include "native/program.h"

enum { LINES_MAX = 64, LINE_BYTES = 512, FDS_KEPT = 8 };

#define TOOL_MS 20000

enum { LOCK_WAIT_MS = 1000, LOCK_LOOK_MS = 20 };

int prove_clean_note(struct prove_run *run, const char *verb, const char *what)
{
	char line[LINE_BYTES] = "";

	if (strchr(what, '\n') || !text_append(line, sizeof(line), "%s %s\n", verb, what))
		return -EINVAL;
	if (write(run->journal_fd, line, strlen(line)) != (ssize_t)strlen(line))
		return -EIO;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static bool remove_tree(const char *path)
{
	if (nftw(path, remove_one, FDS_KEPT, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 ||
	    access(path, F_OK) < 0)
		return true;
	output_error("%s stays: %s", path, strerror(errno));
	return false;
}

/* userdel(8) leaves it where USERGROUPS_ENAB is off. */
static void remove_group(const char *name)
{
	const char *argv[] = { prove_tool_find("groupdel"), name, NULL };
	struct program_output output = { 0 };

	if (argv[0] && getgrnam(name) && program_run(argv, TOOL_MS, &output) == 0)
		program_output_deinit(&output);
}

static bool remove_user(const char *name)
{
	const struct passwd *entry = text_starts(name, PROVE_PREFIX) ? getpwnam(name) : NULL;
	struct program_output output = { 0 };
	const char *argv[] = { NULL, "-f", name, NULL };
	bool gone;

	if (!entry)
		return true;
	(void)prove_survey_kill_user(entry->pw_uid);
	argv[0] = prove_tool_find("userdel");
	if (argv[0] && program_run(argv, TOOL_MS, &output) < 0)
		output = (struct program_output){ 0 };
	remove_group(name);
	gone = getpwnam(name) == NULL;
	if (!gone)
		output_error("the user %s stays: %s", name,
			     output.text ? program_complaint(&output) : "userdel cannot be run");
	program_output_deinit(&output);
	return gone;
}

/* "UID PATH", done as that user: what lies in a home is not ours to trust. */
static bool take_from_user(const char *what, const char *tag)
{
	uint64_t uid;
	char number[16];
	const char *path = strchr(what, ' ');
	int r;

	if (!path || (size_t)(path - what) >= sizeof(number))
		return true;
	memcpy(number, what, (size_t)(path - what));
	number[path - what] = '\0';
	path++;
	if (text_to_u64(number, UINT32_MAX - 1, &uid) < 0)
		return true;
	r = prove_keys_become((uid_t)uid);
	if (r == 0 && tag)
		r = prove_keys_drop(path, tag);
	else if (r == 0)
		r = prove_keys_unmake(path);
	prove_keys_become_root();
	/* A directory that others use by now stays; a file that has gone is fine. */
	if (r == 0 || r == -ENOENT || r == -ENOTEMPTY || r == -EEXIST)
		return true;
	output_error("%s stays as it is: %s", path, strerror(-r));
	return false;
}

static bool undo(const char *line, const char *tag)
{
	if (text_starts(line, "mark "))
		return prove_survey_kill_marked(line + strlen("mark "));
	if (text_starts(line, "user "))
		return remove_user(line + strlen("user "));
	if (text_starts(line, "key "))
		return take_from_user(line + strlen("key "), tag);
	if (text_starts(line, "made "))
		return take_from_user(line + strlen("made "), NULL);
	return true;
}

bool prove_clean_directory(const char *directory)
{
	char path[PROVE_PATH_BYTES + 16], lines[LINES_MAX][LINE_BYTES];
	const char *tag = directory + strlen(PROVE_BASE);
	auto_fclose FILE *journal = NULL;
	bool clean = true;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/journal", directory);
	journal = fopen(path, "re");
	while (journal && n < LINES_MAX && fgets(lines[n], LINE_BYTES, journal)) {
		lines[n][strcspn(lines[n], "\n")] = '\0';
		n++;
	}
	while (n-- > 0)
		clean = undo(lines[n], tag) && clean;
	/* What could not be undone is left for the next run to try again. */
	return clean && remove_tree(directory);
}

/* A run holds it all its life; of one that was killed a child may have it until it executes its program. */
static bool take_lock(int fd)
{
	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_LOOK_MS) {
		if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS)
			return false;
		(void)poll(NULL, 0, LOCK_LOOK_MS);
	}
	return true;
}

/* Nobody holds the lock of what was left behind. */
static void clean_leftover(const char *directory)
{
	char path[PROVE_PATH_BYTES + 16];
	auto_close int fd = -1;
	struct stat status;

	(void)snprintf(path, sizeof(path), "%s/journal", directory);
	if (lstat(directory, &status) < 0 || !S_ISDIR(status.st_mode) || status.st_uid != 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* Killed before its first line: there is nothing in it. */
	if (fd < 0 && errno == ENOENT)
		(void)rmdir(directory);
	if (fd >= 0 && take_lock(fd) && prove_clean_directory(directory))
		output_error("removed what an earlier run left behind in %s", directory);
}

void prove_clean_leftovers(void)
{
	struct files found = { 0 };

	(void)files_find(PROVE_BASE PROVE_PREFIX "??????", &found);
	for (size_t i = 0; i < found.n; i++)
		clean_leftover(found.paths[i]);
	files_deinit(&found);
}

/* Out of reach of the terminal's signals; nothing but the end of the pipe ends the wait. */
static void wait_and_clean(struct prove_run *run, int fd)
{
	char byte;
	ssize_t n;

	(void)setsid();
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	do {
		n = read(fd, &byte, 1);
	} while (n > 0 || (n < 0 && errno == EINTR));
	run->clean = prove_clean_directory(run->directory);
}

int prove_clean_start(struct prove_run *run)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	run->cleaner = fork();
	if (run->cleaner < 0) {
		const int error = errno;

		(void)close(ends[0]);
		(void)close(ends[1]);
		return -error;
	}
	if (run->cleaner > 0) {
		(void)close(ends[0]);
		run->cleaner_fd = ends[1];
		return 0;
	}
	(void)close(ends[1]);
	run->is_cleaner = true;
	wait_and_clean(run, ends[0]);
	(void)close(ends[0]);
	return 0;
}

bool prove_clean_finish(struct prove_run *run)
{
	int status = 0;

	(void)close(run->cleaner_fd);
	while (waitpid(run->cleaner, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	/* It was killed, or could not do it all. */
	return access(run->directory, F_OK) < 0 || prove_clean_directory(run->directory);
}
