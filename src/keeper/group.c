#include "keeper/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/pids.h"
#include "base/text.h"
#include "keeper/programs.h"

enum { TEXTS_BYTES = 64 * 1024 };

struct member {
	int pid, group;
	char name[GROUP_NAME_BYTES];
};

/* proc_pid_stat(5): "PID (NAME) STATE PARENT GROUP ..."; a name may hold anything. */
static bool read_member(int32_t pid, struct member *ret_member)
{
	char path[64], line[512];
	auto_fclose FILE *file = NULL;
	char *begin, *end, *at;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	n = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
	line[n] = '\0';
	begin = strchr(line, '(');
	end = strrchr(line, ')');
	if (!begin || !end || end < begin || end[1] == '\0')
		return false;
	*end = '\0';
	(void)text_copy(begin + 1, ret_member->name, sizeof(ret_member->name));
	ret_member->pid = pid;
	/* Behind the state. */
	at = strchr(end + 2, ' ');
	if (!at)
		return false;
	(void)strtol(at, &at, 10);
	ret_member->group = (int)strtol(at, NULL, 10);
	return true;
}

/* How much a member says of its group. */
static int weight(const struct member *member)
{
	if (programs_is_full_screen(member->name))
		return 3;
	return member->pid == member->group ? 2 : 1;
}

int group_name(int group, char ret_name[static GROUP_NAME_BYTES])
{
	struct member one, best = { .name = "?" };
	struct pids pids;
	int32_t pid;
	int most = 0, r = pids_open(&pids);

	while (r == 0 && most < 3 && (r = pids_next(&pids, &pid)) > 0) {
		r = 0;
		if (!read_member(pid, &one) || one.group != group || weight(&one) <= most)
			continue;
		most = weight(&one);
		best = one;
	}
	pids_close(&pids);
	/* One who says more may be among those that could not be read. */
	if (r < 0)
		best = (struct member){ .name = "?" };
	(void)text_copy(best.name, ret_name, GROUP_NAME_BYTES);
	return best.pid;
}

/* Goes through the texts of /proc/PID/cmdline or environ; false: none of them says so. */
static bool any_text(int pid, const char *file_name, bool (*says)(const char *text))
{
	char path[64], bytes[TEXTS_BYTES + 1];
	auto_fclose FILE *file = NULL;
	bool found = false;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file_name);
	file = fopen(path, "re");
	n = file ? fread(bytes, 1, TEXTS_BYTES, file) : 0;
	bytes[n] = '\0';
	for (size_t at = 0; at < n && !found; at += strlen(bytes + at) + 1)
		found = says(bytes + at);
	return found;
}

static bool option_says_stay(const char *text)
{
	return text_equal(text, "--no-init") ||
	       (text[0] == '-' && text[1] != '-' && strchr(text, 'X'));
}

static bool variable_says_stay(const char *text)
{
	return text_starts(text, "LESS=") && strchr(text, 'X');
}

bool group_pager_stays(int pid)
{
	return any_text(pid, "cmdline", option_says_stay) ||
	       any_text(pid, "environ", variable_says_stay);
}
