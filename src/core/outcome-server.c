/* What the servers do by themselves; the names in the comments are those of their sources. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/outcome-private.h"
#include "core/pattern.h"

#define TINYSSH_LIMIT_NS (3600 * NS_PER_S)

/* Of dropbear's -K: DEFAULT_KEEPALIVE_LIMIT. */
enum { DROPBEAR_KEEPALIVES = 3 };

bool outcome_sshd_older(const struct settings_openssh *sshd, int major, int minor)
{
	if (sshd->major == 0)
		return false;
	return sshd->major < major || (sshd->major == major && sshd->minor < minor);
}

/* From 9.2 to 9.4 a probe needs more than the interval (`now > last + I` in whole seconds), so
 * most often the second time-out of ppoll sends it. */
static bool probes_late(const struct settings_openssh *sshd)
{
	return !outcome_sshd_older(sshd, 9, 2) &&
	       (sshd->major == 0 || outcome_sshd_older(sshd, 9, 5));
}

bool outcome_sshd_alive(const struct settings_openssh *sshd, struct outcome_span *ret_end)
{
	const int64_t cycles = (int64_t)sshd->client_alive_count_max + 1;
	int64_t end_ns;

	if (sshd->client_alive_interval_ns <= 0 || sshd->client_alive_count_max < 0)
		return false;
	if (sshd->client_alive_count_max == 0 && !outcome_sshd_older(sshd, 8, 2))
		return false;
	if (sshd->client_alive_interval_ns > TIME_NEVER / 2 / cycles)
		return false;
	end_ns = sshd->client_alive_interval_ns * cycles;
	*ret_end = outcome_whole_seconds(end_ns, probes_late(sshd) ? 2 * end_ns : end_ns);
	return true;
}

bool outcome_probes(const struct outcome_work *work, struct outcome_span *ret_first)
{
	const struct settings_server *server = work->c->server;
	int64_t every_ns = 0;

	if (server->server == SERVER_OPENSSH)
		every_ns = server->openssh.client_alive_interval_ns;
	else if (server->server == SERVER_DROPBEAR)
		every_ns = server->dropbear.keepalive_ns;
	if (every_ns <= 0)
		return false;
	*ret_first = outcome_whole_seconds(every_ns, every_ns);
	if (server->server == SERVER_OPENSSH && probes_late(&server->openssh))
		ret_first->latest_ns = outcome_add_ns(ret_first->latest_ns, every_ns);
	return true;
}

static void name_setting(struct outcome_effect *effect, const char *setting, const char *source)
{
	(void)text_copy(setting, effect->setting, sizeof(effect->setting));
	(void)text_copy(source, effect->source, sizeof(effect->source));
}

static void add_client_alive(struct outcome_work *work)
{
	const struct settings_openssh *sshd = &work->c->server->openssh;
	const bool output_blocks = !outcome_sshd_older(sshd, 9, 2) && work->s->print_every > 0;
	char setting[OUTCOME_SETTING_BYTES];
	struct outcome_effect *effect;
	struct outcome_span span;

	if ((!work->s->host_gone && !work->s->program_stopped) || !outcome_sshd_alive(sshd, &span))
		return;
	if (output_blocks && sshd->client_alive_interval_ns > work->s->print_every) {
		outcome_remark(work,
			       "sshd 9.2 and later send no probe while the session prints more "
			       "often than every ClientAliveInterval, so sshd never notices");
		return;
	}
	if (work->s->flood)
		span.latest_ns = outcome_add_ns(span.latest_ns, FILL_NS);
	(void)snprintf(setting, sizeof(setting), "ClientAliveInterval %s, ClientAliveCountMax %d",
		       outcome_span_text(sshd->client_alive_interval_ns).text,
		       (int)sshd->client_alive_count_max);
	effect = outcome_effect_add(work, MECHANISM_SSHD_CLIENT_ALIVE, OUTCOME_CONNECTION_ENDED,
				    span);
	effect->certain = !output_blocks;
	name_setting(effect, setting, sshd->source);
	if (work->s->flood)
		effect->note = "the probes begin when the connection is full and the session "
			       "cannot print any more";
}

static bool type_fits(const char *pattern, const char *type)
{
	const struct pattern_entry entry = { .text = pattern, .length = strlen(pattern) };

	return pattern_fits(&entry, type);
}

/* The one that is in force for the situation's channel: the first that fits its type, or `global`
 * (9.7), which stands for all channels together. */
static const struct settings_channel_timeout *find_timeout(const struct outcome_work *work)
{
	const struct settings_openssh *sshd = &work->c->server->openssh;
	const struct settings_channel_timeout *own = NULL, *global = NULL;

	for (size_t i = 0; i < sshd->n_channel_timeouts; i++) {
		const struct settings_channel_timeout *one = &sshd->channel_timeouts[i];

		if (!outcome_sshd_older(sshd, 9, 7) && text_equal(one->type, "global"))
			global = one;
		else if (!own && work->s->channel && type_fits(one->type, work->s->channel))
			own = one;
	}
	if (own && own->after_ns <= 0)
		own = NULL;
	if (!global || global->after_ns <= 0 || work->s->busy_beside || !work->s->channel)
		return own;
	return own && own->after_ns <= global->after_ns ? own : global;
}

static const char *closed_note(const struct situation *situation)
{
	if (situation->host_gone || situation->program_stopped)
		return "the shell gets a hang-up; the connection stays until something else ends "
		       "it";
	if (situation->kind == KIND_EXEC)
		return "what the command does goes on without a client until it prints";
	if (situation->kind == KIND_FORWARD)
		return "the connection stays";
	return situation->busy_beside ? "the connection and the other terminal stay"
				      : "the client then ends by itself, as nothing is open in it";
}

