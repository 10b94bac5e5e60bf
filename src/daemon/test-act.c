/* From a verdict to an order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fake-orders.h"

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
	done = (struct order_hangup_done){ .tty = 4 };
	act_hangup_done(&scene.entry, &done);
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

/* Each of them once, though another one is tried again and again. */
static void a_report_beside_a_terminal_that_cannot_be_hung_up(void **state)
{
	struct order_hangup_done done = { .tty = 3, .result = -ENOENT };
	struct policy reported = fifteen_minutes;
	struct scene scene;
	unsigned reports = 0;

	(void)state;
	begin_terminals(&scene);
	reported.idle_action = ACTION_REPORT;
	scene.entry.session.channels[1].policy = &reported;
	for (now_ns = 1900 * S; now_ns < 2200 * S; now_ns += 10 * S) {
		act_in_use(&scene);
		reports += scene.entry.verdict.action == VERDICT_REPORT;
		if (scene.entry.hanging_up)
			act_hangup_done(&scene.entry, &done);
	}
	assert_true(orders > 3);
	assert_int_equal(reports, 1);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

static void a_terminal_that_was_used_is_looked_at_again(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct order_hangup_done done = { .tty = 3, .result = i == 0 ? -EBUSY : -EDQUOT };
		struct scene scene;

		begin_terminals(&scene);
		scene.entry.session.channels[1].policy = &policy_none;
		now_ns = 1900 * S;
		act_in_use(&scene);
		assert_non_null(session_need_channel_notes(&scene.entry.session.channels[1]));
		scene.entry.session.channels[1].notes->hung_up_at_ns = 1890 * S;
		assert_int_equal(brake_free(&scene.engine.brake, now_ns), 9);
		act_hangup_done(&scene.entry, &done);
		assert_int_equal(brake_free(&scene.engine.brake, now_ns), 10);
		assert_int_equal(scene.entry.session.channels[1].notes->hung_up_at_ns, 1890 * S);
		assert_int_equal(scene.entry.retry_at_ns, now_ns + (i == 0 ? 50 * NS_PER_MS : S));
		act_in_use(&scene);
		assert_int_equal(orders, 2);
		assert_int_equal(order.hangup.tty, 3);
		brake_deinit(&scene.engine.brake);
		end(&scene);
	}
}

/* The monitor hangs up one after the other, and what is said of one is its own. */
static void one_terminal_at_a_time(void **state)
{
	struct order_hangup_done done = { .tty = 3, .result = -EBUSY };
	struct brake *brake, *asked;
	struct scene scene;

	(void)state;
	begin_terminals(&scene);
	brake = &scene.engine.brake;
	asked = &scene.engine.asked;
	assert_int_equal(brake_set(asked, 10, 60 * S), 0);
	now_ns = 1900 * S;
	act_in_use(&scene);
	act_in_use(&scene);
	assert_int_equal(orders, 1);
	assert_int_equal(order.hangup.tty, 3);
	assert_int_equal(scene.entry.verdict.next_look_ns, 1900 * S + 50 * NS_PER_MS);
	assert_int_equal(act_cut_asked(&scene.entry, 0, "root", NULL), 0);
	act_hangup_done(&scene.entry, &done);
	assert_int_equal(brake_free(brake, now_ns), 10);
	assert_int_equal(brake_free(asked, now_ns), 9);
	assert_int_equal(scene.entry.ending->verdict.rule, RULE_ASKED);
	act_cut_done(&scene.entry, &(struct order_cut_done){ .result = -EPERM });
	assert_int_equal(brake_free(asked, now_ns), 10);
	now_ns = 1960 * S;
	act_in_use(&scene);
	assert_int_equal(order.hangup.tty, 3);
	done.result = 0;
	act_hangup_done(&scene.entry, &done);
	act_in_use(&scene);
	assert_int_equal(order.hangup.tty, 4);
	brake_deinit(brake);
	brake_deinit(asked);
	end(&scene);
}

