"""A terminal that was left closed is given back at the next start, to nobody but the user whose shell runs in it.

/proc tells the number of a process's terminal, and each devpts has numbers of its own.
"""

import contextlib
import fcntl
import os
import pty
import subprocess
import termios

import pytest
from bench import BUILD, KEEPER
from servers import OpenSSH
from world import kill, processes, wait_until

DAEMON = os.path.realpath(f"{BUILD}/src/daemon/sshidled")

# As user argv[1], the leader of a session on the terminal that is its input.
LEADER = "setsid --ctty setpriv --reuid={0} --regid={0} --clear-groups sleep 60"

# The same on a terminal with the number argv[2] of a devpts of its own; argv[3]: open, or closed again.  Descriptors that
# it is given stay open.
ELSEWHERE = """
import fcntl, os, subprocess, sys, termios
subprocess.run("mount -t devpts -o newinstance,ptmxmode=666 devpts /mnt", shell=True, check=True)
number = None
while number != int(sys.argv[2]):
    master = os.open("/mnt/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, 0x40045431, bytes(4))  # TIOCSPTLCK
    number = int.from_bytes(fcntl.ioctl(master, 0x80045430, bytes(4)), sys.byteorder)  # TIOCGPTN
slave = os.open(f"/mnt/{number}", os.O_RDWR | os.O_NOCTTY)
os.setsid()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
if sys.argv[3] == "closed":
    os.close(slave)
os.setresuid(*3 * [int(sys.argv[1])])
print("ready", flush=True)
sys.stdin.read()
"""


class Left:
    """A terminal of a user's shell that nobody has given back: exclusive, root's, and closed."""

    def __init__(self, user):
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)
        self.number = os.path.basename(self.path)
        self.leader = subprocess.Popen(LEADER.format(user.uid).split(), stdin=self.slave, stdout=self.slave,
                                       stderr=self.slave)
        wait_until(self.has_leader, 5, "it has a leader")
        fcntl.ioctl(self.slave, termios.TIOCEXCL)
        os.chown(self.path, 0, 0)
        os.chmod(self.path, 0)

    def has_leader(self):
        """The last of the programs runs."""
        with open(f"/proc/{self.leader.pid}/comm", encoding="ascii") as comm:
            return comm.read().strip() == "sleep"

    def owner(self):
        status = os.stat(self.path)
        return status.st_uid, status.st_mode & 0o777

    def end_leader(self):
        kill(self.leader.pid)
        self.leader.wait()

    def close(self):
        self.end_leader()
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def elsewhere(user, number, slave, fds=()):
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "/usr/bin/python3", "-c", ELSEWHERE,
                           str(user.uid), number, slave], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          pass_fds=fds) as process:
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()


@pytest.fixture
def bench(make_bench):
    """Its daemon does not run: any that starts mends what is left."""
    own = make_bench(OpenSSH, KEEPER)
    own.daemon.stop()
    return own


@pytest.fixture
def left(world, bench):
    own = Left(world.user("alice"))
    yield own
    own.close()


def menders(bench):
    """Pids of those who look for what was left; each ends when it has."""
    def is_mender(pid):
        with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as comm:
            return comm.read().strip() == "sshidled-starte" and os.readlink(f"/proc/{pid}/exe") == DAEMON
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):
            if is_mender(pid) and pid != bench.daemon.starter():
                found.append(pid)
    return found


def open_path(path):
    """A descriptor that everybody can have, whatever the mode."""
    return os.open(path, os.O_PATH)


# Alone: any daemon that starts on this host mends it, or complains of it.
@pytest.mark.heavy
@pytest.mark.parametrize("slave", ["open", "closed"])
def test_a_container_has_a_terminal_of_that_number(bench, world, left, slave):
    path_fd = open_path(left.path)
    with elsewhere(world.user("mallory"), left.number, slave, [path_fd]):
        bench.daemon.start()
        bench.daemon.wait_line(rf"pts/{left.number} was left to everybody and was given back to uid {world.user('alice').uid}", 10)
    os.close(path_fd)
    assert left.owner() == (world.user("alice").uid, 0o620)
    assert not bench.daemon.complaints()


@pytest.mark.heavy
def test_it_could_be_that_of_two_users(bench, world, left):
    with elsewhere(world.user("mallory"), left.number, "closed", [left.slave]):
        bench.daemon.start()
        bench.daemon.wait_line(rf"error: pts/{left.number} was left to everybody, and is given back to nobody: "
                               "it could be more than one user's", 10)
        assert left.owner() == (0, 0)
    bench.daemon.stop()
    bench.daemon.start()
    wait_until(lambda: left.owner() == (world.user("alice").uid, 0o620), 10, "it is given back")


@pytest.mark.heavy
@pytest.mark.parametrize("slave", ["open", "closed"])
def test_its_shell_has_ended(bench, world, left, slave):
    """Something else has it open still, and there is somebody with a terminal of that number."""
    path_fd = open_path(left.path)
    left.end_leader()
    with elsewhere(world.user("mallory"), left.number, slave, [path_fd]):
        bench.daemon.start()
        wait_until(lambda: not menders(bench), 10, "all terminals were looked at")
        assert left.owner() == (0, 0)
    os.close(path_fd)
    assert not bench.daemon.complaints()
