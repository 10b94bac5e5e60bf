#include "daemon/options.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "config.h"

static const char usage[] =
	"usage: sshidled [-d | -D] [-S] [-f config] [-k keeper] [-r runtime-dir] [-u user]\n"
	"       sshidled -t | -T [-C spec] [-f config] [-u user]\n"
	"       sshidled -V | -h\n"
	"\n"
	"  -d              stay in the foreground, log to standard error\n"
	"  -D              stay in the foreground, log to syslog\n"
	"  -f config       configuration file (" SSHIDLE_CONFIG_FILE ")\n"
	"  -k keeper       what holds parked terminals (" SSHIDLE_KEEPER ")\n"
	"  -r runtime-dir  control socket and saved state (" SSHIDLE_RUNTIME_DIR ")\n"
	"  -u user         user of the unprivileged process (" SSHIDLE_USER ")\n"
	"  -S              without lists of allowed system calls and files\n"
	"  -t              check the configuration and exit\n"
	"  -T              check it and print what is in force\n"
	"  -C spec         with -T: for one case, as user=alice,addr=10.0.0.7,kind=shell\n"
	"  -V              print the version\n"
	"  -h              print this\n";

static int check(const struct options *options, int argc)
{
	if (optind < argc) {
		(void)fprintf(
			stderr,
			"sshidled: there are no arguments besides options; see sshidled -h\n");
		return -EINVAL;
	}
	if (options->print_case && !options->print) {
		(void)fprintf(stderr, "sshidled: -C goes with -T: it chooses what -T prints\n");
		return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options options = { .config_file = SSHIDLE_CONFIG_FILE,
				   .runtime_directory = SSHIDLE_RUNTIME_DIR,
				   .keeper = SSHIDLE_KEEPER,
				   .user = SSHIDLE_USER };
	int option, r;

	while ((option = getopt(argc, argv, "dDStTC:f:k:r:u:Vh")) != -1) {
		switch (option) {
		case 'd':
			options.foreground = true;
			break;
		case 'D':
			options.foreground = true;
			options.syslog = true;
			break;
		case 'S':
			options.unconfined = true;
			break;
		case 't':
			options.test = true;
			break;
		case 'T':
			options.print = true;
			break;
		case 'C':
			options.print_case = optarg;
			break;
		case 'f':
			options.config_file = optarg;
			break;
		case 'k':
			options.keeper = optarg;
			break;
		case 'r':
			options.runtime_directory = optarg;
			break;
		case 'u':
			options.user = optarg;
			break;
		case 'V':
			(void)printf("sshidled %s\n", SSHIDLE_VERSION);
			return 1;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			(void)fputs(usage, stderr);
			return -EINVAL;
		}
	}
	r = check(&options, argc);
	if (r == 0)
		*ret_options = options;
	return r;
}
