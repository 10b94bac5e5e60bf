#include "daemon/control-methods.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config.h"
#include "daemon/explain.h"
#include "daemon/interfaces.h"
#include "daemon/view.h"

/* A call may be larger; so many rules are no use to anybody. */
#define RULES_BYTES 32768

/* What `sshidle cut -m` may show on terminals; the engine makes it printable. */
#define CUT_MESSAGE_BYTES 256

/* Nobody means more than this with `keep`; and it cannot overflow. */
#define KEEP_MOST_S (10LL * 365 * 24 * 3600)

enum { METHOD_PARAMETERS_MAX = 2 };

/* Sessions in one reply, where the caller takes more than one. */
enum { LIST_AT_ONCE = 100 };

struct call {
	struct control_client *client;
	struct engine *engine;
	const json_t *parameters;
	bool oneway;
	bool more;
};

struct parameter {
	const char *name;
	json_type type;
	bool required;
};

enum method_trait {
	METHOD_ACTS = 1 << 0, /* not only tells: worth doing without a reply */
	METHOD_ROOT = 1 << 1, /* for root alone */
	METHOD_MORE = 1 << 2, /* replies more than once */
};

struct method {
	const char *interface;
	const char *name;
	void (*handle)(const struct call *call);
	unsigned traits;
	struct parameter parameters[METHOD_PARAMETERS_MAX];
};

static const char *const description_lines[] = { IO_SSHIDLE_LINES };
static const char *const service_lines[] = { ORG_VARLINK_SERVICE_LINES };

static const struct {
	const char *name;
	const char *const *lines;
	size_t n_lines;
} interfaces[] = {
	{ "org.varlink.service", service_lines, sizeof(service_lines) / sizeof(service_lines[0]) },
	{ "io.sshidle", description_lines,
	  sizeof(description_lines) / sizeof(description_lines[0]) },
};

#define N_INTERFACES (sizeof(interfaces) / sizeof(interfaces[0]))

static void respond(const struct call *call, json_t *message)
{
	if (call->oneway)
		json_decref(message);
	else
		control_client_send(call->client, message);
}

static void succeed(const struct call *call, json_t *parameters)
{
	respond(call, varlink_reply_new(parameters, false));
}

/* An error with one text. */
static void fail(const struct call *call, const char *error, const char *name, const char *text)
{
	respond(call, varlink_error_new(error, json_pack("{s:o}", name, view_text_new(text))));
}

json_t *control_methods_invalid(const char *what)
{
	return varlink_error_new("org.varlink.service.InvalidParameter",
				 json_pack("{s:o}", "parameter", view_text_new(what)));
}

static void get_info(const struct call *call)
{
	json_t *names = json_array();

	for (size_t i = 0; i < N_INTERFACES; i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	succeed(call, json_pack("{s:s,s:s,s:s,s:s,s:o}", "vendor", "sshidle", "product", "sshidle",
				"version", SSHIDLE_VERSION, "url", "man:sshidle(1)", "interfaces",
				names));
}

static json_t *join_lines(const char *const *lines, size_t n)
{
	struct evbuffer *text = evbuffer_new();
	json_t *joined = NULL;
	bool failed = !text;

	for (size_t i = 0; i < n && !failed; i++)
		failed = evbuffer_add(text, lines[i], strlen(lines[i])) < 0;
	if (!failed)
		joined = json_stringn((const char *)evbuffer_pullup(text, -1),
				      evbuffer_get_length(text));
	if (text)
		evbuffer_free(text);
	return joined;
}

static void get_interface_description(const struct call *call)
{
	const char *name = json_string_value(json_object_get(call->parameters, "interface"));

	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (!text_equal(interfaces[i].name, name))
			continue;
		succeed(call, json_pack("{s:o}", "description",
					join_lines(interfaces[i].lines, interfaces[i].n_lines)));
		return;
	}
	fail(call, "org.varlink.service.InterfaceNotFound", "interface", name);
}

