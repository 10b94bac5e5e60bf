"""The daemon under test: starts, kills and asks one sshidled with a configuration of its own.

A Daemon keeps every log line with the time at which it came (`lines`, over all restarts) and, once
watch() was called, what List said five times a second of the sessions at its ports (`history`).
Waiting is always for one of the two.
"""

import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from world import is_alive, kill, tree_of, wait_until

POLL_S = 0.2

Line = collections.namedtuple("Line", "at text")
Snapshot = collections.namedtuple("Snapshot", "at sessions")

COMPLAINT = re.compile(r"^sshidled: error|AddressSanitizer|LeakSanitizer|runtime error:|Assertion|"
                       r"Segmentation")

PAIR = re.compile(r"([a-z][a-z-]*)=(\S*)")


SANITIZED, LEAK_CHECK_S = "SSHIDLE_SANITIZED" in os.environ, 10

PIDFD = "anon_inode:[pidfd]"


def links_of(pid):
    """What the descriptors of a process are."""
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return links


def is_keeper(pid):
    """Keepers outlive the daemon."""
    try:
        return "keeper" in os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False


def anonymous_kib(pid):
    """Memory that is the process's own: neither a program's text nor another file's."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(row.split()[1]) for row in status if row.startswith("RssAnon:"))


def pairs_of(line):
    """The key=value pairs at the end of a log line, as a dict."""
    return dict(PAIR.findall(line.text.partition("  ")[2]))


class VarlinkError(Exception):
    """The daemon answered a call with an error; .error is its name."""

    def __init__(self, reply):
        super().__init__(json.dumps(reply))
        self.error, self.parameters = reply["error"], reply.get("parameters", {})


class Varlink:
    """A client of the control socket, written against its description only."""

    def __init__(self, path, seconds=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message, or None when the daemon has hung up."""
        while b"\0" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **parameters):
        message = {"method": method, "parameters": parameters}
        self.send(json.dumps(message).encode() + b"\0")
        reply = self.receive()
        if reply is None:
            raise ConnectionError("the daemon hung up")
        if "error" in reply:
            raise VarlinkError(reply)
        return reply.get("parameters", {})

    def close(self):
        self.socket.close()


