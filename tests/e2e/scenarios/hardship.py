"""Hosts on which something is wrong: clocks that jump, disks that are full, what cannot be read.

In none of them may a session in use be ended, and what is wrong is told once.  Each scenario has a
daemon of its own.  What cannot be had in a test is played by a stand-in: see other-host.c (clocks, a
kernel without I/O accounts) and refuse.py (Yama's scope 3).
"""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from clients import UP, drive
from scenarios import channels
from scenarios.shells import names_survivors
from stage import LIMIT_S, LIMITED, OTHER_HOST, TTY_STEP_S, collect, scenario
from world import kill, wait_until

REFUSE = os.path.join(os.path.dirname(__file__), "..", "refuse.py")
NS_PER_S = 10 ** 9
HOUR_S, DAY_S = 3600, 86400

STATE_RETRY_S = 5  # engine-save.c


def troubles(own):
    """What `sshidle status` calls a trouble."""
    return own.cli_json("status")["troubles"]


def told_once(own, pattern):
    """Exactly one line says so, and so does the status; it comes with the first sample, a moment after the login."""
    wait_until(lambda: own.find(pattern), 5, f"a line that says {pattern!r}")
    lines = [line.text for line in own.find(pattern)]
    assert len(lines) == 1, lines
    shown = [one for one in troubles(own) if re.search(pattern, one)]
    assert len(shown) == 1, troubles(own)
    assert shown[0] in own.cli("status").stdout.replace("\n", " ")


def busy_and_idle(play, **options):
    """Two shells: one will be typed into, one not."""
    busy, idle = play.together(lambda: play.shell(name="busy", **options),
                               lambda: play.shell(name="idle", **options))
    busy.type("b")  # the other login may have taken long
    return busy, idle


def idle_ends_busy_lives(play, busy, idle, warned=None):
    """The one that is used lives, for two limits; the other one ends in time; returns its log line."""
    over = threading.Event()

    def stay():
        while not over.is_set():
            busy.type("b")
            drive([busy], time.monotonic() + 0.5)

    staying = threading.Thread(target=stay, daemon=True)
    staying.start()
    try:
        line = play.ends(idle, warned=warned)
    finally:
        over.set()
        staying.join()
    play.lives([busy], play.limit, act=lambda: busy.type("b"), every=0.5)
    return line


# -- the runtime directory ------------------------------------------------------------------


def small_runtime(play, own):
    """The runtime directory is a file system of its own with room for little."""
    os.makedirs(own.runtime)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", own.runtime],
                   check=True)
    play.later(subprocess.run, ["umount", "-l", own.runtime])


def fill(directory):
    """Takes all the room that is left, to the byte."""
    path = os.path.join(directory, "full")
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return path


def nothing_is_saved(play, own, make, mend):
    """While make()'s obstacle stands sessions come and are used, and the daemon goes on; told once.
    After mend() the state is saved though nothing changes, and a kill -9 loses nothing."""
    own.start()
    own.watch()
    idle = play.shell(name="idle", limit=3 * LIMIT_S)
    state = f"{own.runtime}/state/state.json"
    wait_until(lambda: str(idle.session) in sessions_of(state), 10, "the session is saved")
    make()
    busy = play.shell(name="busy", limit=3 * LIMIT_S)
    line = own.wait_line("state.json cannot be written", 10)
    assert "warning" in line.text, line.text
    for _ in range(4):
        busy.type("b")
        drive([busy, idle], time.monotonic() + 1.1)
    told_once(own, "state.json cannot be written")
    assert not os.path.exists(state + ".new"), "a piece was left behind"
    assert str(idle.session) in sessions_of(state), "the old state is gone"
    assert own.cli_json("list", "--all"), "it does not answer"
    mended = time.monotonic()
    mend()
    own.wait_line("state.json is written again", STATE_RETRY_S + 1, mended)
    assert not [one for one in troubles(own) if "state.json" in one], troubles(own)
    assert {str(idle.session), str(busy.session)} <= sessions_of(state)
    own.kill_and_restart("monitor", "engine")
    play.ends(idle, limit=3 * LIMIT_S, others=[busy])
    play.ends(busy, limit=3 * LIMIT_S)
    own.accepted = "the engine process has ended"


