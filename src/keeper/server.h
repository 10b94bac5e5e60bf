/* The keeper's socket: Info, Drop, Attach (io.sshidle.keeper), and who is attached. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct holder;
struct server;

/* RUNTIME/parked/UID/ID.sock; ID.ended when the shell has ended, which ParkMax does not count. Nobody is let in before
 * server_open(). A socket that a keeper left behind is replaced; one that is in use is -EADDRINUSE. */
int server_new(struct holder *holder, struct server **ret_server);
void server_free(struct server *server); /* and the socket's name */

void server_open(struct server *server);

/* What was printed, before it is on the screen. */
void server_output(struct server *server, const char *bytes, size_t n);

/* After it was. */
void server_shown(struct server *server);

/* The program has taken input. */
void server_input_taken(struct server *server);

/* Whether questions of the program reach a terminal that answers. */
bool server_answers(const struct server *server);

/* Tells the client, if there is one, how the shell has ended, and lets it go. Returns whether there is one:
 * holder_finish() follows when it knows, holder_attached() when it goes without. */
bool server_end(struct server *server);

/* The end of all. Returns whether there is something left to be sent: holder_finish() follows when it
 * has been. */
bool server_detach(struct server *server, const char *reason);