static void warn_terminals(struct scene *scene, const struct policy *policy)
{
	begin_terminals(scene);
	for (size_t i = 0; i < 3; i++)
		scene->entry.session.channels[i].policy = policy;
	for (now_ns = 1840 * S; now_ns < 1843 * S; now_ns += S)
		act_in_use(scene);
	assert_int_equal(orders, 2);
	assert_int_equal(ordered, LINK_WARN);
}

/* Also where one of the terminals is warned in its turn. */
static void use_cancels_a_warning(void **state)
{
	struct scene scene;

	(void)state;
	warn_terminals(&scene, &fifteen_minutes);
	scene.entry.session.notes->warned_at_ns = 1830 * S;
	act_in_use(&scene);
	assert_int_equal(scene.entry.verdict.rule, RULE_TERMINAL_WARN);
	assert_true(session_notes(&scene.entry.session)->warned_at_ns == 0);
	assert_string_equal(reason_told, "use");
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

/* The terminal was told of an end that did not come: before another one it is told again. */
static void a_terminal_is_warned_again(void **state)
{
	struct policy unlimited = fifteen_minutes;
	struct session *session;
	struct scene scene;

	(void)state;
	warn_terminals(&scene, &fifteen_minutes);
	session = &scene.entry.session;
	session->notes->kept_until_ns = 3000 * S;
	act_in_use(&scene);
	now_ns = 3001 * S;
	act_in_use(&scene);
	assert_int_equal(orders, 3);
	assert_int_equal(ordered, LINK_WARN);
	brake_deinit(&scene.engine.brake);
	end(&scene);

	warn_terminals(&scene, &fifteen_minutes);
	unlimited.idle_timeout_ns = TIME_NEVER;
	session->channels[0].policy = &unlimited;
	act_in_use(&scene);
	session->channels[0].policy = &fifteen_minutes;
	now_ns = 3001 * S;
	act_in_use(&scene);
	assert_int_equal(orders, 3);
	assert_int_equal(ordered, LINK_WARN);
	assert_int_equal(order.warn.tty, 3);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

/* Each of them once, and the session itself is not reported for that. */
static void a_terminal_that_is_only_reported(void **state)
{
	struct policy reported;
	struct scene scene;

	(void)state;
	begin_terminals(&scene);
	reported = *scene.entry.session.channels[0].policy;
	reported.idle_action = ACTION_REPORT;
	for (size_t i = 0; i < 3; i++)
		scene.entry.session.channels[i].policy = &reported;
	for (now_ns = 1900 * S; now_ns < 1903 * S; now_ns += S) {
		act_in_use(&scene);
		assert_int_equal(scene.entry.verdict.action,
				 now_ns < 1902 * S ? VERDICT_REPORT : VERDICT_NONE);
	}
	assert_true(session_notes(&scene.entry.session)->reported_at_ns == 0);
	assert_int_equal(orders, 0);
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

/* It was last sampled at 1100 s, and nothing has moved since. */
static void a_reason_is_as_of_now(void **state)
{
	const struct verdict verdict = { .rule = RULE_IN_USE, .end_at_ns = 1900 * S };
	struct scene scene;
	char reason[128];

	(void)state;
	begin(&scene);
	scene.entry.session.observed_at_ns = 1100 * S;
	engine_reason(&scene.entry.session, &verdict, 1600 * S, reason, sizeof(reason));
	assert_string_equal(reason, "no input for 10m");
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_warning_stands_its_time),
		cmocka_unit_test(a_late_warning_stands_its_time),
		cmocka_unit_test(a_terminal_that_cannot_be_hung_up),
		cmocka_unit_test(a_report_beside_a_terminal_that_cannot_be_hung_up),
		cmocka_unit_test(a_terminal_that_was_used_is_looked_at_again),
		cmocka_unit_test(one_terminal_at_a_time),
		cmocka_unit_test(use_cancels_a_warning),
		cmocka_unit_test(a_terminal_is_warned_again),
		cmocka_unit_test(a_terminal_that_is_only_reported),
		cmocka_unit_test(an_end_that_fails_is_told),
		cmocka_unit_test(one_that_is_asked_anew_keeps_its_place),
		cmocka_unit_test(a_reason_is_as_of_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
