#include "act/cut.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/guard.h"
#include "act/notice.h"
#include "act/processes.h"
#include "base/cleanup.h"
#include "observe/strays.h"

/* How long the last line may take to reach the client before the line is lost. */
#define NOTICE_FOR_NS (300 * NS_PER_MS)
/* The kernel moves it from the slave to the master in the background: before that nothing is seen
 * there. */
#define NOTICE_LEAST_NS (40 * NS_PER_MS)
#define NOTICE_LOOK_NS	(10 * NS_PER_MS)
#define ESCALATE_FOR_NS (5 * NS_PER_S)
/* How long what got the hang-up may take to end before it is said to live on. */
#define SURVEY_FOR_NS  (1 * NS_PER_S)
#define SURVEY_LOOK_NS (20 * NS_PER_MS)

enum cut_stage { STAGE_NOTICE, STAGE_SHUTDOWN, STAGE_TERM, STAGE_KILL, STAGE_SURVEY, STAGE_DONE };

struct cut {
	struct watch *watch;
	struct order_guard guard;
	struct processes processes;
	int64_t stage_until_ns, notice_until_ns;
	int64_t surveyed_at_ns; /* 0: what was hung up may still end */
	enum cut_stage stage;
	bool hang_up;
	int result;
	uint32_t signal;
};

int cut_new(struct watch *watch, const struct order_cut *request, int64_t now_ns,
	    struct cut **ret_cut)
{
	struct cut *cut;
	int r = guard_check(watch, &request->guard);

	if (r < 0)
		return r;
	cut = calloc(1, sizeof(*cut));
	if (!cut)
		return -ENOMEM;
	cut->watch = watch;
	cut->guard = request->guard;
	cut->hang_up = request->hang_up == 1;
	cut->stage = STAGE_NOTICE;
	cut->stage_until_ns = now_ns;
	if (request->text[0] != '\0') {
		struct notice_result shown = notice_show(watch, -1, request->text);

		cut->guard.notice_bytes = shown.bytes;
		if (shown.reached > 0) {
			cut->notice_until_ns = now_ns + NOTICE_LEAST_NS;
			cut->stage_until_ns = now_ns + NOTICE_FOR_NS;
		}
	}
	*ret_cut = cut;
	return 0;
}

void cut_free(struct cut *cut)
{
	if (!cut)
		return;
	processes_deinit(&cut->processes);
	free(cut);
}

static int64_t enter(struct cut *cut, enum cut_stage stage, int64_t until_ns)
{
	cut->stage = stage;
	cut->stage_until_ns = until_ns;
	return until_ns;
}

static int64_t finish(struct cut *cut, int result)
{
	cut->result = result;
	cut->stage = STAGE_DONE;
	return TIME_NEVER;
}

static int signal_server(struct cut *cut, int signal)
{
	cut->signal = (uint32_t)signal;
	if (syscall(SYS_pidfd_send_signal, watch_pidfd(cut->watch), signal, NULL, 0) < 0)
		return -errno;
	return 0;
}

/*
 * dropbear's sockets linger for 5 s when they are closed (SO_LINGER): with a client that does not
 * acknowledge the end, all of the server's clean-up would wait for that, the shell's hang-up too.
 */
