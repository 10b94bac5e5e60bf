#include "server/server.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PRIVSEP_UID 102
#define ALICE	    1000
#define NOBODY	    UINT32_MAX

#define CHLD	(1U << (SIGCHLD - 1))
#define MONITOR (1U << (SIGHUP - 1) | 1U << (SIGINT - 1) | 1U << (SIGTERM - 1))
#define LONE	(CHLD | 1U << (SIGINT - 1) | 1U << (SIGQUIT - 1) | 1U << (SIGTERM - 1))

#define H(exe, uid_, seconds) C(exe, uid_, seconds, 0)
#define C(exe, uid_, seconds, caught_)                                                         \
	{                                                                                      \
		.age_ns = (seconds)*NS_PER_S, .uid = (uid_), .known = true, .executable = exe, \
		.caught = (caught_)                                                            \
	}
#define NET(exe, uid_, seconds)                                                                  \
	{                                                                                        \
		.age_ns = (seconds)*NS_PER_S, .uid = (uid_), .seccomp = 2, .no_new_privs = true, \
		.known = true, .executable = exe                                                 \
	}
/* In a container that has a filter and no_new_privs for all. */
#define BOX(exe, uid_, seconds, caught_, filters)                                                \
	{                                                                                        \
		.age_ns = (seconds)*NS_PER_S, .uid = (uid_), .seccomp = 2, .no_new_privs = true, \
		.known = true, .executable = exe, .caught = (caught_), .n_filters = (filters)    \
	}
#define HOLDERS(...)                                                         \
	.holders = (const struct server_holder[]){ __VA_ARGS__ },            \
	.n_holders = sizeof((const struct server_holder[]){ __VA_ARGS__ }) / \
		     sizeof(struct server_holder)

struct row {
	const char *what;
	enum server_id server;
	bool authenticated;
	struct server_shape shape;
};

