#include "text/procstat.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/read.h"

#define PTS_MAJOR 136

/* 52 numbers of at most 20 digits, and the name. */
#define STAT_BYTES 2048

struct cursor {
	const char *at;
	const char *end;
};

/* The value of a digit; UINT_MAX: it is none. Letters as the kernel prints them. */
static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

/* A number in `base`, up to 64 bits; skips blanks before it. */
static bool take_number(struct cursor *cursor, unsigned base, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *start;

	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t'))
		cursor->at++;
	start = cursor->at;
	while (cursor->at < cursor->end && digit_value(*cursor->at) < 16) {
		unsigned digit = digit_value(*cursor->at);

		if (digit >= base || number > (UINT64_MAX - digit) / base)
			return false;
		number = number * base + digit;
		cursor->at++;
	}
	if (cursor->at == start)
		return false;
	*ret_number = number;
	return true;
}

/* A number that the kernel prints with a sign, as 64 bits of two's complement. */
static bool take_signed(struct cursor *cursor, uint64_t *ret_number)
{
	bool minus = false;

	while (cursor->at < cursor->end && *cursor->at == ' ')
		cursor->at++;
	if (cursor->at < cursor->end && *cursor->at == '-') {
		minus = true;
		cursor->at++;
	}
	if (!take_number(cursor, 10, ret_number))
		return false;
	if (minus)
		*ret_number = 0 - *ret_number;
	return true;
}

/* Goes behind `key` at the start of a line; the first such line counts. */
static bool find_line(const char *text, size_t size, const char *key, struct cursor *ret_cursor)
{
	const char *end = text + size;
	size_t length = strlen(key);

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;

		if ((size_t)(line_end - text) >= length && memcmp(text, key, length) == 0) {
			*ret_cursor = (struct cursor){ text + length, line_end };
			return true;
		}
		text = newline ? newline + 1 : end;
	}
	return false;
}

static bool find_number(const char *text, size_t size, const char *key, uint64_t *ret_number)
{
	struct cursor cursor;

	return find_line(text, size, key, &cursor) && take_number(&cursor, 10, ret_number);
}

static const char *find_last(const char *text, size_t size, char c)
{
	while (size > 0)
		if (text[--size] == c)
			return text + size;
	return NULL;
}

/* The kernel's new_encode_dev(): the minor number is in bits 0 to 7 and 20 to 31. */
static int32_t tty_number(uint64_t device)
{
	if (((device >> 8) & 0xfff) != PTS_MAJOR)
		return -1;
	return (int32_t)((device & 0xff) | ((device >> 12) & 0xfff00));
}

static bool take_name(const char *text, size_t size, struct procstat *stat, struct cursor *cursor)
{
	const char *open, *close;
	size_t length;
	uint64_t pid;

	*cursor = (struct cursor){ text, text + size };
	if (!take_number(cursor, 10, &pid) || pid == 0 || pid > INT32_MAX)
		return false;
	open = memchr(text, '(', size);
	close = find_last(text, size, ')');
	if (!open || !close || close < open || cursor->end - close < 4 || close[1] != ' ')
		return false;
	length = (size_t)(close - open - 1);
	if (length >= sizeof(stat->name))
		length = sizeof(stat->name) - 1;
	memcpy(stat->name, open + 1, length);
	stat->name[length] = '\0';
	stat->pid = (int32_t)pid;
	stat->state = close[2];
	cursor->at = close + 3;
	return true;
}

int procstat_parse(const char *text, size_t size, struct procstat *ret_stat)
{
	/* Fields of proc(5), by their numbers there. */
	enum {
		PARENT = 4,
		GROUP = 5,
		SID = 6,
		TTY = 7,
		CPU = 14,
		REAPED = 16,
		THREADS = 20,
		START = 22
	};
	struct procstat stat = { 0 };
	struct cursor cursor;
	uint64_t fields[START + 1] = { 0 };

	if (!take_name(text, size, &stat, &cursor))
		return -EINVAL;
	for (size_t i = PARENT; i <= START; i++)
		if (!take_signed(&cursor, &fields[i]))
			return -EINVAL;
	stat.parent = (int32_t)fields[PARENT];
	stat.group = (int32_t)fields[GROUP];
	stat.sid = (int32_t)fields[SID];
	stat.tty = tty_number(fields[TTY]);
	stat.cpu_ticks = fields[CPU] + fields[CPU + 1];
	stat.reaped_ticks = fields[REAPED] + fields[REAPED + 1];
	stat.n_threads = (int32_t)fields[THREADS];
	stat.start_ticks = fields[START];
	*ret_stat = stat;
	return 0;
}

/* A process has a pid in each namespace from that of /proc down to its own (since Linux 4.1). */
static bool is_nested(const char *text, size_t size)
{
	struct cursor cursor;
	uint64_t pid;

	return find_line(text, size, "NSpid:", &cursor) && take_number(&cursor, 10, &pid) &&
	       take_number(&cursor, 10, &pid);
}