def sessions_of(path):
    """The ids of the sessions in the saved state."""
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return {str(one["id"]) for one in json.load(file)["sessions"]}
    return set()


THREE = LIMITED.replace("{limit}", "{limit3}")


@scenario(own=True, policy=THREE)
def full_disk(play):
    """The disk with the runtime directory is full for a while."""
    own = play.own_daemon(start=False)
    play.prove([])
    small_runtime(play, own)
    nothing_is_saved(play, own, lambda: fill(own.runtime),
                     lambda: os.unlink(f"{own.runtime}/full"))


@scenario(own=True, policy=THREE)
def runtime_unwritable(play):
    """The engine may not write to its directory for a while."""
    own = play.own_daemon(start=False)
    play.prove([])
    small_runtime(play, own)
    state = f"{own.runtime}/state"
    nothing_is_saved(play, own, lambda: os.chmod(state, 0o500), lambda: os.chmod(state, 0o700))


@scenario(own=True)
def full_from_the_start(play):
    """A daemon starts on a full disk, and ends sessions."""
    own = play.own_daemon(start=False)
    play.prove([])
    small_runtime(play, own)
    own.start()
    own.signal(signal.SIGTERM)
    assert own.process.wait(5) == 0
    fill(own.runtime)
    own.accepted = "cannot be written: No space"
    own.start()
    own.watch()
    busy, idle = busy_and_idle(play)
    idle_ends_busy_lives(play, busy, idle)
    assert own.find("state.json cannot be written: No space")


# -- clocks ---------------------------------------------------------------------------------


class Clocks:
    """The daemon's clocks, which the test may set."""

    def __init__(self, play, own):
        self.path = play.world.path("daemons", own.name, "clock")
        self.realtime_s = self.boottime_s = 0
        self.write(0)
        own.wrap = ["env", f"LD_PRELOAD={OTHER_HOST}", f"OTHER_HOST_CLOCK={self.path}"]

    def write(self, at):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("qqq", self.realtime_s * NS_PER_S, self.boottime_s * NS_PER_S,
                                   int(at * NS_PER_S)))

    def set_wall(self, seconds):
        """Somebody sets the wall clock."""
        self.realtime_s += seconds
        self.write(time.time())

    def suspend(self, seconds):
        """The host has slept: CLOCK_MONOTONIC and the kernel's own timers stood still."""
        self.boottime_s += seconds
        self.set_wall(seconds)

    def shown(self, own):
        """What the daemon calls the present, in seconds; List tells of the oldest session."""
        return own.cli_json("status")["since"]


def shifted(play):
    """A daemon whose clocks can be set, two shells, and the clocks."""
    own = play.own_daemon(start=False)
    play.prove([])
    clocks = Clocks(play, own)
    own.start()
    own.watch()
    return (*busy_and_idle(play), clocks)


@scenario(own=True, plain=True)
def wall_clock_forward(play):
    """The wall clock is set forward by a day."""
    busy, idle, clocks = shifted(play)
    before = clocks.shown(play.own)
    drive([busy, idle], idle.used[1] + 0.5 * play.limit)
    clocks.set_wall(DAY_S)
    assert clocks.shown(play.own)[:10] > before[:10], "the stand-in does not work"
    busy.type("b")
    idle_ends_busy_lives(play, busy, idle)


@scenario(own=True, plain=True)
def wall_clock_back(play):
    """It is set back by a day, after the warning: that one holds."""
    busy, idle, clocks = shifted(play)
    before = clocks.shown(play.own)
    until = idle.used[0] + play.limit - 0.5 * play.warning
    while time.monotonic() < until:
        busy.type("b")
        drive([busy, idle], min(until, time.monotonic() + 0.5))
    clocks.set_wall(-DAY_S)
    assert clocks.shown(play.own)[:10] < before[:10], "the stand-in does not work"
    idle_ends_busy_lives(play, busy, idle)


