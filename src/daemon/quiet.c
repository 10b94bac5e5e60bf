#include "daemon/quiet.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "daemon/clock.h"

#define ROUND_PARTS 16

/* So many at once, 1 to 2 ms: others wait meanwhile, as cuts. */
#define LOOKS_AT_ONCE 250

struct quiet_row {
	int64_t next_ns; /* TIME_NEVER: it is not looked at */
	int64_t every_ns;
};

struct quiet {
	struct event *timer;
	quiet_look_fn *look;
	void *context;
	struct quiet_row *rows; /* by slot */
	size_t n, size;		/* what is beyond n was never touched, and takes no memory */
	int64_t rings_ns;	/* the timer */
};

static void ring_at(struct quiet *quiet, int64_t at_ns)
{
	quiet->rings_ns = at_ns;
	if (at_ns != TIME_NEVER)
		clock_ring(quiet->timer, at_ns);
}

static int64_t next_of(int64_t every_ns, int64_t now_ns)
{
	int64_t next_ns = now_ns + every_ns;

	return next_ns - next_ns % (every_ns / ROUND_PARTS);
}

/* What is left over is still due, and comes next. */
static void look_at_due(struct quiet *quiet)
{
	int64_t now_ns = clock_now_ns();
	int looks = 0;

	for (uint32_t slot = 0; slot < quiet->n && looks < LOOKS_AT_ONCE; slot++) {
		if (quiet->rows[slot].next_ns > now_ns)
			continue;
		looks++;
		quiet->rows[slot].next_ns = TIME_NEVER;
		if (quiet->look(quiet->context, slot))
			quiet->rows[slot].next_ns = next_of(quiet->rows[slot].every_ns, now_ns);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct quiet *quiet = context;
	int64_t next_ns = TIME_NEVER;

	(void)fd;
	(void)what;
	look_at_due(quiet);
	for (size_t slot = 0; slot < quiet->n; slot++)
		if (quiet->rows[slot].next_ns < next_ns)
			next_ns = quiet->rows[slot].next_ns;
	ring_at(quiet, next_ns);
}

int quiet_new(struct event_base *base, quiet_look_fn *look, void *context, struct quiet **ret_quiet)
{
	struct quiet *quiet = calloc(1, sizeof(*quiet));

	if (!quiet)
		return -ENOMEM;
	quiet->timer = evtimer_new(base, on_timer, quiet);
	if (!quiet->timer) {
		free(quiet);
		return -ENOMEM;
	}
	quiet->look = look;
	quiet->context = context;
	quiet->rings_ns = TIME_NEVER;
	*ret_quiet = quiet;
	return 0;
}

void quiet_free(struct quiet *quiet)
{
	if (!quiet)
		return;
	event_free(quiet->timer);
	free(quiet->rows);
	free(quiet);
}

static int make_room(struct quiet *quiet, uint32_t slot)
{
	size_t size = quiet->size == 0 ? 64 : quiet->size;

	while (size <= slot)
		size *= 2;
	if (size > quiet->size) {
		struct quiet_row *more = realloc(quiet->rows, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		quiet->rows = more;
		quiet->size = size;
	}
	for (; quiet->n <= slot; quiet->n++)
		quiet->rows[quiet->n] = (struct quiet_row){ .next_ns = TIME_NEVER };
	return 0;
}

int quiet_begin(struct quiet *quiet, uint32_t slot, int64_t every_ns)
{
	int64_t next_ns = next_of(every_ns, clock_now_ns());
	int r = make_room(quiet, slot);

	if (r < 0)
		return r;
	quiet->rows[slot] = (struct quiet_row){ .next_ns = next_ns, .every_ns = every_ns };
	if (next_ns < quiet->rings_ns)
		ring_at(quiet, next_ns);
	return 0;
}

void quiet_end(struct quiet *quiet, uint32_t slot)
{
	if (slot < quiet->n)
		quiet->rows[slot].next_ns = TIME_NEVER;
}
