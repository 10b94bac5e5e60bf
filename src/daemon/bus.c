#include "daemon/bus.h"

#if HAVE_SYSTEMD

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MANAGER_ADDRESS "unix:path=/run/systemd/private"
#define MANAGER_NAME	"org.freedesktop.systemd1"
#define MANAGER_PATH	"/org/freedesktop/systemd1"
#define MANAGER_FACE	"org.freedesktop.systemd1.Manager"

#define CALL_USEC    5000000
#define LIBRARY_FILE "libsystemd.so.0"

struct bus_library bus_library;

bool bus_is_there(void)
{
	return faccessat(AT_FDCWD, "/run/systemd/system/", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int load_library(void)
{
#define NAME(name) { "sd_bus_" #name, &bus_library.name },
	const struct {
		const char *name;
		void *place; /* of a pointer to a function, which is none to an object in ISO C */
	} functions[] = { BUS_LIBRARY(NAME) };
	void *file = dlopen(LIBRARY_FILE, RTLD_NOW);

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = file ? dlsym(file, functions[i].name) : NULL;

		if (!function)
			return -ELIBACC;
		memcpy(functions[i].place, &function, sizeof(function));
	}
	return 0;
}

int bus_open(sd_bus **ret_bus)
{
	sd_bus *bus = NULL;
	int r = load_library();

	if (r < 0)
		return r;
	r = bus_library.new(&bus);
	if (r >= 0)
		r = bus_library.set_address(bus, MANAGER_ADDRESS);
	if (r >= 0)
		r = bus_library.start(bus);
	if (r < 0) {
		bus_library.close_unref(bus);
		return r;
	}
	*ret_bus = bus;
	return 0;
}

int bus_new_call(sd_bus *bus, const char *method, sd_bus_message **ret_message)
{
	return bus_library.message_new_method_call(bus, ret_message, MANAGER_NAME, MANAGER_PATH,
						   MANAGER_FACE, method);
}

int bus_call(sd_bus *bus, sd_bus_message *message, int r)
{
	if (r >= 0)
		r = bus_library.call(bus, message, CALL_USEC, NULL, NULL);
	bus_library.message_unref(message);
	return r < 0 ? r : 0;
}

int bus_new_unit(sd_bus *bus, const char *name, sd_bus_message **ret_message)
{
	int r = bus_new_call(bus, "StartTransientUnit", ret_message);

	if (r >= 0)
		r = bus_library.message_append(*ret_message, "ss", name, "fail");
	return r < 0 ? r : bus_library.message_open_container(*ret_message, 'a', "(sv)");
}

int bus_start_unit(sd_bus *bus, sd_bus_message *message, int r)
{
	if (r >= 0)
		r = bus_library.message_close_container(message);
	if (r >= 0)
		r = bus_library.message_append(message, "a(sa(sv))", 0);
	return bus_call(bus, message, r);
}

#else

bool bus_is_there(void)
{
	return false;
}

#endif
