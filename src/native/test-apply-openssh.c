/* What `apply` takes no notice of it would write against. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fake-directory.h"
#include "base/text.h"
#include "native/apply.h"
#include "text/config.h"

static char place[] = "/tmp/test-apply-XXXXXX";

static void write_file(const char *name, const char *text)
{
	auto_fclose FILE *file = fopen(name, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static int make(void **state)
{
	char text[64];

	(void)state;
	if (!mkdtemp(place) || chdir(place) < 0 || mkdir("d", 0700) < 0)
		return -1;
	(void)snprintf(text, sizeof(text), "Include %s/d/*.conf\n", place);
	write_file("main", text);
	write_file("d/00-other.conf", "ClientAliveInterval 7\n");
	return 0;
}

static int clear(void **state)
{
	(void)state;
	(void)unlink("d/00-other.conf");
	(void)unlink("main");
	return rmdir("d") == 0 && chdir("/") == 0 ? rmdir(place) : -1;
}

static void assert_cannot(const char *told)
{
	static const char wanted[] = "ClientAliveInterval 60\n";
	struct config_problems problems = { 0 };
	struct settings_server server = {
		.openssh = { .major = 9, .minor = 2, .reads_drop_ins = true }
	};
	const struct apply_plan plan = { .config_file = "sshidle.conf" };
	struct apply_site *site = calloc(1, sizeof(*site));
	struct config *config;

	assert_non_null(site);
	(void)snprintf(server.openssh.source, sizeof(server.openssh.source), "%s/main", place);
	(void)snprintf(server.openssh.drop_in, sizeof(server.openssh.drop_in), "%s/d", place);
	assert_int_equal(
		config_parse(&(struct config_text){ "sshidle.conf", wanted, strlen(wanted) }, NULL,
			     &problems, &config),
		0);
	assert_int_equal(apply_openssh(&plan, config, &server, site), 0);
	assert_int_equal(site->state, APPLY_CANNOT);
	assert_true(text_starts(site->told, told));
	change_deinit(&site->change);
	free(site);
	config_free(config);
}

static void what_stands_before_it_wins(void **state)
{
	char told[100];

	(void)state;
	(void)snprintf(told, sizeof(told),
		       "%s/d/00-other.conf:1: clientaliveinterval stands before", place);
	assert_cannot(told);
}

static void what_cannot_be_listed_may_stand_before_it(void **state)
{
	char told[100];

	(void)state;
	(void)snprintf(told, sizeof(told), "cannot read %s/d: %s", place, strerror(EIO));
	fake_directory_fail_at(1);
	assert_cannot(told);
}

static void what_cannot_be_read_may_stand_before_it(void **state)
{
	char told[100];

	(void)state;
	(void)snprintf(told, sizeof(told), "cannot read %s/d/00-other.conf: File too large", place);
	assert_int_equal(truncate("d/00-other.conf", 2 << 20), 0);
	assert_cannot(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_before_it_wins),
		cmocka_unit_test(what_cannot_be_listed_may_stand_before_it),
		cmocka_unit_test(what_cannot_be_read_may_stand_before_it),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
