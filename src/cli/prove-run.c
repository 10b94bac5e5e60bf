/* A run: its private directory, its key, its user, and where servers find the key. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/prove-private.h"
#include "native/file.h"
#include "native/program.h"

enum { TOOL_MS = 20000, TRIES = 16 };

const char *prove_tool_find(const char *name)
{
	static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin",
						   "/usr/local/bin" };
	static char path[PROVE_PATH_BYTES];

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

/* Runs a tool; the reason of a failure. */
static int run_tool(const char *const *argv, char ret_why[static PROVE_TEXT_BYTES])
{
	struct program_output output;
	int r = argv[0] ? program_run(argv, TOOL_MS, &output) : -ENOENT;

	if (r < 0) {
		(void)snprintf(ret_why, PROVE_TEXT_BYTES, "%s cannot be run: %s",
			       argv[0] ? argv[0] : argv[1], strerror(-r));
		return r;
	}
	if (output.status != 0) {
		const char *complaint = program_complaint(&output);

		(void)snprintf(ret_why, PROVE_TEXT_BYTES, "%s: %s", argv[0],
			       complaint ? complaint : "it failed");
		r = -EIO;
	}
	program_output_deinit(&output);
	return r;
}

/* Everybody may go through it (to the home of the user), nobody else may look into it. */
static int make_directory(struct prove_run *run)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t number;

		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -EIO;
		(void)snprintf(run->tag, sizeof(run->tag), PROVE_PREFIX "%06x", number & 0xffffff);
		(void)snprintf(run->directory, sizeof(run->directory), PROVE_BASE "%s", run->tag);
		if (mkdir(run->directory, 0711) == 0)
			return chmod(run->directory, 0711) < 0 ? -errno : 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int open_journal(struct prove_run *run)
{
	char path[PROVE_PATH_BYTES + 16];

	(void)snprintf(path, sizeof(path), "%s/journal", run->directory);
	run->journal_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (run->journal_fd < 0 || flock(run->journal_fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return prove_clean_note(run, "mark", run->tag);
}

int prove_run_begin(struct prove_run *run)
{
	int r;

	*run = (struct prove_run){ .journal_fd = -1, .cleaner_fd = -1 };
	r = make_directory(run);
	if (r < 0) {
		output_error("cannot make a private directory below " PROVE_BASE ": %s",
			     strerror(-r));
		return r;
	}
	r = open_journal(run);
	if (r == 0)
		r = prove_clean_start(run);
	if (r < 0) {
		output_error("%s: %s", run->directory, strerror(-r));
		(void)prove_clean_directory(run->directory);
	}
	(void)snprintf(run->key, sizeof(run->key), "%s/key", run->directory);
	(void)snprintf(run->known_hosts, sizeof(run->known_hosts), "%s/known_hosts",
		       run->directory);
	return r;
}

bool prove_run_end(struct prove_run *run)
{
	run->clean = prove_clean_finish(run);
	(void)close(run->journal_fd);
	return run->clean;
}

static int make_key(struct prove_run *run, char ret_why[static PROVE_TEXT_BYTES])
{
	const char *argv[] = { prove_tool_find("ssh-keygen"),
			       "-q",
			       "-t",
			       "ed25519",
			       "-N",
			       "",
			       "-C",
			       run->tag,
			       "-f",
			       run->key,
			       NULL };
	char path[PROVE_PATH_BYTES + 8];
	auto_free char *text = NULL;
	size_t size;
	int r;

	if (!argv[0]) {
		(void)text_copy("there is no ssh-keygen: install OpenSSH's client", ret_why,
				PROVE_TEXT_BYTES);
		return -ENOENT;
	}
	r = run_tool(argv, ret_why);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s.pub", run->key);
	r = file_read(path, &text, &size);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return text_copy(text, run->public_key, sizeof(run->public_key)) ? 0 : -EINVAL;
}

/* One that nobody has, also no process: those of the user are killed in the end, and in containers the
 * numbers that useradd(8) picks are in use. Of the range that all distributions have for systems. */
static int find_number(char *ret_number, size_t size)
{
	enum { NUMBER_MOST = 999, NUMBER_LEAST = 201 };
	struct prove_snapshot snapshot;
	int r = prove_survey_take(&snapshot);

	if (r < 0)
		return r;
	r = -EUSERS;
	for (unsigned number = NUMBER_MOST; number >= NUMBER_LEAST && r < 0; number--) {
		if (getpwuid(number) || getgrgid(number) ||
		    prove_survey_has_user(&snapshot, number))
			continue;
		(void)snprintf(ret_number, size, "%u", number);
		r = 0;
	}
	prove_survey_free(&snapshot);
	return r;
}

enum { USER_TRIES = 5 };

/* "*" and not "!": without PAM sshd refuses keys of users who are locked. */
static int make_user(struct prove_run *run, char ret_why[static PROVE_TEXT_BYTES])
{
	char tool[PROVE_PATH_BYTES], number[16];
	const char *argv[] = { tool,	    "-r", "-U", "-M", "-d",   run->home, "-s",
			       "/bin/bash", "-p", "*",	"-u", number, run->tag,	 NULL };
	const char *found = prove_tool_find("useradd");
	int r;

	if (!found) {
		(void)text_copy("there is no useradd to make a throwaway user with: name one that "
				"is there with --user",
				ret_why, PROVE_TEXT_BYTES);
		return -ENOENT;
	}
	(void)text_copy(found, tool, sizeof(tool));
	if (access(argv[7], X_OK) < 0)
		argv[7] = "/bin/sh";
	(void)snprintf(run->home, sizeof(run->home), "%s/home", run->directory);
	r = prove_clean_note(run, "user", run->tag);
	if (r < 0)
		return r;
	/* It goes on when this is killed: it holds the pipe too, and the cleaner waits for both. */
	(void)fcntl(run->cleaner_fd, F_SETFD, 0);
	for (int tries = 0; tries < USER_TRIES; tries++) {
		r = find_number(number, sizeof(number));
		if (r < 0) {
			(void)snprintf(ret_why, PROVE_TEXT_BYTES,
				       "no number is left for a throwaway user: %s", strerror(-r));
			break;
		}
		r = run_tool(argv, ret_why);
		/* Somebody else may have taken the number meanwhile. */
		if (r == 0 || !getpwuid((uid_t)strtoul(number, NULL, 10)))
			break;
	}
	(void)fcntl(run->cleaner_fd, F_SETFD, FD_CLOEXEC);
	return r;
}

static int learn_user(struct prove_run *run, const char *name,
		      char ret_why[static PROVE_TEXT_BYTES])
{
	const struct passwd *entry = getpwnam(name);

	if (!entry) {
		(void)snprintf(ret_why, PROVE_TEXT_BYTES, "there is no user \"%s\"", name);
		return -ENOENT;
	}
	if (!text_copy(entry->pw_name, run->user, sizeof(run->user)) ||
	    !text_copy(entry->pw_dir, run->home, sizeof(run->home)))
		return -ENAMETOOLONG;
	run->uid = entry->pw_uid;
	run->gid = entry->pw_gid;
	return 0;
}

static int make_home(const struct prove_run *run)
{
	if (mkdir(run->home, 0700) < 0 || chmod(run->home, 0700) < 0 ||
	    chown(run->home, run->uid, run->gid) < 0)
		return -errno;
	return 0;
}

int prove_run_prepare(struct prove_run *run, const char *name,
		      char ret_why[static PROVE_TEXT_BYTES])
{
	const char *ssh = prove_tool_find("ssh");
	int r;

	if (!ssh) {
		(void)text_copy("there is no ssh: install OpenSSH's client", ret_why,
				PROVE_TEXT_BYTES);
		return -ENOENT;
	}
	(void)text_copy(ssh, run->ssh, sizeof(run->ssh));
	r = make_key(run, ret_why);
	if (r < 0)
		return r;
	run->throwaway = name == NULL;
	if (run->throwaway) {
		r = make_user(run, ret_why);
		name = run->tag;
	}
	if (r == 0)
		r = learn_user(run, name, ret_why);
	if (r == 0 && run->throwaway) {
		r = make_home(run);
		if (r < 0)
			(void)snprintf(ret_why, PROVE_TEXT_BYTES, "%s: %s", run->home,
				       strerror(-r));
	}
	return r;
}

/* %h, %u, %U and %%; what does not begin with / is below the home. */
static bool expand(const struct prove_run *run, const char *pattern, char *ret_path, size_t size)
{
	bool fits = true;

	ret_path[0] = '\0';
	if (pattern[0] != '/' && !text_starts(pattern, "%h"))
		fits = text_append(ret_path, size, "%s/", run->home);
	for (; fits && *pattern != '\0'; pattern++) {
		if (*pattern != '%') {
			fits = text_append(ret_path, size, "%c", *pattern);
			continue;
		}
		pattern++;
		if (*pattern == 'h')
			fits = text_append(ret_path, size, "%s", run->home);
		else if (*pattern == 'u')
			fits = text_append(ret_path, size, "%s", run->user);
		else if (*pattern == 'U')
			fits = text_append(ret_path, size, "%u", (unsigned)run->uid);
		else if (*pattern == '%')
			fits = text_append(ret_path, size, "%%");
		else
			return false;
	}
	return fits;
}

static int note_path(struct prove_run *run, const char *verb, uid_t uid, const char *path)
{
	char what[PROVE_PATH_BYTES + 32];

	(void)snprintf(what, sizeof(what), "%u %s", (unsigned)uid, path);
	return prove_clean_note(run, verb, what);
}

/* The directory that the file lies in, if it is not there: below a home only. */
static int make_parent(struct prove_run *run, const char *path, uid_t uid)
{
	char parent[PROVE_PATH_BYTES];
	int r;

	(void)text_copy(path, parent, sizeof(parent));
	*strrchr(parent, '/') = '\0';
	if (access(parent, F_OK) == 0)
		return 0;
	r = note_path(run, "made", uid, parent);
	if (r < 0)
		return r;
	r = prove_keys_become(uid);
	if (r == 0 && mkdir(parent, 0700) < 0 && errno != EEXIST)
		r = -errno;
	prove_keys_become_root();
	return r;
}

static int install(struct prove_run *run, const char *path, uid_t uid, const char *line)
{
	int r = make_parent(run, path, uid);

	if (r == 0 && access(path, F_OK) < 0)
		r = note_path(run, "made", uid, path);
	if (r == 0)
		r = note_path(run, "key", uid, path);
	if (r < 0)
		return r;
	r = prove_keys_become(uid);
	if (r == 0)
		r = prove_keys_add(path, run->tag, line);
	prove_keys_become_root();
	return r;
}

int prove_run_install_key(struct prove_run *run, const char *path, const char *options,
			  char ret_why[static PROVE_TEXT_BYTES])
{
	char expanded[PROVE_PATH_BYTES], line[PROVE_TEXT_BYTES * 2] = "";
	const bool of_user =
		text_starts(path, "%h") || path[0] != '/' || text_starts(path, run->home);
	int r;

	if (!of_user && !strstr(path, "%u") && !strstr(path, "%U")) {
		(void)snprintf(ret_why, PROVE_TEXT_BYTES,
			       "AuthorizedKeysFile is %s: one file for all users, in which this "
			       "puts no key",
			       path);
		return -EPERM;
	}
	if (!expand(run, path, expanded, sizeof(expanded)) ||
	    !text_append(line, sizeof(line), "%s%s%s", options, options[0] ? " " : "",
			 run->public_key)) {
		(void)snprintf(ret_why, PROVE_TEXT_BYTES, "AuthorizedKeysFile %s is not understood",
			       path);
		return -EINVAL;
	}
	/* Outside of homes the file is root's, as sshd wants it. */
	r = install(run, expanded, of_user ? run->uid : 0, line);
	if (r < 0)
		(void)snprintf(ret_why, PROVE_TEXT_BYTES, "cannot put a key into %s: %s", expanded,
			       strerror(-r));
	return r;
}
