#include "native/shell.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "native/file.h"
#include "text/shell-settings.h"

enum shell_kind { SHELL_BASH, SHELL_DASH, SHELL_KSH, SHELL_ZSH, SHELL_OTHER };

/* What one login reads. */
struct login {
	struct settings_shell *shell;
	const char *home;		/* NULL: none */
	bool sources_d, sources_bashrc; /* what the file just read mentions */
};

static enum shell_kind kind_of(const char *path)
{
	static const struct {
		const char *name;
		enum shell_kind kind;
	} names[] = {
		{ "bash", SHELL_BASH }, { "rbash", SHELL_BASH }, { "dash", SHELL_DASH },
		{ "sh", SHELL_DASH },	{ "ksh", SHELL_KSH },	 { "mksh", SHELL_KSH },
		{ "ksh93", SHELL_KSH }, { "zsh", SHELL_ZSH },
	};
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (text_equal(slash ? slash + 1 : path, names[i].name))
			return names[i].kind;
	return SHELL_OTHER;
}

/* /bin/sh is whatever it leads to. */
static enum shell_kind kind_of_link(const char *path)
{
	auto_free char *target = realpath(path, NULL);

	return kind_of(target ? target : path);
}

static bool take_file(struct login *login, const char *path)
{
	auto_free char *text = NULL;
	size_t size;

	if (file_read(path, &text, &size) < 0)
		return false;
	login->sources_d = strstr(text, "profile.d");
	login->sources_bashrc = strstr(text, "bashrc");
	shell_settings_parse(text, size, path, login->shell);
	return true;
}

static void take_glob(void *context, const char *path)
{
	(void)take_file(context, path);
}

/* `~/` is the home. */
static bool take(struct login *login, const char *path)
{
	char full[SETTINGS_PATH_BYTES];

	if (*path != '~')
		return take_file(login, path);
	if (!login->home ||
	    snprintf(full, sizeof(full), "%s%s", login->home, path + 1) >= (int)sizeof(full))
		return false;
	return take_file(login, full);
}

static void take_environment(struct settings_shell *shell)
{
	static const char path[] = "/etc/environment";
	auto_free char *text = NULL;
	size_t size;

	if (file_read(path, &text, &size) == 0)
		shell_settings_parse_environment(text, size, path, shell);
}

/* /etc/profile, and what it is seen to source. */
static int take_profile(struct login *login, const char *rc)
{
	bool sources_d, sources_rc;

	if (!take(login, "/etc/profile"))
		return 0;
	sources_d = login->sources_d;
	sources_rc = login->sources_bashrc;
	if (rc && sources_rc)
		(void)take(login, rc);
	return sources_d ? file_each("/etc/profile.d/*.sh", take_glob, login) : 0;
}

static int take_bash(struct login *login)
{
	static const char *const own[] = { "~/.bash_profile", "~/.bash_login", "~/.profile" };
	int r = take_profile(login, "/etc/bash.bashrc");

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		if (!take(login, own[i]))
			continue;
		if (login->sources_bashrc && take(login, "~/.bashrc") && login->sources_bashrc)
			(void)take(login, "/etc/bashrc");
		return r;
	}
	return r;
}

static void take_zsh(struct login *login)
{
	/* Debian has /etc/zsh, others have /etc. */
	static const char *const files[] = { "zshenv", "zprofile", "zshrc", "zlogin" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/etc/zsh/%s", files[i]);
		(void)take(login, path);
		(void)snprintf(path, sizeof(path), "/etc/%s", files[i]);
		(void)take(login, path);
		(void)snprintf(path, sizeof(path), "~/.%s", files[i]);
		(void)take(login, path);
	}
}

void shell_read(const char *user, struct settings_shell *ret_shell)
{
	struct login login = { .shell = ret_shell };
	enum shell_kind kind = SHELL_BASH;
	struct passwd *entry = user ? getpwnam(user) : NULL;
	int r = 0;

	memset(ret_shell, 0, sizeof(*ret_shell));
	ret_shell->effective = -1;
	if (user) {
		const char *path = entry && *entry->pw_shell ? entry->pw_shell : "/bin/sh";

		if (!entry)
			return;
		(void)text_copy(path, ret_shell->user_shell, sizeof(ret_shell->user_shell));
		kind = kind_of_link(path);
		login.home = entry->pw_dir;
	}
	ret_shell->known = kind != SHELL_OTHER;
	take_environment(ret_shell);
	switch (kind) {
	case SHELL_BASH:
		r = take_bash(&login);
		break;
	case SHELL_DASH:
	case SHELL_KSH:
		r = take_profile(&login, NULL);
		(void)take(&login, "~/.profile");
		if (kind == SHELL_KSH)
			(void)take(&login, "~/.kshrc");
		break;
	case SHELL_ZSH:
		take_zsh(&login);
		break;
	case SHELL_OTHER:
		break;
	}
	if (r < 0)
		ret_shell->known = false;
	else if (kind != SHELL_DASH && kind != SHELL_OTHER)
		ret_shell->effective = shell_settings_effective(ret_shell);
}
