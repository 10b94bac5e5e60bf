/* From a verdict to an order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/engine-table.h"

#define S NS_PER_S

static const struct policy fifteen_minutes = { .idle_timeout_ns = 900 * S,
					       .idle_warning_ns = 60 * S,
					       .idle_action = ACTION_DISCONNECT,
					       .counts = USE_BIT(USE_INPUT),
					       .timeout_source = "f:1" };

static int64_t now_ns;

/* The last order, and how many there were. */
static union {
	struct order_warn warn;
	struct order_cut cut;
	struct order_hangup hangup;
	unsigned char bytes[sizeof(struct order_cut)];
} order;
static enum link_type ordered;
static unsigned orders, errors;

/* --- stand-ins --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int64_t __wrap_clock_ns(clockid_t id);
void __wrap_log_error(const char *format, ...);

int64_t __wrap_clock_ns(clockid_t id)
{
	(void)id;
	return now_ns;
}

void __wrap_log_error(const char *format, ...)
{
	(void)format;
	errors++;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int64_t engine_now_ns(void)
{
	return now_ns;
}

void engine_send(struct engine *engine, enum link_type type, const void *message, size_t size)
{
	(void)engine;
	assert_true(size <= sizeof(order));
	memcpy(order.bytes, message, size);
	ordered = type;
	orders++;
}

void engine_tell(struct entry *entry, enum engine_event_kind kind, int rule, int32_t tty,
		 const char *reason)
{
	(void)entry;
	(void)kind;
	(void)rule;
	(void)tty;
	(void)reason;
}

void engine_save_soon(struct engine *engine)
{
	(void)engine;
}

void engine_save_record(struct engine *engine)
{
	(void)engine;
}

void alive_closed_words(const struct session *session, const struct link_last_words *words,
			char *text, size_t size)
{
	(void)session;
	(void)words;
	if (size > 0)
		text[0] = '\0';
}

void engine_look_soon(struct entry *entry)
{
	(void)entry;
}

struct brake *rules_brake(const struct entry *entry)
{
	return &entry->engine->brake;
}

/* --- the tests --- */

struct scene {
	struct engine engine;
	struct entry entry;
};

/* A shell that was used at 1000 s, before nobody looked. */
static void begin(struct scene *scene)
{
	const struct session_facts facts = { .started_at_ns = 10 * S };
	const struct channel_facts shell = { .kind = KIND_SHELL, .tty = 3, .pid = 78 };
	struct session *session = &scene->entry.session;

	*scene = (struct scene){ .entry = { .handle = 1 } };
	scene->entry.engine = &scene->engine;
	assert_int_equal(config_new(&scene->engine.config), 0);
	session_init(session, &facts, 20 * S);
	assert_int_equal(session_set_channels(session, &shell, 1, 20 * S, 20 * S), 0);
	session->channels[0].policy = &fifteen_minutes;
	session->channels[0].opened = session->channels[0].input =
		(struct bounds){ 1000 * S, 1000 * S };
	orders = 0;
}

static void end(struct scene *scene)
{
	free(scene->entry.ending);
	session_deinit(&scene->entry.session);
	config_free(scene->engine.config);
}

/* A sample of that time, acted on now. */
static void act(struct scene *scene, int64_t sampled_at_ns)
{
	scene->entry.session.observed_at_ns = sampled_at_ns;
	scene->entry.verdict = judge(&scene->entry.session, sampled_at_ns, false);
	act_on_verdict(&scene->entry);
}

static void a_warning_stands_its_time(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	now_ns = 1840 * S;
	act(&scene, 1840 * S);
	assert_int_equal(orders, 1);
	assert_int_equal(ordered, LINK_WARN);
	assert_non_null(strstr(order.warn.text, "(in 1m)"));
	now_ns = 1899 * S;
	act(&scene, 1899 * S);
	assert_int_equal(orders, 1);
	now_ns = 1900 * S;
	act(&scene, 1900 * S);
	assert_int_equal(orders, 2);
	assert_int_equal(ordered, LINK_CUT);
	end(&scene);
}

/* The sample was taken in time, and lay there for as long as the warning would have stood. */
static void a_late_warning_stands_its_time(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	now_ns = 1950 * S;
	act(&scene, 1840 * S);
	assert_int_equal(orders, 1);
	assert_int_equal(ordered, LINK_WARN);
	assert_non_null(strstr(order.warn.text, "(in 1m)"));
	assert_int_equal(scene.entry.verdict.end_at_ns, 2010 * S);
	act(&scene, 1950 * S);
	now_ns = 2009 * S;
	act(&scene, 2009 * S);
	assert_int_equal(orders, 1);
	now_ns = 2010 * S;
	act(&scene, 2010 * S);
	assert_int_equal(orders, 2);
	assert_int_equal(ordered, LINK_CUT);
	end(&scene);
}

/* Two terminals beside a command in use. */
static void begin_terminals(struct scene *scene)
{
	static const struct policy unwarned = { .idle_timeout_ns = 900 * S,
						.idle_action = ACTION_DISCONNECT,
						.counts = USE_BIT(USE_INPUT),
						.timeout_source = "f:1" };
	const struct channel_facts facts[] = { { .kind = KIND_SHELL, .tty = 3, .pid = 78 },
					       { .kind = KIND_SHELL, .tty = 4, .pid = 79 },
					       { .kind = KIND_EXEC, .tty = -1, .pid = 80 } };
	struct session *session = &scene->entry.session;

	begin(scene);
	assert_int_equal(brake_set(&scene->engine.brake, 10, 60 * S), 0);
	assert_int_equal(session_set_channels(session, facts, 3, 20 * S, 20 * S), 0);
	for (size_t i = 0; i < 3; i++) {
		struct channel *channel = &session->channels[i];

		channel->policy = &unwarned;
		channel->opened = channel->input = (struct bounds){ 1000 * S, 1000 * S };
	}
}

