"""The manuals are clean mdoc and say what the programs say.

That sshidle.conf(5) has every keyword is proved beside the table of keywords, in src/text.
"""

import os
import re
import shutil
import subprocess

from rule import Plant, Skip

# manual -> program, how it tells of itself
PROGRAMS = {
    "man/sshidle.1": ("src/cli/sshidle", "help"),
    "man/sshidled.8": ("src/daemon/sshidled", "-h"),
    "man/sshidle-keeper.8": ("src/keeper/sshidle-keeper", "-h"),
}
EXITS = {"man/sshidle.1": ["0", "1", "2", "3"], "man/sshidled.8": ["0", "1", "2"],
         "man/sshidle-keeper.8": ["0", "1", "2"]}
EMPTY = {path: f"usage: {name}\n" for path, name in (
    ("man/sshidle.1", "sshidle"), ("man/sshidled.8", "sshidled"),
    ("man/sshidle-keeper.8", "sshidle-keeper"))}


def check(tree):
    if not shutil.which("mandoc"):
        raise Skip("mandoc is missing: install mandoc")
    if tree.build and not os.path.exists(os.path.join(tree.build, PROGRAMS["man/sshidle-keeper.8"][0])):
        raise Skip("a build without park: the manuals are those of one that has it")
    names = [path for path in tree.files() if path.startswith("man/") and path[-1:].isdigit()]
    problems = []
    for path in names:
        problems += lint(tree, path)
        if path in PROGRAMS:
            said = usage(tree, path)
            commands = commands_of(said)
            if commands:
                problems += compare(path, "command", commands, manual_commands(tree, path))
            problems += compare(path, "option", options_of(said), manual_options(tree, path))
            problems += exits(tree, path)
    if tree.build:
        problems += [f"{path} is missing" for path in PROGRAMS if path not in names]
    problems += rules(tree) if "src/core/judge.c" in tree.files() else []
    return problems


def lint(tree, path):
    done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", path], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def usage(tree, path):
    """What the program says of itself; of a planted tree, the file with `.usage` at its end."""
    if tree.build is None:
        planted = tree.path(path + ".usage")
        return tree.read(path + ".usage") if os.path.exists(planted) else EMPTY[path]
    program, word = PROGRAMS[path]
    binary = os.path.join(tree.build, program)
    said = subprocess.run([binary, word], capture_output=True, text=True, check=True).stdout
    if word == "help":
        # Options of each command stand in its own help.
        for command in commands_of(said):
            said += subprocess.run([binary, "help", command], capture_output=True, text=True,
                                   check=True).stdout
    return said


def commands_of(said):
    """First words of the paragraph that begins with `commands:`."""
    table = re.search(r"^commands:\n((?:  .*\n)+)", said, re.M)
    return set(re.findall(r"^  ([a-z]+)", table[1], re.M)) if table else set()


def options_of(said):
    """-x and --xxx, wherever they stand."""
    return set(re.findall(r"(?<![\w-])(--?[A-Za-z][a-z-]*)\b", said))


def manual_commands(tree, path):
    return set(re.findall(r"^\.It Cm (\w+)", tree.read(path), re.M))


def manual_options(tree, path):
    found = set()
    for line in re.findall(r"^\.(?:It|Op|Nm|Fl).*", tree.read(path), re.M):
        words = line.split()
        for at, word in enumerate(words[:-1]):
            if word == "Fl":
                found |= {"-" + flag for flag in flags_after(words[at + 1:])}
    return found


def flags_after(words):
    """`Fl h , -help` and `Fl t | T` name several."""
    for word in words:
        if word in (",", "|"):
            continue
        if not re.fullmatch(r"-?[A-Za-z][a-z-]*", word) or word in ("Ar", "Cm", "Fl", "Oc", "Op"):
            return
        yield word


def compare(path, what, program, manual):
    return ([f"{path}: has not the {what} {one}" for one in sorted(program - manual)] +
            [f"{path}: has the {what} {one}, the program has not" for one in
             sorted(manual - program)])


def exits(tree, path):
    parts = re.split(r"^\.Sh EXIT STATUS$", tree.read(path), flags=re.M)
    section = parts[1].split("\n.Sh")[0] if parts[1:] else ""
    found = re.findall(r"^\.It (?:Sy )?(\d+)$", section, re.M)
    if found != EXITS[path]:
        return [f"{path}: exit codes are {EXITS[path]}, it has {found}"]
    return []


def rules(tree):
    """The ladder of sshidled(8) is that of the judge."""
    code = re.findall(r'\[RULE_\w+\] = "([a-z-]+)"', tree.read("src/core/judge.c"))
    manual = re.findall(r"^\.It (\d+) Ta ([a-z-]+) Ta ", tree.read("man/sshidled.8"), re.M)
    if manual != [(str(number), name) for number, name in enumerate(code)]:
        return [f"man/sshidled.8: the rules are {code}, it has {manual}"]
    return []


MANUAL = """.Dd November 22, 2026
.Dt SSHIDLED 8
.Os
.Sh NAME
.Nm sshidled
.Nd end sessions
.Sh SYNOPSIS
.Nm
.Op Fl d
.Sh DESCRIPTION
.Bl -tag -width Ds
.It Cm list
List.
.It Fl h , -help
Help.
.El
.Bl -column "0" "kept"
.It 0 Ta asked Ta asked
.It 1 Ta kept Ta kept
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
Good.
.It 1
Bad.
.It 2
Ugly.
.El
"""

JUDGE = '[RULE_ASKED] = "asked",\n\t[RULE_KEPT] = "kept",\n'

CLEAN = {
    "man/sshidled.8": MANUAL,
    "man/sshidled.8.usage": "usage: x [-d]\n\ncommands:\n  list  it\n\n  -h, --help  this\n",
    "src/core/judge.c": JUDGE,
}


def planted(old, new, said, path="man/sshidled.8"):
    return Plant({path: CLEAN[path].replace(old, new)}, said)


PLANTED = [
    planted(".Sh NAME\n", ".Sh NAMES\n", "man/sshidled.8:4"),
    planted(".It Cm list\n", ".It Cm lists\n", "has not the command list"),
    planted(".It Cm list\n", ".It Cm lists\n", "has the command lists, the program has not"),
    planted(" , -help", "", "has not the option --help"),
    planted("[-d]", "", "has the option -d, the program has not", "man/sshidled.8.usage"),
    planted(".It 2\n", ".It 3\n", "exit codes are"),
    planted('"kept"', '"held"', "the rules are", "src/core/judge.c"),
]