/* Session by session: as one object, ten thousand of them would take many times the room of
 * their text. At most `most` of those from this id on that the client may see; *id: from where to go on, if
 * that is not the end. */
static int write_sessions(struct control_client *client, struct evbuffer *reply, size_t most,
			  uint32_t *id)
{
	struct engine *engine = client->control->engine;
	const struct view_clock clock = view_clock_now();
	const struct session *session = engine_session_from(engine, *id);
	control_view_fn *view = client->list_view;
	const char *before = "";

	for (; session; session = engine_next_session(engine, session)) {
		auto_free char *text = NULL;
		size_t n;

		if (!control_client_sees(client, session))
			continue;
		if (most-- == 0) {
			*id = session->id;
			return 1;
		}
		if (varlink_encode(view(engine, session, &clock), &text, &n) < 0 ||
		    evbuffer_add(reply, before, strlen(before)) < 0 ||
		    evbuffer_add(reply, text, n - 1) < 0)
			return -ENOMEM;
		before = ",";
	}
	return 0;
}

/* One reply. 1: there are more. */
static int write_list(struct control_client *client, size_t most, uint32_t *id)
{
	static const char head[] = "{\"parameters\":{\"sessions\":[",
			  more[] = "]},\"continues\":true}", last[] = "]}}";
	struct evbuffer *reply = evbuffer_new();
	int r = -ENOMEM;

	if (reply && evbuffer_add(reply, head, sizeof(head) - 1) == 0)
		r = write_sessions(client, reply, most, id);
	/* With their NUL. */
	if (r >= 0 &&
	    (evbuffer_add(reply, r > 0 ? more : last, r > 0 ? sizeof(more) : sizeof(last)) < 0 ||
	     evbuffer_add_buffer(control_client_queue(client), reply) < 0))
		r = -ENOMEM;
	if (reply)
		evbuffer_free(reply);
	if (r < 0)
		control_client_close(client);
	return r;
}

static void list_as(const struct call *call, control_view_fn *view)
{
	uint32_t from = 0;

	call->client->list_view = view;
	if (call->more)
		call->client->list_from = 1;
	else
		(void)write_list(call->client, SIZE_MAX, &from);
}

static void list(const struct call *call)
{
	list_as(call, view_session_new);
}

static void overview(const struct call *call)
{
	list_as(call, view_line_new);
}

void control_methods_list_on(struct control_client *client)
{
	if (write_list(client, LIST_AT_ONCE, &client->list_from) <= 0)
		client->list_from = 0;
}

/* "pts/3" or "/dev/pts/3". */
static const struct session *find_terminal(const struct call *call, const char *tty)
{
	uint64_t number;

	if (text_starts(tty, "/dev/"))
		tty += strlen("/dev/");
	if (!text_starts(tty, "pts/") || text_to_u64(tty + strlen("pts/"), INT32_MAX, &number) < 0)
		return NULL;
	return control_client_find_terminal(call->client, (int32_t)number);
}

/* The session of the parameters `id` or `tty`. NULL: there is none that the caller may see, and
 * it has been told. */
static const struct session *find_session(const struct call *call)
{
	json_t *id = json_object_get(call->parameters, "id");
	json_t *tty = json_object_get(call->parameters, "tty");
	const json_int_t number = json_integer_value(id);
	const struct session *session = NULL;
	json_t *asked;

	if (json_is_string(tty))
		session = find_terminal(call, json_string_value(tty));
	else if (number >= 0 && number <= UINT32_MAX)
		session = engine_find_session(call->engine, (uint32_t)number);
	if (session && control_client_sees(call->client, session))
		return session;
	asked = json_object();
	(void)json_object_set(asked, json_is_string(tty) ? "tty" : "id",
			      json_is_string(tty) ? tty : id);
	respond(call, varlink_error_new("io.sshidle.NoSuchSession", asked));
	return NULL;
}

