"""dropbear leaves the terminal of an ended connection to everybody: nobody may get it."""

import grp
import os
import shutil
import signal
import subprocess
import time

import pytest
from bench import KEEPER, LIMIT_S, lives
from servers import Dropbear
from test_handover import ended
from world import kill, wait_until

BUILD = os.environ.get("SSHIDLE_BUILD", "")
ROUNDS = int(os.environ.get("SSHIDLE_PARK_ROUNDS", "1"))

# Tries to open the terminal without a pause and keeps it.
ATTACK = """
import os, sys, time
until = time.monotonic() + 30
while time.monotonic() < until:
    try:
        fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    except OSError:
        continue
    print("got it", flush=True)
    try:
        while os.read(fd, 100):
            pass
    except OSError:
        pass
    print("lost it", flush=True)
    break
"""




class Attack:
    """Another user who does nothing but try."""

    def __init__(self, world, tty):
        user = world.user("mallory")
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", ATTACK, f"/dev/{tty}"],
                                        stdout=subprocess.PIPE, text=True, user=user.uid,
                                        group=user.gid, extra_groups=[])

    def end(self):
        """What it has to tell."""
        self.process.kill()
        said = self.process.stdout.read()
        self.process.wait()
        return said


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def node(client):
    status = os.stat(f"/dev/{client.tty}")
    return status.st_uid, status.st_gid, status.st_mode


class UnprivilegedDropbear(Dropbear):
    """As from 2025.89 on: its process is the user's, and so the terminal stays."""

    name = "dropbear-unprivileged"

    def command(self, port, directory, options):
        return ["env", f"LD_PRELOAD={BUILD}/tests/park/unprivileged.so",
                *super().command(port, directory, options)]


@pytest.mark.parametrize("server", [Dropbear, UnprivilegedDropbear], ids=["root", "user"])
def test_terminal_is_given_back(make_bench, world, server):
    for _ in range(ROUNDS):
        bench = make_bench(server)
        client = bench.shell()
        before = node(client)
        attack = Attack(world, client.tty)
        try:
            assert ended(client, LIMIT_S + 10)
            parked = bench.parked()
            assert node(client) == before, parked.text
            assert parked.terminals and lives(client.shell_pid)
            time.sleep(0.3)
        finally:
            said = attack.end()
        assert said == "", "somebody else has opened it"
        # It is exclusive no more.
        done = subprocess.run(["/usr/bin/python3", "-c",
                               f"import os; os.open('/dev/{client.tty}', os.O_RDWR | os.O_NOCTTY)"],
                              check=False, user=bench.user.uid, group=bench.user.gid)
        assert done.returncode == 0
        bench.close()


def is_given_back(client, before):
    """The next daemon cannot know the group that it had: where it was root's it gets the usual one."""
    uid, gid, mode = node(client)
    return (uid, mode) == (before[0], before[2]) and gid in (before[1], grp.getgrnam("tty").gr_gid)


def can_open(client, user):
    program = f"import os; os.open('/dev/{client.tty}', os.O_RDWR | os.O_NOCTTY)"
    return subprocess.run(["/usr/bin/python3", "-c", program], check=False, user=user.uid,
                          group=user.gid, extra_groups=[],
                          stderr=subprocess.DEVNULL).returncode == 0


class DropbearRoot(Dropbear):
    """The terminal's owner is root before and after: only its mode tells."""

    name = "dropbear-root"

    def user(self):
        return self.world.root()

    def command(self, port, directory, options):
        """Keys are looked for in root's home, which is not ours to write to."""
        home = f"{directory}/home"
        os.makedirs(f"{home}/.ssh", mode=0o700)
        shutil.copy(self.world.key + ".pub", f"{home}/.ssh/authorized_keys")
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount --bind "$0" /root && exec "$@"', home,
                *super().command(port, directory, options)]


@pytest.mark.parametrize("server", [Dropbear, DropbearRoot, UnprivilegedDropbear],
                         ids=["user", "root", "unprivileged"])
def test_nobody_is_there_to_give_it_back(make_bench, world, server):
    """The starter does nothing: nobody can open it, and the next daemon mends it."""
    bench = make_bench(server, KEEPER)
    client = bench.shell()
    before, session = node(client), parent_of(client.shell_pid)
    attack = Attack(world, client.tty)
    # Or it may have ended before the starter is stopped.
    os.kill(session, signal.SIGSTOP)
    try:
        wait_until(bench.daemon.sockets, LIMIT_S + 10, "a keeper is there", pause=0.001)
        os.kill(bench.daemon.starter(), signal.SIGSTOP)
        os.kill(session, signal.SIGCONT)
        # Now: any daemon that starts on this host mends it, also that of another test.
        wait_until(lambda: node(client)[2] & 0o666 == 0o666, 5,
                   "the server leaves it to everybody", pause=0.001)
        assert ended(client, 10)
        bench.daemon.wait_line(r"alert: parked session .* cannot be opened until sshidled", 12)
        assert not can_open(client, world.user("mallory"))
        bench.daemon.stop()
        bench.daemon.start()
        wait_until(lambda: is_given_back(client, before), 10, "it is given back")
        wait_until(lambda: can_open(client, bench.user), 10, "it is exclusive no more")
    finally:
        kill(session, signal.SIGCONT)
        said = attack.end()
    assert said == "", "somebody else has opened it"
    assert is_given_back(client, before)
    assert lives(client.shell_pid)