/* FACTS of the servers, row by row. */
static const struct row rows[] = {
	/* OpenSSH 9.2, daemon */
	{ "accepted",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 60)), .socket_blocking = true, .pipe_to_listener = true } },
	{ "accepted, the listener's handlers inherited",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd", 0, 60, LONE)), .socket_blocking = true } },
	{ "priv and net",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(NET("sshd", PRIVSEP_UID, 60), H("sshd", 0, 60)), .parent_is_holder = true,
	    .pipe_to_listener = true } },
	{ "pam, priv and net",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 60), C("sshd", 0, 60, CHLD), NET("sshd", PRIVSEP_UID, 60)),
	    .parent_is_holder = true, .pipe_to_listener = true } },
	{ "user with a shell",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd", ALICE, 0, CHLD), C("sshd", 0, 1, MONITOR)), .parent_is_holder = true,
	    .other_child = true } },
	{ "user with nothing open",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd", ALICE, 0, CHLD), C("sshd", 0, 3, MONITOR)),
	    .parent_is_holder = true } },
	{ "user with nothing open, just forked",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", ALICE, 1), H("sshd", 0, 3)), .parent_is_holder = true } },
	{ "a coming shell of a user",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd", ALICE, 60, CHLD), C("sshd", ALICE, 90, CHLD)),
	    .parent_is_holder = true } },
	{ "a coming shell of root",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd", 0, 60, LONE), C("sshd", 0, 90, LONE)), .parent_is_holder = true } },
	{ "a version with another loop",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(H("sshd-session", ALICE, 11), H("sshd-session", 0, 12)),
	    .parent_is_holder = true } },
	{ "root alone", SERVER_OPENSSH, true, { HOLDERS(C("sshd", 0, 1, LONE)) } },
	{ "a monitor in its PAM session, before the fork",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 25)) } },
	{ "the same, PAM dialogue's handler left",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd", 0, 25, CHLD)), .other_child = true } },
	{ "a monitor whose ledger process has ended",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd", 0, 25, MONITOR)) } },
	{ "root before it closed the pipe",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 60)), .pipe_to_listener = true } },
	/* after an upgrade of the package */
	{ "user, deleted",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd (deleted)", ALICE, 5, CHLD), C("sshd (deleted)", 0, 5, MONITOR)),
	    .parent_is_holder = true } },
	{ "root, deleted", SERVER_OPENSSH, true, { HOLDERS(C("sshd (deleted)", 0, 5, LONE)) } },
	/* OpenSSH 9.2 by inetd */
	{ "inetd: accepted",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 1)), .socket_blocking = true, .per_connection = true } },
	{ "inetd: accepted, the socket came non-blocking",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 119)), .per_connection = true } },
	{ "inetd: priv and net",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(NET("sshd", PRIVSEP_UID, 9), H("sshd", 0, 9)), .parent_is_holder = true,
	    .per_connection = true } },
	{ "inetd: net is not in its sandbox yet",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", PRIVSEP_UID, 0), H("sshd", 0, 9)), .parent_is_holder = true,
	    .per_connection = true } },
	{ "inetd: net is root yet",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 0), H("sshd", 0, 9)), .parent_is_holder = true,
	    .per_connection = true } },
	{ "inetd: net in its sandbox, user sshd not known here",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(NET("sshd", 77, 9), H("sshd", 0, 9)), .parent_is_holder = true,
	    .per_connection = true } },
	{ "inetd: user",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd", ALICE, 1, CHLD), C("sshd", 0, 9, MONITOR)), .parent_is_holder = true,
	    .per_connection = true, .other_child = true } },
	{ "inetd: root",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd", 0, 1, LONE)), .per_connection = true } },
	/* OpenSSH 10.5 */
	{ "10.5: listener's child before its exec",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 0)), .socket_blocking = true, .pipe_to_listener = true } },
	{ "10.5: session and auth",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(NET("sshd-auth", PRIVSEP_UID, 9), H("sshd-session", 0, 9)),
	    .parent_is_holder = true } },
	{ "10.5: auth is not in its sandbox yet",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd-auth", 0, 9), H("sshd-session", 0, 9)), .parent_is_holder = true } },
	{ "10.5: auth before its exec",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd-session", 0, 0), H("sshd-session", 0, 9)), .parent_is_holder = true } },
	{ "10.5: session alone",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(C("sshd-session", 0, 600, LONE)) } },
	{ "10.5: root",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd-session", 0, 0, CHLD), C("sshd-session", 0, 9, MONITOR)),
	    .parent_is_holder = true } },
	{ "10.5: user",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(C("sshd-session", ALICE, 0, CHLD), C("sshd-session", 0, 9, MONITOR)),
	    .parent_is_holder = true, .other_child = true } },
	/* in a container with a filter of its own, and no_new_privs */
	{ "container: priv and net",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(BOX("sshd", 77, 60, 0, 2), BOX("sshd", 0, 60, 0, 1)),
	    .parent_is_holder = true } },
	{ "container: pam, priv and net",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(BOX("sshd", 0, 60, 0, 1), BOX("sshd", 0, 60, CHLD, 1),
		    BOX("sshd", 77, 60, 0, 2)),
	    .parent_is_holder = true } },
	{ "container: user",
	  SERVER_OPENSSH,
	  true,
	  { HOLDERS(BOX("sshd", ALICE, 0, CHLD, 1), BOX("sshd", 0, 1, MONITOR, 1)),
	    .parent_is_holder = true } },
	{ "container: root alone", SERVER_OPENSSH, true, { HOLDERS(BOX("sshd", 0, 1, LONE, 1)) } },
	{ "container: an older kernel does not count filters",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(BOX("sshd", ALICE, 0, CHLD, 0), BOX("sshd", 0, 1, MONITOR, 0)),
	    .parent_is_holder = true } },
	{ "net has the only filter",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(BOX("sshd", 77, 60, 0, 1), H("sshd", 0, 60)), .parent_is_holder = true } },
	/* what could not be read */
	{ "openssh: a holder not known",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", ALICE, 9), { .known = false }), .parent_is_holder = true,
	    .other_child = true } },
	{ "openssh: no holder", SERVER_OPENSSH, false, { .n_holders = 0 } },
	{ "openssh: two that are not parent and child",
	  SERVER_OPENSSH,
	  false,
	  { HOLDERS(H("sshd", 0, 9), H("sshd", 0, 9)) } },
	/* dropbear */
	{ "dropbear: before login",
	  SERVER_DROPBEAR,
	  false,
	  { HOLDERS(H("dropbear", 0, 299)), .pipe_to_listener = true } },
	{ "dropbear: logged in", SERVER_DROPBEAR, true, { HOLDERS(H("dropbear", 0, 1)) } },
	{ "dropbear: not known", SERVER_DROPBEAR, false, { HOLDERS({ .known = false }) } },
	{ "dropbear: a coming shell",
	  SERVER_DROPBEAR,
	  false,
	  { HOLDERS(H("dropbear", 0, 0), H("dropbear", 0, 1)), .parent_is_holder = true } },
	{ "dropbear -i: nothing open",
	  SERVER_DROPBEAR,
	  false,
	  { HOLDERS(H("dropbear", 0, 300)), .per_connection = true } },
	{ "dropbear -i: nothing open for long",
	  SERVER_DROPBEAR,
	  true,
	  { HOLDERS(H("dropbear", 0, 302)), .per_connection = true } },
	{ "dropbear -i: child",
	  SERVER_DROPBEAR,
	  true,
	  { HOLDERS(H("dropbear", 0, 1)), .per_connection = true, .other_child = true } },
	{ "dropbear -i: forward",
	  SERVER_DROPBEAR,
	  true,
	  { HOLDERS(H("dropbear", 0, 1)), .per_connection = true, .has_forward = true } },
	/* tinysshd */
	{ "tinyssh: nothing open",
	  SERVER_TINYSSH,
	  false,
	  { HOLDERS(H("tinysshd", 0, 119)), .per_connection = true } },
	{ "tinyssh: nothing open for long",
	  SERVER_TINYSSH,
	  true,
	  { HOLDERS(H("tinysshd", 0, 122)), .per_connection = true } },
	{ "tinyssh: a coming shell",
	  SERVER_TINYSSH,
	  false,
	  { HOLDERS(H("tinysshd", 0, 0), H("tinysshd", 0, 1)), .parent_is_holder = true,
	    .per_connection = true, .other_child = true } },
	{ "tinyssh: command",
	  SERVER_TINYSSH,
	  true,
	  { HOLDERS(H("tinysshd", 0, 1)), .per_connection = true, .other_child = true } },
};

