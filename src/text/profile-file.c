/* Profiles from files. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "text/config-file.h"
#include "text/profile.h"

int profile_load(const char *name, char *ret_problem, struct profile **ret_profile)
{
	auto_free char *path = NULL, *text = NULL;
	char shown[256];
	size_t length;
	int r;

	if (strchr(name, '/'))
		r = (path = strdup(name)) ? 0 : -ENOMEM;
	else
		r = asprintf(&path, "%s/%s.json", SSHIDLE_PROFILE_DIR, name) < 0 ? -ENOMEM : 0;
	if (r < 0) {
		path = NULL;
		return r;
	}
	r = config_file_read(path, &text, &length);
	if (r == 0)
		return profile_parse(&(struct config_text){ path, text, length }, ret_problem,
				     ret_profile);
	text_escape(path, false, shown, sizeof(shown));
	(void)snprintf(ret_problem, PROFILE_PROBLEM_BYTES, "%s: cannot read it: %s%s", shown,
		       config_file_error(r),
		       strchr(name, '/') ? "" : "; a profile of your own is named by its path");
	return r;
}