static void why(const struct call *call)
{
	const struct view_clock clock = view_clock_now();
	const bool by_id = json_is_integer(json_object_get(call->parameters, "id"));
	const bool by_tty = json_is_string(json_object_get(call->parameters, "tty"));
	const struct session *session;

	if (by_id == by_tty) {
		respond(call, control_methods_invalid(by_id ? "tty" : "id"));
		return;
	}
	session = find_session(call);
	if (session)
		succeed(call, json_pack("{s:o}", "explanation",
					explain_session_new(call->engine, session, &clock)));
}

/* The session of `id`, if the caller may do something to it. */
static const struct session *find_own_session(const struct call *call, const char *refusal)
{
	const struct session *session = find_session(call);

	if (!session || control_client_owns(call->client, session))
		return session;
	fail(call, "io.sshidle.NotAllowed", "reason", refusal);
	return NULL;
}

/* Only root and owners act on sessions, so the session knows the caller's name. */
static void name_caller(const struct call *call, const struct session *session, char *name,
			size_t size)
{
	name[0] = '\0';
	if (call->client->uid == 0)
		(void)text_append(name, size, "root");
	else if (session->user[0] != '\0')
		text_escape(session->user, true, name, size);
	else
		(void)text_append(name, size, "uid %u", (unsigned)call->client->uid);
}

/* What the engine says to a cut or a keep. */
static void respond_result(const struct call *call, int result, json_t *parameters)
{
	if (result == 0) {
		succeed(call, parameters);
		return;
	}
	json_decref(parameters);
	if (result == -EALREADY)
		fail(call, "io.sshidle.Failed", "reason", "the session is being ended already");
	else if (result == -EDQUOT)
		fail(call, "io.sshidle.Failed", "reason",
		     "as many sessions as MaxCuts allows have just been ended so");
	else if (result == -EAGAIN)
		fail(call, "io.sshidle.Failed", "reason",
		     "the session was kept or let go too often in this minute");
	else
		fail(call, "io.sshidle.Failed", "reason", strerror(-result));
}

static void cut(const struct call *call)
{
	const char *message = json_string_value(json_object_get(call->parameters, "message"));
	char who[4 * SESSION_USER_BYTES + 1];
	const struct session *session;

	if (message && strlen(message) > CUT_MESSAGE_BYTES) {
		respond(call, control_methods_invalid("message"));
		return;
	}
	session = find_own_session(call, "only root and the session's owner may end it");
	if (!session)
		return;
	name_caller(call, session, who, sizeof(who));
	respond_result(call,
		       engine_cut(call->engine, session->id, call->client->uid, who,
				  message && message[0] != '\0' ? message : NULL),
		       NULL);
}

static int64_t keep_most_s(const struct call *call, const struct session *session)
{
	int64_t most_s;

	if (call->client->uid == 0)
		return KEEP_MOST_S;
	most_s = engine_keep_max_ns(call->engine, session) / NS_PER_S;
	return most_s < KEEP_MOST_S ? most_s : KEEP_MOST_S;
}

static void keep(const struct call *call)
{
	const struct view_clock clock = view_clock_now();
	const json_int_t duration_s =
		json_integer_value(json_object_get(call->parameters, "duration_s"));
	char who[4 * SESSION_USER_BYTES + 1];
	const struct session *session;
	int64_t until_ns = 0;

	if (duration_s < 0) {
		respond(call, control_methods_invalid("duration_s"));
		return;
	}
	session = find_own_session(call, "only root and the session's owner may keep it");
	if (!session)
		return;
	if (duration_s > keep_most_s(call, session)) {
		respond(call, varlink_error_new("io.sshidle.TooLong",
						json_pack("{s:I}", "most_s",
							  (json_int_t)keep_most_s(call, session))));
		return;
	}
	if (duration_s > 0)
		until_ns = clock.now_ns + duration_s * NS_PER_S;
	name_caller(call, session, who, sizeof(who));
	respond_result(call, engine_keep(call->engine, session->id, who, until_ns),
		       json_pack("{s:o}", "until",
				 until_ns > 0 ? view_time_new(&clock, until_ns) : json_null()));
}