static void add_unused(struct outcome_work *work, const struct outcome_span *from)
{
	const struct settings_openssh *sshd = &work->c->server->openssh;
	const int64_t limit_ns = sshd->unused_connection_timeout_ns;
	struct outcome_span span =
		outcome_whole_seconds(limit_ns, outcome_add_ns(limit_ns, WHOLE_SECOND_NS));
	struct outcome_effect *effect;
	char setting[OUTCOME_SETTING_BYTES];

	if (limit_ns <= 0)
		return;
	if (from) {
		/* Before 10.0 the time runs from the last turn of sshd's loop before the end. */
		span.earliest_ns = from->earliest_ns;
		span.latest_ns = outcome_add_ns(span.latest_ns, from->latest_ns);
	}
	(void)snprintf(setting, sizeof(setting), "UnusedConnectionTimeout %s",
		       outcome_span_text(limit_ns).text);
	effect = outcome_effect_add(work, MECHANISM_SSHD_UNUSED_CONNECTION,
				    OUTCOME_CONNECTION_ENDED, span);
	name_setting(effect, setting, sshd->source);
	if (from)
		effect->note = "as ChannelTimeout has closed what was open in it";
}

static void add_channel_timeout(struct outcome_work *work)
{
	const struct settings_channel_timeout *timeout = find_timeout(work);
	char setting[OUTCOME_SETTING_BYTES];
	struct outcome_effect *effect;
	enum outcome_chance chance;
	struct outcome_span span;

	if (!work->s->channel)
		add_unused(work, NULL);
	if (!timeout || work->s->traffic)
		return;
	chance = outcome_quiet(work->s, timeout->after_ns, &span);
	if (chance == CHANCE_NEVER) {
		outcome_remark(work,
			       work->s->tmux
				       ? "tmux prints its clock once a minute, and output is use "
					 "of the channel to ChannelTimeout"
				       : "output is use of the channel to ChannelTimeout");
		return;
	}
	(void)snprintf(setting, sizeof(setting), "ChannelTimeout %s=%s", timeout->type,
		       outcome_span_text(timeout->after_ns).text);
	effect = outcome_effect_add(work, MECHANISM_SSHD_CHANNEL_TIMEOUT, OUTCOME_CHANNEL_CLOSED,
				    span);
	effect->certain = chance == CHANCE_CERTAIN;
	effect->note = closed_note(work->s);
	name_setting(effect, setting, work->c->server->openssh.source);
	if (work->s->host_gone || work->s->program_stopped || work->s->kind == KIND_FORWARD)
		add_unused(work, &span);
}

void outcome_add_openssh(struct outcome_work *work)
{
	if (work->c->server->trouble[0] != '\0')
		return;
	add_client_alive(work);
	add_channel_timeout(work);
}

static void dropbear_setting(const struct outcome_work *work, struct outcome_effect *effect,
			     const char *option, int64_t ns)
{
	char setting[OUTCOME_SETTING_BYTES];

	(void)snprintf(setting, sizeof(setting), "dropbear %s %lld", option,
		       (long long)(ns / NS_PER_S));
	name_setting(effect, setting,
		     work->c->server->unit[0] ? work->c->server->unit : "its arguments");
}

void outcome_add_dropbear(struct outcome_work *work)
{
	const struct settings_dropbear *dropbear = &work->c->server->dropbear;
	const bool answers = !work->s->host_gone && !work->s->program_stopped;
	const int64_t gone_ns = dropbear->keepalive_ns * DROPBEAR_KEEPALIVES;
	struct outcome_effect *effect;
	enum outcome_chance chance;
	struct outcome_span span;

	if (!answers && dropbear->keepalive_ns > 0) {
		span = outcome_whole_seconds(gone_ns, gone_ns);
		effect = outcome_effect_add(work, MECHANISM_DROPBEAR_KEEPALIVE,
					    OUTCOME_CONNECTION_ENDED, span);
		dropbear_setting(work, effect, "-K", dropbear->keepalive_ns);
	}
	if (dropbear->idle_ns <= 0)
		return;
	chance = outcome_quiet(work->s, dropbear->idle_ns, &span);
	if (chance == CHANCE_NEVER || work->s->traffic || work->s->busy_beside) {
		outcome_remark(work,
			       work->s->tmux
				       ? "tmux prints its clock once a minute, and any output is "
					 "use to dropbear -I"
				       : "any traffic, output too, is use to dropbear -I");
		return;
	}
	effect = outcome_effect_add(work, MECHANISM_DROPBEAR_IDLE, OUTCOME_CONNECTION_ENDED, span);
	effect->certain = chance == CHANCE_CERTAIN;
	/* Keepalives of ssh and PuTTY are packets that do not count (process_packet()). */
	effect->unless = answers ? "the client is dbclient with -K" : NULL;
	dropbear_setting(work, effect, "-I", dropbear->idle_ns);
}

void outcome_add_tinyssh(struct outcome_work *work)
{
	const bool answers = !work->s->host_gone && !work->s->program_stopped;
	struct outcome_effect *effect = outcome_effect_add(
		work, MECHANISM_TINYSSH_HOUR, OUTCOME_CONNECTION_ENDED,
		(struct outcome_span){ TINYSSH_LIMIT_NS, TINYSSH_LIMIT_NS + WHOLE_SECOND_NS, 0 });

	name_setting(effect, "one hour in which the client sends nothing", "built into tinysshd");
	if (!answers)
		return;
	effect->unless = "the client sends keepalives";
	if (work->s->print_every == 0 || work->s->tmux)
		return;
	effect->certain = false;
	effect->note = "for each 100 KB or so of output the client sends an acknowledgement, which "
		       "counts too";
}
