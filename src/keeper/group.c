#include "keeper/group.h"

#include <string.h>

#include "base/pids.h"
#include "base/read.h"
#include "base/text.h"
#include "keeper/programs.h"
#include "text/procstat.h"

enum { TEXTS_BYTES = 64 * 1024 };

/* How much a member says of its group. */
static int weight(const struct procstat *member)
{
	if (programs_is_full_screen(member->name))
		return 3;
	return member->pid == member->group ? 2 : 1;
}

int group_name(int group, char ret_name[static GROUP_NAME_BYTES])
{
	struct procstat one, best = { .name = "?" };
	struct pids pids;
	int32_t pid;
	int most = 0, r = pids_open(&pids);

	while (r == 0 && most < 3 && (r = pids_next(&pids, &pid)) > 0) {
		r = 0;
		if (procstat_read(pid, &one) < 0 || one.group != group || weight(&one) <= most)
			continue;
		most = weight(&one);
		best = one;
	}
	pids_close(&pids);
	/* One who says more may be among those that could not be read. */
	if (r < 0)
		best = (struct procstat){ .name = "?" };
	(void)text_copy(best.name, ret_name, GROUP_NAME_BYTES);
	return best.pid;
}

/* Goes through the texts of /proc/PID/cmdline or environ; false: none of them says so. */
static bool any_text(int pid, const char *file_name, bool (*says)(const char *text))
{
	char bytes[TEXTS_BYTES + 1];
	bool found = false;
	size_t n;

	if (read_file(bytes, TEXTS_BYTES, &n, "/proc/%d/%s", pid, file_name) < 0)
		return false;
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
