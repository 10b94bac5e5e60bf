#include "daemon/fake-engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "core/judge.h"
#include "daemon/control.h"

#define MINUTE_NS (60 * NS_PER_S)
#define NO_USER	  UINT32_MAX

/* One channel of a fixed session; ages count back from FAKE_NOW_NS. */
struct fake_channel {
	enum channel_kind kind;
	int32_t tty;
	int64_t idle_ns, limit_ns;
	uint32_t counts;
	const char *command;
	enum idle_action action;
};

struct fake_session {
	uint32_t id, uid;
	const char *user, *peer;
	enum server_id server;
	int64_t warned_ns, reported_ns, kept_ns; /* ages, the last one to come; 0: not */
	struct fake_channel channels[2];
	size_t n_channels;
	int64_t host_ns, program_ns; /* ages of the last sign of life; 0: 3 s and 4 s */
	uint32_t pings, probes;	     /* without an answer */
};

#define SHELL(tty, idle, limit)                                                         \
	{                                                                               \
		KIND_SHELL, tty, idle, limit, USE_BIT(USE_INPUT), "", ACTION_DISCONNECT \
	}

/* Of host_ns to probes. */
#define ANSWERS 0, 0, 0, 0

/* clang-format off */
static const struct fake_session fixed[] = {
	{ 41, 1000, "alice", "10.0.0.7", SERVER_OPENSSH, 3 * NS_PER_S, 0, 0,
		{ SHELL(3, 14 * MINUTE_NS + 3 * NS_PER_S, 15 * MINUTE_NS) }, 1, ANSWERS },
	{ 42, 1001, "bob", "10.0.0.8", SERVER_OPENSSH, 0, 0, 0,
		{ SHELL(4, 2 * NS_PER_S, 15 * MINUTE_NS),
		  SHELL(5, 12 * MINUTE_NS, 15 * MINUTE_NS) }, 2, ANSWERS },
	{ 43, 0, "root", "192.0.2.1", SERVER_OPENSSH, 0, 0, 0,
		{ { KIND_EXEC, -1, 60 * MINUTE_NS, TIME_NEVER,
		    USE_BIT(USE_OUTPUT) | USE_BIT(USE_WORK), "rsync --server", ACTION_DISCONNECT } }, 1, ANSWERS },
	{ 44, NO_USER, "", "10.0.0.9", SERVER_DROPBEAR, 0, 0, 0,
		{ { KIND_FORWARD, -1, 5 * MINUTE_NS, 60 * MINUTE_NS, USE_BIT(USE_TRAFFIC), "",
		    ACTION_DISCONNECT } }, 1, ANSWERS },
	{ 45, 1002, "ev\033[31mil\xff", "2001:db8::1", SERVER_OPENSSH, 0, MINUTE_NS, 0,
		{ { KIND_SFTP, -1, 31 * MINUTE_NS, 30 * MINUTE_NS,
		    USE_BIT(USE_INPUT) | USE_BIT(USE_OUTPUT), "", ACTION_REPORT } }, 1, ANSWERS },
	{ 46, 1003, "日本語", "10.0.0.7", SERVER_TINYSSH, 0, 0, 120 * MINUTE_NS,
		{ SHELL(6, 20 * MINUTE_NS, 15 * MINUTE_NS) }, 1, ANSWERS },
	{ 47, 1004, "carol", "10.0.0.12", SERVER_OPENSSH, 0, 0, 0,
		{ SHELL(7, 40 * NS_PER_S, 15 * MINUTE_NS) }, 1, 33 * NS_PER_S, 35 * NS_PER_S, 12, 0 },
	{ 48, 1004, "carol", "10.0.0.13", SERVER_OPENSSH, 0, 0, 0,
		{ SHELL(8, 50 * NS_PER_S, TIME_NEVER) }, 1, 1 * NS_PER_S, 40 * NS_PER_S, 0, 2 },
};
/* clang-format on */

#define N_FIXED (sizeof(fixed) / sizeof(fixed[0]))

static struct bounds used(int64_t idle_ns)
{
	const int64_t at_ns = FAKE_NOW_NS - idle_ns;

	return (struct bounds){ .earliest_ns = at_ns - 2 * NS_PER_S, .latest_ns = at_ns };
}

static struct liveness alive(const struct fake_session *from, int64_t looked_at_ns)
{
	const int64_t host_at_ns = FAKE_NOW_NS - (from->host_ns ? from->host_ns : 3 * NS_PER_S);
	const int64_t program_at_ns =
		FAKE_NOW_NS - (from->program_ns ? from->program_ns : 4 * NS_PER_S);
	struct liveness_proof *proof = malloc(sizeof(*proof));