@scenario(own=True, plain=True)
def wall_clock_back_and_killed(play):
    """Set back by a day while no daemon runs."""
    busy, idle, clocks = shifted(play)
    drive([busy, idle], idle.used[1] + 0.4 * play.limit)
    play.own.kill("monitor", "engine")
    clocks.set_wall(-DAY_S)
    busy.type("b")
    play.own.start()
    idle_ends_busy_lives(play, busy, idle)


@scenario(own=True, plain=True)
def suspend(play):
    """An hour of sleep is no idle time, and no use either."""
    busy, idle, clocks = shifted(play)
    drive([busy, idle], idle.used[1] + 0.5 * play.limit)
    clocks.suspend(HOUR_S)
    busy.type("b")
    idle_ends_busy_lives(play, busy, idle)


@scenario(own=True, plain=True)
def suspend_and_killed(play):
    """The host sleeps while no daemon runs: start times of processes then lie an hour too early."""
    busy, idle, clocks = shifted(play)
    drive([busy, idle], idle.used[1] + 0.4 * play.limit)
    play.own.kill("monitor", "engine")
    clocks.suspend(HOUR_S)
    busy.type("b")
    play.own.start()
    idle_ends_busy_lives(play, busy, idle)


@scenario(own=True, plain=True)
def suspend_before_the_start(play):
    """A daemon that was never there before: nobody is taken for idle for the length of a sleep."""
    busy, idle = (play.shell(name=name, listed=False) for name in ("busy", "idle"))
    own = play.own_daemon(start=False)
    play.prove([busy, idle])
    clocks = Clocks(play, own)
    clocks.suspend(HOUR_S)
    own.start()
    own.watch()
    started = time.monotonic()
    for one in (busy, idle):
        busy.type("b")
        play.listed(one, "shell", [one.tty])
    idle.used = (idle.used[0], started)
    idle_ends_busy_lives(play, busy, idle)


# -- what cannot be read --------------------------------------------------------------------


@scenario(own=True)
def hidepid(play):
    """/proc hides the processes of others (hidepid=2): the monitor may see them all the same."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["unshare", "-m", "sh", "-c",
                'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "-"]
    own.start()
    own.watch()
    assert "hidepid=" in mounts_of(own.process.pid), "the stand-in does not work"
    busy, idle = busy_and_idle(play)
    idle_ends_busy_lives(play, busy, idle)
    assert troubles(own) == []


def mounts_of(pid):
    """How /proc is mounted where the process is; the last one counts."""
    with open(f"/proc/{pid}/mounts", encoding="utf-8") as file:
        return [row for row in file if row.split()[1] == "/proc"][-1]


@scenario(own=True, plain=True)
def no_io_counts(play):
    """A kernel without /proc/PID/io: whatever comes from the client counts as use; where nothing comes at
    all nobody types either, and the session ends in time."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["env", f"LD_PRELOAD={OTHER_HOST}", "OTHER_HOST_NO_IO=1"]
    own.start()
    own.watch()
    silent, talking = play.together(lambda: play.shell(name="silent"),
                                    lambda: play.shell(name="talking", keepalive=1))
    told_once(own, "/proc/PID/io is missing")
    why = own.cli("why", str(talking.session)).stdout
    assert "the ledger cannot be read" in why and "counts as use" in why, why
    play.ends(silent, others=[talking])
    play.lives([talking])


