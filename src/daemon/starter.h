/*
 * The starter: a small process beside the monitor that may become other users, which the monitor
 * may not.  Forked before the monitor gives up what it does not need; ends when the monitor has.
 *
 * It takes the requests of act/helper.h from a table: type, number of descriptors, what must have
 * come before.  For each it looks itself at what it was given: a keeper is started only for the
 * master of a terminal, and as the user whom that terminal belongs to; a terminal is mended only
 * for the user for whom a keeper was started on it before.
 *
 * What may take long is done by children, so nobody waits for a directory server or for systemd but the one
 * who asked.  The keeper is a grandchild: it belongs to process 1 and lives on when all of the daemon
 * has ended.
 */
#pragma once

struct starter_options {
	int fd;			 /* SOCK_SEQPACKET, to the monitor; taken over */
	const char *keeper;	 /* executable */
	const char *runtime_dir; /* holds "parked", root's, 0711 */
};

/* Runs until the monitor is gone: 0. In a child that could not start a keeper: 1. */
int starter_run(const struct starter_options *options);
