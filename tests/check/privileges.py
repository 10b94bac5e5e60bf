"""The capabilities that a process keeps are those of the manual, the documents and the unit."""

import re

from rule import Plant

CODE, MANUAL, UNIT = "src/daemon/privilege.c", "man/sshidled.8", "packaging/sshidle.service.in"
PICTURE, SECURITY = "docs/ARCHITECTURE.md", "docs/SECURITY.md"
PROCESSES = ("monitor", "starter")
START = {"SETPCAP"}  # for the smaller bounding sets
ELSEWHERE = {"CHOWN"}  # process 1 does it where there is a unit


def check(tree):
    if CODE not in tree.files():
        return []
    kept = {process: kept_by(tree.read(CODE), process) for process in PROCESSES}
    problems = []
    for path, say in ((MANUAL, in_manual), (PICTURE, in_picture), (SECURITY, in_security)):
        for process, said in zip(PROCESSES, say(tree.read(path))):
            problems += compare(path, process, kept[process], said)
    unit = re.search(r"^CapabilityBoundingSet=(.*)$", tree.read(UNIT), re.M)
    return problems + compare(UNIT, "unit", (kept["monitor"] | kept["starter"] | START) - ELSEWHERE,
                              names(unit[1] if unit else ""))


def names(text):
    return set(re.findall(r"\bCAP_([A-Z_]+)", text))


def kept_by(code, process):
    return names(code.partition(f"int privilege_{process}(")[2].partition("\n}")[0])


def in_manual(text):
    monitor, _, rest = text.partition(".Ss Processes and privileges")[2].partition("The third process")
    return names(monitor), names(rest.partition("\n.Ss ")[0])


def in_picture(text):
    """The first column of a table each."""
    monitor, _, rest = text.partition("\n## Privileges\n")[2].partition("The starter is forked")
    return tuple(names("".join(re.findall(r"^\|([^|]*)\|", part, re.M)))
                 for part in (monitor, rest.partition("\n## ")[0]))


def in_security(text):
    """What stands behind `uid 0` in the row of the process."""
    rows = (re.search(rf"^\| {process} \|.*?\| uid 0, `([A-Z_ ]*)`", text, re.M) for process in PROCESSES)
    return tuple(set(row[1].split()) if row else set() for row in rows)


def compare(path, who, kept, said):
    return ([f"{path}: has not CAP_{name} of the {who}" for name in sorted(kept - said)] +
            [f"{path}: has CAP_{name} of the {who}, which it has not" for name in sorted(said - kept)])


CLEAN = {
    CODE: "int privilege_monitor(void)\n{\n\tcapng_updatev(CAPNG_ADD, all, CAP_KILL,\n\t\tCAP_X, -1);\n}\n"
          "int privilege_starter(void)\n{\n\tcapng_updatev(CAPNG_ADD, all, CAP_SETUID, CAP_KILL, CAP_CHOWN, -1);\n}\n",
    MANUAL: ".Ss Processes and privileges\n.It Dv CAP_KILL\n.It Dv CAP_X\nThe third process\n"
            ".Dv CAP_SETUID ,\n.Dv CAP_KILL\n.Dv CAP_CHOWN\n.Ss Other\n.Dv CAP_Y\n",
    PICTURE: "\n## Privileges\n| `CAP_KILL` | x CAP_Y |\n| `CAP_X` | |\nThe starter is forked\n"
             "| `CAP_SETUID`, `CAP_KILL`, `CAP_CHOWN` | x |\n\n## Other\n| CAP_Y |\n",
    SECURITY: "| monitor | /proc | uid 0, `KILL X` | all |\n| starter | x | uid 0, `SETUID KILL CHOWN` | all |\n",
    UNIT: "CapabilityBoundingSet=CAP_KILL CAP_X CAP_SETUID CAP_SETPCAP\n",
}


def planted(path, old, new, said):
    return Plant({path: CLEAN[path].replace(old, new)}, said)


PLANTED = [
    planted(CODE, "CAP_SETUID", "CAP_SETUID, CAP_X", "man/sshidled.8: has not CAP_X of the starter"),
    planted(MANUAL, " ,\n.Dv CAP_KILL\n", "\n", "has not CAP_KILL of the starter"),
    planted(MANUAL, "CAP_X\n", "CAP_X\nCAP_Y\n", "has CAP_Y of the monitor"),
    planted(PICTURE, "`CAP_X`", "", "has not CAP_X of the monitor"),
    planted(SECURITY, "SETUID KILL CHOWN", "SETUID CHOWN", "has not CAP_KILL of the starter"),
    planted(SECURITY, "`KILL X`", "`KILL X Y`", "has CAP_Y of the monitor"),
    planted(UNIT, "CAP_X ", "CAP_X CAP_CHOWN ", "has CAP_CHOWN of the unit"),
    planted(UNIT, " CAP_SETPCAP", "", "has not CAP_SETPCAP of the unit"),
]
