/* The situations: what happens in each session, and the rule that it is under. */
#include <stdio.h>

#include "cli/prove.h"

/* The job that nohup(1) keeps shows that the work outlives the connection. */
const struct prove_situation prove_situations[PROVE_SITUATIONS] = {
	{ "idle at a prompt", PROVE_IDLE, PROVE_TERMINAL, "nohup sleep 3600 >/dev/null 2>&1 &" },
	{ "idle with client keepalives", PROVE_IDLE, PROVE_TERMINAL | PROVE_KEEPALIVES, ":" },
	{ "typing into a program that does not read", PROVE_LIVES, PROVE_TERMINAL | PROVE_BUSY,
	  "exec sleep 3600" },
	{ "output without input", PROVE_IDLE, PROVE_TERMINAL,
	  "while :; do echo output; sleep 1; done" },
	{ "sftp idle", PROVE_IDLE, PROVE_SFTP, NULL },
	{ "sftp busy", PROVE_LIVES, PROVE_SFTP | PROVE_BUSY, NULL },
	{ "forward busy", PROVE_LIVES, PROVE_FORWARD | PROVE_BUSY, NULL },
	{ "frozen client", PROVE_UNRESPONSIVE, PROVE_TERMINAL | PROVE_FROZEN, ":" },
	{ "frozen client with output", PROVE_UNRESPONSIVE,
	  PROVE_TERMINAL | PROVE_FROZEN | PROVE_PRINTS, "sleep 1; exec yes output" },
};

enum { COUNT_MOST = 10 };

void prove_case_alive(int64_t limit_ns, unsigned *ret_interval_s, unsigned *ret_count)
{
	const unsigned limit_s = (unsigned)(limit_ns / NS_PER_S);

	for (unsigned count = 3; count <= COUNT_MOST; count++) {
		if (limit_s % count != 0)
			continue;
		*ret_interval_s = limit_s / count;
		*ret_count = count;
		return;
	}
	*ret_interval_s = limit_s % 2 == 0 ? limit_s / 2 : limit_s;
	*ret_count = limit_s % 2 == 0 ? 2 : 1;
}

/* How long before its end a terminal is warned. */
static int64_t warning_ns(int64_t limit_ns)
{
	const int64_t quarter_ns = limit_ns / 4 / NS_PER_S * NS_PER_S;

	return quarter_ns > NS_PER_S ? quarter_ns : NS_PER_S;
}

/* All that decides is said, so that it holds whatever the file says.  Where the client's answers are
 * the question, the idle limit is twice as long: it ends what shows no sign either way. */
char *prove_case_rule(const struct prove_situation *situation, const char *address,
		      int64_t limit_ns)
{
	const bool alive = situation->outcome == PROVE_UNRESPONSIVE;
	unsigned interval_s = 0, count = 3;
	char *text;

	if (alive)
		prove_case_alive(limit_ns, &interval_s, &count);
	if (asprintf(&text,
		     "Match Address %s/32\n"
		     "    IdleTimeout %lld\n"
		     "    IdleWarning %lld\n"
		     "    IdleAction disconnect\n"
		     "    CountsAsUse shell=input sftp=input,output exec=input,output,work "
		     "forward=traffic none=nothing\n"
		     "    AfterCut hangup\n"
		     "    ClientAliveInterval %u\n"
		     "    ClientAliveCountMax %u\n",
		     address, (long long)(limit_ns / NS_PER_S * (alive ? 2 : 1)),
		     (long long)(warning_ns(limit_ns) / NS_PER_S), interval_s, count) < 0)
		return NULL;
	return text;
}
