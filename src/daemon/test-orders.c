/* What an order says, and what its answer leaves behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/fake-orders.h"

/* All that a verdict rests on: of a terminal, of the session, of its client. */
static void an_order_has_a_guard(void **state)
{
	struct order_guard guard = { 11, 12, 1900 * S, 99, 8, 3 + 4, 5, USE_BIT(USE_INPUT), 0, 0 };
	struct scene scene;
	struct session *session = &scene.entry.session;

	(void)state;
	begin_terminals(&scene);
	session->ledger.high_in = 11;
	session->ledger.high_out = 12;
	session->ledger.last.forward_written = 3;
	session->ledger.last.forward_read = 4;
	session->forward_opened = 5;
	session->channels[0].last.atime_s = 99;
	session->realtime_offset_ns = 8;
	now_ns = 1900 * S;
	tellings = 0;
	act_in_use(&scene);
	assert_int_equal(tellings, 0);
	assert_int_equal(ordered, LINK_HANGUP);
	assert_memory_equal(&order.hangup.guard, &guard, sizeof(guard));
	session->uses[USE_INPUT] = (struct bounds){ 1000 * S, 1000 * S };
	act(&scene, now_ns);
	assert_int_equal(ordered, LINK_CUT);
	guard.atime_s = guard.realtime_offset_ns = 0;
	assert_memory_equal(&order.cut.guard, &guard, sizeof(guard));
	assert_true(session->phase == PHASE_ENDING);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

/* No more than that, and of that terminal. */
static void a_terminal_is_warned(void **state)
{
	struct policy warned = fifteen_minutes;
	struct scene scene;
	struct session *session = &scene.entry.session;

	(void)state;
	begin_terminals(&scene);
	session->channels[1].policy = &warned;
	session->channels[0].policy = &policy_none;
	now_ns = 1840 * S;
	act_in_use(&scene);
	assert_int_equal(orders, 1);
	assert_int_equal(ordered, LINK_WARN);
	assert_int_equal(order.warn.tty, 4);
	assert_non_null(strstr(order.warn.text, "This terminal ends"));
	assert_int_equal(session->channels[1].notes->warned_at_ns, now_ns);
	assert_int_equal(session->notes->warned_at_ns, 0);
	act_in_use(&scene);
	assert_int_equal(orders, 1);
	brake_deinit(&scene.engine.brake);
	end(&scene);
}

/* Once for each silence of the user, and of the client. */
static void what_is_only_reported(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene scene;
		struct session *session = &scene.entry.session;

		begin(&scene);
		session->observed_at_ns = 1900 * S;
		session->liveness.looked_at_ns = 1901 * S;
		scene.entry.verdict =
			(struct verdict){ .rule = i == 0 ? RULE_REPORT : RULE_UNRESPONSIVE_HOST,
					  .action = VERDICT_REPORT };
		act_on_verdict(&scene.entry);
		assert_int_equal(orders, 0);
		assert_int_equal(told, EVENT_REPORTED);
		assert_int_equal(session->notes->reported_at_ns, i == 0 ? 1900 * S : 0);
		assert_int_equal(session->notes->unresponsive_reported_at_ns,
				 i == 0 ? 0 : 1901 * S);
		end(&scene);
	}
}

/* Each keep is a line in the log. */
static void keeps_are_counted(void **state)
{
	struct entry entry = { 0 };
	int n = 0;

	(void)state;
	for (now_ns = 1000 * S; now_ns < 1060 * S; now_ns += S)
		n += act_may_keep(&entry);
	assert_int_equal(n, 20);
	assert_true(act_may_keep(&entry));
}

