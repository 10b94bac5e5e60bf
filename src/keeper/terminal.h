/*
 * The master side of the parked terminal: reads what is printed, writes what is typed, without
 * ever waiting for either.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "keeper/group.h"

struct event;
struct event_base;
struct evbuffer;

struct terminal_events {
	void (*output)(const char *bytes, size_t n, void *user);
	void (*input_taken)(void *user); /* less waits than before */
	void (*closed)(void *user);	 /* nobody has the other side open (EIO) */
	void *user;
};

struct terminal {
	const struct terminal_events *events;
	struct event_base *base;
	struct event *readable, *writable, *nudge, *shared;
	struct evbuffer *input; /* not written yet */
	int master;		/* owned; -1: hung up */
	int slave;   /* owned; until output was let go on and everybody may open it again */
	mode_t mode; /* of its node, before the server ended */
	struct winsize size;
	bool nudged;	 /* it has another size for a moment */
	bool printed;	 /* something, since then */
	unsigned nudges; /* how often that moment was made longer */
};

/* Takes `master`, which the server still has open, too, and changes nothing of it. `events` stay the caller's.
 * Negative errno. */
int terminal_init(struct terminal *terminal, struct event_base *base, int master,
		  const struct terminal_events *events);
void terminal_deinit(struct terminal *terminal);

/* The server is gone: the master is made non-blocking, which it would have been for the server as well. It comes
 * before all that reads or writes. Negative errno. */
int terminal_take(const struct terminal *terminal);

/* Lets output go on (TCOON, which also undoes a ^S) through the slave side; and ends its being
 * exclusive as soon as it is our user's alone (see keeper.h). Negative errno. */
int terminal_release(struct terminal *terminal);

/* Reading, or not for now: the kernel then makes the program wait. */
void terminal_read(struct terminal *terminal, bool on);

/* Reads what is there at once. Returns false when nobody has the other side open. */
bool terminal_drain(struct terminal *terminal);

/* Queues input. */
void terminal_write(struct terminal *terminal, const void *bytes, size_t n);
size_t terminal_waiting(const struct terminal *terminal);

/* A terminal of that size already is told nothing. */
void terminal_set_size(struct terminal *terminal, const struct winsize *size);

/* Has the program in front draw itself anew: one row less, and the size as it was 0.2 s later, or when
 * something has been printed, at most 2 s later. The same size again moves no program (measured), and programs
 * need the time to see the first. */
void terminal_nudge(struct terminal *terminal);

/* The program in the foreground, by group_name(), which is what it returns. */
int terminal_program(const struct terminal *terminal, char ret_name[static GROUP_NAME_BYTES]);

/* Whether the program reads keys as they come (no ICANON): an editor, or a shell's prompt. */
bool terminal_is_raw(const struct terminal *terminal);

/* Closes the master: the programs get the hang-up of a lost line. */
void terminal_hang_up(struct terminal *terminal);
