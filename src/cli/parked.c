#include "cli/parked.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directory.h"
#include "base/duration.h"
#include "base/text.h"
#include "cli/clock.h"
#include "cli/output.h"
#include "cli/table.h"
#include "text/varlink.h"

enum {
	ANSWER_WITHIN_MS = 5000,
	/* In a list: one keeper, and all of one user's. */
	LISTED_WITHIN_MS = 3000,
	USER_WITHIN_MS = 15000,
	LOGIN_WITHIN_MS = 1000,
	REPLY_BYTES = 64 * 1024,
	N_COLUMNS = 10,
	SIZE_TEXT_BYTES = 48,
};

static const struct table_column columns[N_COLUMNS] = {
	{ "ID", true, 0, 0 },	   { "USER", false, 8, 3 }, { "SINCE", false, 0, 4 },
	{ "FROM", false, 9, 5 },   { "TTY", false, 0, 2 },  { "PROGRAM", false, 8, 0 },
	{ "TITLE", false, 10, 1 }, { "SIZE", false, 0, 6 }, { "EXPIRES-IN", true, 0, 0 },
	{ "STATE", false, 0, 0 },
};

int parked_connect(const struct parked *parked, int *ret_fd)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0)
		return -errno;
	(void)text_copy(parked->path, address.sun_path, sizeof(address.sun_path));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	/* The directory is its owner's, who can put anything there. */
	if (peer.uid != parked->uid)
		return -EPERM;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* It fits into the buffer of a socket that is new. */
static int send_call(int fd, const char *method, json_t *parameters)
{
	auto_free char *text = NULL;
	size_t n;
	int r = varlink_encode(varlink_call_new(method, parameters, false), &text, &n);

	if (r < 0)
		return r;
	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EPIPE;
}

