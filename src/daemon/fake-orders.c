#include "daemon/fake-orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

const struct policy fifteen_minutes = { .idle_timeout_ns = 900 * S,
					.idle_warning_ns = 60 * S,
					.idle_action = ACTION_DISCONNECT,
					.counts = USE_BIT(USE_INPUT),
					.timeout_source = "f:1" };

int64_t now_ns;
union any_order order;
enum link_type ordered;
unsigned orders, errors;
enum engine_event_kind told;
unsigned tellings;
char reason_told[64];

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
	(void)rule;
	(void)tty;
	(void)snprintf(reason_told, sizeof(reason_told), "%s", reason);
	told = kind;
	tellings++;
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

void begin(struct scene *scene)
{
	const struct session_facts facts = { .started_at_ns = 10 * S, .uid = 1000 };
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

void end(struct scene *scene)
{
	free(scene->entry.ending);
	free(scene->entry.hanging_up);
	session_deinit(&scene->entry.session);
	config_free(scene->engine.config);
}

void act(struct scene *scene, int64_t sampled_at_ns)
{
	scene->entry.session.observed_at_ns = sampled_at_ns;
	scene->entry.verdict = judge(&scene->entry.session, sampled_at_ns, false);
	act_on_verdict(&scene->entry);
}

void begin_terminals(struct scene *scene)
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

void act_in_use(struct scene *scene)
{
	scene->entry.session.uses[USE_INPUT] = (struct bounds){ now_ns, now_ns };
	act_hang_up_again(&scene->entry);
	act(scene, now_ns);
}