static int shut_down(int fd)
{
	struct linger off = { 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	return shutdown(fd, SHUT_RDWR);
}

static int64_t step_notice(struct cut *cut, int64_t now_ns)
{
	auto_close int fd = -1;
	int r;

	if (now_ns < cut->notice_until_ns ||
	    (now_ns < cut->stage_until_ns && !notice_is_out(cut->watch)))
		return now_ns + NOTICE_LOOK_NS;
	/* Once more: a key may have come while the line was on its way. */
	r = guard_check(cut->watch, &cut->guard);
	if (r < 0 && r != -ESRCH)
		return finish(cut, r);
	processes_record(&cut->processes, cut->watch);
	r = watch_borrow_socket(cut->watch, &fd);
	if (r == 0 && shut_down(fd) == 0)
		return enter(cut, STAGE_SHUTDOWN, now_ns + ESCALATE_FOR_NS);
	/* Nothing to borrow (Yama), or no longer connected: then the process itself. */
	(void)signal_server(cut, SIGTERM);
	return enter(cut, STAGE_TERM, now_ns + ESCALATE_FOR_NS);
}

static int64_t step_ended(struct cut *cut, int64_t now_ns)
{
	if (cut->stage == STAGE_NOTICE)
		processes_record(&cut->processes, cut->watch);
	if (cut->hang_up)
		processes_hang_up_commands(&cut->processes);
	(void)enter(cut, STAGE_SURVEY, now_ns + SURVEY_FOR_NS);
	return now_ns + SURVEY_LOOK_NS;
}

static int64_t step_survey(struct cut *cut, int64_t now_ns)
{
	const struct session_facts *facts = watch_facts(cut->watch);
	int64_t again_ns;
	int r;

	if (cut->surveyed_at_ns == 0 && now_ns < cut->stage_until_ns &&
	    processes_count_alive(&cut->processes) > 0)
		return now_ns + SURVEY_LOOK_NS;
	if (cut->surveyed_at_ns == 0)
		cut->surveyed_at_ns = now_ns;
	r = strays_look(facts, cut->surveyed_at_ns, now_ns, &again_ns);
	if (r == -EAGAIN)
		return again_ns;
	if (r < 0)
		cut->processes.incomplete = true;
	processes_record_strays(&cut->processes, facts);
	return finish(cut, 0);
}

static int64_t step_escalate(struct cut *cut, enum cut_stage next, int signal, int64_t now_ns)
{
	if (now_ns < cut->stage_until_ns)
		return cut->stage_until_ns;
	(void)signal_server(cut, signal);
	return enter(cut, next, now_ns + ESCALATE_FOR_NS);
}

int64_t cut_step(struct cut *cut, bool server_ended, int64_t now_ns)
{
	if (server_ended && cut->stage < STAGE_SURVEY)
		return step_ended(cut, now_ns);
	switch (cut->stage) {
	case STAGE_NOTICE:
		return step_notice(cut, now_ns);
	case STAGE_SHUTDOWN:
		return step_escalate(cut, STAGE_TERM, SIGTERM, now_ns);
	case STAGE_TERM:
		return step_escalate(cut, STAGE_KILL, SIGKILL, now_ns);
	case STAGE_KILL:
		if (now_ns < cut->stage_until_ns)
			return cut->stage_until_ns;
		return finish(cut, -ETIMEDOUT);
	case STAGE_SURVEY:
		return step_survey(cut, now_ns);
	case STAGE_DONE:
		break;
	}
	return TIME_NEVER;
}

/* Counts all, names the first ones. */
static void name_process(const struct process_record *record, struct order_survivor *named,
			 uint32_t *n)
{
	if (*n < ORDER_SURVIVORS_MAX) {
		named[*n].pid = record->facts.pid;
		(void)snprintf(named[*n].name, sizeof(named[*n].name), "%s", record->facts.name);
	}
	(*n)++;
}

void cut_result(const struct cut *cut, struct order_cut_done *ret_done)
{
	ret_done->result = cut->result;
	ret_done->signal = cut->signal;
	ret_done->notice_bytes = cut->guard.notice_bytes;
	ret_done->n_hung_up = 0;
	ret_done->n_survivors = 0;
	ret_done->more_survivors = cut->processes.incomplete;
	for (size_t i = 0; i < cut->processes.n; i++) {
		const struct process_record *record = &cut->processes.records[i];

		if (record->hung_up)
			name_process(record, ret_done->hung_up, &ret_done->n_hung_up);
		if (processes_alive(&cut->processes, i))
			name_process(record, ret_done->survivors, &ret_done->n_survivors);
	}
}
