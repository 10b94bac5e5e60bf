/*
 * The way to systemd as process 1: its private socket, which is there without a D-Bus daemon and open to root alone.
 *
 * libsystemd is loaded by whoever opens it: else the daemon's processes would hold it, and the four libraries that it
 * brings, all their life, for what happens seldom.  It is not unloaded: this is for processes that end soon.
 */
#pragma once

#include <stdbool.h>

#include "config.h"

/* Whether systemd is process 1, as sd_booted(3), and this build can talk to it. */
bool bus_is_there(void);

#if HAVE_SYSTEMD

#include <systemd/sd-bus.h>

/* What is used of libsystemd. */
#define BUS_LIBRARY(F)             \
	F(new)                     \
	F(set_address)             \
	F(start)                   \
	F(call)                    \
	F(close_unref)             \
	F(message_new_method_call) \
	F(message_append)          \
	F(message_open_container)  \
	F(message_close_container) \
	F(message_unref)

#define BUS_MEMBER(name) __typeof__(sd_bus_##name) *name;

/* Its functions, after bus_open(). */
struct bus_library {
	BUS_LIBRARY(BUS_MEMBER)
};

extern struct bus_library bus_library;

/* -ELIBACC: there is no libsystemd. The bus is for bus_library.close_unref(). */
int bus_open(sd_bus **ret_bus);

/* A call of a method of the manager's. */
int bus_new_call(sd_bus *bus, const char *method, sd_bus_message **ret_message);

/* The beginning of a call that starts a transient unit: properties, each (sv), are to be appended. */
int bus_new_unit(sd_bus *bus, const char *name, sd_bus_message **ret_message);

/* Ends such a call, if `r`, of what was done with it, is no error, and makes it. Frees the message. */
int bus_start_unit(sd_bus *bus, sd_bus_message *message, int r);

/* Makes a call, if `r` is no error. Frees the message. */
int bus_call(sd_bus *bus, sd_bus_message *message, int r);

#endif
