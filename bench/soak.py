#!/usr/bin/python3
"""usage: soak.py BUILD [--sessions N] [--seconds S] [--json]

Memory and descriptors of sshidled over a long time with many sessions that live.

N light sessions (swarm.c) of which most are used again and again, and answer keepalives; some are left
alone, are warned and ended, and others come for them.  Beside them a real sshd is logged in to every
second.  Somebody asks for the list all the while.  At the end: nobody in use was ended, all who were
idle were, and monitor and engine are as large as they were in the first fifth of the time.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import threading
import time

import stage

# Of a thousand sessions so many are idle.  Swarm has room for a thousand that come later.
IDLE_SHARE = 0.03

# The allocator keeps and rounds up.
GROWTH_KIB, GROWTH_SHARE = 256, 0.05


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class Slices:
    """Goes round and round through n things in so many seconds, a slice each second."""

    def __init__(self, n, seconds):
        self.n, self.size, self.at = n, max(1, math.ceil(n / seconds)), 0

    def next(self):
        """(the first one, how many)"""
        at, size = self.at, min(self.size, self.n - self.at)
        self.at = (at + size) % self.n
        return at, size


class Soak:
    """The sessions, and what becomes of them."""

    def __init__(self, wanted):
        self.limit_s = min(300, max(10, wanted.seconds // 5))
        self.seconds, self.n = wanted.seconds, wanted.sessions
        self.keys = stage.Keys()
        self.server = stage.sshd(self.keys)
        self.swarm = stage.Swarm(wanted.build, self.n)
        self.daemon = stage.Daemon(wanted.build, self.configuration())
        self.daemon.wait_sessions(self.n)
        self.idle = set(range(int(self.n * (1 - IDLE_SHARE)), self.n))
        self.used = range(0, min(self.idle))
        self.replaced, self.logins, self.rows = 0, 0, []
        self.over = threading.Event()

    def configuration(self):
        return f"MaxCuts 10000/1m\nIdleTimeout {self.limit_s}s\nIdleWarning 3s\n"

    # -- what goes on meanwhile -------------------------------------------------------------

    def use(self):
        """Keys for each session in use, four times within each limit, and keepalives for all, every 15 s;
        in slices of a second."""
        keys, keepalives = Slices(len(self.used), self.limit_s / 4), Slices(self.n, 15)
        while not self.over.wait(1):
            self.swarm.type(*keys.next())
            self.swarm.type(*keepalives.next(), "keepalive")
            self.replace()

    def replace(self):
        """One session for each that was ended."""
        ended = len(self.swarm.found("ended"))
        while self.replaced < ended:
            self.swarm.tell("open")
            self.replaced += 1
        self.swarm.wait_line("opened", self.replaced)

    def log_in(self):
        """Real logins that end at once."""
        command = ["ssh", *self.keys.options(self.server.port), "bench@127.0.0.1", "true"]
        while not self.over.wait(1):
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
            self.logins += 1

    # -- what it costs ----------------------------------------------------------------------

    def measure(self):
        row = {"at_s": round(time.monotonic() - self.began, 1)}
        for role, pid in zip(("monitor", "starter", "engine"), self.daemon.pids()):
            row[role] = {"kib": anonymous_kib(pid), "descriptors": descriptors(pid)}
        return row

    def run(self):
        pids = self.daemon.pids()
        self.began, cpu_s = time.monotonic(), stage.cpu_s(pids)
        threads = [threading.Thread(target=one, daemon=True) for one in (self.use, self.log_in)]
        for one in threads:
            one.start()
        while time.monotonic() < self.began + self.seconds:
            time.sleep(min(5, self.seconds / 30))
            self.daemon.sessions()
            self.rows.append(self.measure())
            if not all(one.is_alive() for one in threads):
                raise RuntimeError("what uses the sessions has failed")
        cpu_s = stage.cpu_s(pids) - cpu_s
        self.over.set()
        for one in threads:
            one.join(60)
        self.cpu_share = cpu_s / (time.monotonic() - self.began)

    # -- the verdict ------------------------------------------------------------------------

    def problems(self):
        ended = set(self.swarm.ended())
        rounds = self.seconds // self.limit_s - 1
        wrong = [f"session {i} was in use and was ended" for i in sorted(ended & set(self.used))]
        if len(ended) < rounds * len(self.idle):
            wrong.append(f"{len(ended)} sessions were ended, not {rounds} times {len(self.idle)}")
        if any(" error" in line for line in self.daemon.said().splitlines()):
            wrong.append(self.daemon.said()[-2000:])
        for role in ("monitor", "starter", "engine"):
            wrong += self.growth(role)
        return wrong

    def growth(self, role):
        first, last = self.fifth(role, "kib", 1), self.fifth(role, "kib", 4)
        if last > first + max(GROWTH_KIB, first * GROWTH_SHARE):
            yield f"{role}: {first} KiB have become {last}"
        first, last = self.fifth(role, "descriptors", 1), self.fifth(role, "descriptors", 4)
        if last > first + 2:  # a login that is just there
            yield f"{role}: {first} descriptors have become {last}"

    def fifth(self, role, what, number):
        """The median of one fifth of the time; the first one is to warm up."""
        rows = self.rows[len(self.rows) * number // 5:len(self.rows) * (number + 1) // 5]
        return statistics.median_low(row[role][what] for row in rows)

    def report(self):
        """One line for each process."""
        yield (f"{self.n} sessions for {self.seconds} s, limit {self.limit_s} s: {self.replaced} ended "
               f"and replaced, {self.logins} logins, {100 * self.cpu_share:.2f} % of a core")
        for role in ("monitor", "starter", "engine"):
            most = max(row[role]["kib"] for row in self.rows)
            kib = [self.fifth(role, "kib", number) for number in range(1, 5)]
            fds = [self.fifth(role, "descriptors", number) for number in range(1, 5)]
            yield f"{role}: KiB by fifths {kib}, most {most}; descriptors {fds}"


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(row.split()[1]) for row in status if row.startswith("RssAnon:"))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def main():
    wanted = arguments()
    stage.enter()
    soak = Soak(wanted)
    soak.run()
    problems = soak.problems()
    for line in soak.report():
        print(line)
    if wanted.json:
        print(json.dumps(soak.rows))
    for problem in problems:
        print(f"FAILED: {problem}")
    sys.exit(bool(problems))


main()