static void events(const struct call *call)
{
	call->client->wants_events = true;
	/* A reader that takes its time is held to events_bytes only. */
	(void)bufferevent_set_timeouts(call->client->stream, NULL, NULL);
}

static void status(const struct call *call)
{
	const struct view_clock clock = view_clock_now();
	const struct session *session = NULL;
	size_t visible = 0;

	while ((session = engine_next_session(call->engine, session)))
		visible += control_client_sees(call->client, session);
	succeed(call, view_status_new(call->engine, visible, &clock));
}

/* Takes over the problems. */
static void respond_wrong(const struct call *call, const char *name, char **problems, size_t n,
			  int error)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(lines, view_text_new(problems[i]));
		free(problems[i]);
	}
	free(problems);
	if (n == 0)
		(void)json_array_append_new(lines, json_string(strerror(-error)));
	respond(call, varlink_error_new(name, json_pack("{s:o}", "problems", lines)));
}

static void reload(const struct call *call)
{
	char **problems = NULL;
	size_t n = 0;
	const int r = engine_reload(call->engine, &problems, &n);

	if (r == 0)
		succeed(call, NULL);
	else
		respond_wrong(call, "io.sshidle.ConfigurationWrong", problems, n, r);
}

static void configuration(const struct call *call)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (file)
		engine_print_config(call->engine, file);
	if (!file || fclose(file) != 0)
		fail(call, "io.sshidle.Failed", "reason", strerror(ENOMEM));
	else
		succeed(call, json_pack("{s:o}", "text", view_text_new(text)));
}

/* They go when the connection does, so the first reply is not the last. */
static void temporary_rules(const struct call *call)
{
	const char *text = json_string_value(json_object_get(call->parameters, "text"));
	struct engine_rules rules = { 0 };
	char who[64];
	int r;

	if (strlen(text) > RULES_BYTES) {
		respond(call, control_methods_invalid("text"));
		return;
	}
	(void)snprintf(who, sizeof(who), "root (process %d)", (int)call->client->pid);
	r = engine_rules_add(call->engine, text, who, &rules);
	if (r < 0) {
		respond_wrong(call, "io.sshidle.RulesWrong", rules.problems, rules.n_problems, r);
		return;
	}
	call->client->rules = rules.id;
	respond(call, varlink_reply_new(NULL, true));
}

/* clang-format off */
static const struct method methods[] = {
	{ "org.varlink.service", "GetInfo", get_info, 0, { { 0 } } },
	{ "org.varlink.service", "GetInterfaceDescription", get_interface_description, 0,
		{ { "interface", JSON_STRING, true } } },
	{ "io.sshidle", "List", list, 0, { { 0 } } },
	{ "io.sshidle", "Overview", overview, 0, { { 0 } } },
	{ "io.sshidle", "Why", why, 0,
		{ { "id", JSON_INTEGER, false }, { "tty", JSON_STRING, false } } },
	{ "io.sshidle", "Cut", cut, METHOD_ACTS,
		{ { "id", JSON_INTEGER, true }, { "message", JSON_STRING, false } } },
	{ "io.sshidle", "Keep", keep, METHOD_ACTS,
		{ { "id", JSON_INTEGER, true }, { "duration_s", JSON_INTEGER, true } } },
	{ "io.sshidle", "Events", events, METHOD_MORE, { { 0 } } },
	{ "io.sshidle", "Status", status, 0, { { 0 } } },
	{ "io.sshidle", "Reload", reload, METHOD_ACTS | METHOD_ROOT, { { 0 } } },
	{ "io.sshidle", "Configuration", configuration, METHOD_ROOT, { { 0 } } },
	{ "io.sshidle", "TemporaryRules", temporary_rules, METHOD_ROOT | METHOD_MORE,
		{ { "text", JSON_STRING, true } } },
};
/* clang-format on */