/* -ETIMEDOUT, -errno. */
static int wait_for_bytes(int fd, int64_t until_ms)
{
	struct pollfd poll_for = { .fd = fd, .events = POLLIN };
	const int64_t left_ms = until_ms - clock_now_ms();
	const int n = left_ms > 0 ? poll(&poll_for, 1, (int)left_ms) : 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* Byte by byte near its end: what follows the reply to Attach are frames. */
static int receive_reply(int fd, int64_t until_ms, json_t **ret_message)
{
	auto_free char *text = malloc(REPLY_BYTES);
	size_t n = 0;

	if (!text)
		return -ENOMEM;
	while (n < REPLY_BYTES) {
		const int r = wait_for_bytes(fd, until_ms);
		const ssize_t there = r < 0 ? -1 : recv(fd, text + n, REPLY_BYTES - n, MSG_PEEK);
		const char *end;
		size_t take;

		if (r < 0)
			return r;
		if (there < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (there <= 0)
			return there < 0 ? -errno : -EPIPE;
		end = memchr(text + n, '\0', (size_t)there);
		take = end ? (size_t)(end - (text + n)) + 1 : (size_t)there;
		if (recv(fd, text + n, take, 0) != (ssize_t)take)
			return -EIO;
		n += take;
		if (end)
			return varlink_parse(text, n - 1, ret_message);
	}
	return -EMSGSIZE;
}

static enum command_exit say_error(const struct varlink_reply *reply)
{
	const char *by = json_string_value(json_object_get(reply->parameters, "by"));
	const char *reason = json_string_value(json_object_get(reply->parameters, "reason"));

	if (text_equal(reply->error, "io.sshidle.keeper.Busy"))
		output_error("%s is attached to it; --steal takes over", by ? by : "somebody");
	else if (text_equal(reply->error, "io.sshidle.keeper.NotAllowed"))
		output_error("not allowed: %s", reason ? reason : "it is another user's");
	else
		output_error("the keeper says %s", reply->error);
	return COMMAND_FAILED;
}

static enum command_exit call_until(int fd, int64_t until_ms, const char *method,
				    json_t *parameters, json_t **ret_reply)
{
	enum command_exit result = COMMAND_OK;
	struct varlink_reply reply = { 0 };
	json_t *message = NULL;
	int r = send_call(fd, method, parameters);

	if (r == 0)
		r = receive_reply(fd, until_ms, &message);
	if (r == 0)
		r = varlink_reply_parse(message, &reply);
	if (r < 0) {
		output_error("the keeper does not answer: %s", strerror(-r));
		result = COMMAND_FAILED;
	} else if (reply.error) {
		result = say_error(&reply);
	} else {
		*ret_reply = reply.parameters ? json_incref(reply.parameters) : json_object();
	}
	json_decref(message);
	return result;
}

enum command_exit parked_call(int fd, const char *method, json_t *parameters, json_t **ret_reply)
{
	return call_until(fd, clock_now_ms() + ANSWER_WITHIN_MS, method, parameters, ret_reply);
}

static int add(struct parked_list *list, const struct parked *parked)
{
	struct parked *items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n++] = *parked;
	return 0;
}

/* What a user's program says it is, it need not be. */
static int correct(struct parked *parked)
{
	const char *claim = json_string_value(json_object_get(parked->info, "user"));
	const struct passwd *user = claim ? getpwnam(claim) : NULL;
	char name[64];

	if (!user || user->pw_uid != parked->uid)
		user = getpwuid(parked->uid);
	(void)snprintf(name, sizeof(name), "%u", parked->uid);
	if (user)
		(void)text_copy(user->pw_name, name, sizeof(name));
	return json_object_set_new(parked->info, "id", json_integer(parked->id)) < 0 ||
			       json_object_set_new(parked->info, "user", json_string(name)) < 0
		       ? -ENOMEM
		       : 0;
}

/* One socket; without a keeper behind it, it does not count. */
static int look_at(struct parked_list *list, struct parked *parked, int64_t until_ms)
{
	auto_close int fd = -1;
	int r = parked_connect(parked, &fd);

	if (r == -ECONNREFUSED && parked->uid == geteuid())
		(void)unlink(parked->path);
	if (r < 0)
		return 0;
	if (list->only_count)
		return add(list, parked);
	if (call_until(fd, until_ms, "io.sshidle.keeper.Info", NULL, &parked->info) != COMMAND_OK)
		return 0;
	r = correct(parked);
	if (r == 0)
		r = add(list, parked);
	if (r < 0)
		json_decref(parked->info);
	return r;
}

/* "7.sock"; "7.ended" when its shell has ended. */
static int parse_name(const char *name, uint32_t *ret_id)
{
	const char *dot = strchr(name, '.');
	char digits[16];
	uint64_t id;

	if (!dot || dot - name >= (ptrdiff_t)sizeof(digits) ||
	    (!text_equal(dot, ".sock") && !text_equal(dot, ".ended")))
		return -EINVAL;
	memcpy(digits, name, (size_t)(dot - name));
	digits[dot - name] = '\0';
	if (text_to_u64(digits, UINT32_MAX, &id) < 0)
		return -EINVAL;
	*ret_id = (uint32_t)id;
	return 0;
}

/* NULL where there is none, and so nothing is parked. */
static int open_directory(const char *path, DIR **ret_directory)
{
	*ret_directory = opendir(path);
	return *ret_directory || errno == ENOENT ? 0 : -errno;
}

static int find_of(const char *runtime_dir, uid_t uid, enum parked_whose whose,
		   struct parked_list *list)
{
	const int within_ms = whose == PARKED_MINE ? LOGIN_WITHIN_MS : LISTED_WITHIN_MS;
	int64_t until_ms =
		clock_now_ms() + (whose == PARKED_MINE ? LOGIN_WITHIN_MS : USER_WITHIN_MS);
	char path[108] = "";
	const struct dirent *entry;
	DIR *directory;
	int r;

	if (!text_append(path, sizeof(path), "%s/parked/%u", runtime_dir, uid))
		return 0;
	r = open_directory(path, &directory);
	if (!directory)
		return r;
	while ((r = directory_next(directory, &entry)) > 0) {
		struct parked parked = { .uid = uid };
		const int64_t one_ms = clock_now_ms() + within_ms;

		if (clock_now_ms() >= until_ms) {
			output_error("the keepers of uid %u do not answer; the rest is left out",
				     uid);
			r = 0;
			break;
		}
		if (parse_name(entry->d_name, &parked.id) == 0 &&
		    text_append(parked.path, sizeof(parked.path), "%s/%s", path, entry->d_name))
			r = look_at(list, &parked, one_ms < until_ms ? one_ms : until_ms);
		if (r < 0)
			break;
	}
	(void)closedir(directory);
	return r;
}

static int find_all(const char *runtime_dir, struct parked_list *list)
{
	char path[108] = "";
	const struct dirent *entry;
	DIR *directory;
	uint64_t uid;
	int r;

	if (!text_append(path, sizeof(path), "%s/parked", runtime_dir))
		return 0;
	r = open_directory(path, &directory);
	if (!directory)
		return r;
	while ((r = directory_next(directory, &entry)) > 0) {
		if (text_to_u64(entry->d_name, UINT32_MAX, &uid) == 0)
			r = find_of(runtime_dir, (uid_t)uid, PARKED_ALL, list);
		if (r < 0)
			break;
	}
	(void)closedir(directory);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct parked *one = a, *other = b;

	return one->id < other->id ? -1 : one->id > other->id;
}

static int find(const char *runtime_dir, enum parked_whose whose, struct parked_list *list)
{
	return geteuid() == 0 && whose == PARKED_ALL ? find_all(runtime_dir, list)
						     : find_of(runtime_dir, geteuid(), whose, list);
}

int parked_find(const char *runtime_dir, enum parked_whose whose, struct parked_list *ret_list)
{
	struct parked_list list = { .items = NULL };
	const int r = find(runtime_dir, whose, &list);

	if (r < 0) {
		parked_deinit(&list);
		return r;
	}
	if (list.n > 0)
		qsort(list.items, list.n, sizeof(*list.items), compare);
	*ret_list = list;
	return 0;
}

int parked_count(const char *runtime_dir, size_t *ret_n)
{
	struct parked_list list = { .only_count = true };
	const int r = find(runtime_dir, PARKED_ALL, &list);

	*ret_n = list.n;
	parked_deinit(&list);
	return r;
}

void parked_deinit(struct parked_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		json_decref(list->items[i].info);
	free(list->items);
	*list = (struct parked_list){ .items = NULL };
}

/* "7", or "1000/7": RUNTIME/parked/1000/7.sock. */
static int parse_operand(const char *text, uint64_t *ret_uid, uint64_t *ret_id)
{
	const char *slash = strchr(text, '/');
	char uid[16];

	*ret_uid = UINT64_MAX;
	if (!slash)
		return text_to_u64(text, UINT32_MAX, ret_id);
	if (slash - text >= (ptrdiff_t)sizeof(uid))
		return -EINVAL;
	memcpy(uid, text, (size_t)(slash - text));
	uid[slash - text] = '\0';
	if (text_to_u64(uid, UINT32_MAX, ret_uid) < 0)
		return -EINVAL;
	return text_to_u64(slash + 1, UINT32_MAX, ret_id);
}

const struct parked *parked_get(const struct parked_list *list, const char *text)
{
	const struct parked *found = NULL;
	uint64_t uid, id;

	if (parse_operand(text, &uid, &id) < 0) {
		output_error("\"%s\" is not the ID of something parked; sshidle parked shows them",
			     text);
		return NULL;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct parked *one = &list->items[i];

		if (one->id != id || (uid != UINT64_MAX && one->uid != uid))
			continue;
		if (found) {
			output_error(
				"%s is there twice, of uid %u and of uid %u: name one by UID/ID",
				text, found->uid, one->uid);
			return NULL;
		}
		found = one;
	}
	if (!found)
		output_error("nothing of yours is parked under %s; sshidle parked shows what is",
			     text);
	return found;
}

static int add_row(struct table *table, const json_t *info)
{
	const bool attached = json_is_true(json_object_get(info, "attached"));
	const bool ended = json_is_true(json_object_get(info, "ended"));
	char id[24], size[SIZE_TEXT_BYTES], expires[DURATION_TEXT_BYTES];

	(void)snprintf(id, sizeof(id), "%lld",
		       (long long)json_integer_value(json_object_get(info, "id")));
	(void)snprintf(size, sizeof(size), "%lldx%lld",
		       (long long)json_integer_value(json_object_get(info, "cols")),
		       (long long)json_integer_value(json_object_get(info, "rows")));
	output_span(json_object_get(info, "expires_in_s"), "never", expires, sizeof(expires));
	return table_add(table,
			 (const char *const[N_COLUMNS]){
				 id, output_text(info, "user", "-"),
				 output_text(info, "since", "-"), output_text(info, "from", "-"),
				 output_text(info, "tty", "-"), output_text(info, "program", "-"),
				 output_text(info, "title", "-"), size, attached ? "-" : expires,
				 ended	    ? "ended"
				 : attached ? "attached"
					    : "parked" },
			 ended	    ? STYLE_FAINT
			 : attached ? STYLE_GOOD
				    : STYLE_PLAIN);
}

enum command_exit parked_print(const struct parked_list *list)
{
	struct table table;
	int r = 0;

	table_init(&table, columns, N_COLUMNS);
	for (size_t i = 0; i < list->n && r == 0; i++)
		r = add_row(&table, list->items[i].info);
	if (r == 0)
		table_print(&table);
	else
		output_error("%s", strerror(-r));
	table_deinit(&table);
	return r == 0 ? COMMAND_OK : COMMAND_FAILED;
}
