/* What the socket and its clients know of each other. */
#pragma once

#include "keeper/client.h"
#include "keeper/server.h"

struct evconnlistener;

TAILQ_HEAD(server_clients, client);

struct server {
	struct holder *holder;
	struct evconnlistener *listener;
	struct server_clients clients;
	struct client *attached; /* NULL: nobody is */
	unsigned n_clients;
	bool finishing; /* ends with its last client */
	char path[108];
};

/* One call. The client may be gone afterwards. */
void server_take(struct client *client, const char *message, size_t n);

/* A client has gone, and may have left input. */
void server_left(struct server *server, struct client *client);

/* A client is about to be freed. */
void server_forget(struct server *server, struct client *client);

/* FRAME_DETACH. */
void server_let_go(struct client *client);
