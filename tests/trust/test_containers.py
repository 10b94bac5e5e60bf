"""Sessions of containers on the host, and a daemon inside of one."""

import os
import pwd
import re
import shutil
import subprocess
import time

import pytest
from clients import Terminal, drive, ssh_argv
from daemon import Daemon
from servers import OpenSSH
from world import User, wait_until

LIMIT_S, WARNING_S, LATE_S = 4, 2, 3

TERMINALS = """
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=tty devpts /dev/pts &&
mount --bind /dev/pts/ptmx /dev/ptmx && """

# And a pid namespace and a list of users of its own.
CONTAINER = TERMINALS + 'mount --bind "$0" /etc && exec "$@"'

# A terminal with such a number of a devpts of its own becomes its controlling one.
SAME_NUMBER = """
import fcntl, os, subprocess, sys, time
subprocess.run("mount -t devpts -o newinstance,ptmxmode=666 devpts /mnt", shell=True, check=True)
number = None
while number != sys.argv[1]:
    master = os.open("/mnt/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, 0x40045431, bytes(4))  # TIOCSPTLCK
    number = str(int.from_bytes(fcntl.ioctl(master, 0x80045430, bytes(4)), sys.byteorder))  # TIOCGPTN
os.open(f"/mnt/{number}", os.O_RDWR)
print("up", os.ttyname(os.open("/dev/tty", os.O_RDWR)), flush=True)
while True:
    print("#", flush=True)
    time.sleep(0.3)
"""

# A filter that allows everything, and no_new_privs, as what is started in a hardened container has them.
HARDENED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
allow = ctypes.create_string_buffer(b"\\x06\\0\\0\\0\\0\\0\\xff\\x7f", 8)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program = Program(1, ctypes.addressof(allow))
for arguments in ((38, 1, 0, 0, 0), (22, 2, ctypes.byref(program), 0, 0)):
    if libc.prctl(*arguments):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""

REFUSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e", "refuse.py")

# As where lxcfs has put its files over those of the kernel, and has ended.
NO_LAST_PID = """
mount --bind /dev/null /proc/loadavg && { [ ! -e /proc/sys/kernel/ns_last_pid ] ||
mount --bind /dev/null /proc/sys/kernel/ns_last_pid; } && exec "$@"
"""


# What docker gives.
CAPABILITIES = ("chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod "
                "audit_write setfcap").split()


class Container(OpenSSH):
    """Its carol has the number of the host's alice, and its dave that of the user of the host's sshd."""

    pam = "no"

    def known_inside(self, name):
        user = User.__new__(User)
        user.__dict__.update(self.world.user("alice").__dict__, name=name)
        return user

    def etc(self):
        """A directory: a mount on a file would go when somebody renames another one to it."""
        alice, path = self.world.user("alice"), self.world.path("container", "etc", "passwd")
        with open("/etc/passwd", encoding="utf-8") as host, open(path, "w", encoding="utf-8") as own:
            own.write(re.sub(rf"(?m)^{alice.name}:", "carol:", host.read()))
            own.write(f"dave:x:{pwd.getpwnam('sshd').pw_uid}:{alice.gid}::/:/bin/bash\n")
        for name in ("group", "nsswitch.conf", "ld.so.cache"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", os.path.dirname(path))
        return os.path.dirname(path)

    def command(self, port, directory, options):
        return ["unshare", "-mpf", "--mount-proc", "--kill-child", "sh", "-c", CONTAINER, self.etc(),
                *super().command(port, directory, options)]


class OwnTerminals(OpenSSH):
    """Begins to count them at 0."""

    def command(self, port, directory, options):
        return ["unshare", "-m", "sh", "-c", TERMINALS + 'exec "$@"', "sh", *super().command(port, directory, options)]


class Hardened(OpenSSH):
    """Not in a pid namespace of its own: as a daemon in the same container sees it."""

    pam = "no"

    def command(self, port, directory, options):
        return ["/usr/bin/python3", "-c", HARDENED, *super().command(port, directory, options)]


class KeepingDaemon(Daemon):
    """With the keeper of this build."""

    def command(self):
        return [*super().command(), "-k", f"{self.build}/src/keeper/sshidle-keeper"]


@pytest.fixture
def daemon(world, build, request):
    own = KeepingDaemon(world, build, "containers-" + re.sub(r"\W", "-", request.node.name)[:30])
    yield own
    own.stop()
    assert not own.complaints()


@pytest.fixture
def log_in(world, server):
    clients = []

    def make(port, user):
        client = Terminal(user.name, ssh_argv(world, server, port, user), dict(os.environ, TERM="xterm"))
        clients.append(client)
        client.wait_for(r"[$#] ")
        client.tty = client.type("echo up-$((40+2)) $(tty)\r", r"up-42 /dev/(pts/\d+)")[1]
        return client

    yield make
    for client in clients:
        client.close()


def listed(daemon, port):
    return next((one for one in daemon.call("io.sshidle.List")["sessions"]
                 if one["local_port"] == port and one["tty"]), None)


@pytest.mark.parametrize("server", [Container], indirect=True, ids=["container"])
def test_a_number_is_not_the_host_s_user(world, server, daemon, log_in):
    """Neither does a rule for the host's user with that number hold, nor does that user get the terminal."""
    port, alice = server.listen(), world.user("alice")
    assert pwd.getpwuid(alice.uid).pw_name == alice.name
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port} User {alice.name}\n\tIdleTimeout 1h\n"
                     f"Match LocalPort {port}\n\tIdleTimeout {LIMIT_S}s\n\tIdleWarning {WARNING_S}s\n"
                     "\tIdleAction park\n")
    daemon.start()
    carol = log_in(port, server.known_inside("carol"))
    session = wait_until(lambda: listed(daemon, port), 10, "the session is listed")
    assert (session["user"], session["uid"]) == (str(alice.uid), alice.uid)
    assert session["limit_s"] == LIMIT_S
    assert "runs in a container" in daemon.cli("why", str(session["id"])).stdout
    drive([carol], carol.used[1] + LIMIT_S + LATE_S)
    assert carol.ended and "Press any key" in carol.text
    assert "sshidle resume" not in carol.text
    daemon.wait_line(rf"cut session {session['id']} of {alice.uid}: ")
    assert "nothing is parked" in daemon.cli("parked", user=alice).stdout
    log_in(port, server.known_inside("dave"))
    wait_until(lambda: pwd.getpwnam("sshd").pw_uid in [one["uid"] for one in daemon.call("io.sshidle.List")["sessions"]],
               5, "the session of dave is listed")


