"""Users who make their programs, terminals and pids look like something else."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest
from clients import Terminal, drive, ssh_argv
from daemon import Daemon, VarlinkError
from servers import OpenSSH
from world import kill, wait_until

LIMIT_S, WARNING_S, LATE_S = 6, 2, 3

# At most 15 bytes each.
NAMES = [b"x) R 1 1 1 (", b"a\nsshidled: b", b"\x1b]0;t\x07", b"\xff\xfe\x80", b"\xc2\x9b6n", b") S (", b"sshd"]

# Children in sessions of their own with each of the names, also as their arguments.
NAMED = """
import ctypes, os, sys, time
for name in {names!r}:
    if os.fork() == 0:
        os.setsid()
        ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
        print("up", os.getpid(), flush=True)
        os.close(0); os.close(1); os.close(2)
        time.sleep(60)
        os._exit(0)
"""


# A /dev of its own, with a socket for syslog that nobody reads.
HUNG_SYSLOG = """
import os, socket, subprocess, sys
subprocess.run("mount -t tmpfs dev /mnt && cp -a /dev/null /dev/zero /dev/urandom /mnt && mkdir /mnt/pts && "
               "mount --bind /dev/pts /mnt/pts && mount --rbind /mnt /dev", shell=True, check=True)
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
os.chmod("/dev/log", 0o666)
log.set_inheritable(True)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def port(server):
    return server.listen()


@pytest.fixture
def daemon(world, build, port, request):
    own = Daemon(world, build, "hostile-" + re.sub(r"\W", "-", request.node.name)[:30])
    own.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout {LIMIT_S}s\n"
                  f"\tIdleWarning {WARNING_S}s\n")
    own.start()
    yield own
    own.stop()
    assert not own.complaints()


@pytest.fixture
def log_in(world, server, port, daemon):
    """log_in(user): a shell; .tty is its terminal, .id its session."""
    clients = []

    def make(name="alice", *command):
        argv = ssh_argv(world, server, port, world.user(name), " ".join(command) or None)
        client = Terminal(name, argv, dict(os.environ, TERM="xterm"))
        clients.append(client)
        client.wait_for(r"[$#] ")
        client.tty = client.type("echo up-$((40+2)) $(tty)\r", r"up-42 /dev/(pts/\d+)")[1]
        # The log has it as it was when it was first seen: perhaps before it had a terminal.
        session = wait_until(lambda: listed(client.tty), 10, f"a session with {client.tty} is listed")
        client.id, client.pid = session["id"], session["pid"]
        return client

    def listed(tty):
        return next((one for one in daemon.call("io.sshidle.List")["sessions"]
                     if one["local_port"] == port and tty in (one["tty"] or [])), None)

    yield make
    for client in clients:
        client.close()


def ends_in_time(client):
    """After its last use, which was begun and done at client.used."""
    drive([client], client.used[1] + LIMIT_S + LATE_S)
    assert client.ended, "it was spared"
    after = client.ended_at - client.used[0]
    assert after >= LIMIT_S, f"ended {after:.2f} s after its last use"


def test_names_of_processes(daemon, world, log_in):
    """They end in time all the same, and the log has one clean line for each thing that happened."""
    script = world.path("hostile", "names.py")
    with open(script, "w", encoding="ascii") as file:
        file.write(NAMED.format(names=NAMES))
    os.chmod(os.path.dirname(script), 0o755)
    client = log_in()
    began = time.monotonic()
    client.send(f"python3 {script} $'a\\x1b[2J\\xff\\nb)'\r")
    client.used = began, time.monotonic()
    # The shell's prompt comes between them.
    pids = [int(client.wait_for(rf"(?s)(?:up \d+\s.*?){{{n}}}up (\d+)\s")[1]) for n in range(len(NAMES))]
    try:
        why = daemon.cli("why", str(client.id), "--json")
        json.loads(why.stdout)
        assert "\x1b" not in daemon.cli("why", str(client.id)).stdout
        ends_in_time(client)
        line = daemon.wait_line(rf"cut session {client.id} ").text
        lives_on = re.search(r"lives-on=(\S+)$", line)
        assert lives_on, line
        for pid in pids:
            assert f"{pid}(" in lives_on[1], line
    finally:
        for pid in pids:
            kill(pid)
    daemon.stop()
    with open(daemon.log_path, "rb") as file:
        log = file.read()
    log.decode("utf-8")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", log)
    for line in log.splitlines():
        assert re.match(rb"[\d.]+ sshidled: ", line), line