int procstat_parse_status(const char *text, size_t size, struct procstat_status *ret_status)
{
	uint64_t uid, caught, seccomp = 0, n_filters = 0, no_new_privs = 0;
	struct cursor cursor;

	if (!find_number(text, size, "Uid:", &uid) || uid > UINT32_MAX)
		return -EINVAL;
	if (!find_line(text, size, "SigCgt:", &cursor) || !take_number(&cursor, 16, &caught))
		return -EINVAL;
	/* A kernel that was built without seccomp has no such lines. */
	(void)find_number(text, size, "Seccomp:", &seccomp);
	(void)find_number(text, size, "Seccomp_filters:", &n_filters);
	(void)find_number(text, size, "NoNewPrivs:", &no_new_privs);
	*ret_status = (struct procstat_status){
		.uid = (uint32_t)uid,
		.seccomp = (uint32_t)seccomp,
		.caught = caught,
		.n_filters = (uint32_t)n_filters,
		.no_new_privs = no_new_privs != 0,
		.nested = is_nested(text, size),
	};
	return 0;
}

int procstat_parse_io(const char *text, size_t size, struct procstat_io *ret_io)
{
	struct procstat_io io;

	if (!find_number(text, size, "rchar:", &io.rchar) ||
	    !find_number(text, size, "wchar:", &io.wchar))
		return -EINVAL;
	*ret_io = io;
	return 0;
}

int procstat_parse_fdinfo(const char *text, size_t size, uint32_t *ret_flags)
{
	struct cursor cursor;
	uint64_t flags;

	if (!find_line(text, size, "flags:", &cursor) || !take_number(&cursor, 8, &flags) ||
	    flags > UINT32_MAX)
		return -EINVAL;
	*ret_flags = (uint32_t)flags;
	return 0;
}

int procstat_parse_tty_index(const char *text, size_t size, int32_t *ret_tty)
{
	struct cursor cursor;
	uint64_t tty;

	if (!find_line(text, size, "tty-index:", &cursor) || !take_number(&cursor, 10, &tty) ||
	    tty > INT32_MAX)
		return -EINVAL;
	*ret_tty = (int32_t)tty;
	return 0;
}

int procstat_parse_last_pid(const char *text, size_t size, int32_t *ret_last_pid)
{
	const char *blank = find_last(text, size, ' ');
	struct cursor cursor = { blank ? blank : text, text + size };
	uint64_t pid;

	if (!take_number(&cursor, 10, &pid) || pid > INT32_MAX)
		return -EINVAL;
	*ret_last_pid = (int32_t)pid;
	return 0;
}

static bool take_inode(const char *text, const char *prefix, uint64_t *ret_inode)
{
	size_t length = strlen(prefix);
	struct cursor cursor = { text + length, text + strlen(text) };
	uint64_t inode;

	if (strncmp(text, prefix, length) != 0 || !take_number(&cursor, 10, &inode) ||
	    strcmp(cursor.at, "]") != 0)
		return false;
	*ret_inode = inode;
	return true;
}

enum procstat_target procstat_parse_link(const char *text, uint64_t *ret_inode)
{
	const char *slash;

	*ret_inode = 0;
	if (take_inode(text, "socket:[", ret_inode))
		return TARGET_SOCKET;
	if (take_inode(text, "pipe:[", ret_inode))
		return TARGET_PIPE;
	/* The path depends on the mounts of the other process; TIOCGPTN tells whether it is one. */
	slash = strrchr(text, '/');
	return slash && strcmp(slash, "/ptmx") == 0 ? TARGET_MASTER : TARGET_OTHER;
}

/* Whether an argument 0 ("-bash", "/bin/sh") is that of a shell. */
static bool is_shell(const char *name, size_t size)
{
	return size >= 2 && name[size - 2] == 's' && name[size - 1] == 'h';
}

/* The beginning of argument 2 of "sh -c X", or the whole text. */
static const char *skip_shell(const char *text, size_t size)
{
	size_t first = strnlen(text, size);

	if (!is_shell(text, first) || size - first < 5 || memcmp(text + first, "\0-c", 4) != 0)
		return text;
	return text + first + 4;
}

void procstat_join_command(const char *text, size_t text_size, char *ret_command, size_t size)
{
	const char *end = text + text_size;
	const char *at = skip_shell(text, text_size);
	size_t length;

	if (at != text)
		end = at + strnlen(at, (size_t)(end - at));
	while (end > at && end[-1] == '\0')
		end--;
	length = (size_t)(end - at);
	if (length > size - 1)
		length = size - 1;
	for (size_t i = 0; i < length; i++)
		ret_command[i] = at[i] ? at[i] : ' ';
	ret_command[length] = '\0';
}

int procstat_read(int32_t pid, struct procstat *ret_stat)
{
	char text[STAT_BYTES];
	size_t size;
	int r = read_file(text, sizeof(text), &size, "/proc/%" PRId32 "/stat", pid);

	return r < 0 ? r : procstat_parse(text, size, ret_stat);
}
