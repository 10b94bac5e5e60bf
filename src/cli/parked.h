/* Finds keepers by their sockets, and asks them. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/command.h"

struct parked {
	uint32_t id;
	uid_t uid;
	char path[108];
	json_t *info; /* owned; what Info said */
};

struct parked_list {
	struct parked *items; /* owned; by id */
	size_t n;
	bool only_count; /* ask none of them: info is NULL */
};

/* PARKED_MINE: the caller's, for a login: nobody is waited for. PARKED_ALL: for root everybody's. */
enum parked_whose { PARKED_ALL, PARKED_MINE };

/*
 * Sockets without a keeper are left out, and removed if they are the caller's.  What stands in another
 * user's directory may be anything: it is waited for so long and no longer, whatever it sends; number and user
 * are those of the socket, whatever it says.  -errno: not all of them could be found.
 */
int parked_find(const char *runtime_dir, enum parked_whose whose, struct parked_list *ret_list);
/* How many keepers there are, of the caller's or for root of everybody's, without asking them. -errno: not all
 * of them could be found. */
int parked_count(const char *runtime_dir, size_t *ret_n);
void parked_deinit(struct parked_list *list);

/* One of them by number, or by UID/NUMBER; NULL, and it has been said, when there is none, or more than one. */
const struct parked *parked_get(const struct parked_list *list, const char *text);

/* Connects to a keeper that runs as `uid` and no other. Negative errno. */
int parked_connect(const struct parked *parked, int *ret_fd);

/* One call; takes over `parameters`. Says what goes wrong. ret_reply is the caller's. */
enum command_exit parked_call(int fd, const char *method, json_t *parameters, json_t **ret_reply);

/* A table of them on standard output. */
enum command_exit parked_print(const struct parked_list *list);
