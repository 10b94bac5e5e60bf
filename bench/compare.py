#!/usr/bin/python3
"""usage: bench/compare.py BUILD-DIRECTORY

sshidled beside what one would take instead: the servers' own options and autolog.  Each has a private host with as many
real sessions, all of them run at the same time.  Measured are the CPU time of all processes involved (server,
clients, shells, daemon), packets, and how late idle sessions and dead clients are ended.
Needs root.  QUICK=1 takes fewer sessions and less time, QUICK=tiny a moment.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import report
import stage
from stage import say, sized

SESSIONS = sized(50, 8, 2)
SETTLE_S = sized(62, 10, 0.5)
# A multiple of the 14.4 s between two looks at a session.
WINDOW_S = sized(115.2, 28.8, 1)
LATE = sized(10, 4, 2)
ALIVE_S, ALIVE_N, IDLE_S = 15, 3, 900
# Of the second part: autolog counts minutes.
SHORT_S = sized(60, 60, 8)
PATIENCE_S = sized(250, 200, 12)
ALIVE_SHORT_S = sized(ALIVE_S, ALIVE_S, 1)


class Arm:
    """A way to end idle sessions and dead clients: the server and what runs beside it."""

    words = ""
    idle = dead = True
    at_once = 8  # logins

    def __init__(self, build, keys):
        self.build, self.keys, self.beside = build, keys, None

    def serve(self, idle_s, alive_s):
        """A server whose new sessions have these limits; None: no limit."""
        raise NotImplementedError

    def watch(self, limits):
        """Starts what runs beside: port -> (idle_s, alive_s)."""

    def own(self):
        """Processes that would not be there without it."""
        return stage.tree(self.beside.pid) if self.beside else []

    def stop(self):
        if self.beside:
            self.beside.kill()
            self.beside.wait()


class Nothing(Arm):
    words = "OpenSSH alone"
    idle = dead = False

    def serve(self, idle_s, alive_s):
        return stage.sshd(self.keys)


class Sshidled(Arm):
    words = "OpenSSH and sshidled"
    daemon = None

    def serve(self, idle_s, alive_s):
        return stage.sshd(self.keys)

    def watch(self, limits):
        blocks = []
        for port, (idle_s, alive_s) in limits.items():
            blocks.append(f"Match LocalPort {port}")
            if idle_s:
                blocks.append(f"    IdleTimeout {idle_s}s\n    IdleWarning 0")
            if alive_s:
                blocks.append(f"    ClientAliveInterval {alive_s}\n    ClientAliveCountMax {ALIVE_N}")
        self.daemon = stage.Daemon(self.build, "MaxCuts 10000/1m\n" + "\n".join(blocks) + "\n")

    def own(self):
        return self.daemon.pids()

    def stop(self):
        if self.daemon:
            self.daemon.stop()


class OpenSsh(Arm):
    words = "OpenSSH: ClientAlive, ChannelTimeout"

    def serve(self, idle_s, alive_s):
        options = [f"ClientAliveInterval={alive_s}", f"ClientAliveCountMax={ALIVE_N}"] if alive_s else []
        return stage.sshd(self.keys, *options, *([f"ChannelTimeout=session:*={idle_s}"] if idle_s else []))


class Dropbear(Arm):
    words = "dropbear: -I, -K"
    at_once = 4  # it takes five of one address that have not logged in yet

    def serve(self, idle_s, alive_s):
        return stage.dropbear(self.keys, *(["-I", idle_s] if idle_s else []), *(["-K", alive_s] if alive_s else []))


class Autolog(Arm):
    words = "OpenSSH and autolog"
    dead = False

    def serve(self, idle_s, alive_s):
        pathlib.Path("/run/utmp").touch()
        return stage.sshd(self.keys)

    def watch(self, limits):
        minutes = max(1, min(idle_s for idle_s, _ in limits.values() if idle_s) // 60)
        config = stage.work_directory() / "autolog.conf"
        config.write_text(f"name=.+ idle={minutes} grace=0 nowarn nomail nolog\nnolostkill\n", encoding="ascii")
        # In the foreground it is a program for trying out; as a daemon it is found by its name.
        subprocess.run([autolog(self.build), "-f", config], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        stage.wait_until(self.own, 5, "autolog runs")

    def own(self):
        found = []
        for pid in stage.everybody():
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "autolog\n":
                    found.append(pid)
            except OSError:
                pass
        return found

    def stop(self):
        for pid in self.own():
            os.kill(pid, 9)


ARMS = {arm.__name__: arm for arm in (Nothing, Sshidled, OpenSsh, Dropbear, Autolog)}


def autolog(build):
    return f"{build}/bench/autolog/usr/sbin/autolog"


def fetch_autolog(build):
    """Not installed: it would run on this host.  Returns why it cannot be had, or None."""
    directory = pathlib.Path(build) / "bench" / "autolog"
    if os.path.exists(autolog(build)):
        return None
    directory.mkdir(parents=True, exist_ok=True)
    done = subprocess.run("apt-get -qq download autolog && dpkg -x autolog_*.deb .", shell=True, cwd=directory,
                          capture_output=True, text=True, check=False)
    return None if os.path.exists(autolog(build)) else f"its package cannot be had: {done.stderr.strip()[-200:]}"


# -- one arm, in its private host -----------------------------------------------------------

def cost(arm):
    """CPU and packets of idle sessions."""
    server = arm.serve(IDLE_S, ALIVE_S)
    clients = stage.Shells(arm.keys, server.port, SESSIONS, at_once=arm.at_once)
    arm.watch({server.port: (IDLE_S, ALIVE_S)})
    time.sleep(SETTLE_S)
    clients.drain()
    own = arm.own()
    before = stage.cpu_s(stage.everybody()), stage.cpu_s(own), stage.packets()
    began = time.monotonic()
    time.sleep(WINDOW_S)
    span = time.monotonic() - began
    after = stage.cpu_s(stage.everybody()), stage.cpu_s(own), stage.packets()
    lives = sum(client.poll() is None for client in clients.clients)
    arm.stop()
    clients.close()
    server.process.kill()
    per = 3600 / span / SESSIONS
    return {"cpu_s": (after[0] - before[0]) * per, "own_s": (after[1] - before[1]) * per,
            "packets": (after[2] - before[2]) * per, "lives": lives}


def watch_ends(servers, seconds):
    """When the sessions of each server ended: (port -> times); a session is a child of its server."""
    alive = {server.port: set(stage.children_of(server.process.pid)) for server in servers}
    ends = {server.port: [] for server in servers}
    deadline = time.monotonic() + seconds
    while any(alive.values()) and time.monotonic() < deadline:
        for server in servers:
            now = set(stage.children_of(server.process.pid))
            ends[server.port] += [time.monotonic()] * len(alive[server.port] - now)
            alive[server.port] &= now
        time.sleep(0.02)
    return ends


def lateness(arm):
    """Seconds after the promise: of idle sessions, and of clients that are cut off from the server."""
    idle, dead = arm.serve(SHORT_S, None), arm.serve(None, ALIVE_SHORT_S)
    clients = [stage.Shells(arm.keys, server.port, LATE, at_once=arm.at_once) for server in (idle, dead)]
    arm.watch({idle.port: (SHORT_S, None), dead.port: (None, ALIVE_SHORT_S)})
    time.sleep(2)
    idle_at, dead_at = (shells.type() for shells in clients)
    subprocess.run(["nft", "-f", "-"], check=True, text=True, input=f"""
        table inet lost {{ chain in {{ type filter hook input priority 0
            tcp dport {dead.port} drop
        }}
        }}
        """)
    ends = watch_ends([idle, dead], PATIENCE_S)
    arm.stop()
    for shells in clients:
        shells.close()
    return {"idle": [at - idle_at - SHORT_S for at in ends[idle.port]],
            "dead": [at - dead_at - ALIVE_SHORT_S * ALIVE_N for at in ends[dead.port]]}


def play(build, name):
    stage.enter()
    arm = ARMS[name](build, stage.Keys())
    found = cost(arm)
    if arm.idle:
        found.update(lateness(arm))
    print(json.dumps(found))


# -- all of them ----------------------------------------------------------------------------

def cut_words(found, promise_s):
    if not found:
        return "no session is ended"
    words = report.spread(found, "{:+.1f} s")
    if len(found) < LATE:
        words += f", {LATE - len(found)} of {LATE} not within {PATIENCE_S} s"
    return words


def row(arm, found):
    if isinstance(found, str):
        return [arm.words, found, "", "", "", ""]
    gone = f" ({SESSIONS - found['lives']} ended meanwhile)" if found["lives"] < SESSIONS else ""
    return [arm.words + gone, f"{found['cpu_s']:.2f}", f"{found['own_s']:.3f}" if arm is not Nothing else "",
            f"{found['packets']:.0f}",
            cut_words(found["idle"], SHORT_S) if arm.idle else "",
            cut_words(found["dead"], ALIVE_SHORT_S * ALIVE_N) if arm.dead and arm.idle else ""]


def main():
    build = os.path.abspath(sys.argv[1])
    if len(sys.argv) > 2:
        play(build, sys.argv[2])
        return
    machine, found, missing = report.machine(), {}, fetch_autolog(build)
    if missing:
        found["Autolog"] = missing
    running = {name: subprocess.Popen([sys.executable, __file__, build, name], stdout=subprocess.PIPE, text=True)
               for name in ARMS if name not in found}
    for name, process in running.items():
        said = process.communicate()[0]
        found[name] = json.loads(said) if process.returncode == 0 else "did not run to its end"
        say(f"{name}: {said.strip()}")
    versions = f"{report.version('ssh', '-V')}, {report.version('dropbear', '-V')}"
    stage.finish("compare", "\n\n".join([
        "## Beside what one would take instead", stage.command("compare") + f"\n{machine}; {versions}.",
        f"{SESSIONS} idle sessions each, on private hosts that run at the same time; clients are OpenSSH's and send "
        f"no keepalives. The limits are {IDLE_S // 60} min without use, and {ALIVE_S} s x {ALIVE_N} without an answer. "
        "CPU seconds and packets for each session and hour; CPU of all processes: server, client, shell, daemon. "
        f"Then, with a limit of {SHORT_S} s, how long after the promise {LATE} idle sessions ended (median, from "
        f"where to where), and {LATE} whose client is cut off from the server ({ALIVE_SHORT_S} s x {ALIVE_N}).",
        report.table(["", "CPU, all", "thereof the daemon's", "packets", "idle: late by", "client lost: late by"],
                     [row(arm, found[name]) for name, arm in ARMS.items()])]), {})


if __name__ == "__main__":
    main()
