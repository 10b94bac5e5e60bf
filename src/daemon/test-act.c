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
	unsigned char bytes[sizeof(struct order_cut)];
} order;
static enum link_type ordered;
static unsigned orders;

/* --- stand-ins --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are the linker's */
int64_t __wrap_clock_ns(clockid_t id);

int64_t __wrap_clock_ns(clockid_t id)
{
	(void)id;
	return now_ns;
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
	(void)text;
	(void)size;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_warning_stands_its_time),
		cmocka_unit_test(a_late_warning_stands_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
