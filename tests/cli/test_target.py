"""Which session is meant where several have a terminal of one number, as those of containers do: the
command against a stand-in that lists what each test needs."""

import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest

from conftest import SSHIDLE

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for a devpts of its own")

# No process has that number.
NOBODY = 2 ** 22 + 1


class Daemon:
    """Lists what it is given, and ends whatever is asked for."""

    def __init__(self, directory):
        os.chmod(directory, 0o755)
        self.directory = directory
        self.sessions = []
        self.cut = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / "io.sshidle"))
        os.chmod(directory / "io.sshidle", 0o666)
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            try:
                asker = self.listener.accept()[0]
            except OSError:
                return
            with asker, asker.makefile("rb") as stream:
                call = json.loads(stream.peek().rstrip(b"\0"))
                asker.sendall(json.dumps(self.answer(call)).encode() + b"\0")

    def answer(self, call):
        if call["method"] == "io.sshidle.List":
            return {"parameters": {"sessions": self.sessions}}
        if call["method"] == "io.sshidle.Cut":
            self.cut.append(call["parameters"]["id"])
            return {"parameters": {}}
        self.cut.append(call["parameters"]["id"])
        return {"parameters": {"until": "2026-01-01T00:00:00Z"}}

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def list(self, *sessions):
        """(id, pid, uid, terminal) each."""
        self.sessions = [{"id": number, "pid": pid, "uid": uid, "tty": [tty] if tty else [],
                          "from": "10.0.0.7", "from_port": 50000 + number, "local": "10.0.0.1",
                          "local_port": 22} for number, pid, uid, tty in sessions]

    def run(self, *arguments, terminal=subprocess.DEVNULL, before=(), **options):
        """The ids that were acted on, and what was said."""
        self.cut.clear()
        done = subprocess.run([*before, SSHIDLE, "-r", str(self.directory), *arguments], text=True,
                              stdin=terminal, capture_output=True, timeout=20,
                              env={"PATH": os.environ["PATH"],
                                   "SSH_CONNECTION": "10.0.0.7 50099 10.0.0.1 22"}, **options)
        return list(self.cut), done.stderr


@pytest.fixture
def daemon(tmp_path):
    for parent in list(tmp_path.parents)[:3]:
        if parent.owner() == pathlib.Path(tmp_path).owner() and parent != pathlib.Path("/tmp"):
            os.chmod(parent, 0o755)
    one = Daemon(tmp_path)
    yield one
    one.close()


@pytest.fixture
def terminal():
    """A terminal of this host: its descriptor and its name."""
    master, slave = os.openpty()
    yield slave, os.ttyname(slave)[len("/dev/"):]
    os.close(master)
    os.close(slave)


@pytest.fixture
def container(terminal):
    """A process with a devpts of its own, which has a terminal of the same number."""
    number = int(terminal[1].split("/")[1])
    make = ("import os, sys\nkept = [os.openpty() for _ in range(int(sys.argv[1]) + 1)]\n"
            "print('ready', flush=True)\nsys.stdin.read()\n")
    script = ("mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts && "
              "mount --bind /dev/pts/ptmx /dev/ptmx && exec /usr/bin/python3 -c \"$0\" \"$1\"")
    with subprocess.Popen(["unshare", "-m", "sh", "-c", script, make, str(number)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        assert os.path.exists(f"/proc/{process.pid}/root/dev/{terminal[1]}")
        yield process.pid
        process.stdin.close()


def test_the_ancestors_come_before_the_number(daemon, terminal):
    daemon.list((41, NOBODY, 0, terminal[1]), (42, os.getpid(), 0, "pts/9999"),
                (43, NOBODY, 0, terminal[1]))
    assert daemon.run("keep", "1h", terminal=terminal[0])[0] == [42]


def test_the_nearest_ancestor(daemon):
    """A server that was started within another one's session."""
    daemon.list((41, os.getppid(), 0, None), (42, os.getpid(), 0, None), (43, os.getppid(), 0, None))
    assert daemon.run("keep", "1h")[0] == [42]


def test_the_number_where_no_ancestor_is_a_server(daemon, terminal):
    daemon.list((41, NOBODY, 0, "pts/9999"), (42, NOBODY, 0, terminal[1]), (99, NOBODY, 0, None))
    assert daemon.run("keep", "1h", terminal=terminal[0])[0] == [42]


def test_the_connection_comes_last(daemon, terminal):
    daemon.list((41, NOBODY, 0, "pts/9999"), (99, NOBODY, 0, None))
    assert daemon.run("keep", "1h", terminal=terminal[0])[0] == [99]


def test_several_are_told(daemon, terminal):
    """Nothing else is known of these: not even by the connection is one of them chosen."""
    daemon.list((41, NOBODY, 4242, terminal[1]), (42, NOBODY, 4243, "pts/9999"),
                (43, NOBODY, 4243, terminal[1]), (99, NOBODY, 4244, None))
    for arguments in (["keep", "1h"], ["keep", terminal[1], "1h"], ["cut", terminal[1]]):
        acted, said = daemon.run(*arguments, terminal=terminal[0])
        assert acted == []
        assert f"{terminal[1]} is a terminal of several sessions" in said and said.endswith(": 41, 43\n")
    assert daemon.run("cut", "43")[0] == [43]


@needs_root
def test_a_user_means_their_own(daemon, terminal):
    daemon.list((41, NOBODY, 4242, terminal[1]), (42, NOBODY, 1000, terminal[1]))
    assert daemon.run("cut", terminal[1], user=1000, group=1000, extra_groups=[])[0] == [42]


@needs_root
def test_a_container_has_the_same_number(daemon, terminal, container):
    """Root acts on the terminal of this host, wherever it stands in the list; by name it may be the
    container's where there is no other."""
    foreign, own = (41, container, 0, terminal[1]), (42, os.getpid(), 0, terminal[1])
    for order in ((foreign, own), (own, foreign)):
        daemon.list(*order)
        assert daemon.run("cut", terminal[1])[0] == [42]
    daemon.list(foreign, (99, NOBODY, 0, None))
    assert daemon.run("keep", "1h", terminal=terminal[0])[0] == [99]
    assert daemon.run("cut", terminal[1])[0] == [41]
