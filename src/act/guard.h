/*
 * The last look before an action: has anything moved since the sample that the verdict rests on?
 */
#pragma once

#include <stdbool.h>

#include "core/order.h"
#include "observe/watch.h"

/* 0: nothing that counts has moved. -EBUSY: something has, or it cannot be seen. -ESRCH: already
 * ended. */
int guard_check(struct watch *watch, const struct order_guard *guard);

/* The same for a sample that was just taken; `changed` is of watch_sample(). */
int guard_judge(const struct sample *sample, bool changed, const struct order_guard *guard);

/* The same for one terminal: nothing was read from it and nothing waits in it, or no input came at
 * all. */
int guard_check_terminal(struct watch *watch, const struct order_guard *guard, int32_t tty);

/* The same for a sample that was just taken. */
int guard_judge_terminal(const struct sample *sample, bool changed, const struct order_guard *guard,
			 int32_t tty);
