"""Sessions on real servers, and the library that has calls fail."""

import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

from clients import Terminal, ssh_argv  # noqa: E402
from faults import Faults  # noqa: E402
from world import World, kill, tree_of, wait_until  # noqa: E402


@pytest.fixture(scope="session")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if "SSHIDLE_BUILD" not in os.environ:
        pytest.fail("SSHIDLE_BUILD does not name the build directory")
    if not os.path.exists(os.path.join(os.environ["SSHIDLE_BUILD"], "tests/faults/faults.so")):
        pytest.skip("faults.so is for x86-64, and not for builds with a sanitizer")
    own = World()
    yield own
    own.close()


@pytest.fixture
def faults(world, tmp_path):
    return Faults(str(tmp_path / "faults"))


@pytest.fixture(scope="session")
def inside(world):
    """The command line to begin others with, so that they see no processes but each other: then each
    run makes the same calls."""
    holder = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "sleep", "infinity"])
    wait_until(lambda: len(tree_of(holder.pid)) > 1, 5, "a namespace")
    pid = tree_of(holder.pid)[-1]
    yield ["nsenter", "-t", str(pid), "--pid", "--mount"]
    kill(pid)
    holder.wait()


class Session:
    """A shell on a server of its own, at its prompt."""

    def __init__(self, world, flavour, inside):
        for path, package in flavour.packages.items():
            if not os.path.exists(path):
                pytest.skip(f"{path} is missing: install {package}")
        self.server = flavour(world)
        self.server.in_namespace = lambda argv: [*inside, *argv]
        self.port = self.server.listen()
        self.server.in_namespace = lambda argv: argv
        argv = ssh_argv(world, self.server, self.port, self.server.user())
        self.client = Terminal(flavour.name, argv, {**os.environ, "TERM": "xterm", "LC_ALL": "C"})
        self.client.wait_for(r"[$#] ")

    def use(self):
        """One key; it must come back."""
        self.client.type("x")

    def close(self):
        self.client.close()
        self.server.stop()


@pytest.fixture
def make_session(world, inside):
    sessions = []

    def make(flavour):
        sessions.append(Session(world, flavour, inside))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()
