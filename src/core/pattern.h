/*
 * sshd's patterns: ssh_config(5) PATTERNS, and the address lists of `Match Address`.
 *
 * A pattern has `*` (any bytes, also none) and `?` (one byte).  A list is patterns with commas
 * between; an entry with `!` before it is negated.  A negated entry that fits makes the whole list
 * fail, wherever it stands; a list with negated entries only never fits (match.c, addrmatch.c of
 * OpenSSH).  The time is at most pattern length x text length, whatever the stars.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* One entry of a list, without the `!`; not terminated. */
struct pattern_entry {
	const char *text;
	size_t length;
	bool negated;
};

enum pattern_result { PATTERN_NO_FIT, PATTERN_FIT, PATTERN_NEGATED_FIT };

/* Takes the next entry off the list (`*list` moves, NULL behind the last one). False at the end. */
bool pattern_next(const char **list, struct pattern_entry *ret_entry);

/* One pattern, negation left aside. Case counts. */
bool pattern_fits(const struct pattern_entry *entry, const char *text);

/* A whole list.  NULL `text` is not known: nothing fits, not even `*` or a negation. */
enum pattern_result pattern_list_fits(const char *list, const char *text);

/*
 * The same for addresses: an entry is an address ("10.0.0.7", "2001:db8::1"), a network in CIDR
 * form ("10.0.0.0/8"), or a pattern over the address as text ("10.0.*").  IPv4-mapped IPv6 is IPv4;
 * a zone ("%eth0") behind the asked address is left aside.
 */
enum pattern_result pattern_address_fits(const char *list, const char *address);

/* What is wrong with one entry of an address list, for people; NULL when it is right. */
const char *pattern_address_wrong(const struct pattern_entry *entry);