def without_children(play):
    """A daemon on a kernel that has no lists of children."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["env", f"LD_PRELOAD={OTHER_HOST}", "OTHER_HOST_NO_CHILDREN=1"]
    ask = ["/usr/bin/python3", "-c", "open('/proc/thread-self/children')"]
    said = subprocess.run([*own.wrap, *ask], capture_output=True, check=False)
    assert b"No such file" in said.stderr, "the stand-in does not work"
    own.start()
    own.watch()
    return own


@scenario(own=True, plain=True)
def no_lists_of_children(play):
    """A kernel without /proc/PID/task/TID/children: all is as with it, what is left of a session is told too."""
    own = without_children(play)
    busy, idle = busy_and_idle(play)
    nohup = int(idle.type("nohup sleep 1011 </dev/null >/dev/null 2>&1 & echo up-$((40+2)) $!\r", UP)[1])
    play.later(kill, nohup)
    names_survivors(idle_ends_busy_lives(play, busy, idle), {nohup: "sleep"})
    assert troubles(own) == []


@scenario(own=True, plain=True, needs=["mux"])
def two_terminals_without_lists_of_children(play):
    """The same kernel: of two terminals of one connection the idle one is hung up alone."""
    without_children(play)
    channels.mux_one_idle.play(play)


@scenario(own=True, policy=LIMITED)
def sockets_are_refused(play):
    """pidfd_getfd(2) is refused to everybody: sessions are looked at through INET_DIAG, and end in time by a
    signal.  Nobody can be warned, and the daemon says so."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["/usr/bin/python3", REFUSE]
    own.start()
    own.watch()
    busy, idle = busy_and_idle(play)
    told_once(own, "sockets cannot be borrowed")
    line = idle_ends_busy_lives(play, busy, idle, warned=False)
    assert "signal=15" in line.text, line.text
    sleeping = play.command("echo up-$((40+2)) $$; exec sleep 1010")
    play.later(kill, int(sleeping.up))
    play.expect_cut(play.belongs(busy))  # nobody uses it meanwhile
    play.ends(sleeping)
    told_once(own, "sockets cannot be borrowed")


@scenario(own=True, needs=["forward"])
def forward_while_sockets_are_refused(play):
    """The same for a connection that only forwards: what moves on it is use."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["/usr/bin/python3", REFUSE]
    own.start()
    own.watch()
    port = play.world.port()
    client = play.connection(forward=[f"{port}:127.0.0.1:{play.world.echo_port}"])
    with wait_until(lambda: connected(port), 10, "the forward listens") as traffic:
        traffic.sendall(b"a")
        assert traffic.recv(1) == b"a"
        play.listed(client, "forward")

        def move():
            traffic.sendall(b"t")
            assert traffic.recv(1) == b"t"

        play.lives([client], 2 * play.limit, act=move, every=0.5)
        before = time.monotonic()
        move()
        client.used = (before, time.monotonic())
        play.ends(client)


def connected(port):
    """A connection to the port; None while nobody listens."""
    with contextlib.suppress(ConnectionRefusedError):
        return socket.create_connection(("127.0.0.1", port))
    return None


# -- new keys on a timer --------------------------------------------------------------------


@scenario(needs=["rekey"], own=True, listen={"RekeyLimit": "default 5s"}, policy=THREE)
def rekeys_on_a_timer(play):
    """Both sides exchange keys every five seconds, with keepalives and without: the limit, which is
    three times that, passes all the same.

    An exchange in the first seconds after a key may be taken for use: the terminal's access time
    has steps (TTY_STEP_S).
    """
    play.own_daemon()
    limit = 3 * LIMIT_S
    quiet, talking = play.together(*[
        lambda name=name, keepalive=keepalive: play.shell(
            name=name, limit=limit, program="ssh", keepalive=keepalive,
            options=["RekeyLimit=default 5s"])
        for name, keepalive in (("quiet", 0), ("talking", 1))])
    play.prove([quiet, talking])
    for one in (quiet, talking):
        one.used = (one.used[0], one.used[1] + TTY_STEP_S)
    play.ends(quiet, limit=limit, others=[talking])
    play.ends(talking, limit=limit)


ALL = collect(globals())

# What the server could matter for.
ELSEWHERE = [suspend, suspend_and_killed, no_io_counts, no_lists_of_children,
             two_terminals_without_lists_of_children, sockets_are_refused,
             forward_while_sockets_are_refused, rekeys_on_a_timer]
