/* Who goes first when the brake lets go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine-table.h"

#define S NS_PER_S

enum { SESSIONS = 60, MOST = 6 };

static int64_t now_ns;

/* An engine with the sessions of several users, each of which would end by now. */
struct scene {
	struct engine engine;
	struct entry entries[SESSIONS];
	struct entry *rows[SESSIONS];
	int64_t ended_at_ns[SESSIONS]; /* 0: not yet */
	bool soon[SESSIONS];
};

static struct scene *scene;

/* --- stand-ins --- */

int64_t engine_now_ns(void)
{
	return now_ns;
}

void engine_look_soon(struct entry *entry)
{
	scene->soon[entry - scene->entries] = true;
}

struct brake *rules_brake(const struct entry *entry)
{
	return &entry->engine->brake;
}

/* --- the tests --- */

static void begin(struct scene *one, size_t n)
{
	*one = (struct scene){ 0 };
	scene = one;
	now_ns = 1000 * S;
	assert_int_equal(brake_set(&one->engine.brake, MOST, 60 * S), 0);
	one->engine.entries = one->rows;
	one->engine.n_entries = n;
	for (size_t i = 0; i < n; i++) {
		one->rows[i] = &one->entries[i];
		one->entries[i].engine = &one->engine;
		one->entries[i].session.facts.uid = 1000;
		one->entries[i].verdict.action = VERDICT_DISCONNECT;
	}
}

/* As the engine does with a sample of one that is past its limit. */
static void look(size_t i)
{
	struct entry *entry = &scene->entries[i];
	struct brake *brake = &scene->engine.brake;

	scene->soon[i] = false;
	if (scene->ended_at_ns[i] != 0)
		return;
	if (brake_on(brake, now_ns) || !turn_has_come(entry)) {
		if (!entry->waits)
			entry->held_since_ns = now_ns;
		entry->waits = true;
		return;
	}
	brake_note_cut(brake, turn_of(entry), now_ns);
	scene->ended_at_ns[i] = now_ns;
	entry->waits = false;
}

/* Each is looked at every 15 s, and when its turn has come. */
static void look_at_all(int64_t until_ns)
{
	const size_t n = scene->engine.n_entries;

	for (size_t at = 0; n > 0 && now_ns < until_ns; now_ns += S / 4) {
		for (size_t i = 0; i < n; i++)
			if (scene->soon[i])
				look(i);
		at = (at + 37) % n;
		look(at);
	}
}

static size_t ended(size_t from, size_t n)
{
	size_t so_many = 0;

	for (size_t i = from; i < from + n; i++)
		so_many += scene->ended_at_ns[i] != 0;
	return so_many;
}

/* Never more than allowed in any span. */
static void assert_braked(void)
{
	for (size_t i = 0; i < scene->engine.n_entries; i++) {
		size_t n = 0;

		for (size_t j = 0; j < scene->engine.n_entries; j++)
			n += scene->ended_at_ns[j] > 0 &&
			     scene->ended_at_ns[j] >= scene->ended_at_ns[i] &&
			     scene->ended_at_ns[j] < scene->ended_at_ns[i] + 60 * S;
		assert_true(n <= MOST);
	}
}

static void many_of_one_user_do_not_hold_up_others(void **state)
{
	struct scene one;

	(void)state;
	begin(&one, SESSIONS);
	for (size_t i = 55; i < SESSIONS; i++) {
		one.entries[i].session.facts.uid = 2000 + (uint32_t)i;
		/* Only later past their limit. */
		one.ended_at_ns[i] = -1;
	}
	look_at_all(1030 * S);
	assert_int_equal(ended(0, 55), MOST);
	for (size_t i = 55; i < SESSIONS; i++)
		one.ended_at_ns[i] = 0;
	look_at_all(1055 * S);
	assert_int_equal(ended(55, 5), 0);
	look_at_all(1090 * S);
	/* All five in the next span, though fifty have been held for longer; one of those as well. */
	assert_int_equal(ended(55, 5), 5);
	assert_int_equal(ended(0, 55), MOST + 1);
	look_at_all(1620 * S);
	/* and nothing of what is allowed is lost */
	assert_int_equal(ended(0, SESSIONS), SESSIONS);
	assert_braked();
	brake_deinit(&one.engine.brake);
}