@pytest.mark.parametrize("server", [Hardened], indirect=True, ids=["hardened"])
def test_a_filter_of_all_is_no_login(world, server, daemon, log_in):
    """Before the login there is none; after it the session is seen as elsewhere."""
    port = server.listen()
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout 1h\n")
    daemon.start()
    with server.connect(port) as stranger:
        assert stranger.recv(4) == b"SSH-"
        log_in(port, world.user("alice"))
        session = wait_until(lambda: listed(daemon, port), 5, "the session is listed")
        assert session["user"] == world.user("alice").name
        assert [one["id"] for one in daemon.call("io.sshidle.List")["sessions"]
                if one["local_port"] == port] == [session["id"]]


def test_where_the_last_pid_is_not_told(world, server, daemon, log_in):
    """Each look is a walk then: not only that of each minute sees who has come."""
    port = server.listen()
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout 1h\n")
    daemon.wrap = ["unshare", "-m", "sh", "-c", NO_LAST_PID, "sh"]
    daemon.start()
    began = time.monotonic()
    log_in(port, world.user("alice"))
    wait_until(lambda: listed(daemon, port), 5, "the session is listed")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("call, says, seen", [
    ("438=ENOSYS", "sockets cannot be borrowed", True),
    ("434=ENOSYS", "pidfd_open.* is refused", False),
], ids=["pidfd_getfd", "pidfd_open"])
def test_a_filter_that_does_not_know_a_call(world, server, daemon, log_in, call, says, seen):
    """It is told what that costs; without the first one sessions are looked at all the same."""
    port = server.listen()
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout 1h\n")
    daemon.wrap = ["/usr/bin/python3", REFUSE, call]
    daemon.start()
    log_in(port, world.user("alice"))
    daemon.wait_line(says)
    if seen:
        wait_until(lambda: listed(daemon, port), 5, "the session is listed")


def with_capabilities(*names):
    return ["setpriv", "--bounding-set", ",".join(["-all"] + [f"+{name}" for name in names]),
            "--inh-caps=-all", "--"]


def test_a_container_s_capabilities(world, server, daemon, log_in):
    """One has to be granted, and its name is told; with it sessions are seen."""
    port = server.listen()
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout 1h\n")
    daemon.accepted = "cannot|CAP_SYS_PTRACE is missing"
    daemon.wrap = with_capabilities(*CAPABILITIES)
    assert daemon.spawn().wait(10) == 1
    daemon.wait_line("error: CAP_SYS_PTRACE is missing")
    daemon.wrap = with_capabilities(*CAPABILITIES, "sys_ptrace")
    daemon.start()
    daemon.wait_line("warning: CAP_DAC_READ_SEARCH is missing")
    log_in(port, world.user("alice"))
    wait_until(lambda: listed(daemon, port), 5, "the session is listed")


@pytest.mark.parametrize("server", [OwnTerminals], indirect=True, ids=["own-terminals"])
def test_a_command_with_a_terminal_of_the_same_number(world, server, daemon):
    """It is no shell for that: what it does counts, and the end of the idle shell beside it is not its own."""
    port, mallory, script = server.listen(), world.user("mallory"), world.path("same", "number.py")
    if subprocess.run(["unshare", "-Urm", "true"], user=mallory.uid, check=False).returncode:
        pytest.skip("users cannot make mount namespaces here")
    daemon.configure(f"IdleTimeout none\nMatch LocalPort {port}\n\tIdleTimeout {LIMIT_S}s\n\tIdleWarning 1s\n")
    daemon.start()
    with open(script, "w", encoding="ascii") as file:
        file.write(SAME_NUMBER)
    mux, clients = "ControlPath=" + world.path("same", "mux"), []

    def start(expect, command=None, **options):
        argv = ssh_argv(world, server, port, mallory, command, **options)
        clients.append(Terminal(expect, argv, dict(os.environ, TERM="xterm")))
        clients[-1].wait_for(expect)
        return clients[-1]

    try:
        start("up-42", no_command=True, options=[mux, "ControlMaster=yes"])
        command = start("up", f"exec unshare -Urm /usr/bin/python3 {script} 0", options=[mux, "RequestTTY=no"])
        shell = start(r"[$#] ", options=[mux])
        shell.type("echo up-$((40+2)) $(tty)\r", "up-42 /dev/pts/0")
        drive([command, shell], shell.used[1] + LIMIT_S + LATE_S)
        assert not command.ended and command.text.rstrip().endswith("#")
        assert shell.ended
        daemon.wait_line("hung up pts/0 of session")
    finally:
        for client in reversed(clients):
            client.close()
