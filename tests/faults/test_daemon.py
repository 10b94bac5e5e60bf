"""sshidled as a whole, with calls of its monitor failing at random moments, in cuts too: a session in use is
not ended, the daemon goes on, nothing is left open, and idle sessions end, at the latest once it is left in peace.

FAULTS_SECONDS says for how long, FAULTS_SEED which calls.
"""

import os
import random
import threading
import time

import servers
from daemon import Daemon
from test_faults import SEED
from world import tree_of, wait_until

SECONDS = float(os.environ.get("FAULTS_SECONDS", "10"))
LIMIT_S = 3
# An idle session is ended in that time when nothing fails.
END_S = 3 * LIMIT_S + 5

CONFIG = """\
IdleTimeout none
Match LocalPort {ports}
    IdleTimeout {limit}s
    IdleWarning 1s
    ClientAliveInterval 5
"""


class Typist(threading.Thread):
    """Uses sessions, each twice a second."""

    def __init__(self, sessions):
        super().__init__(daemon=True)
        self.sessions, self.stopping, self.trouble = sessions, threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.stopping.wait(0.5):
                for session in self.sessions:
                    session.use()
        except (AssertionError, OSError) as error:
            self.trouble = error

    def stop(self):
        self.stopping.set()
        self.join()
        assert self.trouble is None, self.trouble


class Leaver(threading.Thread):
    """Leaves a session idle until it is ended, logs in again, and so on; `lasted` is how long each lived."""

    def __init__(self, make_session, flavour, kind):
        super().__init__(daemon=True)
        self.session = make_session(flavour, kind)
        self.port = self.session.port
        self.log_in = lambda: make_session(flavour, kind, self.session)
        self.stopping, self.lasted, self.trouble = threading.Event(), [], None

    def run(self):
        try:
            while True:
                left_at = time.monotonic()
                wait_until(self.session.ended, SECONDS + END_S, f"the end of {self.session.client}")
                self.lasted.append(time.monotonic() - left_at)
                if self.stopping.is_set():
                    return
                self.session = self.log_in()
        except AssertionError as error:
            self.trouble = error

    def finish(self):
        """When the session that it has now is ended too, once it was told to stop."""
        self.join()
        assert self.trouble is None, self.trouble
        # The first one was left before it was looked at.
        assert all(lasted > LIMIT_S - 1 for lasted in self.lasted[1:]), self.lasted
        return len(self.lasted)


class Faulty(Daemon):
    """With the library before it, and only the sessions of the test to see."""

    def __init__(self, world, faults, inside):
        super().__init__(world, os.environ["SSHIDLE_BUILD"], "faults")
        variables = (f"{key}={value}" for key, value in faults.environment().items())
        self.wrap = [*inside, "env", *variables]

    def pids(self):
        """As of a daemon; the first process only waits for the others."""
        engine_uid = self.world.engine_user().uid
        inner = tree_of(self.process.pid)[1:]
        engines = [pid for pid in inner if os.stat(f"/proc/{pid}").st_uid == engine_uid]
        return inner[0], engines[0]

    def signal(self, number):
        for pid in tree_of(self.process.pid)[1:2]:
            os.kill(pid, number)

    def own_pid(self):
        """The monitor's pid as it knows it."""
        with open(f"/proc/{self.pids()[0]}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("NSpid:")).split()[-1])

    def supervise(self):
        """Starts it again if it has ended, which it may do for want of memory alone.  Returns whether
        it had."""
        if self.process.poll() is None and len(tree_of(self.process.pid)) > 2:
            return False
        self.process.wait(10)
        assert self.find("out of memory|cannot start"), self.tail()
        self.start()
        return True


def play_faults(faults, daemon, dice):
    """One after the other, each at some call soon; returns what they were, and the restarts."""
    played, restarts = [], 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            faults.arm(daemon.own_pid(), dice.randrange(1, 150), dice.randrange(8))
        except (IndexError, OSError):  # it is ending
            restarts += daemon.supervise()
            continue
        deadline = time.monotonic() + 1
        while not faults.shared.failed and time.monotonic() < deadline:
            time.sleep(0.005)
        faults.disarm()
        if faults.shared.failed:
            played.append(faults.what_failed())
        restarts += daemon.supervise()
    return played, restarts


def check_all_known(daemon, used, why):
    wait_until(lambda: sessions_of(daemon, used) == len(used), 10,
               f"{len(used)} sessions in the list, {why}")


def test_goes_on(world, faults, inside, make_session):
    used = [make_session(servers.OpenSSH), make_session(servers.OpenSSH, "forward"),
            make_session(servers.Dropbear)]
    leavers = [Leaver(make_session, servers.OpenSSH, "shell"),
               Leaver(make_session, servers.OpenSSH, "exec"),
               Leaver(make_session, servers.Dropbear, "shell")]
    daemon = Faulty(world, faults, inside)
    ports = ",".join(str(one.port) for one in used + leavers)
    daemon.configure(CONFIG.format(ports=ports, limit=LIMIT_S))
    typist = Typist(used)
    daemon.start()
    try:
        check_all_known(daemon, used, "at the start")
        before = daemon.descriptors()
        for leaver in leavers:
            leaver.start()
        played, restarts = play_faults(faults, daemon, random.Random(SEED))
        daemon.supervise()
        for leaver in leavers:
            leaver.stopping.set()
        n_ended = sum(leaver.finish() for leaver in leavers)
        check_all_known(daemon, used, f"after {played[-10:]}")
        # At most: before, one of them may have been of a question of ours.
        wait_until(lambda: all(now <= then for now, then in zip(daemon.descriptors(), before)), 10,
                   f"as many descriptors as {before}")
        typist.stop()
        left_at = time.monotonic()
        for session in used:
            wait_until(session.ended, END_S, f"the end of {session.client}")
        assert time.monotonic() - left_at > LIMIT_S - 1
    finally:
        typist.stopping.set()
        daemon.stop()
    assert len(played) > SECONDS
    print(f"{len(played)} calls failed, {n_ended} idle sessions ended, {restarts} restarts, seed {SEED}")


def sessions_of(daemon, used):
    """How many of them the daemon knows, each once."""
    wanted = {session.port for session in used}
    ports = [one["local_port"] for one in daemon.call("io.sshidle.List")["sessions"]
             if one["local_port"] in wanted]
    assert len(ports) == len(set(ports)), ports
    return len(ports)
