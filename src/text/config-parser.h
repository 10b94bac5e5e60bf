/*
 * The inside of the configuration parser: what config.c, config-match.c, config-keyword.c and
 * config-print.c share.  Everybody else includes text/config.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "text/config.h"

#define CONFIG_WORDS_MAX       128
#define CONFIG_FILE_NAME_BYTES 256
#define CONFIG_VALUE_BYTES     64 /* one printed value */
#define CONFIG_QUOTED_BYTES    64 /* foreign text in a message */

struct config_parser {
	struct config *config;
	struct config_problems *problems;
	const struct config_include *include;
	const char *file;
	char shown_file[CONFIG_FILE_NAME_BYTES]; /* escaped */
	const char *source;  /* "FILE:LINE" of this line, NULL until it is needed */
	const char *keyword; /* of this line, NULL before it is known */
	size_t block;	     /* that the settings go to */
	size_t base;	     /* ... at the start of this file */
	unsigned line;
	unsigned depth;
	unsigned n_files;
	int error; /* -ENOMEM: nothing more is parsed */
};

/* The arguments of a line, taken apart as sshd does it. */
struct config_words {
	char *items[CONFIG_WORDS_MAX];
	size_t n;
};

struct config_keyword;

/* How one value is read and written. */
struct config_type {
	/* NULL, or what is wrong with the word ("is not a time"). */
	const char *(*parse)(const struct config_type *type, const char *word, int64_t *ret_number);
	void (*print)(const struct config_type *type, int64_t number,
		      char ret_text[static CONFIG_VALUE_BYTES]);
	const char *const *words; /* those that it knows, NULL at the end; or NULL */
	int64_t least, most;
};

struct config_keyword {
	const char *name;
	const char *allowed; /* for people, as in "allowed: ..." */
	void (*read)(struct config_parser *parser, const struct config_keyword *keyword,
		     const struct config_words *words);
	/* Writes the values that are set; `only` one kind, or KIND_N: all. */
	void (*print)(const struct config_keyword *keyword, const struct config_value *values,
		      enum channel_kind only, FILE *file);
	const struct config_type *type;
	size_t setting;
	bool global_only;
	bool bare; /* by kind: a value without a kind is for all of them */
};

extern const struct config_keyword config_keyword_table[];
extern const size_t config_keyword_table_n;

/* Place of a word in a list with NULL at its end, without case; SIZE_MAX. */
size_t config_word_find(const char *const *words, const char *word);

/* The word of the list that was probably meant, another one than this, or NULL. */
const char *config_word_nearest(const char *const *words, const char *word);

/* Adds a problem as it is. */
void config_problems_add(struct config_problems *problems, bool notice, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* An error of this line: "FILE:LINE: KEYWORD: ... (did you mean NEAREST?); allowed: ...". */
void config_parser_wrong(struct config_parser *parser, const struct config_keyword *keyword,
			 const char *nearest, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* "FILE:LINE" of this line, owned by the configuration; NULL when memory is out. */
const char *config_parser_source(struct config_parser *parser);

/* Foreign text in quotes for a message, cut off at a fair length. */
struct config_quoted {
	char text[CONFIG_QUOTED_BYTES];
};
struct config_quoted config_quote(const char *text, size_t length);

/* Readers of the table. */
void config_read_match(struct config_parser *parser, const struct config_keyword *keyword,
		       const struct config_words *words);
void config_read_include(struct config_parser *parser, const struct config_keyword *keyword,
			 const struct config_words *words);

/* The name of a criterion as Match has it. */
const char *config_criterion_name(enum config_criterion_id id);

/* Remarks on a whole configuration. */
void config_check(const struct config *config, struct config_problems *problems);
