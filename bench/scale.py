#!/usr/bin/python3
"""usage: bench/scale.py BUILD-DIRECTORY

What sshidled costs with many sessions, how late it cuts, and how long `sshidle list` takes.  The
sessions are bench/swarm's, light processes that look and move as sshd's do, and some of a real sshd.
Needs root.  QUICK=1 takes fewer of them, QUICK=tiny a few.
"""

import json
import os
import subprocess
import sys
import time

import report
import stage
from stage import say, sized, percentile

SESSIONS = sized(10_000, 1_000, 40)
REAL = sized(500, 40, 4)
LATE = sized(2_000, 300, 12)
LOST = sized(500, 100, 6)
# A session is looked at every 14.4 s when the limit is 15 min.
WINDOW_S = sized(57.6, 57.6, 1)
WINDOWS, WINDOWS_IN_USE = sized((3, 2), (1, 1), (1, 1))
SETTLE_S = sized(62, 62, 0.5)
# The channels of a younger session are listed with each sample.
GROW_UP_S = sized(3, 3, 0)
LIMIT_S = sized(50, 20, 4)
ALIVE_S, ALIVE_N = sized((5, 3), (3, 3), (1, 3))
ROUNDS = sized(21, 11, 3)
POLICY = "MaxCuts 10000/1m\n"

NAMES = {"sshidled": "monitor", "sshidled-engine": "engine", "sshidled-starte": "starter"}


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
        return NAMES[comm.read().strip()]


def load(daemon, windows, meanwhile=None):
    """Per cent of a core in each window: [(all, monitor, engine)]."""
    pids, found = {name_of(pid): pid for pid in daemon.pids()}, []
    for _ in range(windows):
        before, began = {name: stage.cpu_s([pid]) for name, pid in pids.items()}, time.monotonic()
        while time.monotonic() < began + WINDOW_S:
            if meanwhile:
                meanwhile()
            else:
                time.sleep(min(1, max(0.01, began + WINDOW_S - time.monotonic())))
        span = time.monotonic() - began
        used = {name: 100 * (stage.cpu_s([pid]) - before[name]) / span for name, pid in pids.items()}
        found.append((sum(used.values()), used["monitor"], used["engine"]))
    return found


def load_row(what, found, goal):
    whole, monitor, engine = ([row[i] for row in found] for i in range(3))
    return [what, goal, report.spread(whole, "{:.2f} %") if len(found) > 1 else f"{whole[0]:.2f} %",
            f"{sorted(monitor)[len(found) // 2]:.2f} %", f"{sorted(engine)[len(found) // 2]:.2f} %"]


class Rounds:
    """Something done to all sessions in turn, each once in so many seconds."""

    STEP_S = 0.25

    def __init__(self, swarm, word, n, each_s):
        self.swarm, self.word, self.n, self.at = swarm, word, n, 0
        self.many = max(1, int(n * self.STEP_S / each_s))

    def __call__(self):
        self.swarm.type(self.at, self.many, self.word)
        self.at = (self.at + self.many) % self.n
        time.sleep(self.STEP_S)


def memory(daemon):
    """MiB: proportional and resident of each process, and the highest."""
    return {name_of(pid): [kib / 1024 for kib in stage.memory_kib(pid)] for pid in daemon.pids()}


def time_list(daemon, *options):
    """Milliseconds of `sshidle list`."""
    found = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        subprocess.run(daemon.cli("list", *options), stdout=subprocess.DEVNULL, check=True)
        found.append(1000 * (time.monotonic() - began))
    return found


