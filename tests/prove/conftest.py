"""sshidle prove against servers of its own and a daemon of its own.

Servers, users and the daemon come from the surroundings of the end-to-end tests (tests/e2e).
"""

import collections
import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from daemon import Daemon  # noqa: E402
from servers import OpenSSH  # noqa: E402
from world import World, wait_until  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD")
MARK = b"SSHIDLE_PROVE="
BASE = "/var/lib"
PREFIX = "sshidle-prove-"
LIMIT_S = 3

# Everything that a file could spoil is overridden by the rules.
CONFIG = "IdleTimeout none\nIdleAction report\nCountsAsUse shell=input,output\nMaxCuts 1/60s\n"

numbers = itertools.count(1)

Proof = collections.namedtuple("Proof", "status report errors")


def own_keys(flavour):
    """A flavour of OpenSSH that looks for keys where it does everywhere, not in one for all."""

    class Own(flavour):
        def config(self, port, options):
            text = super().config(port, options)
            text = text.replace(f"AuthorizedKeysFile {self.world.key}.pub",
                                f"AuthorizedKeysFile {self.keys}")
            return text.replace("StrictModes no", "StrictModes yes")

        keys = ".ssh/authorized_keys"

    return Own


def processes_of_prove():
    """Clients and programs of sessions, by the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as environ:
            if MARK in environ.read():
                found.append(int(pid))
    return found


def traces():
    """Everything that a run of prove makes, as far as it is there now."""
    found = [name for name in os.listdir(BASE) if name.startswith(PREFIX)]
    for path in ("/etc/passwd", "/etc/group", "/etc/shadow"):
        with open(path, encoding="utf-8") as file:
            found += [f"{path}: {line.split(':')[0]}" for line in file if line.startswith(PREFIX)]
    return found + [f"process {pid}" for pid in processes_of_prove()]


class Host:
    """A daemon, and sshidle prove asked of it."""

    def __init__(self, world, name):
        self.world = world
        self.daemon = Daemon(world, BUILD, name)
        self.daemon.configure(CONFIG)
        self.daemon.start()
        self.running = []

    def command(self, *arguments, limit=LIMIT_S):
        return [f"{BUILD}/src/cli/sshidle", "prove", "-r", self.daemon.runtime, "--limit",
                f"{limit}s", "--json", *map(str, arguments)]

    def start(self, *arguments, limit=LIMIT_S):
        """Runs it side by side with the test."""
        process = subprocess.Popen(self.command(*arguments, limit=limit), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL)
        self.running.append(process)
        return process

    @staticmethod
    def finish(process, seconds=60):
        """Its end; the report is None when it printed none."""
        out, errors = process.communicate(timeout=seconds)
        return Proof(process.returncode, json.loads(out) if out else None, errors)

    def prove(self, *arguments, limit=LIMIT_S):
        return self.finish(self.start(*arguments, limit=limit))

    def rules(self):
        return self.daemon.call("io.sshidle.Status")["temporary_rules"]

    def sessions(self, of_prove=True):
        """The sessions at our ports that prove has, or those of others."""
        def is_of_prove(one):
            return one["from"].startswith("127.") and one["from"] != "127.0.0.1"

        return [one for one in self.daemon.call("io.sshidle.List")["sessions"]
                if one["local_port"] in self.world.ports and is_of_prove(one) == of_prove]

    def in_the_middle(self, *arguments):
        """A run whose sessions are there."""
        process = self.start(*arguments, limit=20)
        wait_until(lambda: process.poll() is not None or len(self.sessions()) >= 6, 30,
                   "the sessions are there")
        assert process.poll() is None, self.finish(process)
        assert self.rules()
        return process

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.daemon.stop()


@pytest.fixture(scope="session")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if not BUILD:
        pytest.exit("SSHIDLE_BUILD does not name the build directory", 2)
    # What a run leaves behind is looked for on the whole host, so there is one such test at a time.
    with open("/run/lock/sshidle-prove", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        own = World()
        yield own
        own.close()


@pytest.fixture
def host(world):
    """Whatever a test does: in the end nothing of it is left."""
    own = Host(world, f"prove-{next(numbers)}")
    before = traces()
    yield own
    own.close()
    assert own.daemon.troubles == []
    wait_until(lambda: traces() == before, 10, "everything is taken away again")


@pytest.fixture(scope="session")
def openssh(world):
    """Servers of the kind that is everywhere."""
    server = own_keys(OpenSSH)(world)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def port(openssh):
    """One that asks its clients for a sign of life."""
    return openssh.listen(ClientAliveInterval="1", ClientAliveCountMax="1000")