static void each_shape_is_judged_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server_shape shape = rows[i].shape;

		shape.privsep_uid = PRIVSEP_UID;
		if (server_get(rows[i].server)->is_authenticated(&shape) != rows[i].authenticated)
			fail_msg("%s", rows[i].what);
	}
}

static void executables_are_known(void **state)
{
	static const struct {
		const char *name;
		int id;
	} names[] = {
		{ "sshd", SERVER_OPENSSH },
		{ "sshd-session", SERVER_OPENSSH },
		{ "sshd-auth", SERVER_OPENSSH },
		{ "sshd (deleted)", SERVER_OPENSSH },
		{ "dropbear", SERVER_DROPBEAR },
		{ "dropbearmulti", SERVER_DROPBEAR },
		{ "tinysshd", SERVER_TINYSSH },
		{ "tinysshd-makekey", -1 },
		{ "ssh", -1 },
		{ "sshd-keygen", -1 },
		{ "sshdx", -1 },
		{ "sshd (deleted) ", -1 },
		{ "dropbear-initramfs", -1 },
		{ "dropbearkey", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum server_id id = SERVER_N;
		int r = server_by_executable(names[i].name, &id);

		assert_int_equal(r, names[i].id < 0 ? -ENOENT : 0);
		if (r == 0)
			assert_int_equal(id, names[i].id);
	}
}

static void names_lead_back(void **state)
{
	enum server_id id;

	(void)state;
	for (int i = 0; i < SERVER_N; i++) {
		assert_int_equal(server_by_name(server_name((enum server_id)i), &id), 0);
		assert_int_equal(id, i);
	}
	assert_int_equal(server_by_name("sshd", &id), -ENOENT);
}

static void users_are_known(void **state)
{
	(void)state;
	assert_int_equal(server_openssh.user(ALICE, 5), ALICE);
	assert_int_equal(server_openssh.user(0, NOBODY), 0);
	assert_true(server_dropbear.user(0, NOBODY) == NOBODY);
	assert_int_equal(server_dropbear.user(0, ALICE), ALICE);
	assert_int_equal(server_dropbear.user(0, 0), 0);
	assert_int_equal(server_dropbear.user(ALICE, NOBODY), ALICE);
	assert_true(server_tinyssh.user(0, NOBODY) == NOBODY);
	assert_int_equal(server_tinyssh.user(0, ALICE), ALICE);
}

static void sftp_is_known(void **state)
{
	(void)state;
	assert_true(server_is_sftp("sftp-server"));
	assert_true(server_is_sftp("sftp-server (deleted)"));
	assert_false(server_is_sftp("sftp"));
	assert_int_equal(server_tinyssh.traits.padding_bytes, 32);
	assert_int_equal(server_openssh.traits.padding_bytes, 0);
}

static void agents_are_known(void **state)
{
	(void)state;
	assert_true(server_openssh.is_agent("/tmp/ssh-XXXXa1b2c3/agent.4242"));
	assert_true(server_openssh.is_agent("/home/alice/.ssh/agent/s.abc.sshd.def"));
	assert_false(server_openssh.is_agent("/run/postgresql/.s.PGSQL.5432"));
	assert_false(server_openssh.is_agent(""));
	assert_true(server_dropbear.is_agent("/tmp/dropbear-1a2b3c4d/auth-1a2b3c4d-3"));
	assert_false(server_dropbear.is_agent("/tmp/ssh-XXXX/agent.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_shape_is_judged_right),
		cmocka_unit_test(executables_are_known),
		cmocka_unit_test(names_lead_back),
		cmocka_unit_test(users_are_known),
		cmocka_unit_test(sftp_is_known),
		cmocka_unit_test(agents_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
