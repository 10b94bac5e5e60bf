"""What a daemon must stand for long: kill -9 at any moment, sessions that come and go.

How much of it: SSHIDLE_KILLS and SSHIDLE_CHURN, numbers; `make check-long` takes those that are
promised.
"""

import contextlib
import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from clients import connection_port, drive
from stage import LIMIT_S, WARNING_S, collect, scenario
from world import is_alive, kill, processes, wait_until

KILLS = int(os.environ.get("SSHIDLE_KILLS", "30"))
CHURN = int(os.environ.get("SSHIDLE_CHURN", "150"))  # of each server

# So long a daemon lives between two kills, at most: shorter than its start takes, or long enough to
# warn and to end somebody.
LIFE_S = 1.4

PATIENCE_S = 300 + 2 * KILLS + CHURN


# -- kill -9 --------------------------------------------------------------------------------

KILLED = """
Match LocalPort {port} User {bob}
    IdleTimeout none
    IdleWarning {warning}s
Match LocalPort {port}
    IdleTimeout {limit}s exec={limit}s
    IdleWarning {warning}s
"""


def all_of(own):
    """Every process of that daemon, whoever its parent is now."""
    mark = f"\0{own.runtime}\0".encode()
    found = []
    for pid in processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if mark in file.read() and is_alive(pid):
                found.append(pid)
    return found


def process_of(own, role):
    """Its pid; None before it was forked."""
    for pid in all_of(own):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
            if file.read().strip() == f"sshidled-{role}":
                return pid
    return None


def kill_at_random(own):
    """kill -9 of one or more processes at a random moment of the daemon's life; the others go by
    themselves.  Returns who was killed."""
    time.sleep(random.uniform(0, LIFE_S))
    roles = random.choice([("monitor",), ("engine",), ("monitor", "engine"), ("starter",)])
    pids = [own.process.pid if role == "monitor" else process_of(own, role) for role in roles]
    pids = [pid for pid in pids if pid] or [own.process.pid]
    own.kills.append(time.monotonic())
    for pid in pids:
        kill(pid)
    own.process.wait(10)
    return roles


def supervise(own):
    """Kills the daemon so many times; starts it again at once, as a supervisor does."""
    for number in range(KILLS):
        who = kill_at_random(own)
        own.spawn()
        deadline = time.monotonic() + 10
        while strays := [pid for pid in all_of(own) if not is_below(pid, own.process.pid)]:
            assert time.monotonic() < deadline, f"10 s after kill -9 of {who} (the {number + 1}th) " \
                f"these live on: {[state_of(pid) for pid in strays]}"
            time.sleep(0.02)


def state_of(pid):
    """A process in words."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        number, _, rest = stat.read().partition(" ")
        name, _, rest = rest.rpartition(")")
        state, parent = rest.split()[:2]
        return f"{number} {name[1:]} state={state} parent={parent}"
    return f"{pid} gone"


def is_below(pid, top):
    """Whether it is the process itself or a child of its."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
        return top in (pid, int(stat.read().rpartition(")")[2].split()[1]))
    return True