def sample_cost(build, rounds):
    done = subprocess.run([f"{build}/bench/cost", str(rounds)], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def many(build, figures):
    """The big swarm."""
    began = time.monotonic()
    swarm = stage.Swarm(build, SESSIONS)
    say(f"{SESSIONS} sessions in {time.monotonic() - began:.0f} s")
    time.sleep(GROW_UP_S)
    cost = sample_cost(build, 3)
    daemon = stage.Daemon(build, f"{POLICY}Match LocalPort {swarm.port}\n    IdleTimeout 15m\n")
    daemon.wait_sessions(SESSIONS)
    time.sleep(SETTLE_S)
    idle = load(daemon, WINDOWS)
    at_rest = memory(daemon)
    lists, lists_json = time_list(daemon, "--all"), time_list(daemon, "--json")
    typing = load(daemon, WINDOWS_IN_USE, Rounds(swarm, "type", SESSIONS // 10, 10))
    keepalives = load(daemon, WINDOWS_IN_USE, Rounds(swarm, "keepalive", SESSIONS, 15))
    after = memory(daemon)
    daemon.stop()
    swarm.stop()
    resident = sum(process[0] for process in at_rest.values())
    used, took = sorted(row[0] for row in idle)[len(idle) // 2], percentile(lists, 0.5)
    figures["one sample"] = sample_figure(cost)
    figures["sessions, CPU"] = (f"{used:.2f} %", used <= 0.5)
    figures["sessions, memory"] = (f"{resident:.1f} MiB", resident <= 16)
    figures["list"] = (f"{took:.0f} ms", took <= 100)
    return "\n\n".join([
        f"{SESSIONS:,} sessions, limit 15 min. CPU in per cent of one core, over {WINDOWS} windows of {WINDOW_S} s "
        f"({WINDOWS_IN_USE} where something moves): median, lowest and highest.",
        report.table(["", "goal", "CPU", "monitor", "engine"], [
            load_row("all clients silent", idle, "0.5 %"),
            load_row("one in ten types a key every 10 s", typing, ""),
            load_row("all send a keepalive every 15 s", keepalives, "")]),
        "Memory: each process's share of what it has in common with others counted once (PSS), and its "
        "highest resident size, which counts that in each.",
        report.table(["MiB", "goal", *at_rest, "together"], [
            ["PSS, at rest", "16", *(f"{one[0]:.1f}" for one in at_rest.values()), f"{resident:.1f}"],
            ["PSS, after all of the above", "", *(f"{one[0]:.1f}" for one in after.values()),
             f"{sum(one[0] for one in after.values()):.1f}"],
            ["highest RSS", "", *(f"{one[2]:.1f}" for one in after.values()),
             f"{sum(one[2] for one in after.values()):.1f}"]]),
        report.table(["", "goal", f"median of {ROUNDS}"], [
            ["`sshidle list`, all rows", "100 ms", report.spread(lists, "{:.0f} ms")],
            ["`sshidle list --json`", "", report.spread(lists_json, "{:.0f} ms")]]),
        report.table([f"of {SESSIONS:,} in turn", "goal", "median", "p10 to p90", "p99"], [
            sample_row("one sample", "10 us", cost["sample"]),
            sample_row("a look at whether anything moved", "", cost["quiet look"])])])


def sample_figure(cost):
    median = cost["sample"]["median"]
    return f"{median / 1000:.1f} us", median <= 10_000


def sample_row(what, goal, cost):
    # Of sessions as young as those of a tiny run none is still.
    if cost["n"] == 0:
        return [what, goal, "none", "", ""]
    return [what, goal, f"{cost['median'] / 1000:.1f} us",
            f"{cost['p10'] / 1000:.1f} to {cost['p90'] / 1000:.1f} us", f"{cost['p99'] / 1000:.1f} us"]


def real(build, keys, figures):
    """The same of a real sshd."""
    server = stage.sshd(keys)
    began = time.monotonic()
    clients = stage.Shells(keys, server.port, REAL)
    say(f"{REAL} logins in {time.monotonic() - began:.0f} s")
    time.sleep(GROW_UP_S)
    cost = sample_cost(build, sized(40, 100, 20))
    daemon = stage.Daemon(build, f"{POLICY}Match LocalPort {server.port}\n    IdleTimeout 15m\n")
    daemon.wait_sessions(REAL)
    time.sleep(SETTLE_S)
    idle = load(daemon, 1)
    at_rest = memory(daemon)
    daemon.stop()
    clients.close()
    sample = cost["sample"]
    figures["one sample, OpenSSH"] = sample_figure(cost)
    return report.table([f"{REAL} sessions of OpenSSH", "CPU", "memory (PSS)", "one sample, median, p10 to p90"], [
        ["all silent", load_row("", idle, "")[2], f"{sum(one[0] for one in at_rest.values()):.1f} MiB",
         f"{sample['median'] / 1000:.1f} us, {sample['p10'] / 1000:.1f} to {sample['p90'] / 1000:.1f} us"]])


def late_row(what, promise_s, late_s, n, early):
    return [what, f"{n:,}", f"{promise_s:g} s", f"{percentile(late_s, 0.5):.3f} s", f"{percentile(late_s, 0.99):.3f} s",
            f"{max(late_s):.3f} s", str(early)]


def cuts(build, figures):
    """When sessions are cut whose last key was at different moments; seconds after the promise."""
    swarm = stage.Swarm(build, LATE)
    daemon = stage.Daemon(build, f"{POLICY}Match LocalPort {swarm.port}\n    IdleTimeout {LIMIT_S}s\n")
    daemon.wait_sessions(LATE)
    typed_at, began = {}, time.monotonic()
    # All within a part of the limit: who was not typed to in time ends for that.
    steps = 3 * LIMIT_S
    for step in range(steps):
        first, end = LATE * step // steps, LATE * (step + 1) // steps
        at_ns = swarm.type(first, end - first)
        typed_at.update({i: at_ns for i in range(first, end)})
        time.sleep(max(0, began + 0.25 * step - time.monotonic()))
    ended = wait_ended(swarm, LATE, 2 * LIMIT_S + 30)
    daemon.stop()
    swarm.stop()
    late_s = [(ended[i] - typed_at[i]) / stage.NS_PER_S - LIMIT_S for i in range(LATE)]
    early = sum(late < 0 for late in late_s)
    figures["lateness"] = (f"at most {max(late_s):.2f} s, {early} early",
                           max(late_s) <= max(1, 0.02 * LIMIT_S) and early == 0)
    return late_row(f"idle, limit {LIMIT_S} s", LIMIT_S, late_s, LATE, early)


def wait_ended(swarm, n, seconds):
    stage.wait_until(lambda: len(swarm.ended()) >= n, seconds, f"{n} sessions are ended", 0.1)
    return swarm.ended()


def lost(build, figures):
    """The same for clients whose machine is cut off, beside others that answer."""
    promise_s = ALIVE_S * ALIVE_N
    gone, alive = stage.Swarm(build, LOST), stage.Swarm(build, LOST)
    policy = f"    ClientAliveInterval {ALIVE_S}\n    ClientAliveCountMax {ALIVE_N}\n"
    daemon = stage.Daemon(build, POLICY + "".join(
        f"Match LocalPort {swarm.port}\n{policy}" for swarm in (gone, alive)))
    daemon.wait_sessions(2 * LOST)
    time.sleep(2 * ALIVE_S)
    typed_ns = gone.type(0, LOST)
    subprocess.run(["nft", "-f", "-"], check=True, text=True, input=f"""
        table inet lost {{ chain in {{ type filter hook input priority 0;
            tcp dport {gone.port} drop
        }}
        }}
        """)
    gone_ns = time.monotonic_ns()
    ended = wait_ended(gone, LOST, 3 * promise_s + 10)
    spared = len(alive.ended())
    daemon.stop()
    for swarm in (gone, alive):
        swarm.stop()
    subprocess.run(["nft", "delete", "table", "inet", "lost"], check=True)
    late_s = [(at - gone_ns) / stage.NS_PER_S - promise_s for at in ended.values()]
    early = sum((at - typed_ns) / stage.NS_PER_S < promise_s for at in ended.values())
    figures["unresponsive"] = (f"at most {max(late_s):.2f} s, {early} early, {spared} living cut",
                               max(late_s) <= 1 and early == 0 and spared == 0)
    return late_row(f"unresponsive, {ALIVE_S} s x {ALIVE_N}, beside {LOST} that answer ({spared} of them cut)",
                    promise_s, late_s, LOST, early)


def main():
    machine = report.machine()
    stage.enter({"kernel/pty/max": SESSIONS + 2048, "kernel/pid_max": 4 * SESSIONS})
    build, figures = os.path.abspath(sys.argv[1]), {}
    keys = stage.Keys()
    lateness = [cuts(build, figures), lost(build, figures)]
    text = many(build, figures)
    beside = real(build, keys, figures)
    stage.finish("scale", "\n\n".join([
        "## Many sessions", stage.command("scale") + f"\n{machine}.", text, beside,
        "How long after the promised moment the process of the session had ended, all at once on one host.",
        report.table(["", "sessions", "promise", "median late", "p99", "most", "early"], lateness)]), figures)


if __name__ == "__main__":
    main()