/* Each channel's uses, and input always; where nothing is open all that may open something. */
static void a_guard_has_all_uses(void **state)
{
	static const struct {
		enum channel_kind kind;
		uint32_t counts, uses;
		enum after_cut after_cut;
	} rows[] = {
		{ KIND_EXEC, USE_BIT(USE_OUTPUT), USE_BIT(USE_OUTPUT) | USE_BIT(USE_INPUT),
		  AFTER_HANGUP },
		{ KIND_FORWARD, USE_BIT(USE_TRAFFIC), USE_BIT(USE_TRAFFIC) | USE_BIT(USE_INPUT),
		  AFTER_LEAVE },
		{ KIND_NONE, USE_BIT(USE_TRAFFIC), USE_BIT(USE_OUTPUT) | USE_BIT(USE_INPUT),
		  AFTER_LEAVE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy policy = fifteen_minutes;
		struct scene scene;
		struct channel *channel;

		begin(&scene);
		channel = &scene.entry.session.channels[0];
		channel->facts = (struct channel_identity){ .kind = rows[i].kind, .tty = -1 };
		channel->policy = &policy;
		policy.counts = rows[i].counts;
		policy.after_cut = rows[i].after_cut;
		now_ns = 1900 * S;
		act(&scene, now_ns);
		assert_int_equal(ordered, LINK_CUT);
		assert_int_equal(order.cut.guard.uses, rows[i].uses);
		assert_int_equal(order.cut.hang_up, rows[i].after_cut == AFTER_HANGUP);
		end(&scene);
	}
}

/* Whatever it did before, it is a sign of life that saves it; and it is not written to. */
static void a_client_that_does_not_answer(void **state)
{
	static const struct {
		enum judge_rule rule;
		enum order_alive alive;
		int64_t last_ns;
	} rows[] = {
		{ RULE_UNRESPONSIVE_HOST, ORDER_ALIVE_HOST, 1700 * S },
		{ RULE_UNRESPONSIVE_PROGRAM, ORDER_ALIVE_PROGRAM, 1600 * S },
		{ RULE_DISCONNECT, ORDER_ALIVE_ANY, 1000 * S },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;
		struct entry *entry = &scene.entry;
		bool silent = rows[i].rule != RULE_DISCONNECT;

		begin(&scene);
		entry->session.observed_at_ns = 1890 * S;
		entry->session.liveness.looked_at_ns = 1899 * S;
		entry->session.liveness.host.latest_ns = 1700 * S;
		entry->session.liveness.program.latest_ns = 1600 * S;
		entry->verdict =
			(struct verdict){ .rule = rows[i].rule, .action = VERDICT_DISCONNECT };
		act_on_verdict(entry);
		assert_int_equal(order.cut.guard.alive, rows[i].alive);
		assert_int_equal(order.cut.guard.uses, silent ? 0 : USE_BIT(USE_INPUT));
		assert_int_equal(order.cut.guard.observed_at_ns, silent ? 1899 * S : 1890 * S);
		assert_true((order.cut.text[0] == '\0') == silent);
		assert_int_equal(order.cut.park.wanted, 0);
		assert_int_equal(entry->ending->last_use_at_ns, rows[i].last_ns);
		end(&scene);
	}
}

/* What stood is void by all that is not a part of the same end. */
static void a_warning_is_cancelled(void **state)
{
	(void)state;
	for (int rule = RULE_KEPT; rule < RULE_N; rule++) {
		bool stands =
			(rule >= RULE_WARN && rule <= RULE_HELD) || rule >= RULE_UNRESPONSIVE_HOST;
		struct scene scene;
		struct entry *entry = &scene.entry;

		begin(&scene);
		tellings = 0;
		assert_non_null(session_need_notes(&entry->session));
		entry->session.notes->warned_at_ns = 1840 * S;
		entry->refused = entry->failed = entry->held = true;
		entry->verdict = (struct verdict){ .rule = (enum judge_rule)rule };
		act_on_verdict(entry);
		assert_int_equal(entry->session.notes->warned_at_ns, stands ? 1840 * S : 0);
		assert_true(stands ? tellings == 0 : told == EVENT_CANCELLED);
		assert_true(entry->refused == (rule != RULE_IN_USE) &&
			    entry->failed == (rule != RULE_IN_USE));
		end(&scene);
	}
}

/* It is open as before, and its place under the brake is free again. */
static void a_cut_that_is_refused(void **state)
{
	static const struct {
		int result;
		int64_t retry_ns;
		bool asked, failed;
	} rows[] = {
		{ -EBUSY, 50 * NS_PER_MS, false, false },
		{ -EDQUOT, S, false, false },
		{ -EDQUOT, S, true, true },
		{ -ETIMEDOUT, S, false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct order_cut_done done = { .result = rows[i].result, .notice_bytes = 110 };
		struct scene scene;
		struct entry *entry = &scene.entry;
		struct brake *brake = rows[i].asked ? &scene.engine.asked : &scene.engine.brake;

		begin(&scene);
		errors = 0;
		now_ns = 1900 * S;
		assert_int_equal(brake_set(brake, 1, 60 * S), 0);
		entry->waits = rows[i].asked;
		if (rows[i].asked) {
			assert_int_equal(act_cut_asked(entry, 0, "root", NULL), 0);
			assert_int_equal(order.cut.asked, 1);
			assert_int_equal(act_cut_asked(entry, 0, "root", NULL), -EALREADY);
		} else {
			entry->verdict = (struct verdict){ .rule = RULE_DISCONNECT,
							   .action = VERDICT_DISCONNECT };
			act_on_verdict(entry);
		}
		assert_int_equal(ordered, LINK_CUT);
		assert_true(entry->session.phase == PHASE_ENDING && entry->session.record);
		assert_int_equal(brake_free(brake, now_ns), 0);
		assert_false(entry->waits);
		act_cut_done(entry, &done);
		assert_true(entry->session.phase == PHASE_OPEN && !entry->session.record);
		assert_int_equal(brake_free(brake, now_ns), 1);
		assert_int_equal(entry->retry_at_ns, now_ns + rows[i].retry_ns);
		assert_int_equal(entry->session.ledger.notice_bytes, 110);
		assert_int_equal(entry->refused, rows[i].result == -EBUSY);
		assert_int_equal(errors, rows[i].failed);
		brake_deinit(brake);
		end(&scene);
	}
}

/* Where that fails what it is to be instead has its turn. */
static void a_park_is_ordered(void **state)
{
	const struct order_cut_done done = { .result = -EIO, .not_parked = "no room" };
	struct policy policy = fifteen_minutes;
	struct scene scene;
	struct session *session = &scene.entry.session;

	(void)state;
	begin(&scene);
	policy.idle_warning_ns = 0;
	policy.idle_action = ACTION_PARK;
	policy.park_fallback = ACTION_DISCONNECT;
	policy.park_lifetime_ns = 3600 * S;
	policy.park_max = 5;
	policy.park_permit_root = true;
	session->channels[0].policy = &policy;
	session->id = 7;
	now_ns = 1900 * S;
	act(&scene, now_ns);
	assert_int_equal(ordered, LINK_CUT);
	assert_true(order.cut.park.wanted == 1 && order.cut.park.first_id == 7);
	assert_true(order.cut.park.most == 5 && order.cut.park.permit_root == 1);
	assert_int_equal(order.cut.park.lifetime_ns, 3600 * S);
	assert_int_equal(order.cut.guard.uses, USE_BIT(USE_INPUT));
	errors = 0;
	act_cut_done(&scene.entry, &done);
	assert_int_equal(errors, 0);
	assert_int_equal(session->notes->not_parked_at_ns, now_ns);
	act(&scene, now_ns);
	assert_int_equal(orders, 2);
	assert_int_equal(order.cut.park.wanted, 0);
	end(&scene);
}

/* The end is told once, and is no end by itself. */
static void a_cut_that_is_done(void **state)
{
	struct order_cut_done done = { .n_parked = FACTS_CHANNELS_MAX + 1 };
	struct scene scene;
	struct entry *entry = &scene.entry;

	(void)state;
	begin(&scene);
	now_ns = 1900 * S;
	tellings = 0;
	act_cut_done(entry, &done);
	assert_int_equal(brake_set(&scene.engine.asked, 1, 60 * S), 0);
	assert_int_equal(act_cut_asked(entry, 0, "root", NULL), 0);
	act_cut_done(entry, &done);
	assert_int_equal(tellings, 0);
	done.n_parked = 0;
	act_cut_done(entry, &done);
	assert_true(told == EVENT_CUT && scene.engine.cuts == 1);
	act_closed(entry, NULL);
	assert_int_equal(tellings, 1);
	entry->told = false;
	act_closed(entry, NULL);
	assert_true(tellings == 2 && told == EVENT_CLOSED);
	entry->session.phase = PHASE_OPEN;
	assert_int_equal(act_cut_asked(entry, 0, "root", NULL), -EDQUOT);
	brake_deinit(&scene.engine.asked);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_has_a_guard),
		cmocka_unit_test(a_terminal_is_warned),
		cmocka_unit_test(what_is_only_reported),
		cmocka_unit_test(keeps_are_counted),
		cmocka_unit_test(a_guard_has_all_uses),
		cmocka_unit_test(a_client_that_does_not_answer),
		cmocka_unit_test(a_warning_is_cancelled),
		cmocka_unit_test(a_cut_that_is_refused),
		cmocka_unit_test(a_cut_that_is_done),
		cmocka_unit_test(a_park_is_ordered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