	if (!proof)
		abort();
	*proof = (struct liveness_proof){
		.pings = from->pings,
		.first_ping_at_ns = looked_at_ns - 17 * NS_PER_S,
		.second_ping_at_ns = looked_at_ns - 15 * NS_PER_S,
		.last_ping_at_ns = looked_at_ns - NS_PER_S,
		.n_probes = from->probes > 0,
		.probes = { { 52, from->probes, looked_at_ns - 20 * NS_PER_S } },
	};
	return (struct liveness){
		.known = true,
		.looked_at_ns = looked_at_ns,
		.host = { host_at_ns - 40 * NS_PER_MS, host_at_ns },
		.program = { program_at_ns - 40 * NS_PER_MS, program_at_ns },
		.proof = proof,
	};
}

static void fill_channel(const struct fake_channel *from, int32_t pid, struct channel *channel)
{
	const struct bounds last = used(from->idle_ns);
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		abort();
	channel->policy = policy;

	channel->facts.kind = from->kind;
	channel->facts.tty = from->tty;
	channel->facts.pid = from->kind == KIND_FORWARD ? 0 : pid;
	if (from->command && session_set_command(channel, from->command) < 0)
		abort();
	channel->input = last;
	channel->work = last;
	*policy = (struct policy){ .idle_timeout_ns = from->limit_ns,
				   .idle_warning_ns = MINUTE_NS,
				   .work_max_ns = 24 * 60 * MINUTE_NS,
				   .keep_max_ns = FAKE_KEEP_MAX_S * NS_PER_S,
				   .counts = from->counts,
				   .idle_action = from->action,
				   .client_alive_interval_ns = 15 * NS_PER_S,
				   .client_alive_count_max = 3,
				   .client_alive_source = "/etc/sshidle.conf:5",
				   .timeout_source = "/etc/sshidle.conf:3" };
}

static void fill_session(const struct fake_session *from, uint32_t id, struct session *session)
{
	/* Beyond all that the kernel gives: whoever asks is not below one of these. */
	const int32_t pid = (1 << 22) + (int32_t)id * 10;
	struct session_facts facts = { .identity = { .pid = pid, .cookie = id },
				       .started_at_ns = FAKE_NOW_NS - 7200 * NS_PER_S,
				       .server = from->server,
				       .uid = from->uid,
				       .peer_port = (uint16_t)(50000 + id % 10000),
				       .local_port = 22 };

	if (address_parse(from->peer, &facts.peer) < 0 ||
	    address_parse("10.0.0.1", &facts.local) < 0)
		abort();
	session_init(session, &facts, FAKE_NOW_NS - 7000 * NS_PER_S);
	session->id = id;
	session->known = SAMPLE_IO | SAMPLE_SOCKET | SAMPLE_CHANNELS | SAMPLE_FORWARDS;
	session->observed_at_ns = FAKE_NOW_NS - NS_PER_S;
	session->liveness = alive(from, session->observed_at_ns);
	session->ledger.primed = true;
	if (!session_need_notes(session))
		abort();
	*session->notes = (struct session_notes){
		.warned_at_ns = from->warned_ns ? FAKE_NOW_NS - from->warned_ns : 0,
		.reported_at_ns = from->reported_ns ? FAKE_NOW_NS - from->reported_ns : 0,
		.kept_until_ns = from->kept_ns ? FAKE_NOW_NS + from->kept_ns : 0,
	};
	session->user = from->user;
	session->channels = calloc(from->n_channels, sizeof(*session->channels));
	if (!session->channels)
		abort();
	session->n_channels = (uint32_t)from->n_channels;
	for (size_t i = 0; i < from->n_channels; i++)
		fill_channel(&from->channels[i], pid + 1 + (int32_t)i, &session->channels[i]);
	for (int use = 0; use < USE_N; use++)
		session->uses[use] = used(from->channels[0].idle_ns);
}

void fake_engine_init(struct engine *engine, size_t extra)
{
	*engine = (struct engine){ .n = N_FIXED + extra };
	engine->sessions = calloc(engine->n, sizeof(*engine->sessions));
	if (!engine->sessions)
		abort();
	for (size_t i = 0; i < engine->n; i++)
		fill_session(&fixed[i < N_FIXED ? i : 0], 41 + (uint32_t)i, &engine->sessions[i]);
	for (size_t i = N_FIXED; i < engine->n; i++)
		engine->sessions[i].channels[0].facts.tty = (int32_t)i + 100;
}

void fake_engine_deinit(struct engine *engine)
{
	for (size_t i = 0; i < engine->n; i++) {
		struct session *session = &engine->sessions[i];

		for (size_t j = 0; j < session->n_channels; j++)
			free((void *)session->channels[j].policy);
		session_deinit(session);
	}
	free(engine->sessions);
}

int64_t engine_now_ns(void)
{
	return FAKE_NOW_NS;
}

const struct session *engine_next_session(struct engine *engine, const struct session *after)
{
	const struct session *next = after ? after + 1 : engine->sessions;

	return next < engine->sessions + engine->n ? next : NULL;
}

