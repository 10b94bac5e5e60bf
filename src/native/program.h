/* Runs other programs: by their absolute path, without a shell, with a cleaned environment, bounded in
 * what they print and how long they take. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PROGRAM_OUTPUT_BYTES (256 * 1024)
#define PROGRAM_WORDS_MAX    128

struct program_output {
	int status;		 /* exit status; 128 + N: ended by signal N */
	bool was_late;		 /* was killed because its time was over */
	size_t size, error_size; /* what it printed beyond PROGRAM_OUTPUT_BYTES is dropped */
	char *text;		 /* standard output, terminated */
	char *error;		 /* standard error, terminated */
};

void program_output_deinit(struct program_output *output);

/*
 * Runs argv (NULL at the end) with its directory `/` and nothing on standard input, and waits for it. What
 * it leaves running may keep the descriptors: its own end is enough. It goes on if we are killed.  0 when it ran, whatever
 * became of it; -ENOENT, -EACCES ... when it could not be started; -ENOMEM.
 */
int program_run(const char *const *argv, int limit_ms, struct program_output *ret_output);

/* Whether nobody but root and the user that this runs as can put another file at an absolute path: by
 * owner and mode of it, of all directories above it, and of what it leads to. */
bool program_is_safe(const char *path);

/* The first line that it said on standard error, else on standard output: what is wrong, before what
 * follows from that. Foreign text; points into the output, which is cut off there. */
const char *program_complaint(struct program_output *output);
