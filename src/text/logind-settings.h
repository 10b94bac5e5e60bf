/*
 * logind.conf(5) and its drop-ins: sections, NAME=VALUE, spans of time as in systemd.time(7).
 * Later files override earlier ones.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/settings.h"

/* What holds when no file says anything: the built-in values of systemd 252 on Debian. */
void logind_settings_init(struct settings_logind *ret_settings);

/*
 * Takes what one file says.  NULL `file`: instead takes the built-in values, which the file that the
 * package ships shows in comments ("#KillUserProcesses=no"); to be called first.
 */
void logind_settings_parse(const char *text, size_t size, const char *file,
			   struct settings_logind *settings);

/* "15min", "1h 30min", "900", "infinity": SETTING_OFF for 0 and infinity. -EINVAL. */
int logind_settings_span(const char *text, int64_t *ret_ns);

/* N of "systemd N (...)", what `systemctl --version` prints. -EINVAL. */
int logind_settings_version(const char *text, size_t size, uint32_t *ret_version);
