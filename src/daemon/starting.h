/*
 * The way from a child of the starter to a keeper: its user's directory for the socket, a scope of
 * its own under systemd, and then another user, without a way back.
 */
#pragma once

#include "act/helper.h"

/* Answers in the keeper's place. */
void starting_refuse(int link, int result);

/*
 * Executes the keeper with the descriptors of HELPER_START; does not return.  When it does, it has
 * answered: -EDQUOT, the user has as many as allowed; -ENOENT, there is no such user; -ENOPKG, there is
 * no keeper; -errno.
 */
int starting_become(const struct helper_request *request, const int fds[static START_N],
		    const char *keeper, const char *runtime_dir);