class Users(threading.Thread):
    """Sessions in use: one thread drives them all; `failure` if one could not be used any more."""

    def __init__(self, terms):
        super().__init__(daemon=True)
        self.terms, self.over, self.failure = terms, threading.Event(), None
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                for term in self.terms:
                    term.type("u")
                drive(self.terms, time.monotonic() + random.uniform(0.1, 1))
            except AssertionError as error:
                self.failure = error
                return

    def stop(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure


class Passers(threading.Thread):
    """One session after the other that is opened and left alone; `early` names those that were ended
    before their time, `left` is the last one."""

    def __init__(self, play):
        super().__init__(daemon=True)
        self.play, self.over = play, threading.Event()
        self.ended, self.early, self.left, self.failure = 0, [], None, None
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                self.left = self.open()
                while not self.left.ended and not self.over.is_set():
                    drive([self.left], time.monotonic() + 0.2)
                if self.left.ended:
                    self.note_end()
        except AssertionError as error:
            self.failure = error

    def open(self):
        term = self.play.shell(name="passer", listed=False)
        term.port = self.play.port
        term.from_port = connection_port(term.pid, term.port)
        self.play.expect_cut(self.play.belongs(term))
        return term

    def note_end(self):
        self.ended += 1
        early = self.left.used[0] + LIMIT_S - self.left.ended_at
        if early > 0:
            self.early.append(f"{early:.2f} s{self.play.about(self.left)}")

    def stop(self):
        self.over.set()
        self.join()
        if self.failure:
            raise self.failure


@scenario(own=True, policy=KILLED)
def kills(play):
    """kill -9 of monitor, engine, both or the starter, again and again, also while it starts: nobody in use is
    ended, nobody at all too early, and idle time is kept to the second."""
    own = play.own_daemon()
    bob = play.world.user("bob")
    idle = [play.shell(user=bob, name=f"idle {number}", limit=None) for number in range(2)]
    play.prove(idle)
    used = [play.shell(name=f"used {number}") for number in range(3)]
    printing = play.command("echo up-$((40+2)) -; while :; do seq 3000; sleep 0.05; done")
    used[0].type("while :; do seq 100; sleep 0.1; read -t 0.01 x; done\r", r"\b100\b")
    users, passers = Users(used[1:]), Passers(play)
    play.later(passers.over.set)
    play.later(users.over.set)
    keeping = threading.Thread(target=keep_in_use, args=(used[0], printing, users.over),
                               daemon=True)
    keeping.start()
    wait_saved(own, idle)
    own.accepted = "the (engine|starter) process has ended"
    began = time.monotonic()
    supervise(own)
    took = time.monotonic() - began
    wait_until(own.answers, 5 + play.slack(), "it answers after the last kill")
    passers.stop()
    drive([passers.left], time.monotonic() + LIMIT_S + WARNING_S + play.allowed(LIMIT_S))
    assert passers.left.ended, f"{passers.left} was left alone and lives on"
    assert not passers.early, f"ended too early: {passers.early}"
    idle_time_was_kept(play, idle)
    users.stop()
    keeping.join()
    for one in [*used, printing]:
        assert not one.ended, f"{one} was in use and ended{play.about(one)}"
        play.not_cut(one)
    play.measured = f"{KILLS} x kill -9 in {took:.0f} s, {passers.ended} sessions ended " \
                    "meanwhile, none early"


def wait_saved(own, idle):
    """Their last use is in the saved state: it is written a second after each change, and there are
    changes all the time."""
    state = f"{own.runtime}/state/state.json"
    at = time.time() + idle[-1].used[1] - time.monotonic()
    wait_until(lambda: os.stat(state).st_mtime > at + 2, 15, "the state is saved")


def idle_time_was_kept(play, idle):
    """A limit that comes after all the kills ends them as if there had been none."""
    for one in idle:
        assert not one.ended, f"{one} has no limit and was ended{play.about(one)}"
        assert len(play.ids(one)) == 1, f"{one} was lost and found again: {play.ids(one)}"
    limit = int(time.monotonic() - idle[0].used[0]) + 10
    play.own.configure(play.own_configuration(policy=KILLED.replace("none", f"{limit}s")))
    done = play.own.cli("reload")
    assert done.returncode == 0, done.stderr
    while idle:
        one = idle.pop(0)
        play.ends(one, limit=limit, others=idle)


def keep_in_use(typing, printing, over):
    """Keys into a terminal that floods, and somebody who reads what a command prints."""
    while not over.is_set():
        typing.send("x\r")
        drive([typing], time.monotonic() + 0.3)
        drive([printing], time.monotonic() + 0.3)


# -- sessions that come and go --------------------------------------------------------------


@scenario(own=True, plain=True)
def churn(play):
    """So many connections that run one short command each: afterwards the daemon has no more memory
    and no more descriptors than before.

    A third of them is to warm up: tables grow to their size.
    """
    own = play.own_daemon()
    play.prove([])
    errors = []

    def visit(_number):
        done = subprocess.run(play.argv("true"), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, env=play.environment(), check=False, timeout=60)
        if done.returncode != 0:
            errors.append(done.stderr)

    def visits(count):
        # dropbear takes five of one address that have not authenticated.
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(visit, range(count)))
        wait_until(lambda: not mine(own, play.port), 20, "no session is left")
        return own.descriptors(), own.memory_kib()

    began = time.monotonic()
    descriptors, memory = visits(CHURN // 3)
    descriptors_after, memory_after = visits(CHURN - CHURN // 3)
    took = time.monotonic() - began
    assert not errors, f"{len(errors)} connections failed: {errors[0]}"
    more = [after - before for before, after in zip(descriptors, descriptors_after)]
    assert max(more) <= 1, f"descriptors: {descriptors} to {descriptors_after}"  # who asks for List
    grown = [after - before for before, after in zip(memory, memory_after)]
    assert max(grown) <= GROWTH_KIB, f"memory in KiB: {memory} to {memory_after}"
    play.measured = f"{CHURN} sessions came and went in {took:.0f} s; memory of monitor and " \
                    f"engine {memory} to {memory_after} KiB, descriptors {descriptors}"


def mine(own, port):
    """The sessions of one port: others on this host come and go as they like."""
    return [one for one in own.call("io.sshidle.List")["sessions"] if one["local_port"] == port]


# What the allocator keeps or rounds up.
GROWTH_KIB = 256


ALL = collect(globals())
