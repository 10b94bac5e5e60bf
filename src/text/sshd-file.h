/*
 * The lines of sshd_config(5) files: keyword, blanks or `=`, arguments.  Keywords are compared without
 * case.  After a Match line everything up to the next one belongs to it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSHD_FILE_KEYWORD_BYTES 64
#define SSHD_FILE_VALUE_BYTES	512

struct sshd_file_line {
	char keyword[SSHD_FILE_KEYWORD_BYTES]; /* in lower case */
	char value[SSHD_FILE_VALUE_BYTES];     /* cut off when longer */
	const char *at;			       /* where the line begins */
	int32_t number;
	bool in_match;
};

/* Begins zeroed but for the text. */
struct sshd_file_cursor {
	const char *at, *end;
	int32_t number;
	bool in_match;
};

/* The next line that is neither empty nor a comment. False at the end. A Match line is itself
 * in_match. */
bool sshd_file_next(struct sshd_file_cursor *cursor, struct sshd_file_line *ret_line);

/* Takes the next argument off a value (`*value` moves), quotes removed. False at the end. */
bool sshd_file_argument(const char **value, char *ret_argument, size_t size);

/* Whether the file includes, outside of any Match, all *.conf files of a directory, which is the
 * first such one. */
bool sshd_file_drop_ins(const char *text, size_t size, char *ret_directory, size_t directory_size);