static const struct parameter *find_parameter(const struct method *method, const char *name)
{
	for (size_t i = 0; i < METHOD_PARAMETERS_MAX; i++)
		if (method->parameters[i].name && text_equal(method->parameters[i].name, name))
			return &method->parameters[i];
	return NULL;
}

/* The first parameter that is unknown, of the wrong type or missing; NULL: all are fine. */
static const char *find_invalid(const struct method *method, const json_t *parameters)
{
	const char *name;
	json_t *value;

	/* Iterating does not change it. */
	json_object_foreach ((json_t *)(uintptr_t)parameters, name, value) {
		const struct parameter *parameter = find_parameter(method, name);

		if (!parameter || (json_typeof(value) != parameter->type &&
				   !(json_is_null(value) && !parameter->required)))
			return name;
	}
	for (size_t i = 0; i < METHOD_PARAMETERS_MAX; i++)
		if (method->parameters[i].required &&
		    !json_object_get(parameters, method->parameters[i].name))
			return method->parameters[i].name;
	return NULL;
}

static bool in_interface(const struct varlink_call *varlink, const char *interface)
{
	return strlen(interface) == varlink->interface_bytes &&
	       strncmp(varlink->method, interface, varlink->interface_bytes) == 0;
}

static const struct method *find_method(const struct varlink_call *varlink)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (in_interface(varlink, methods[i].interface) &&
		    text_equal(varlink->name, methods[i].name))
			return &methods[i];
	return NULL;
}

static void not_found(const struct call *call, const struct varlink_call *varlink)
{
	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (in_interface(varlink, interfaces[i].name)) {
			fail(call, "org.varlink.service.MethodNotFound", "method", varlink->method);
			return;
		}
	}
	respond(call, varlink_error_new("org.varlink.service.InterfaceNotFound",
					json_pack("{s:s%}", "interface", varlink->method,
						  varlink->interface_bytes)));
}

static void take_call(struct control_client *client, const struct varlink_call *varlink)
{
	const struct call call = { .client = client,
				   .engine = client->control->engine,
				   .parameters = varlink->parameters,
				   .oneway = varlink->oneway,
				   .more = varlink->more };
	const struct method *method = find_method(varlink);
	const char *invalid;

	if (!method) {
		not_found(&call, varlink);
		return;
	}
	invalid = find_invalid(method, varlink->parameters);
	if (invalid)
		respond(&call, control_methods_invalid(invalid));
	else if ((method->traits & METHOD_MORE) && !varlink->more)
		respond(&call, varlink_error_new("org.varlink.service.ExpectedMore", NULL));
	else if ((method->traits & METHOD_ROOT) && client->uid != 0)
		fail(&call, "io.sshidle.NotAllowed", "reason", "only root may do this");
	else if (!call.oneway || (method->traits & METHOD_ACTS))
		method->handle(&call);
}

/* There is no answer in Varlink to what is no Varlink: say what is wrong, and hang up. */
static void reject(struct control_client *client, int error)
{
	const char *what = "message: not JSON";

	if (error == -ENOMSG)
		what = "message: not an object";
	else if (error == -ELOOP)
		what = "message: nested too deeply";
	control_client_send(client, control_methods_invalid(what));
	control_client_close(client);
}

void control_methods_take(struct control_client *client, const char *message, size_t n)
{
	struct varlink_call varlink;
	const char *field = NULL;
	json_t *object = NULL;
	int r = varlink_parse(message, n, &object);

	if (r < 0) {
		reject(client, r);
		return;
	}
	if (varlink_call_parse(object, &varlink, &field) < 0)
		control_client_send(client, control_methods_invalid(field));
	else
		take_call(client, &varlink);
	json_decref(object);
}
