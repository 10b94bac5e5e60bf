/* What the files of src/audit share. */
#pragma once

#include "audit/audit.h"
#include "base/duration.h"

struct audit_place {
	const char *file; /* NULL or "": none */
	int32_t line;
	const char *keyword;
};

/* Adds a detail unless the same is there already; one too many is dropped. */
void audit_add(struct audit_result *result, enum audit_verdict verdict, struct audit_place place,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for a value of sshidle.conf, whose source is "FILE:LINE" or "default". */
void audit_add_sourced(struct audit_result *result, enum audit_verdict verdict, const char *source,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* All of several conditions: fail, else unknown, else pass, else not applicable. */
enum audit_verdict audit_both(enum audit_verdict a, enum audit_verdict b);

/* One condition each; they say in `result` what was found.  Those on sshidle: */
enum audit_verdict audit_running(const struct audit_input *input, struct audit_result *result);
enum audit_verdict audit_idle_limit(const struct audit_input *input,
				    const struct profile_condition *condition,
				    struct audit_result *result);
enum audit_verdict audit_idle_warning(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result);
enum audit_verdict audit_unresponsive(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result);

/* Whether sshidle ends unresponsive clients of everybody, within whatever time. */
bool audit_ends_unresponsive(const struct audit_input *input);

/* Where sshidle is set to park somebody's terminal, "FILE:LINE"; NULL: nowhere. */
const char *audit_parks(const struct audit_input *input);

/* Those on everything else: */
enum audit_verdict audit_servers_unresponsive(const struct audit_input *input,
					      const struct profile_condition *condition,
					      struct audit_result *result);
enum audit_verdict audit_client_alive(const struct audit_input *input,
				      const struct profile_condition *condition,
				      struct audit_result *result);
enum audit_verdict audit_tmout(const struct audit_input *input,
			       const struct profile_condition *condition,
			       struct audit_result *result);
enum audit_verdict audit_stop_idle(const struct audit_input *input,
				   const struct profile_condition *condition,
				   struct audit_result *result);
enum audit_verdict audit_work_kept(const struct audit_input *input, struct audit_result *result);

/* Whether logind kills what a login session leaves behind, by KillUserProcesses; and where that is set. */
bool audit_logind_kills(const struct audit_input *input);
struct audit_place audit_logind_kill_place(const struct audit_input *input);

/* The findings: fills those that there are. -ENOMEM. */
int audit_find(const struct audit_input *input, struct audit_report *report);

/* "openssh on port 22" */
struct audit_name {
	char text[64];
};
struct audit_name audit_server_name(const struct settings_server *server);

/* A span for people, also SETTING_OFF and the like. */
struct audit_span {
	char text[DURATION_TEXT_BYTES];
};
struct audit_span audit_span_text(int64_t ns);
