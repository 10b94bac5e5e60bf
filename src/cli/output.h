/* What the command prints: foreign text made harmless, its width on a terminal, colours, JSON. */
#pragma once

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum output_style {
	STYLE_PLAIN,
	STYLE_HEAD,
	STYLE_GOOD,
	STYLE_ATTENTION,
	STYLE_BAD,
	STYLE_FAINT,
};

/* Looks at the environment and at standard output, once. */
void output_init(void);

/* Flushes. False, and said once on standard error, when something could not be written. */
bool output_finish(void);

/* Columns of the terminal; 0: standard output is none, or the environment asks for no layout. */
unsigned output_columns(void);

/* Terminal sequences to begin a style, and to end any; "" without colours. */
const char *output_style(enum output_style style);
const char *output_style_end(void);

/*
 * Foreign text for people: control characters, bytes that are not valid UTF-8 and, where the
 * locale has no UTF-8, all that is not ASCII become \xNN. Backslashes stay (DOMAIN\user),
 * nothing is done with the result but printing it.
 */
void output_escape(const char *text, char *ret_text, size_t size);

/* Prints foreign text. */
void output_put(const char *text);

/* Columns that escaped text takes. */
size_t output_width(const char *text);

/* Cuts escaped text to so many columns, in place, with a mark at its end. `size` is that of the
 * buffer. */
void output_shorten(char *text, size_t size, size_t columns);

/* One JSON value and a line end; in one line if asked or if this is no terminal. NULL, there was no memory for it, is
 * what output_finish() says. */
void output_json(const json_t *value, bool one_line);

/* The same of one that was made just now, which is given up. */
void output_new_json(json_t *value);

/* "sshidle: ..." on standard error; foreign parts are made harmless. */
void output_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_error_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* A text of a reply; `none` where it is missing or empty. */
const char *output_text(const json_t *object, const char *name, const char *none);

/* A span of a reply in words; null is `none`. */
void output_span(const json_t *seconds, const char *none, char *ret_text, size_t size);
