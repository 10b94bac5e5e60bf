#include "act/hangup.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "act/guard.h"
#include "act/notice.h"

#define LEADER_FOR_NS  (1 * NS_PER_S)
#define LEADER_LOOK_NS (50 * NS_PER_MS)

struct hangup {
	struct processes processes;
	int64_t kill_at_ns, give_up_at_ns;
	int32_t tty;
	int32_t leader;
	uint32_t signal, notice_bytes;
	int result;
};

/* The channel's own child. */
static int32_t child_of(const struct watch *watch, int32_t tty)
{
	const struct watch_channel *channels;
	size_t n;

	channels = watch_channels(watch, &n);
	for (size_t i = 0; i < n; i++)
		if (channels[i].facts.tty == tty)
			return channels[i].facts.pid;
	return 0;
}

/* It leads the session on this terminal. Others may have one of the same number (another devpts). */
static int find_leader(const struct processes *processes, const struct watch *watch, int32_t tty,
		       int32_t *ret_pid)
{
	const int32_t child = child_of(watch, tty);

	for (size_t i = 0; i < processes->n; i++) {
		const struct watch_process *facts = &processes->records[i].facts;

		if (facts->pid == child && facts->tty == tty && facts->sid == facts->pid) {
			*ret_pid = facts->pid;
			return 0;
		}
	}
	return -ENOENT;
}

int hangup_new(struct watch *watch, const struct order_hangup *request, int64_t now_ns,
	       struct hangup **ret_hangup)
{
	struct hangup *hangup;
	int r = guard_check_terminal(watch, &request->guard, request->tty);

	if (r < 0)
		return r;
	hangup = calloc(1, sizeof(*hangup));
	if (!hangup)
		return -ENOMEM;
	processes_record(&hangup->processes, watch);
	r = find_leader(&hangup->processes, watch, request->tty, &hangup->leader);
	if (r < 0) {
		hangup_free(hangup);
		return r;
	}
	hangup->notice_bytes = notice_show(watch, request->tty, request->text).bytes;
	hangup->tty = request->tty;
	hangup->signal = SIGHUP;
	hangup->kill_at_ns = now_ns + LEADER_FOR_NS;
	hangup->give_up_at_ns = hangup->kill_at_ns + LEADER_FOR_NS;
	(void)processes_signal(&hangup->processes, hangup->leader, SIGHUP);
	(void)processes_signal(&hangup->processes, hangup->leader, SIGCONT);
	*ret_hangup = hangup;
	return 0;
}

void hangup_free(struct hangup *hangup)
{
	if (!hangup)
		return;
	processes_deinit(&hangup->processes);
	free(hangup);
}

static bool leader_alive(const struct hangup *hangup)
{
	for (size_t i = 0; i < hangup->processes.n; i++)
		if (hangup->processes.records[i].facts.pid == hangup->leader)
			return processes_alive(&hangup->processes, i);
	return false;
}

int64_t hangup_step(struct hangup *hangup, int64_t now_ns)
{
	if (!leader_alive(hangup))
		return TIME_NEVER;
	if (now_ns >= hangup->give_up_at_ns) {
		hangup->result = -ETIMEDOUT;
		return TIME_NEVER;
	}
	if (now_ns >= hangup->kill_at_ns && hangup->signal != SIGKILL) {
		hangup->signal = SIGKILL;
		(void)processes_signal(&hangup->processes, hangup->leader, SIGKILL);
	}
	return now_ns + LEADER_LOOK_NS;
}

uint32_t hangup_notice_bytes(const struct hangup *hangup)
{
	return hangup->notice_bytes;
}

void hangup_result(const struct hangup *hangup, struct order_hangup_done *ret_done)
{
	ret_done->result = hangup->result;
	ret_done->tty = hangup->tty;
	ret_done->signal = hangup->signal;
}
