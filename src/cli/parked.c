#include "cli/parked.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/table.h"
#include "text/varlink.h"

enum { ANSWER_WITHIN_S = 5, REPLY_BYTES = 64 * 1024, N_COLUMNS = 10, SIZE_TEXT_BYTES = 48 };

static const struct table_column columns[N_COLUMNS] = {
	{ "ID", true, 0, 0 },	   { "USER", false, 8, 3 }, { "SINCE", false, 0, 4 },
	{ "FROM", false, 9, 5 },   { "TTY", false, 0, 2 },  { "PROGRAM", false, 8, 0 },
	{ "TITLE", false, 10, 1 }, { "SIZE", false, 0, 6 }, { "EXPIRES-IN", true, 0, 0 },
	{ "STATE", false, 0, 0 },
};

int parked_connect(const struct parked *parked, int *ret_fd)
{
	const struct timeval patience = { .tv_sec = ANSWER_WITHIN_S };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
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

static int send_call(int fd, const char *method, json_t *parameters)
{
	auto_free char *text = NULL;
	size_t n;
	int r = varlink_encode(varlink_call_new(method, parameters, false), &text, &n);

	if (r < 0)
		return r;
	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EPIPE;
}

/* Byte by byte near its end: what follows the reply to Attach are frames. */
static int receive_reply(int fd, json_t **ret_message)
{
	auto_free char *text = malloc(REPLY_BYTES);
	size_t n = 0;

	if (!text)
		return -ENOMEM;
	while (n < REPLY_BYTES) {
		const ssize_t there = recv(fd, text + n, REPLY_BYTES - n, MSG_PEEK);
		const char *end;
		size_t take;

		if (there < 0 && errno == EINTR)
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

enum command_exit parked_call(int fd, const char *method, json_t *parameters, json_t **ret_reply)
{
	enum command_exit result = COMMAND_OK;
	struct varlink_reply reply = { 0 };
	json_t *message = NULL;
	int r = send_call(fd, method, parameters);

	if (r == 0)
		r = receive_reply(fd, &message);
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

static int add(struct parked_list *list, const struct parked *parked)
{
	struct parked *items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n++] = *parked;
	return 0;
}

/* One socket; without a keeper behind it, it does not count. */
static int look_at(struct parked_list *list, struct parked *parked)
{
	auto_close int fd = -1;
	int r = parked_connect(parked, &fd);

	if (r == -ECONNREFUSED && parked->uid == geteuid())
		(void)unlink(parked->path);
	if (r < 0)
		return 0;
	if (parked_call(fd, "io.sshidle.keeper.Info", NULL, &parked->info) != COMMAND_OK)
		return 0;
	r = add(list, parked);
	if (r < 0)
		json_decref(parked->info);
	return r;
}

/* "7.sock" */
static int parse_name(const char *name, uint32_t *ret_id)
{
	const size_t n = strlen(name);
	char digits[16];
	uint64_t id;

	if (n < 6 || n - 5 >= sizeof(digits) || !text_equal(name + n - 5, ".sock"))
		return -EINVAL;
	memcpy(digits, name, n - 5);
	digits[n - 5] = '\0';
	if (text_to_u64(digits, UINT32_MAX, &id) < 0)
		return -EINVAL;
	*ret_id = (uint32_t)id;
	return 0;
}

static int find_of(const char *runtime_dir, uid_t uid, struct parked_list *list)
{
	char path[108] = "";
	const struct dirent *entry;
	DIR *directory;
	int r = 0;

	if (!text_append(path, sizeof(path), "%s/parked/%u", runtime_dir, uid))
		return 0;
	directory = opendir(path);
	if (!directory)
		return 0;
	while (r == 0 && (entry = readdir(directory)) != NULL) {
		struct parked parked = { .uid = uid };

		if (parse_name(entry->d_name, &parked.id) == 0 &&
		    text_append(parked.path, sizeof(parked.path), "%s/%s", path, entry->d_name))
			r = look_at(list, &parked);
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
	int r = 0;

	if (!text_append(path, sizeof(path), "%s/parked", runtime_dir))
		return 0;
	directory = opendir(path);
	if (!directory)
		return 0;
	while (r == 0 && (entry = readdir(directory)) != NULL)
		if (text_to_u64(entry->d_name, UINT32_MAX, &uid) == 0)
			r = find_of(runtime_dir, (uid_t)uid, list);
	(void)closedir(directory);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct parked *one = a, *other = b;

	return one->id < other->id ? -1 : one->id > other->id;
}

int parked_find(const char *runtime_dir, struct parked_list *ret_list)
{
	struct parked_list list = { .items = NULL };
	const int r = geteuid() == 0 ? find_all(runtime_dir, &list)
				     : find_of(runtime_dir, geteuid(), &list);

	if (r < 0) {
		parked_deinit(&list);
		return r;
	}
	if (list.n > 0)
		qsort(list.items, list.n, sizeof(*list.items), compare);
	*ret_list = list;
	return 0;
}

void parked_deinit(struct parked_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		json_decref(list->items[i].info);
	free(list->items);
	*list = (struct parked_list){ .items = NULL };
}

const struct parked *parked_get(const struct parked_list *list, const char *text)
{
	uint64_t id;

	if (text_to_u64(text, UINT32_MAX, &id) < 0) {
		output_error("\"%s\" is not the ID of something parked; sshidle parked shows them",
			     text);
		return NULL;
	}
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	output_error("nothing of yours is parked under %s; sshidle parked shows what is", text);
	return NULL;
}

static const char *string_of(const json_t *info, const char *name)
{
	const char *text = json_string_value(json_object_get(info, name));

	return text && text[0] != '\0' ? text : "-";
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
				 id, string_of(info, "user"), string_of(info, "since"),
				 string_of(info, "from"), string_of(info, "tty"),
				 string_of(info, "program"), string_of(info, "title"), size,
				 attached ? "-" : expires,
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
