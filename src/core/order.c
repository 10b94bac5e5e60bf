#include "core/order.h"

static int32_t between(int32_t value, int32_t least, int32_t most)
{
	if (value < least)
		return least;
	return value > most ? most : value;
}

struct order_keepalive order_keepalive_settable(const struct order_keepalive *values)
{
	return (struct order_keepalive){
		.on = values->on != 0,
		.idle_s = between(values->idle_s, 1, ORDER_KEEPALIVE_MOST_S),
		.interval_s = between(values->interval_s, 1, ORDER_KEEPALIVE_MOST_S),
		.count = between(values->count, 1, ORDER_KEEPALIVE_COUNT_MOST),
		.user_timeout_ms = values->user_timeout_ms <= 0
					   ? 0
					   : between(values->user_timeout_ms,
						     ORDER_KEEPALIVE_TIMEOUT_LEAST_MS, INT32_MAX),
	};
}
