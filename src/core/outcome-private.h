/* What the files of core/outcome.h share: the situation as facts, and how effects are added. */
#pragma once

#include "core/outcome.h"

/* The server's clocks have whole seconds, and so may be early by up to one. */
#define WHOLE_SECOND_NS NS_PER_S

/* A client that is stopped while its session prints without pause: so long until the buffers of
 * both hosts, the server and the channel's window (2 MiB) are full and the printing stands still. */
#define FILL_NS (10 * NS_PER_S)

/* A terminal's access time is the first read in each window of 8 s. */
#define ATIME_STEP_NS (8 * NS_PER_S)

/* "Prints" in the names of situations: at least so often. */
#define PRINTS_EVERY_NS NS_PER_S

struct situation {
	const char *name, *title;
	enum channel_kind kind;
	bool host_gone;	      /* the client's machine answers nothing */
	bool program_stopped; /* the machine answers, the program does not */
	bool terminal;
	bool prompt;	     /* a shell waits for a command on it */
	bool tmux;	     /* ... within tmux */
	int64_t print_every; /* ns; 0: silent */
	bool flood;	     /* prints until nothing more fits */
	bool busy_beside;    /* another terminal of the connection is in use */
	bool traffic;	     /* a forwarded connection is in use */
	bool works;	     /* needs CPU time */
	const char *channel; /* sshd's name of the channel for ChannelTimeout; NULL: none open */
};

/* One computation. */
struct outcome_work {
	const struct outcome_case *c;
	const struct situation *s;
	struct outcome *out;
	bool silent; /* nothing is sent to a host that has gone, as far as it is known */
};

struct outcome_span {
	int64_t earliest_ns, latest_ns, slack_ns;
};

extern const struct situation outcome_situations[SITUATION_N];

int64_t outcome_add_ns(int64_t a_ns, int64_t b_ns);

/* A new effect, certain and without any text; never NULL. */
struct outcome_effect *outcome_effect_add(struct outcome_work *work,
					  enum outcome_mechanism mechanism, enum outcome_what what,
					  struct outcome_span span);
void outcome_remark(struct outcome_work *work, const char *remark);

/* From a clock of whole seconds. */
struct outcome_span outcome_whole_seconds(int64_t near_ns, int64_t far_ns);

/* Spans as text, for settings and notes. */
struct outcome_span_text {
	char text[32];
};
struct outcome_span_text outcome_span_text(int64_t ns);

enum outcome_chance { CHANCE_NEVER, CHANCE_PERHAPS, CHANCE_CERTAIN };

/* When a limit runs out that the session's output puts back to its beginning. */
enum outcome_chance outcome_quiet(const struct situation *situation, int64_t limit_ns,
				  struct outcome_span *ret_span);

/* What sshd's ClientAlive* do to a client that does not answer, and when its probes go out. */
bool outcome_sshd_alive(const struct settings_openssh *sshd, struct outcome_span *ret_end);
bool outcome_sshd_older(const struct settings_openssh *sshd, int major, int minor);
/* True when the server sends probes; the first of them goes out in that span. */
bool outcome_probes(const struct outcome_work *work, struct outcome_span *ret_first);

/* The mechanisms, by where they live. */
void outcome_add_openssh(struct outcome_work *work);
void outcome_add_dropbear(struct outcome_work *work);
void outcome_add_tinyssh(struct outcome_work *work);
void outcome_add_shell(struct outcome_work *work);
void outcome_add_logind(struct outcome_work *work);
void outcome_add_tcp(struct outcome_work *work); /* after all that may make the server send */
void outcome_add_sshidle(struct outcome_work *work);
