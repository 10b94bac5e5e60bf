/*
 * The engine's inside: its table of sessions, shared by the files engine*.c and state.c only.
 * Everybody else uses engine.h.
 */
#pragma once

#include <event2/event.h>

#include "core/brake.h"
#include "core/judge.h"
#include "core/order.h"
#include "core/session.h"
#include "daemon/engine.h"
#include "daemon/link.h"
#include "daemon/names.h"
#include "daemon/state.h"
#include "daemon/timers.h"
#include "text/config-file.h"

struct config_problems;

#define ENGINE_TROUBLES_MAX 16

#define NAME_BYTES	 160
#define TAGS_BYTES	 512
#define ENGINE_RULES_MAX 16

/* The end of a session, or of one of its terminals. */
struct ending {
	struct verdict verdict;
	int64_t last_use_at_ns;
	int64_t ordered_at_ns;		    /* as the brake has it */
	uint32_t uid;			    /* ... and whose, or who asked */
	bool parking;			    /* with its terminals kept */
	char reason[ORDER_TEXT_BYTES - 64]; /* fits into a line for a terminal */
};

struct entry {
	struct session session; /* first: the control socket's pointers are entries */
	struct engine *engine;
	struct timer look; /* the next sample */
	struct verdict verdict;
	char **groups; /* of the user, owned; n_groups of them */
	uint32_t handle;
	uint16_t n_groups;
	bool named;    /* session.user is the user's name */
	bool nameless; /* the host knows no user with that number */
	bool groups_known;
	bool ask_again;	   /* a rule may ask for what is not known of the user: not before ... */
	bool told;	   /* the record of its end was given */
	bool held;	   /* told once that the brake holds it */
	bool waits;	   /* it would end at once if the brake let it */
	bool temporary;	   /* temporary rules concern it */
	bool refused : 1;  /* told once that its end was */
	bool failed : 1;   /* told once that it could not be */
	bool restored : 1; /* taken up from a daemon that ran before; cleared by the first sample */
	uint8_t keeps;	   /* times that it was kept or let go in the minute since ... */
	int64_t keeps_since_ns;
	struct ending *ending; /* owned; the last that was ordered for the session; NULL: none */
	struct ending *hanging_up; /* owned; of a terminal, until the monitor answers; NULL: none */
	int64_t ask_again_at_ns;
	int64_t ping_asked_at_ns;
	int64_t hang_up_again_at_ns; /* 0: no terminal is to be tried again */
	int64_t held_since_ns;
	int64_t retry_at_ns; /* after an order that was refused: nothing is ordered before */
};

/* Temporary rules of one asker. */
struct rules {
	uint32_t id;
	char *text; /* who asked for them, when, for which addresses */
	struct config *config;
};

/* The policies in force, each once: they are few, however many channels there are. */
struct policies {
	struct policy **rows;
	size_t n;
};

struct engine {
	struct event_base *base;
	const struct engine_options *options;
	struct link *link;
	struct control *control;
	struct config_places places; /* that the configuration is read from */
	struct config *file_config;
	struct config *config; /* the file's behind the temporary rules: what is in force */
	struct rules *rules[ENGINE_RULES_MAX];
	const char *rules_texts[ENGINE_RULES_MAX]; /* of engine_get_status() */
	size_t n_rules;
	struct policies policies;
	struct names users;
	uint32_t next_rules_id;
	struct state *state;
	struct event *save; /* timer */
	struct timers *looks;
	struct brake brake;
	struct brake asked;	/* as the monitor holds it: ends that users ask for */
	struct entry **entries; /* in order of their ids */
	size_t n_entries, size_entries;
	struct entry **by_slot; /* by the slot in the monitor's handle */
	size_t n_slots;
	char *troubles[ENGINE_TROUBLES_MAX];
	size_t n_troubles;
	int64_t started_at_ns, config_loaded_at_ns;
	int64_t ask_again_at_ns; /* what the database of users did not know of some session */
	uint64_t cuts, parks, warnings, held;
	int64_t save_not_before_ns, urgent_not_before_ns;
	char *unsaved;	/* the trouble, while the state cannot be written */
	size_t walk_at; /* where the last engine_next_session() stood */
	uint32_t next_id;
};

/* engine-table.c */
int table_init(struct engine *engine);
int table_add(struct engine *engine, const struct link_opened *opened, struct entry **ret_entry);
void table_remove(struct engine *engine, struct entry *entry);
void table_deinit(struct engine *engine);
struct entry *table_find(const struct engine *engine, uint32_t id);
struct entry *table_find_handle(const struct engine *engine, uint32_t handle);
/* Each sentence once: the same trouble often has many sessions. `entry`: one of them, or NULL. */
void table_note_trouble(struct engine *engine, const struct entry *entry, const char *text);

/* One that has passed. */
void table_forget_trouble(struct engine *engine, const char *text);

/* engine-save.c: the state that outlives a restart */
int save_init(struct engine *engine);
void save_deinit(struct engine *engine);
/* At the end of the daemon: nothing changes any more. */
void save_last(struct engine *engine);
/* A write that fails is told once and tried again until it works. */
void engine_save_soon(struct engine *engine);
/* At once, unless that has become dear: with many sessions and many ends a moment later. */
void engine_save_record(struct engine *engine);

