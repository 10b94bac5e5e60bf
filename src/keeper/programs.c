#include "keeper/programs.h"

#include <stddef.h>

#include "base/text.h"

/* As seen on Debian 12 with TERM=xterm-256color.  On a size change all of these draw themselves
 * anew, but only nano and tmux send (part of) their modes again; on SIGCONT only nano does. */
static const struct {
	const char *name;
	const char *modes;
} table[] = {
	{ "vim", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "vi", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "view", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "vimdiff", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "nvim", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "less", "\033[?1049h\033[H\033[?1h\033=" },
	{ "pager", "\033[?1049h\033[H\033[?1h\033=" },
	{ "top", "\033[H\033[?1h\033=\033[?25l" },
	{ "htop", "\033[?1049h\033[H\033[?1h\033=\033[?25l\033[?1006;1000h" },
	{ "nano", "\033[?1049h\033[H\033[?1h\033=\033[?2004h" },
	{ "tmux: client", "\033[?1049h\033[H\033[?1h\033=" },
	{ "watch", "\033[?1049h\033[H" },
};

/* What else uses the screen as curses has it. */
static const char curses[] = "\033[?1049h\033[H\033[?1h\033=";
static const char *const others[] = {
	"emacs",   "emacs-nox", "emacs-gtk", "jed",	"joe",	      "mcedit",	   "mcview",
	"micro",   "ne",	"hx",	     "kak",	"mg",	      "zile",	   "most",
	"lynx",	   "w3m",	"links",     "elinks",	"atop",	      "btop",	   "btm",
	"glances", "iftop",	"iotop",     "nethogs", "nmon",	      "powertop",  "nvtop",
	"slabtop", "s-tui",	"mutt",	     "neomutt", "alpine",     "aerc",	   "irssi",
	"weechat", "profanity", "newsboat",  "mc",	"nnn",	      "ranger",	   "vifm",
	"lf",	   "ncdu",	"tig",	     "lazygit", "lazydocker", "k9s",	   "cmus",
	"ncmpcpp", "whiptail",	"aptitude",  "screen",	"tmux",	      "vim.basic", "vim.tiny",
	"vim.nox", "vim.gtk3",	"rvim",	     "nload",	"bmon",	      "sshidle",
};

/* Their line editors take a bracketed paste at any time, and ask for it at each prompt. */
static const char *const shells[] = { "bash", "zsh", "fish" };

static const char *find(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (text_equal(table[i].name, name))
			return table[i].modes;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (text_equal(others[i], name))
			return curses;
	return NULL;
}

bool programs_is_full_screen(const char *name)
{
	return find(name) != NULL;
}

const char *programs_modes(const char *name, bool full_screen, bool raw, bool pager_stays)
{
	const char *known = find(name);

	if (!raw)
		return "";
	if (pager_stays && (text_equal(name, "less") || text_equal(name, "pager")))
		return "\033[?1h\033=";
	if (known)
		return known;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		if (text_equal(shells[i], name))
			return "\033[?2004h";
	/* It may well be ssh, sudo or the prompt of python: on the alternate screen the lines that scroll off would be
	 * lost.  Cursor keys are what most programs take either way. */
	return full_screen ? "\033[?1h\033=" : "";
}
