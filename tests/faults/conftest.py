"""Sessions on real servers, and the library that has calls fail."""

import os
import socket
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

from clients import Pipe, Terminal, ssh_argv  # noqa: E402
from faults import Faults  # noqa: E402
from world import World, kill, tree_of, wait_until  # noqa: E402


@pytest.fixture(scope="session")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if "SSHIDLE_BUILD" not in os.environ:
        pytest.fail("SSHIDLE_BUILD does not name the build directory")
    if not os.path.exists(os.path.join(os.environ["SSHIDLE_BUILD"], "tests/faults/faults.so")):
        pytest.skip("faults.so is for x86-64")
    own = World()
    yield own
    own.close()


@pytest.fixture
def faults(world, tmp_path):
    return Faults(str(tmp_path / "faults"))


@pytest.fixture(scope="session")
def inside(world):
    """The command line to begin others with, so that they see no processes but each other: then each
    run makes the same calls.  The shell reaps what has no parent left."""
    holder = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
                               "sleep infinity & wait"])
    wait_until(lambda: len(tree_of(holder.pid)) > 1, 5, "a namespace")
    pid = tree_of(holder.pid)[-1]
    yield ["nsenter", "-t", str(pid), "--pid", "--mount"]
    kill(pid)
    holder.wait()


def connected(port):
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=5)
    except OSError:
        return None


class Session:
    """A shell on a server of its own, or of `beside`, at its prompt; or a command, one that leaves another behind it,
    or a forwarded connection."""

    def __init__(self, world, flavour, inside, kind="shell", beside=None):
        for path, package in flavour.packages.items():
            if not os.path.exists(path):
                pytest.skip(f"{path} is missing: install {package}")
        self.is_guest, self.inside = beside is not None, inside
        if self.is_guest:
            self.server, self.port = beside.server, beside.port
        else:
            self.server = flavour(world)
            self.server.in_namespace = lambda argv: [*inside, *argv]
            self.port = self.server.listen()
            self.server.in_namespace = lambda argv: argv
        start = {"shell": self.start_shell, "exec": self.start_command, "leaver": self.start_leaver,
                 "forward": self.start_forward}[kind]
        self.connection, self.end_left = None, lambda: None
        start(world)

    def start_shell(self, world):
        argv = ssh_argv(world, self.server, self.port, self.server.user())
        self.client = Terminal("shell", argv, {**os.environ, "TERM": "xterm", "LC_ALL": "C"})
        self.client.wait_for(r"[$#] ")

    def start_command(self, world, before=""):
        argv = ssh_argv(world, self.server, self.port, self.server.user(),
                        f"{before} echo up-42; exec cat")
        self.client = Pipe("command", argv, dict(os.environ))
        self.client.wait_for("up-42")

    def start_leaver(self, world):
        """What it leaves is nobody's child, and lives on when the session ends."""
        self.start_command(world, "(setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo left $!);")
        argv = [*self.inside, "kill", self.client.wait_for(r"left (\d+)")[1]]
        self.end_left = lambda: subprocess.run(argv, check=False, stderr=subprocess.DEVNULL)

    def start_forward(self, world):
        through = world.port()
        argv = ssh_argv(world, self.server, self.port, self.server.user(), no_command=True,
                        options=[f"LocalForward=127.0.0.1:{through} 127.0.0.1:{world.echo_port}"])
        self.client = Pipe("forward", argv, dict(os.environ))
        self.connection = wait_until(lambda: connected(through), 10, "a forwarded port")
        self.use()

    def use(self):
        """One key, or one byte; it must come back."""
        if self.connection:
            self.connection.sendall(b"x")
            assert self.connection.recv(1) == b"x"
        else:
            self.client.type("x" if isinstance(self.client, Terminal) else "x\n", expect="x")

    def tty_atime(self):
        """When the terminal was last read: the kernel notes that every 8 s."""
        return os.stat(self.client.tty_path).st_atime

    def find_tty(self):
        self.client.send("tty\r")
        self.client.tty_path = self.client.wait_for(r"(/dev/pts/\d+)").group(1)

    def ended(self):
        self.client.read()
        return self.client.ended

    def close(self):
        if self.connection:
            self.connection.close()
        self.client.close()
        self.end_left()
        if not self.is_guest:
            self.server.stop()


@pytest.fixture
def make_session(world, inside):
    sessions = []

    def make(flavour, kind="shell", beside=None):
        session = Session(world, flavour, inside, kind, beside)
        sessions.append(session)
        return session

    yield make
    for session in reversed(sessions):
        session.close()
