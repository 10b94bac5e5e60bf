/*
 * What `sshd -T` prints: one keyword and its value a line.  Up to 9.x the keywords are in lower
 * case, 10.5 has mixed case; they are compared without case.  Numbers are seconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/settings.h"

/*
 * Fills what the text says; what it does not say stays unknown (SETTING_UNKNOWN, -2), a keyword
 * that this version does not have SETTING_NONE.  Version, source and drop_in are left alone.
 * -EINVAL when the text has no clientaliveinterval, and so is not what sshd prints.
 */
int sshd_settings_parse(const char *text, size_t size, struct settings_openssh *settings);

/* "OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL ...", anywhere in the text: also in the error that
 * a version without -V prints. -EINVAL: there is none. */
int sshd_settings_version(const char *text, size_t size, struct settings_openssh *settings);
