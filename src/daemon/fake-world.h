/*
 * For tests of the control socket: the real control.c on a real unix socket, the stand-in engine
 * behind it and clients before it, all in one process and one loop.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/control-client.h"
#include "daemon/fake-engine.h"

struct fake_world {
	struct event_base *base;
	struct engine engine;
	struct control *control;
	int listen_fd; /* the control's */
};

/* Fails the test when something cannot be set up. */
void fake_world_init(struct fake_world *world, size_t extra_sessions);
void fake_world_deinit(struct fake_world *world);

/* Lets the control do what there is to do now. */
void fake_world_turn(struct fake_world *world);

/* A connected client, non-blocking; already admitted unless there was no place for it. */
int fake_world_connect(struct fake_world *world);

/* The same, taken for that user, who is not in the engine's group. */
int fake_world_connect_as(struct fake_world *world, uid_t uid);

void fake_world_send(struct fake_world *world, int fd, const void *bytes, size_t n);

/* The text and its NUL. */
void fake_world_say(struct fake_world *world, int fd, const char *text);

/* The next message, owned by the caller; NULL: the connection ended before one came. Waits for
 * it. */
json_t *fake_world_hear(struct fake_world *world, int fd);

/* Says and hears. */
json_t *fake_world_call(struct fake_world *world, int fd, const char *text);

/* True when nothing is there to be read now. */
bool fake_world_silent(struct fake_world *world, int fd);

/* Waits for the end of the connection; false when something else comes first. */
bool fake_world_ended(struct fake_world *world, int fd);