def test_keeps_without_end(daemon, log_in):
    """Each is a line in the log, so nobody has as many as they like."""
    client = log_in()
    refused = 0
    for n in range(50):
        try:
            daemon.call("io.sshidle.Keep", id=client.id, duration_s=60 + n % 2)
        except VarlinkError as error:
            assert "too often" in str(error), error
            refused += 1
    assert refused == 30
    kept = rf"session {client.id} of .*: kept until"
    wait_until(lambda: len(daemon.find(kept)) >= 20, 5, "the log has a line for each")
    assert len(daemon.find(kept)) == 20


def test_terminals_in_a_namespace_of_their_own(daemon, log_in):
    """Whoever puts another's terminal in the place of their own gets the warning themselves."""
    victim, mallory = log_in("alice"), log_in("mallory")
    said = mallory.type(
        f"unshare -Urm sh -c 'mount --bind /dev/{victim.tty} /dev/{mallory.tty} && echo up-$((1+1)) && "
        f"mount -t tmpfs none /dev/pts && exec sleep 99'; echo do-$((1+1)) $?\r",
        r"up-2\s|do-2 \d+")[0]
    if said.startswith("do"):
        pytest.skip("users cannot make mount namespaces here")
    used = time.monotonic()
    while not mallory.ended and time.monotonic() < used + LIMIT_S + LATE_S:
        victim.send("#")
        drive([victim, mallory], time.monotonic() + 0.4)
    assert mallory.ended and "Press any key" in mallory.text
    assert "Press any key" not in victim.text and "sshidle: " not in victim.text and not victim.ended


class OwnTerminals(OpenSSH):
    """Numbers its terminals by itself: nobody else on this host takes one."""

    def in_namespace(self, argv):
        own = ("mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=tty devpts /dev/pts && "
               "mount --bind /dev/pts/ptmx /dev/ptmx && exec \"$@\"")
        return ["unshare", "-m", "sh", "-c", own, "sh", *argv]


@pytest.mark.parametrize("server", [OwnTerminals], indirect=True, ids=["own-terminals"])
def test_terminal_of_somebody_else_by_now(server, daemon, log_in):
    """The next one on the same terminal has the whole limit."""
    first = log_in("alice")
    time_left = time.monotonic() + LIMIT_S - WARNING_S - 1
    drive([first], time_left)
    first.close()
    node = f"/proc/{server.listeners[0].pid}/root/dev/{first.tty}"
    wait_until(lambda: not os.path.exists(node), 5, f"{first.tty} is free")
    second = log_in("mallory")
    assert second.tty == first.tty
    ends_in_time(second)
    assert second.text.count("Press any key") == 1


def reuse(pid):
    """A process with this pid; None: somebody else has got it, and keeps it."""
    for _ in range(300):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
            file.write(str(pid - 1))
        process = subprocess.Popen(["sleep", "60"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def test_pid_of_somebody_else_by_now(daemon, log_in):
    """A pid that is another process between two looks: nothing happens to that one."""
    client = log_in()
    monitor, engine = daemon.pids()
    drive([client], time.monotonic() + LIMIT_S - WARNING_S + 0.5)
    for pid in (monitor, engine):
        os.kill(pid, signal.SIGSTOP)
    try:
        kill(client.pid)
        wait_until(lambda: not os.path.exists(f"/proc/{client.pid}"), 5, "the session's process is gone")
        sleeper = reuse(client.pid)
        # The limit passes meanwhile.
        drive([client], time.monotonic() + WARNING_S)
    finally:
        for pid in (monitor, engine):
            os.kill(pid, signal.SIGCONT)
    try:
        if not sleeper:
            pytest.skip("the pid was taken by somebody else")
        daemon.wait_line(rf"session {client.id} of \S+ ended by itself")
        with pytest.raises(subprocess.TimeoutExpired):
            sleeper.wait(LIMIT_S + LATE_S)
        assert not daemon.find(rf"cut session {client.id} ")
    finally:
        with contextlib.suppress(AttributeError):
            sleeper.kill()
            sleeper.wait()


class SyslogDaemon(Daemon):
    """Logs to a syslog that hangs."""

    def command(self):
        command = ["-D" if word == "-d" else word for word in super().command()]
        return ["unshare", "-m", "/usr/bin/python3", "-c", HUNG_SYSLOG, *command]


def test_a_syslog_that_hangs(world, build):
    """Nothing waits for it: the daemon goes on to answer, and ends when it is told to."""
    daemon = SyslogDaemon(world, build, "hung-syslog")
    daemon.configure("IdleTimeout none\n")
    daemon.spawn()
    try:
        wait_until(daemon.answers, 15, "sshidled answers")
        for _ in range(30):
            daemon.call("io.sshidle.Reload")
    finally:
        assert daemon.stop() == 0 and not daemon.troubles
