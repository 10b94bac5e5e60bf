/* Which program a process group is, for people and for what is known of programs. */
#pragma once

#include <stdbool.h>

#define GROUP_NAME_BYTES 16

/*
 * The name of the member that uses the screen, if one is known for that (the leader of "git log" is
 * git, less draws; that of "seq 9 | less" may have ended); else the leader's, else any member's.
 * Foreign text; "?" when there is none, or not all could be looked at. Returns its pid, or 0.
 */
int group_name(int group, char ret_name[static GROUP_NAME_BYTES]);

/* Whether a less(1) does not use the alternate screen (-X): git(1) and systemd's tools call it so, in
 * its environment. */
bool group_pager_stays(int pid);
