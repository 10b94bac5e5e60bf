/*
 * The log: one line for each decision or trouble, prose first, then key=value pairs.
 *
 * A function logs an error or returns it, never both.  Text that came from outside (names,
 * commands, addresses given by others) goes through text_escape() before it gets here.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ALERT, LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

/* `to_stderr`: "NAME: text" lines on standard error; else syslog(3), facility authpriv. */
void log_open(const char *name, bool to_stderr, enum log_level most);

void log_alert(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