/* In use until now. */
static void act_in_use(struct scene *scene)
{
	scene->entry.session.uses[USE_INPUT] = (struct bounds){ now_ns, now_ns };
	act_hang_up_again(&scene->entry);
	act(scene, now_ns);
}

/* As one that no process leads, which any user can make. */
static void a_terminal_that_cannot_be_hung_up(void **state)
{
	struct order_hangup_done done = { .tty = 3, .result = -ENOENT };
	struct scene scene;

	(void)state;
	begin_terminals(&scene);
	now_ns = 1900 * S;
	act_in_use(&scene);
	assert_int_equal(ordered, LINK_HANGUP);
	assert_int_equal(order.hangup.tty, 3);
	act_hangup_done(&scene.entry, &done);
	/* The other one has its turn, and is hung up; nothing is left to be done. */
	act_in_use(&scene);
	assert_int_equal(orders, 2);
	assert_int_equal(order.hangup.tty, 4);
	now_ns = 1959 * S;
	act_in_use(&scene);
	assert_int_equal(orders, 2);
	now_ns = 1960 * S;
	act_in_use(&scene);
	assert_int_equal(orders, 3);
	assert_int_equal(order.hangup.tty, 3);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

static void a_terminal_that_was_used_is_looked_at_again(void **state)
{
	struct order_hangup_done done = { .tty = 3, .result = -EBUSY };
	struct scene scene;

	(void)state;
	begin_terminals(&scene);
	now_ns = 1900 * S;
	act_in_use(&scene);
	act_hangup_done(&scene.entry, &done);
	assert_int_equal(scene.entry.retry_at_ns, 1900 * S + 50 * NS_PER_MS);
	act_in_use(&scene);
	assert_int_equal(orders, 2);
	assert_int_equal(order.hangup.tty, 3);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

static void fail_twice(struct scene *scene)
{
	const struct order_cut_done done = { .result = -ETIMEDOUT };

	errors = 0;
	act_cut_done(&scene->entry, &done);
	act_cut_done(&scene->entry, &done);
}

/* What a rule tries again and again is told once; who asks for it hears of it each time. */
static void an_end_that_fails_is_told(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	now_ns = 1900 * S;
	act(&scene, now_ns);
	now_ns = 1960 * S;
	act(&scene, now_ns);
	assert_int_equal(ordered, LINK_CUT);
	fail_twice(&scene);
	assert_int_equal(errors, 1);
	assert_int_equal(scene.entry.retry_at_ns, 1961 * S);
	scene.entry.ending->verdict.rule = RULE_ASKED;
	fail_twice(&scene);
	assert_int_equal(errors, 2);
	end(&scene);
}

/* The machine of one that does not answer is asked again and again until the brake lets it go. */
static void one_that_is_asked_anew_keeps_its_place(void **state)
{
	const struct verdict held = { .rule = RULE_HELD,
				      .held = RULE_UNRESPONSIVE_PROGRAM,
				      .end_at_ns = 1900 * S,
				      .alive_end_at_ns = 1900 * S };
	const struct verdict asked = { .rule = RULE_UNLIMITED, .alive_end_at_ns = 1900 * S };
	const struct verdict answered = { .rule = RULE_UNLIMITED, .alive_end_at_ns = TIME_NEVER };
	const struct verdict ended = { .rule = RULE_UNRESPONSIVE_PROGRAM,
				       .action = VERDICT_DISCONNECT,
				       .alive_end_at_ns = 1900 * S };
	struct entry *entry;
	struct scene scene;

	(void)state;
	begin(&scene);
	entry = &scene.entry;
	scene.engine.entries = &entry;
	scene.engine.n_entries = 1;
	for (now_ns = 1900 * S; now_ns < 1920 * S; now_ns += S) {
		entry->session.liveness.looked_at_ns = now_ns;
		entry->verdict = now_ns % (4 * S) == 0 ? held : asked;
		act_on_verdict(entry);
		assert_true(entry->held);
	}
	assert_int_equal(entry->held_since_ns, 1900 * S);
	assert_int_equal(scene.engine.held, 1);
	entry->verdict = answered;
	act_on_verdict(entry);
	assert_false(entry->held);
	entry->verdict = asked;
	act_on_verdict(entry);
	assert_false(entry->held);
	entry->verdict = held;
	act_on_verdict(entry);
	assert_int_equal(entry->held_since_ns, 1920 * S);
	entry->verdict = ended;
	act_on_verdict(entry);
	assert_false(entry->held);
	assert_int_equal(ordered, LINK_CUT);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_warning_stands_its_time),
		cmocka_unit_test(a_late_warning_stands_its_time),
		cmocka_unit_test(a_terminal_that_cannot_be_hung_up),
		cmocka_unit_test(a_terminal_that_was_used_is_looked_at_again),
		cmocka_unit_test(an_end_that_fails_is_told),
		cmocka_unit_test(one_that_is_asked_anew_keeps_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
