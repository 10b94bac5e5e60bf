#!/usr/bin/python3
"""usage: bench/all.py BUILD-DIRECTORY

Runs every benchmark, one after the other, and then writes the table of goals.  Each of them can be run alone.
QUICK=1 takes a few minutes and writes nothing into docs/BENCHMARKS.md; QUICK=tiny only shows that they run.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import report
import stage

SCRIPTS = ("scale", "crowd", "compare", "watched", "resume")

# What sshidle must reach: words, goal, and the figure that a script has measured for it; those of the tests name them.
GOALS = (
    ("sessions in use that were cut", "0", "tests: scenarios, properties, `tests/e2e`"),
    ("idle or dead sessions that were spared", "0", "tests: scenarios, properties, `tests/e2e`"),
    ("lateness of a cut", "at most max(1 s, 2 % of the limit)", ("scale", "lateness")),
    ("cost per keystroke or byte of the sessions it watches", "none (nothing in the data path)",
     ("watched", "watched")),
    ("one sample, 500 sessions of OpenSSH", "at most 10 us median", ("scale", "one sample, OpenSSH")),
    ("... 10,000 sessions in turn, which no cache holds", "at most 10 us median", ("scale", "one sample")),
    ("10,000 sessions, 15-minute limit: CPU", "at most 0.5 % of one core", ("scale", "sessions, CPU")),
    ("10,000 sessions, 15-minute limit: memory", "at most 16 MiB", ("scale", "sessions, memory")),
    ("50,000 foreign processes, 1,000 new ones a second: CPU", "at most 0.2 % of a core", ("crowd", "crowd, CPU")),
    ("... the first look", "in slices of at most 5 ms", ("crowd", "crowd, slices")),
    ("... a new session seen", "within 1 s", ("crowd", "crowd, new session")),
    ("unresponsive at interval x count", "at most 1 s late, never early, no living peer cut", ("scale", "unresponsive")),
    ("`sshidle list` with 10,000 sessions", "at most 100 ms", ("scale", "list")),
    ("kill -9 of any of its processes at any moment", "no session lost, none cut early, idle time kept",
     "tests: `test_openssh_restarts.py`, `test_unresponsive_restarts.py` of `tests/e2e`"),
    ("hostile process names, configs, wire input", "clear error; fuzzers run clean under sanitizers",
     "tests: `fuzz-*` beside each parser, `make check-sanitize`"),
)


def run(script, build):
    began = time.monotonic()
    done = subprocess.run([sys.executable, pathlib.Path(__file__).with_name(f"{script}.py"), build], check=False)
    word = "done" if done.returncode == 0 else f"FAILED with {done.returncode}"
    stage.say(f"bench/{script}.py: {word} in {time.monotonic() - began:.0f} s")
    return done.returncode == 0


def row(words, goal, figure, build):
    if isinstance(figure, str):
        return [words, goal, figure, ""]
    path = pathlib.Path(build) / "bench" / "results" / f"{figure[0]}.json"
    if not path.exists():
        return [words, goal, f"not measured: bench/{figure[0]}.py", ""]
    result, within = json.loads(path.read_text(encoding="utf-8"))[figure[1]]
    return [words, goal, result, {True: "reached", False: "**missed**", None: ""}[within]]


def goals(build):
    return "\n\n".join([
        "## Goals", "    sudo make bench\n", f"{report.machine()}." if stage.is_full() else
        "Of a short run with fewer sessions and processes than the table says: only a full one counts.",
        report.table(["", "goal", "result", ""], [row(*goal, build) for goal in GOALS])])


def main():
    build = os.path.abspath(sys.argv[1])
    for path in (pathlib.Path(build) / "bench" / "results").glob("*.json"):
        path.unlink()
    # A pseudo terminal's keys and screens: nothing that fewer of them would show.
    scripts = [script for script in SCRIPTS if stage.is_full() or script != "resume"]
    failed = [script for script in scripts if not run(script, build)]
    text = goals(build)
    print(text)
    if stage.is_full():
        report.write("goals", text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