class Daemon:
    """One sshidled, its configuration file and its runtime directory."""

    def __init__(self, world, build, name):
        self.world, self.build, self.name = world, build, name
        self.config_path = world.path("daemons", name, "sshidle.conf")
        self.runtime = world.path("daemons", name, "run")
        self.log_path = world.path("daemons", name, "log")
        self.process, self.ports, self.wrap = None, set(), []
        self.lines, self.history, self.troubles, self.kills = [], [], [], []
        self.accepted = "^$"
        self.changed = threading.Condition()
        self.watching = None
        self.stopping = threading.Event()

    @property
    def socket_path(self):
        return f"{self.runtime}/io.sshidle"

    def configure(self, text):
        """Writes the configuration; takes effect with the next start or reload.

        Its ports are those whose sessions are watched: others on this host are none of ours.
        """
        self.ports |= set(map(int, re.findall(r"LocalPort (\d+)", text)))
        with open(self.config_path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self.config_path + ".new", self.config_path)

    def config_line(self, text):
        """`file:line` of the only line of the configuration with that text."""
        with open(self.config_path, encoding="utf-8") as file:
            numbers = [number for number, line in enumerate(file, 1) if line.strip() == text]
        assert len(numbers) == 1, f"{text!r} is in lines {numbers} of {self.config_path}"
        return f"{self.config_path}:{numbers[0]}"

    # -- running ----------------------------------------------------------------------------

    def command(self):
        return [*self.wrap, f"{self.build}/src/daemon/sshidled", "-d", "-f", self.config_path, "-r",
                self.runtime, "-u", self.world.engine_user().name]

    def spawn(self):
        """Starts it and waits for nothing."""
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.read_log, args=(self.process,), daemon=True).start()
        return self.process

    def start(self):
        """Starts it and waits until it answers and says that it watches."""
        began = time.monotonic()
        process = self.spawn()
        try:
            wait_until(lambda: process.poll() is not None or self.answers() and
                       self.find("watches this host", began), 15,
                       f"{self.name}: sshidled answers", pause=0.02)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.tail()}") from None
        if process.poll() is not None:
            raise AssertionError(f"{self.name}: sshidled ended with {process.returncode}: "
                                 f"{self.tail()}")

    def read_log(self, process):
        with open(self.log_path, "a", encoding="utf-8") as log:
            for raw in process.stdout:
                line = Line(time.monotonic(), raw.decode("utf-8", "replace").rstrip("\n"))
                log.write(f"{line.at:.3f} {line.text}\n")
                log.flush()
                with self.changed:
                    self.lines.append(line)
                    self.changed.notify_all()

    def answers(self):
        try:
            return bool(self.call("io.sshidle.Status"))
        except (OSError, ValueError):
            return False

    def call(self, method, **parameters):
        """One call on a connection of its own, as root."""
        client = Varlink(self.socket_path)
        try:
            return client.call(method, **parameters)
        finally:
            client.close()

    def pids(self):
        """(monitor, engine): the process that stayed root, the one that became another user."""
        engine_uid = self.world.engine_user().uid
        found = {"monitor": None, "engine": None}
        for pid in tree_of(self.process.pid):
            with contextlib.suppress(OSError):
                role = "engine" if os.stat(f"/proc/{pid}").st_uid == engine_uid else "monitor"
                found[role] = found[role] or pid
        return found["monitor"], found["engine"]

    def kill(self, *roles):
        """kill -9 of "monitor", "engine" or both; returns when all of the daemon has gone.

        What does not go by itself within 5 s is a trouble of its own, and is helped along.
        """
        pids = dict(zip(("monitor", "engine"), self.pids()))
        if roles:
            self.accepted = "the engine process has ended"
        everything = tree_of(self.process.pid)
        self.kills.append(time.monotonic())
        for role in roles:
            if pids[role]:
                kill(pids[role])
        deadline = time.monotonic() + 5
        while any(is_alive(pid) for pid in everything):
            if time.monotonic() > deadline:
                left = [pid for pid in everything if is_alive(pid)]
                self.troubles.append(f"5 s after kill -9 of {roles}, {left} of {pids} live on")
                for pid in left:
                    kill(pid)
                break
            time.sleep(0.01)
        self.process.wait()

    def kill_and_restart(self, *roles):
        self.kill(*roles)
        self.start()

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        self.stopping.set()
        if self.process.poll() is None:
            everything = tree_of(self.process.pid)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.troubles.append("it does not end on SIGTERM")
            self.await_reports(everything)
            for pid in everything:
                kill(pid)
            self.process.wait()
        if self.watching:
            self.watching.join(5)
        return self.process.returncode

    @staticmethod
    def await_reports(pids):
        """With sanitizers the processes look for leaks before they end."""
        deadline = time.monotonic() + LEAK_CHECK_S
        while SANITIZED and time.monotonic() < deadline and any(
                is_alive(pid) and not is_keeper(pid) for pid in pids):
            time.sleep(0.02)

    def descriptors(self):
        """How many descriptors monitor and engine have open, but those that hold processes."""
        return [sum(link != PIDFD for link in links_of(pid)) for pid in self.pids()]

    def memory_kib(self):
        """What monitor and engine have in memory for themselves."""
        return [anonymous_kib(pid) for pid in self.pids()]

    def held_processes(self):
        """How many processes the monitor holds."""
        return links_of(self.pids()[0]).count(PIDFD)

    # -- the log ----------------------------------------------------------------------------

    def tail(self, count=4):
        return "\n".join(line.text for line in self.lines[-count:])

    def obituary(self):
        """How it ended, and its last words; empty while it runs."""
        if self.process is None or self.process.poll() is None:
            return ""
        return f"; {self.name}: sshidled ended with {self.process.returncode}: {self.tail()}"

    def find(self, pattern, since=0.0):
        """The lines that match and came after `since`."""
        pattern = re.compile(pattern)
        with self.changed:
            return [line for line in self.lines if line.at >= since and pattern.search(line.text)]

    def wait_line(self, pattern, seconds=5, since=0.0):
        """The first line that matches; waits for it.  The pattern may be a function: ids may
        change in a restart."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                wanted = pattern() if callable(pattern) else pattern
                found = self.find(wanted, since)
                if found:
                    return found[0]
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{self.name}: no log line like {wanted!r} after "
                                         f"{seconds:g} s; the last ones: {self.tail()}")
                self.changed.wait(left)

    def cuts_beside(self, expected):
        """Log lines of cuts of sessions that none of the functions in `expected` knows."""
        known = {(str(one["id"]), str(one["from_port"]))
                 for fits in expected for _, one in self.seen(fits)}
        return [line.text for line in self.find(r"^sshidled: (cut|hung up \S+ of) session \d+")
                if (re.search(r"session (\d+)", line.text)[1], pairs_of(line)["port"])
                not in known]

    def complaints(self):
        """Log lines that tell of an error or a crash, but those that were to be expected."""
        return [line.text for line in self.find(COMPLAINT)
                if not re.search(self.accepted, line.text)]

    # -- what List says ---------------------------------------------------------------------

    def watch(self):
        """Begins to ask List all the time."""
        self.watching = threading.Thread(target=self.ask, daemon=True)
        self.watching.start()

    def ask(self):
        client = None
        while not self.stopping.wait(POLL_S):
            try:
                client = client or Varlink(self.socket_path)
                sessions = client.call("io.sshidle.List")["sessions"]
            except (OSError, ValueError, VarlinkError):
                client = None
                continue
            sessions = [one for one in sessions if one["local_port"] in self.ports]
            with self.changed:
                self.history.append(Snapshot(time.monotonic(), sessions))
                self.changed.notify_all()

    def seen(self, fits):
        """All descriptions of sessions that fit, with the time at which they were given."""
        with self.changed:
            return [(snapshot.at, session) for snapshot in self.history
                    for session in snapshot.sessions if fits(session)]

    def wait_session(self, fits, seconds, what, since=0.0):
        """The newest description of a session that fits; waits for it."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                if self.history and self.history[-1].at >= since:
                    for session in self.history[-1].sessions:
                        if fits(session):
                            return session
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{self.name}: not listed within {seconds:g} s: {what}; "
                                         f"{self.summary()}")
                self.changed.wait(left)

    def summary(self):
        """What the last snapshot says, shortly."""
        if not self.history:
            return "List never answered"
        last = self.history[-1]
        rows = [f"{one['id']}:{one['user']}@{one['from']}:{one['from_port']}>{one['local_port']}"
                f"/{one['server']}/{one['kind']}/{one['state']}" for one in last.sessions]
        rows = "\n    ".join(rows) or "nothing"
        return f"List {time.monotonic() - last.at:.1f} s ago:\n    {rows}"

    # -- the command ------------------------------------------------------------------------

    def cli(self, *arguments, user=None, seconds=20):
        """Runs `sshidle ARGUMENTS`, as root or as a user."""
        argv = [f"{self.build}/src/cli/sshidle", *arguments]
        if "-r" not in arguments:
            argv += ["-r", self.runtime]
        rights = {}
        if user:
            rights = {"user": user.uid, "group": user.gid,
                      "extra_groups": os.getgrouplist(user.name, user.gid)}
        return subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False,
                              stdin=subprocess.DEVNULL, **rights)

    def cli_json(self, *arguments, user=None):
        """The same with --json; must succeed."""
        done = self.cli(*arguments, "--json", user=user)
        assert done.returncode == 0, f"sshidle {arguments}: {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)
