#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"

/* A pipe takes a line of up to PIPE_BUF bytes whole, or not at all. */
enum { LINE_BYTES = 4096 };

/* What a syslog that is alive takes its next line in. */
enum { SYSLOG_WITHIN_MS = 200 };

static const struct level {
	const char *word;
	int priority;
} levels[] = {
	[LOG_LEVEL_ALERT] = { "alert: ", LOG_ALERT },
	[LOG_LEVEL_ERROR] = { "error: ", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning: ", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "", LOG_INFO },
};

static struct {
	const char *name;
	bool to_stderr;
	bool to_journal; /* standard error leads to systemd's journal: sd-daemon(3) has the prefix */
	enum log_level most;
	unsigned lost; /* lines that standard error or syslog did not take */
	int pipe;      /* standard error, if it is one, opened again not to block; -1 */
} state = { "sshidle", true, false, LOG_LEVEL_INFO, 0, -1 };

/* JOURNAL_STREAM names the stream by device and inode; it may be inherited while the stream is not. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev,
		       (uintmax_t)status.st_ino);
	return text_equal(own, stream);
}

/* Room that poll(2) tells of may be another process's by the time of the write.  O_NONBLOCK on standard error
 * itself would be that of all who have it. */
static int open_pipe(void)
{
	struct stat status;

	if (fstat(STDERR_FILENO, &status) < 0 || !S_ISFIFO(status.st_mode))
		return -1;
	return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

void log_open(const char *name, bool to_stderr, enum log_level most)
{
	state.name = name;
	state.to_stderr = to_stderr;
	state.most = most;
	cleanup_close(&state.pipe);
	state.pipe = to_stderr ? open_pipe() : -1;
	state.to_journal = to_stderr && stderr_is_journal();
	/* At once: after the rights are dropped /dev/log may be out of reach. */
	if (!to_stderr)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
}

/* A stopped terminal or a full pipe must not hold up the daemon, nor a reader that has gone end it
 * (POLLERR): the line is dropped and counted. */
static bool write_stderr(const char *text, size_t length)
{
	struct pollfd fd = { .fd = state.pipe >= 0 ? state.pipe : STDERR_FILENO,
			     .events = POLLOUT };

	if (poll(&fd, 1, 0) != 1 || fd.revents != POLLOUT)
		return false;
	return write(fd.fd, text, length) == (ssize_t)length;
}

static void line_to_stderr(enum log_level level, const char *text)
{
	char line[LINE_BYTES];
	size_t length;

	line[0] = '\0';
	if (state.lost > 0)
		(void)text_append(line, sizeof(line), "%s: warning: %u log lines were lost\n",
				  state.name, state.lost);
	if (state.to_journal)
		(void)text_append(line, sizeof(line) - 1, "<%d>%s", levels[level].priority, text);
	else
		(void)text_append(line, sizeof(line) - 1, "%s: %s%s", state.name,
				  levels[level].word, text);
	length = strlen(line);
	line[length++] = '\n';
	if (write_stderr(line, length))
		state.lost = 0;
	else
		state.lost++;
}

/*
 * syslog(3) waits for room for ever: a syslog that is stopped or hangs would stop all of this, after some ten lines.
 * Room that is there when it is asked for may be another process's a moment later.  Connected each time, as it may be
 * another one by now.  1: there is none, or one of another type: that is for syslog(3).
 */
static int send_to_syslog(const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = _PATH_LOG };
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 1;
	/* It is waited for once, until it takes lines again. */
	(void)poll(&room, 1, state.lost > 0 ? 0 : SYSLOG_WITHIN_MS);
	return send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* RFC 3164, as syslog(3) has it. */
static int line_to_syslog(int priority, const char *word, const char *text)
{
	const time_t now_s = (time_t)(clock_ns(CLOCK_REALTIME) / NS_PER_S);
	char when[32], line[LINE_BYTES];
	struct tm parts = { 0 };
	int r;

	(void)localtime_r(&now_s, &parts);
	(void)strftime(when, sizeof(when), "%h %e %T", &parts);
	line[0] = '\0';
	(void)text_append(line, sizeof(line), "<%d>%s %s[%d]: %s%s", LOG_AUTHPRIV | priority, when,
			  state.name, getpid(), word, text);
	r = send_to_syslog(line);
	if (r > 0)
		syslog(priority, "%s%s", word, text);
	return r < 0 ? r : 0;
}

static void lines_to_syslog(enum log_level level, const char *text)
{
	char lost[64];

	if (state.lost > 0) {
		(void)snprintf(lost, sizeof(lost), "%u log lines were lost", state.lost);
		if (line_to_syslog(LOG_WARNING, "warning: ", lost) == 0)
			state.lost = 0;
	}
	if (state.lost > 0 || line_to_syslog(levels[level].priority, levels[level].word, text) < 0)
		state.lost++;
}

static void write_line(enum log_level level, const char *format, va_list arguments)
{
	const int saved = errno;
	char text[LINE_BYTES];

	if (level > state.most)
		return;
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		(void)text_copy(format, text, sizeof(text));
	/* One call, one line: nobody can forge a second one. */
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
	}
	if (state.to_stderr)
		line_to_stderr(level, text);
	else
		lines_to_syslog(level, text);
	errno = saved;
}

void log_alert(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ALERT, format, arguments);
	va_end(arguments);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_ERROR, format, arguments);
	va_end(arguments);
}

void log_warning(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_WARNING, format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(LOG_LEVEL_INFO, format, arguments);
	va_end(arguments);
}