/* A user has thousands of numbers below (subuid(5)), and a server of theirs sessions of each. */
static void many_without_a_name_do_not_hold_up_others(void **state)
{
	struct scene one;

	(void)state;
	begin(&one, SESSIONS);
	for (size_t i = 0; i < 55; i++) {
		one.entries[i].session.facts.uid = 100000 + (uint32_t)i;
		one.entries[i].nameless = true;
	}
	for (size_t i = 55; i < SESSIONS; i++)
		one.ended_at_ns[i] = -1;
	look_at_all(1030 * S);
	assert_int_equal(ended(0, 55), MOST);
	for (size_t i = 55; i < SESSIONS; i++)
		one.ended_at_ns[i] = 0;
	look_at_all(1090 * S);
	assert_true(ended(55, 5) >= MOST / 2);
	assert_braked();
	brake_deinit(&one.engine.brake);
}

static void of_one_user_the_longest_held(void **state)
{
	struct scene one;

	(void)state;
	begin(&one, 3);
	for (int i = 1; i < MOST; i++)
		brake_note_cut(&one.engine.brake, 1001, now_ns);
	one.entries[1].waits = one.entries[2].waits = true;
	one.entries[1].held_since_ns = 990 * S;
	one.entries[2].held_since_ns = 980 * S;
	assert_false(turn_has_come(&one.entries[0]));
	assert_false(turn_has_come(&one.entries[1]));
	assert_true(one.soon[2]);
	assert_true(turn_has_come(&one.entries[2]));
	/* One that would not end now has no turn. */
	one.entries[2].waits = false;
	assert_true(turn_has_come(&one.entries[1]));
	/* One that is only looked at waits for nobody. */
	one.entries[2].waits = true;
	assert_false(turn_has_come(&one.entries[1]));
	one.entries[1].verdict.action = VERDICT_PARK;
	assert_false(turn_has_come(&one.entries[1]));
	one.entries[1].verdict.action = VERDICT_HANGUP_TERMINAL;
	assert_false(turn_has_come(&one.entries[1]));
	one.entries[1].verdict.action = VERDICT_WARN;
	assert_true(turn_has_come(&one.entries[1]));
	brake_deinit(&one.engine.brake);
}

static void users_leave_half_to_root(void **state)
{
	struct brake asked = { 0 };

	(void)state;
	assert_true(turn_may_ask(&asked, 1000, S));
	assert_int_equal(brake_set(&asked, 5, 60 * S), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(turn_may_ask(&asked, 1000 + i, 100 * S));
		brake_note_cut(&asked, 1000 + i, 100 * S);
	}
	assert_false(turn_may_ask(&asked, 1000, 100 * S));
	assert_false(turn_may_ask(&asked, 1007, 100 * S));
	for (int i = 0; i < 2; i++) {
		assert_true(turn_may_ask(&asked, 0, 100 * S));
		brake_note_cut(&asked, 0, 100 * S);
	}
	assert_false(turn_may_ask(&asked, 0, 160 * S - 1));
	assert_true(turn_may_ask(&asked, 0, 160 * S));
	/* What root has had of its half is none of theirs. */
	for (uint32_t i = 0; i < 5; i++) {
		assert_true(turn_may_ask(&asked, 1007, 160 * S));
		brake_note_cut(&asked, i < 2 ? 0 : 1007, 160 * S);
	}
	assert_false(turn_may_ask(&asked, 1007, 160 * S));
	brake_deinit(&asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_of_one_user_do_not_hold_up_others),
		cmocka_unit_test(many_without_a_name_do_not_hold_up_others),
		cmocka_unit_test(of_one_user_the_longest_held),
		cmocka_unit_test(users_leave_half_to_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
