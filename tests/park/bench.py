"""One SSH server, one sshidled that parks, and what the tests look at: the log, the keepers, bytes.

Helpers of tests/e2e are used for servers, users and the daemon.
"""

import contextlib
import os
import re
import subprocess
import time

from clients import PROGRAMS, SSH_OPTIONS, Terminal
from daemon import Daemon
from world import is_alive, kill, processes, tree_of, wait_until

BUILD = os.environ.get("SSHIDLE_BUILD", "")
STANDIN = f"{BUILD}/tests/park/park-standin"
RACE = f"{BUILD}/tests/park/park-race"
KEEPER = f"{BUILD}/src/keeper/sshidle-keeper"

LIMIT_S = 2

POLICY = """
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning 0
    IdleAction park
    {extra}
"""

NOTICE = re.compile(rb"\r\r\n\x07sshidle: [^\n]*\r\r\n")


def is_script(path):
    """Whether an interpreter runs it."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


class ParkDaemon(Daemon):
    """A daemon with a keeper of the test's choice."""

    def __init__(self, world, name, keeper):
        super().__init__(world, BUILD, name)
        self.keeper = keeper

    def command(self):
        command = super().command()
        # A keeper has the starter's list of system calls: an interpreter needs more.
        return [*command, "-k", self.keeper, *(["-S"] if is_script(self.keeper) else [])]

    def starter(self):
        """Pid of the process that starts keepers."""
        for pid in tree_of(self.process.pid):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                if comm.read().strip() == "sshidled-starte":
                    return pid
        return None

    def sockets(self):
        """inode -> (uid, id) of the sockets that keepers listen on."""
        found = {}
        # The stand-in's name, and the first one of the keeper's: the kernel shows no other.
        pattern = re.compile(re.escape(self.runtime) + r"/parked/(\d+)/(\d+)\.(?:sock|new)$")
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
            for line in table:
                path = pattern.search(line.strip())
                if path:
                    found[line.split()[6]] = (int(path[1]), int(path[2]))
        return found

    def keepers(self):
        """id -> pid of the keepers that live."""
        sockets, found = self.sockets(), {}
        for pid in processes() if sockets else ():
            with contextlib.suppress(OSError):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    link = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if link.startswith("socket:[") and link[8:-1] in sockets:
                        found[sockets[link[8:-1]][1]] = pid
        return found

    def dump(self, uid, number):
        """What the stand-in has read."""
        return f"{self.runtime}/parked/{uid}/{number}.dump"

    def end_keepers(self):
        for pid in self.keepers().values():
            kill(pid)


class Bench:
    """A server and a daemon for one test."""

    def __init__(self, world, server_class, name, keeper=STANDIN):
        self.world, self.server = world, server_class(world)
        self.daemon = ParkDaemon(world, name, keeper)
        self.clients, self.port = [], None
        self.machine = None  # of the raw clients, where they have one of their own
        self.user = self.server.user()

    def start(self, extra="", limit=LIMIT_S, wrap=()):
        self.daemon.wrap = list(wrap)
        self.port = self.server.listen()
        self.configure(POLICY.format(port=self.port, limit=limit, extra=extra))
        self.daemon.start()
        self.daemon.watch()
        return self

    def configure(self, text):
        self.daemon.configure(text)

    def limit(self, limit, extra=""):
        """Another limit from now on."""
        self.configure(POLICY.format(port=self.port, limit=limit, extra=extra))
        done = self.daemon.cli("reload")
        assert done.returncode == 0, done.stderr

    def close(self):
        """Takes it down; may be called twice."""
        while self.clients:
            self.clients.pop().close()
        self.daemon.end_keepers()
        self.daemon.stop()
        self.daemon.end_keepers()
        self.server.stop()
        crashes = self.daemon.find("Sanitizer|runtime error:|Assertion|not allowed")
        assert not crashes, crashes

    # -- clients ----------------------------------------------------------------------------

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.world.path("home", "client", ""),
                "TERM": "xterm", "LANG": "C.UTF-8"}

    def shell(self, name="shell", user=None, options=()):
        """A login on a pty; .tty and .shell_pid are set."""
        program = "ssh" if options else self.server.program
        argv = PROGRAMS[program](self.world, self.server, self.port, user or self.user,
                                 options=options)
        client = Terminal(name, argv, self.environment())
        self.clients.append(client)
        client.wait_for(r"[$#] ", 30)
        found = client.type("echo up-$((40+2)) $(tty) $$\r", r"up-42 (\S+) (\d+)")
        client.tty, client.shell_pid = found[1].removeprefix("/dev/"), int(found[2])
        return client

    def raw(self, command, output, port=None, options=()):
        """ssh -tt COMMAND whose bytes go to a file."""
        argv = ["ssh", *SSH_OPTIONS, *options, "-tt", "-i", self.world.key, "-p", str(port or self.port),
                f"{self.user.name}@{self.server.address}", command]
        argv = self.machine.argv(argv) if self.machine else argv
        return Raw(self, argv, output)

    # -- outcomes ---------------------------------------------------------------------------

    def parked(self, seconds=LIMIT_S + 12, since=0.0):
        """The log line of the next park; its pairs are in .pairs, [(id, tty)] in .terminals."""
        line = self.daemon.wait_line(r"^sshidled: parked session ", seconds, since)
        return Parked(line)


class Parked:
    def __init__(self, line):
        self.at, self.text = line
        self.pairs = dict(re.findall(r"([a-z][a-z-]*)=(\S*)", line.text.partition("  ")[2]))
        self.terminals = [(int(number), tty) for number, tty in
                          re.findall(r"(\d+)\((pts/\d+)\)", self.pairs["parked"])]
        self.id = self.terminals[0][0]


class Raw:
    """A client without a terminal of its own whose output is kept byte by byte."""

    def __init__(self, bench, argv, output):
        self.path = output
        with open(output, "wb") as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file,
                                            stderr=subprocess.DEVNULL, env=bench.environment(),
                                            start_new_session=True)
        self.pid = self.process.pid
        bench.clients.append(self)

    def wait_bytes(self, n, seconds=20):
        wait_until(lambda: os.path.getsize(self.path) >= n, seconds, f"{n} bytes have come",
                   pause=0.02)

    def bytes(self):
        with open(self.path, "rb") as file:
            return file.read()

    def end(self, seconds=20):
        return self.process.wait(seconds)

    def close(self):
        kill(self.pid)
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()


def numbers_from(data, what):
    """Checks that data counts from 1 without a gap, as `seq` prints on a terminal, the last line
    being cut or not; returns how far."""
    lines = data.count(b"\r\n")
    with subprocess.Popen(["seq", "1", str(lines + 1)], stdout=subprocess.PIPE) as seq:
        at = 0
        while True:
            part = seq.stdout.read(1 << 20)
            if not part:
                break
            part = part.replace(b"\n", b"\r\n")
            if data[at:at + len(part)] != part[:len(data) - at]:
                wrong = next(i for i in range(len(part)) if data[at + i] != part[i])
                raise AssertionError(f"{what}: wrong at byte {at + wrong} of {len(data)}: "
                                     f"{data[at + wrong - 40:at + wrong + 40]!r}")
            at += len(part)
    return lines


def lives(pid):
    return is_alive(pid)


def now():
    return time.monotonic()