static struct session *find(struct engine *engine, uint32_t id)
{
	for (size_t i = 0; i < engine->n; i++)
		if (engine->sessions[i].id == id)
			return &engine->sessions[i];
	return NULL;
}

const struct session *engine_session_from(struct engine *engine, uint32_t id)
{
	const struct session *session = NULL;

	while ((session = engine_next_session(engine, session)) && session->id < id)
		;
	return session;
}

const struct session *engine_find_session(struct engine *engine, uint32_t id)
{
	return find(engine, id);
}

struct verdict engine_verdict(struct engine *engine, const struct session *session)
{
	(void)engine;
	return judge(session, FAKE_NOW_NS, false);
}

void engine_reason(const struct session *session, const struct verdict *verdict, int64_t now_ns,
		   char *ret_text, size_t size)
{
	(void)now_ns;
	(void)snprintf(ret_text, size, "reason of rule %d for session %u", (int)verdict->rule,
		       session->id);
}

static void tell(struct engine *engine, enum engine_event_kind kind, const struct session *session,
		 const char *reason)
{
	const struct engine_event event = {
		.kind = kind, .session = session, .rule = 0, .tty = -1, .reason = reason
	};

	if (engine->control)
		control_event(engine->control, &event);
}

int engine_cut(struct engine *engine, uint32_t id, uint32_t uid, const char *who,
	       const char *message)
{
	(void)uid;
	struct session *session = find(engine, id);

	if (session->phase == PHASE_ENDING)
		return -EALREADY;
	session->phase = PHASE_ENDING;
	engine->cut_id = id;
	(void)text_copy(who, engine->who, sizeof(engine->who));
	(void)text_copy(message ? message : "", engine->message, sizeof(engine->message));
	tell(engine, EVENT_CUT, session, "asked");
	return 0;
}

int engine_keep(struct engine *engine, uint32_t id, const char *who, int64_t until_ns)
{
	struct session *session = find(engine, id);

	session->notes->kept_until_ns = until_ns;
	engine->kept_until_ns = until_ns;
	(void)text_copy(who, engine->who, sizeof(engine->who));
	tell(engine, EVENT_KEPT, session, "asked");
	return 0;
}

int64_t engine_keep_max_ns(struct engine *engine, const struct session *session)
{
	(void)engine;
	return session->channels[0].policy->keep_max_ns;
}

int engine_reload(struct engine *engine, char ***ret_problems, size_t *ret_n)
{
	char **problems;

	if (!engine->config_wrong) {
		tell(engine, EVENT_RELOADED, NULL, "/etc/sshidle.conf");
		return 0;
	}
	problems = calloc(2, sizeof(*problems));
	if (!problems)
		return -ENOMEM;
	problems[0] = strdup("/etc/sshidle.conf:3: IdleTimeot: no such keyword");
	problems[1] = strdup("/etc/sshidle.conf:9: IdleWarning: a time is missing");
	*ret_problems = problems;
	*ret_n = 2;
	return -EINVAL;
}

void engine_print_config(struct engine *engine, FILE *file)
{
	(void)engine;
	(void)fputs("IdleTimeout 15m\n", file);
}

/* One set of them; "wrong" is wrong. */
int engine_rules_add(struct engine *engine, const char *text, const char *who,
		     struct engine_rules *ret_rules)
{
	const bool busy = engine->rules[0] != '\0';

	*ret_rules = (struct engine_rules){ .id = 7 };
	if (!busy && !text_equal(text, "wrong")) {
		(void)snprintf(engine->rules, sizeof(engine->rules), "temporary rules of %s", who);
		return 0;
	}
	ret_rules->problems = calloc(1, sizeof(char *));
	if (!ret_rules->problems)
		return -ENOMEM;
	ret_rules->problems[0] = strdup(busy ? "there are some already" : "they are wrong");
	ret_rules->n_problems = 1;
	return busy ? -EBUSY : -EINVAL;
}

void engine_rules_remove(struct engine *engine, uint32_t id)
{
	if (id == 7)
		engine->rules[0] = '\0';
}

void engine_get_status(struct engine *engine, struct engine_status *ret_status)
{
	static const char *rules;
	static const char *const troubles[] = { "the I/O counts of tinysshd cannot be read" };

	rules = engine->rules;
	*ret_status = (struct engine_status){ .started_at_ns = FAKE_NOW_NS - 3600 * NS_PER_S,
					      .config_loaded_at_ns = FAKE_NOW_NS - 60 * NS_PER_S,
					      .shortest_limit_ns = 15 * MINUTE_NS,
					      .config_file = "/etc/sshidle.conf",
					      .monitor_pid = 4711,
					      .cuts = 7,
					      .parks = 2,
					      .warnings = 9,
					      .held = 1,
					      .sessions = engine->n,
					      .rules = &rules,
					      .n_rules = rules[0] != '\0',
					      .troubles = troubles,
					      .n_troubles = 1 };
}
