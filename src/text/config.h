/*
 * The language of sshidle.conf(5), which is the one of sshd_config(5): text in, structure out.
 *
 * All keywords stand in one table (config-keyword.c): parser, printer, error texts and the check of
 * the manual follow from it.  All problems of a configuration are collected, not only the first.
 * Reading files is in config-file.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/config.h"
#include "core/policy.h"

#define CONFIG_PROBLEMS_MAX 100
#define CONFIG_DEPTH_MAX    16 /* of Include, as sshd has it */
#define CONFIG_FILES_MAX \
	256 /* in all: an Include that includes itself by a pattern would explode */

struct config_parser;

struct config_problem {
	bool notice; /* worth saying, but the configuration is valid */
	char *text;  /* "FILE:LINE: KEYWORD: what is wrong; allowed: ..."; printable, owned */
};

/* The first CONFIG_PROBLEMS_MAX of them; one more entry then says that there are others. */
struct config_problems {
	struct config_problem *items; /* owned */
	size_t n;
	size_t n_errors; /* of all, also those that are not in `items` */
};

void config_problems_deinit(struct config_problems *problems);

/* How Include gets at files. */
struct config_include {
	/* Gives each file that `pattern` names, as written in `file`, to config_parser_file(), in
	 * order; tells trouble by config_parser_trouble(). */
	void (*read)(void *context, struct config_parser *parser, const char *file,
		     const char *pattern);
	void *context;
};

/* One file's content; `file` is its name, for messages. */
struct config_text {
	const char *file;
	const char *bytes;
	size_t length;
};

/*
 * Parses what `text` consists of.  NULL `include`: Include finds nothing.  0 and a
 * configuration for config_free(); -EINVAL when `problems` has errors; -ENOMEM.  `problems` must be
 * zeroed or hold earlier ones, is added to in every case, and may hold notices on success.
 */
int config_parse(const struct config_text *text, const struct config_include *include,
		 struct config_problems *problems, struct config **ret_config);

/* For a config_include only: one file's text, in the place of the Include line. */
void config_parser_file(struct config_parser *parser, const char *file, const char *text,
			size_t length);
/* For a config_include only: trouble (or with `notice` a mere remark) with the Include line. */
void config_parser_trouble(struct config_parser *parser, bool notice, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What is in force (-T): all values outside of Match, then the Match blocks.  Includes are
 * resolved; parsing it gives equal policies. */
void config_print(const struct config *config, FILE *file);

/* What is in force for one case (-T -C): each value with its source as a comment. */
void config_print_case(const struct config *config, const struct policy_query *query, FILE *file);

/* One case, as -C describes it. */
struct config_case {
	struct policy_query query; /* points into the case; kind is shell if not given */
	char *text;		   /* owned */
	char **groups;		   /* owned, and each of them */
};

/*
 * Parses "user=alice,addr=10.0.0.7,lport=22,kind=shell,server=openssh,group=x,command=make";
 * `group` may be given several times.  0 and a case for config_case_deinit(); -EINVAL with what is wrong
 * and what is allowed in `ret_problem`; -ENOMEM.
 */
int config_case_parse(const char *spec, struct config_case *ret_case, char *ret_problem,
		      size_t problem_size);
/* Adds a group, for those that the system knows of a user. -ENOMEM. */
int config_case_add_group(struct config_case *config_case, const char *group);
void config_case_deinit(struct config_case *config_case);

/* The keywords and the criteria of Match (NULL behind the last), for the check of the manual. */
const char *const *config_keywords(size_t *ret_n);
const char *const *config_criteria(size_t *ret_n);
