#!/usr/bin/python3
"""usage: bench/crowd.py BUILD-DIRECTORY

What sshidled costs on a host with many processes that are none of its business, how long the first look takes, and
how soon a new session is seen there.  Needs root, and memory: 95 KiB for each process.
QUICK=1 takes fewer of them, QUICK=tiny a few.
"""

import json
import os
import subprocess
import sys
import time

import report
import stage
from stage import say, sized, percentile

CROWD = sized(50_000, 3_000, 100)
RATE = sized(1_000, 1_000, 50)
# As compilers and scripts have, and as if each stayed a while.
SHORT_MS, LONG_MS = 50, sized(10_000, 10_000, 500)
# One of the walks over all of /proc, which come once a minute.
WINDOW_S = sized(60, 20, 1)
OPENINGS = sized(30, 10, 2)
SESSIONS = 10


def load(daemon):
    """Per cent of a core: monitor and the others."""
    pids = daemon.pids()
    before, began = stage.cpu_s(pids), time.monotonic()
    time.sleep(WINDOW_S)
    return 100 * (stage.cpu_s(pids) - before) / (time.monotonic() - began)


def first_look(build):
    done = subprocess.run([f"{build}/bench/cost", "1"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["slices"]


def openings(daemon, swarm):
    """Seconds from the moment at which a shell is at its prompt until the daemon says so."""
    found = []
    with stage.connect(daemon.runtime / "io.sshidle") as client:
        stage.send_call(client, "io.sshidle.Events", more=True)
        events = stage.messages(client)
        for number in range(OPENINGS):
            # At every phase of the daemon's look once a second.
            time.sleep(1 + 0.37 * number % 1)
            swarm.tell("open")
            opened_s = int(swarm.wait_line("opened", number + 1)[-1][2]) / stage.NS_PER_S
            found.append(next(at for at, said in events if said["event"]["event"] == "opened") - opened_s)
    return found


def with_crowd(build, rate, live_ms, seen):
    """The load beside a crowd that changes so much; `seen` gets how late new sessions were seen."""
    crowd = stage.Crowd(build, CROWD, rate, live_ms)
    swarm = stage.Swarm(build, SESSIONS)
    slices = first_look(build)
    daemon = stage.Daemon(build, f"Match LocalPort {swarm.port}\n    IdleTimeout 15m\n")
    daemon.wait_sessions(SESSIONS)
    used = load(daemon)
    if seen is not None:
        seen += openings(daemon, swarm)
    made = crowd.found("made")
    for one in (daemon, swarm, crowd):
        one.stop()
    made = int(made[-1][1]) / int(made[-1][3]) if made else 0
    say(f"{CROWD} processes, {made:.0f} new ones a second: {used:.2f} %")
    return used, made, slices


def row(what, result, goal=""):
    used, made, _ = result
    return [what, f"{made:.0f}", goal, f"{used:.2f} %"]


def main():
    machine = report.machine()
    stage.enter({"kernel/pid_max": 4 * CROWD})
    build, seen = os.path.abspath(sys.argv[1]), []
    quiet = with_crowd(build, 0, 0, None)
    short = with_crowd(build, RATE, SHORT_MS, seen)
    long = with_crowd(build, RATE, LONG_MS, None)
    slices = quiet[2]
    figures = {
        "crowd, CPU": (f"{short[0]:.2f} %", short[0] <= 0.2),
        "crowd, slices": (f"{slices['max'] / 1e6:.1f} ms", slices["max"] <= 5_000_000),
        "crowd, new session": (f"at most {max(seen):.2f} s", max(seen) <= 1),
    }
    stage.finish("crowd", "\n\n".join([
        "## Many foreign processes", stage.command("crowd") + f"\n{machine}.",
        f"{CROWD:,} processes that sleep, and new ones; {SESSIONS} sessions, limit 15 min. CPU in per cent of one "
        f"core over {WINDOW_S} s.",
        report.table(["new processes", "a second", "goal", "CPU"], [
            row("none", quiet), row(f"each lives {SHORT_MS} ms", short, "0.2 %"),
            row(f"each lives {LONG_MS / 1000:g} s", long)]),
        report.table(["", "goal", "median", "most"], [
            [f"a slice of the first look ({slices['n']} of them), CPU time", "5 ms", f"{slices['median'] / 1e6:.2f} ms",
             f"{slices['max'] / 1e6:.2f} ms"],
            [f"a new session is seen after ({OPENINGS} of them)", "1 s", f"{percentile(seen, 0.5):.2f} s",
             f"{max(seen):.2f} s"]])]), figures)


if __name__ == "__main__":
    main()
