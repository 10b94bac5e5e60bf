"""What the archive of the core asks for: no system call, no clock, no stdio, no log.

Everything that the objects of src/core want from outside must be in a table; what they get from
src/base must come from the parts of it that are pure themselves.
"""

import os
import re
import shutil
import subprocess

from rule import Plant, Skip

PURE = {
    "calloc", "free", "malloc", "realloc", "reallocarray",
    "bcmp", "memchr", "memcmp", "memcpy", "memmove", "memset",
    "strcasecmp", "strchr", "strchrnul", "strcmp", "strcspn", "strdup", "strlen", "strncasecmp",
    "strncmp", "strndup", "strnlen", "strpbrk", "strrchr", "strsep", "strspn", "strstr",
    "bsearch", "qsort", "toupper", "tolower", "inet_ntop", "inet_pton", "snprintf",
    "__assert_fail", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
    "__ctype_b_loc", "__ctype_tolower_loc", "__ctype_toupper_loc", "__errno_location",
    # _FORTIFY_SOURCE's names of the same
    "__memcpy_chk", "__memmove_chk", "__memset_chk", "__snprintf_chk",
}

# Modules of src/base that only compute.
PURE_BASE = {"text.c", "duration.c"}

ARCHIVES = {
    "src/core/libcore.a": PURE,
    "src/server/libserver.a": PURE,
}


def check(tree):
    """The archives of the build; of a planted tree, its file `nm` in place of them."""
    if tree.build is None:
        return problems_of("planted", tree.read("nm"), PURE)
    if not shutil.which("nm"):
        raise Skip("nm is missing: install binutils")
    problems = []
    base = defined(nm(tree, "src/base/libbase.a"), PURE_BASE)
    for archive, allowed in ARCHIVES.items():
        core = defined(nm(tree, "src/core/libcore.a"))
        problems += problems_of(archive, nm(tree, archive), allowed | base | core)
    return problems


def nm(tree, archive):
    # -A would name the member in each line; without it a line `member.o:` stands before each.
    done = subprocess.run(["nm", os.path.join(tree.build, archive)], capture_output=True, text=True,
                          check=True)
    if re.search(r"\b__[au]b?san_", done.stdout):
        raise Skip("built with sanitizers, which ask for what they like")
    return done.stdout


def member_of(line):
    """The source of a member: `path/text.c.o:` is of text.c."""
    return os.path.basename(line).removesuffix(".o:")


def defined(text, members=None):
    """Names that the archive defines, in all members or in those of the named sources."""
    found, inside = set(), True
    for line in text.splitlines():
        if line.endswith(".o:"):
            inside = members is None or member_of(line) in members
        match = re.match(r"[0-9a-f]+ [TDRBV] (\S+)$", line)
        if match and inside:
            found.add(match[1])
    return found


def problems_of(name, text, allowed):
    own, problems, member = defined(text), [], ""
    for line in text.splitlines():
        if line.endswith(".o:"):
            member = member_of(line)
        match = re.match(r"\s+U (\S+)$", line)
        if match and match[1] not in allowed | own:
            problems.append(f"{name}: {member} asks for {match[1]}")
    return problems


CLEAN = {"nm": "\njudge.c.o:\n                 U malloc\n                 U bounds_use\n"
               "\nbounds.c.o:\n0000000000000000 T bounds_use\n"}

PLANTED = [Plant({"nm": CLEAN["nm"] + f"                 U {name}\n"}, f"bounds.c asks for {name}")
           for name in ("clock_gettime", "open", "read", "printf", "log_info", "time", "getenv")]
