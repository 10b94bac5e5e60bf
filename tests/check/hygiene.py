"""What no file of the project has: stray blanks, places of one machine, typedefs."""

import re

from rule import Plant

BLANKS = re.compile(r"[ \t]+$", re.M)
CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.M)
# Written so that this file does not have them either.
MACHINE = re.compile("/wo" "rk/|/tmp/bu" "ild|/tmp/pl" "an|/ro" "ot/\\.|pyen" "v")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union|enum)\b", re.M)
FUZZ_CORPUS = re.compile(r"^src/\w+/corpus-")


def check(tree):
    problems = []
    for path in tree.files():
        if FUZZ_CORPUS.match(path):
            continue
        with open(tree.path(path), "rb") as file:
            data = file.read()
        if b"\0" in data:
            problems.append(f"{path}: binary")
            continue
        text = data.decode("utf-8", "replace")
        problems += [f"{path}:{text.count(chr(10), 0, offset) + 1}: {what}"
                     for offset, what in findings(path, text)]
    return problems


def findings(path, text):
    """(offset, what) of everything wrong in one file."""
    for pattern, what in ((BLANKS, "blanks at the end of the line"), (CONFLICT, "merge conflict"),
                          (MACHINE, "a place of one machine")):
        for match in pattern.finditer(text):
            yield match.start(), what
    if text and not text.endswith("\n"):
        yield len(text), "no newline at the end"
    if "\r\n" in text:
        yield text.index("\r\n"), "a carriage return"
    if path.endswith((".c", ".h")):
        for match in TYPEDEF.finditer(text):
            yield match.start(), "a typedef of a struct: write struct x"


CLEAN = {"a.py": "x = 1\n", "src/base/a.c": "struct a {\n\tint b;\n};\n"}

PLANTED = [
    Plant({"a.py": "x = 1 \n"}, "a.py:1: blanks"),
    Plant({"a.md": "a\n\t\n"}, "a.md:2: blanks"),
    Plant({"a.py": "x = 1"}, "no newline"),
    Plant({"a.py": "x = 1\r\n"}, "carriage return"),
    Plant({"a.sh": "cd /wo" "rk/main\n"}, "a place of one machine"),
    Plant({"a.md": "<<<<<<< HEAD\n"}, "merge conflict"),
    Plant({"src/base/a.c": "typedef struct a {\n\tint b;\n} a;\n"}, "a typedef"),
]
