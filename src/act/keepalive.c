#include "act/keepalive.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct option {
	int level, name;
	size_t offset;
};

static const struct option option_on = { SOL_SOCKET, SO_KEEPALIVE,
					 offsetof(struct order_keepalive, on) };
static const struct option option_idle = { IPPROTO_TCP, TCP_KEEPIDLE,
					   offsetof(struct order_keepalive, idle_s) };
static const struct option option_interval = { IPPROTO_TCP, TCP_KEEPINTVL,
					       offsetof(struct order_keepalive, interval_s) };
static const struct option option_count = { IPPROTO_TCP, TCP_KEEPCNT,
					    offsetof(struct order_keepalive, count) };
static const struct option option_timeout = { IPPROTO_TCP, TCP_USER_TIMEOUT,
					      offsetof(struct order_keepalive, user_timeout_ms) };

/* Setting the idle time starts the kernel's timer anew: what the timer then looks at stands before
 * it, and when less is allowed from now on, after it. */
#define OPTIONS_N 5
static const struct option *const loosening[OPTIONS_N] = { &option_timeout, &option_count,
							   &option_interval, &option_idle,
							   &option_on };
static const struct option *const tightening[OPTIONS_N] = { &option_on, &option_idle,
							    &option_interval, &option_count,
							    &option_timeout };

static int32_t value_of(const struct order_keepalive *values, const struct option *option)
{
	int32_t value;

	memcpy(&value, (const char *)values + option->offset, sizeof(value));
	return value;
}

static int read_values(int fd, struct order_keepalive *ret_values)
{
	struct order_keepalive values = { 0 };

	for (size_t i = 0; i < OPTIONS_N; i++) {
		const struct option *option = loosening[i];
		int32_t value = 0;
		socklen_t size = sizeof(value);

		if (getsockopt(fd, option->level, option->name, &value, &size) < 0)
			return -errno;
		memcpy((char *)&values + option->offset, &value, sizeof(value));
	}
	*ret_values = values;
	return 0;
}

static bool is_shorter(int32_t timeout_ms, int32_t than_ms)
{
	return timeout_ms != 0 && (than_ms == 0 || timeout_ms < than_ms);
}

/* Changes `now` into `wanted`. */
static int write_values(int fd, const struct order_keepalive *now,
			const struct order_keepalive *wanted)
{
	bool tighter = wanted->count < now->count ||
		       is_shorter(wanted->user_timeout_ms, now->user_timeout_ms);
	const struct option *const *options = tighter ? tightening : loosening;

	for (size_t i = 0; i < OPTIONS_N; i++) {
		int32_t value = value_of(wanted, options[i]);

		if (value != value_of(now, options[i]) &&
		    setsockopt(fd, options[i]->level, options[i]->name, &value, sizeof(value)) < 0)
			return -errno;
	}
	return 0;
}

static bool is_equal(const struct order_keepalive *a, const struct order_keepalive *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

int keepalive_read(const struct watch *watch, struct order_keepalive *ret_values)
{
	auto_close int fd = -1;
	int r = watch_borrow_socket(watch, &fd);

	return r < 0 ? r : read_values(fd, ret_values);
}

static int change(struct keepalive *keepalive, int fd, const struct order_tune *order)
{
	struct order_keepalive now = { 0 };
	int r = read_values(fd, &now);

	if (r < 0)
		return r;
	if (!keepalive->known && order->original_known)
		keepalive->original = order->original;
	else if (!keepalive->known)
		keepalive->original = order_keepalive_settable(&now);
	keepalive->known = keepalive->known || order->original_known || !order->put_back;
	if (order->put_back && !keepalive->known)
		return 0;
	r = write_values(fd, &now, order->put_back ? &keepalive->original : &order->wanted);
	if (r == 0 && order->put_back)
		keepalive->known = false;
	return r;
}

int keepalive_tune(struct keepalive *keepalive, const struct watch *watch,
		   const struct order_tune *order, struct order_tuned *ret_done)
{
	struct order_keepalive now = { 0 };
	auto_close int fd = -1;
	int result, r = watch_borrow_socket(watch, &fd);

	if (keepalive->known) {
		ret_done->changed = true;
		ret_done->original = keepalive->original;
	}
	if (r < 0)
		return r;
	result = change(keepalive, fd, order);
	r = read_values(fd, &now);
	if (r < 0)
		return r;
	ret_done->original = keepalive->original;
	ret_done->changed = keepalive->known && !is_equal(&now, &keepalive->original);
	return result;
}

int keepalive_put_back(struct keepalive *keepalive, const struct watch *watch)
{
	struct order_keepalive now = { 0 };
	auto_close int fd = -1;
	int r;

	if (!keepalive->known)
		return 0;
	r = watch_borrow_socket(watch, &fd);
	if (r == 0)
		r = read_values(fd, &now);
	if (r == 0)
		r = write_values(fd, &now, &keepalive->original);
	if (r == 0)
		keepalive->known = false;
	return r;
}