/* engine-policy.c: configuration and who the user is */
void policy_apply(struct entry *entry);
void policy_free_shared(struct policies *policies);
/* -ENOMEM: nothing may be done to the session under the name that it has. */
int policy_learn_user(struct entry *entry, uint32_t uid);
/* Where the database of users did not answer: from time to time. True: it was asked, and what holds for the session
 * may be other than what its last sample was taken for. */
bool policy_ask_again(struct entry *entry);
/* After the end of a session of which something was not known. */
void policy_forget_unknown(struct engine *engine);
/* After a restart: an end that was announced for a time when nobody watched is not made up for at once,
 * the warning is given again. */
void policy_forget_warnings(struct session *session, int64_t now_ns);
/* Once it is known where the configuration is, and before anything is read that others have a hand
 * in. */
int policy_confine(struct engine *engine);
int policy_load(struct engine *engine, char ***ret_problems, size_t *ret_n);
/* What of the configuration is the monitor's. */
struct link_settings policy_settings(const struct engine *engine);
/* Puts the file's configuration into force, behind the temporary rules. */
int policy_join(struct engine *engine, const struct config *file);
int policy_problem_lines(const struct config_problems *problems, char ***ret_lines, size_t *ret_n);

/* engine-rules.c: temporary rules */
int rules_join(const struct engine *engine, const struct config *file, struct config **ret_config);
bool rules_concern(const struct engine *engine, const char *address);
/* The one that holds a session's end back. */
struct brake *rules_brake(const struct entry *entry);
void rules_deinit(struct engine *engine);

/* engine-act.c: from a verdict to an order, a line in the log, and an event */
void act_on_verdict(struct entry *entry);
int act_cut_asked(struct entry *entry, uint32_t uid, const char *who, const char *message);
void act_cut_done(struct entry *entry, const struct order_cut_done *done);
void act_hangup_done(struct entry *entry, const struct order_hangup_done *done);
/* Terminals that could not be hung up are tried again from time to time; others come first meanwhile. */
void act_hang_up_again(struct entry *entry);
void act_opened(struct entry *entry);
void act_closed(struct entry *entry, const struct link_last_words *words);
/* Once more in this minute; notes it. */
bool act_may_keep(struct entry *entry);
void act_kept(struct entry *entry, const char *who);

/* engine-turn.c: who goes first when the brake lets go */
/* Whose turn it takes: its user's; those without a name have one together, as anybody can have many. */
uint32_t turn_of(const struct entry *entry);

/* False: this one's verdict is to end it, but others go before it; those are looked at now. */
bool turn_has_come(const struct entry *entry);
/* Whether this user may still ask. */
bool turn_may_ask(const struct brake *asked, uint32_t uid, int64_t now_ns);

/* engine-park.c: ends that keep what runs in the terminals */
bool park_is_due(const struct session *session, const struct verdict *verdict);
/* Makes a cut a park. */
void park_fill(struct entry *entry, struct order_cut *order);
/* "41(pts/3),42(pts/4)" */
void park_words(const struct order_cut_done *done, char *ret_text, size_t size);
void park_alarm(const struct entry *entry, const struct order_cut_done *done);
/* Tells why it could not be; the fallback holds from now on. False: that is not what happened. */
bool park_refused(struct entry *entry, const struct order_cut_done *done);

/* engine-alive.c: clients that do not answer */
/* Has the kernel's keepalive set as the policy wants it, or put back. */
void alive_tune(struct entry *entry);
void alive_tuned(struct entry *entry, const struct order_tuned *done);
/* Appends who ended a connection that was not cut, and why, where that is known. */
void alive_closed_words(const struct session *session, const struct link_last_words *words,
			char *text, size_t size);

/* engine-record.c: words */
/* "41 of alice", "41" while the user is not known. */
void record_name(const struct session *session, char ret_text[static NAME_BYTES]);
void record_tags(const struct session *session, char ret_text[static TAGS_BYTES]);
/* What did not happen: "no input for 14m", "client's machine did not answer for 45s (4 pings)". */
void record_lack(const struct session *session, const struct verdict *verdict, char *ret_text,
		 size_t size);
/* Rules 10 and 11, or one of them held back. */
bool record_is_unresponsive(const struct verdict *verdict);
/* The record of a cut, all but its outcome; the caller's, NULL without memory. */
char *record_new(const struct entry *entry);
/* "1234(make),1235(sh)" or "none"; if there may be more "1234(make),unknown" or "unknown". */
void record_processes(const struct order_survivor *processes, uint32_t n, bool more, char *ret_text,
		      size_t size);

/* engine.c */
void engine_send(struct engine *engine, enum link_type type, const void *message, size_t size);
void engine_look_now(struct entry *entry);
void engine_look_soon(struct entry *entry);
void engine_tell(struct entry *entry, enum engine_event_kind kind, int rule, int32_t tty,
		 const char *reason);
