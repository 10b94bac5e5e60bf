/*
 * Changes to other programs' files, as text: old content in, new content out.  All of them leave
 * every byte alone that is not theirs, and taking a change away gives the old content back.
 *
 * A marked block stands between two lines:
 *
 *	# BEGIN sshidle apply
 *	# END sshidle apply
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Where a block goes. */
enum edit_place {
	EDIT_TOP,
	EDIT_BEFORE_MATCH, /* before the first Match line of an sshd_config, else at the end */
	EDIT_END,
};

/* Whether there is a marked block. */
bool edit_has_block(const char *text);

/* The text without any marked block; owned by the caller. NULL without memory. */
char *edit_without_blocks(const char *text);

/* The text with one more block of `lines` (each ended). NULL without memory. */
char *edit_with_block(const char *text, enum edit_place place, const char *lines);

/*
 * The value that a file for a shell and for systemd's EnvironmentFile= gives a variable last, quotes
 * removed; "" when it gives none.  -EINVAL: it is put together by the shell ($, `, \), or spans
 * lines; -ENOSPC.
 */
int edit_assigned(const char *text, const char *name, char *ret_value, size_t size);

/* Words of a command line without the options of these letters and their arguments, blanks between.
 * -ENOSPC. */
int edit_without_options(const char *words, const char *letters, char *ret_words, size_t size);

/*
 * UCI (OpenWrt): sets `option NAME 'VALUE'` in each section `config TYPE`; NULL `value` takes it
 * away.  NULL without memory.
 */
struct edit_uci {
	const char *type;
	const char *name;
	const char *value;
};

char *edit_uci_set(const char *text, const struct edit_uci *option);

/* The value in section number `section` (from 0) of that type. -ENOENT: the option is not set;
 * -ERANGE: there is no such section. */
int edit_uci_get(const char *text, const struct edit_uci *option, size_t section, char *ret_value,
		 size_t size);

/* As edit_uci_set() for one section only. */
char *edit_uci_set_in(const char *text, const struct edit_uci *option, size_t section);
