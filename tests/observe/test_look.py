"""What the observers see of real servers: kinds, users, terminals, and the ledger to the byte.

Needs root, the servers, and SSHIDLE_BUILD with the build directory.  The servers, users and clients
are those of tests/e2e.
"""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

import servers
from clients import Pipe, Terminal, copy_options, host_of, ssh_argv
from world import PORTS, wait_until

SAMPLE_COMPLETE, SAMPLE_AGENT = 0x0f, 0x20
TERMINAL_KNOWN, TERMINAL_WORK = 0x1, 0x8

FLAVOURS = [servers.OpenSSH, servers.OpenSSHWithoutPam, servers.OpenSSHRoot, servers.OpenSSHInetd,
            servers.OpenSSHIpv6, servers.OpenSSHNamespace, servers.Dropbear, servers.DropbearInetd,
            servers.Tinyssh]
ONE_OF_A_KIND = [servers.OpenSSH, servers.OpenSSHWithoutPam, servers.Dropbear, servers.Tinyssh]
MUX = [servers.OpenSSH, servers.OpenSSHRoot, servers.OpenSSHInetd, servers.Dropbear]

# Without a channel these show only by their age that somebody has logged in.
UNPROVED = (servers.DropbearInetd, servers.Tinyssh)


class Look(threading.Thread):
    """The program under test; keeps what it said of each port."""

    def __init__(self, rhythm_s="0.1"):
        super().__init__(daemon=True)
        self.process = subprocess.Popen(
            [os.path.join(os.environ["SSHIDLE_BUILD"], "tests/observe/look"), rhythm_s,
             str(PORTS.start), str(PORTS.stop - 1)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.lines, self.looks, self.troubles = {}, 0, []
        self.start()

    def run(self):
        for text in self.process.stdout:
            line = json.loads(text)
            with self.lock:
                self.take(line)

    def take(self, line):
        if "trouble" in line:
            self.troubles.append(line["trouble"])
        if "look" in line:
            self.looks += 1
        if "cookie" in line:
            self.lines.setdefault(line["local_port"], []).append(line)

    def seen(self, port):
        with self.lock:
            return list(self.lines.get(port, []))

    def latest(self, port):
        """The last line of a port that has one session, or an empty one."""
        return (self.seen(port) or [{}])[-1]

    def wait(self, port, condition, what, seconds=8):
        try:
            return wait_until(lambda: self.seen(port) and condition(self.latest(port)) and
                              self.latest(port), seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {self.latest(port)}; the program's status: "
                                 f"{self.process.poll()}") from None

    def wait_kinds(self, port, kinds):
        return self.wait(port, lambda line: kinds_of(line) == kinds, f"channels {kinds}")

    def let_pass(self, looks=2):
        """Waits for whole looks that began after now."""
        until = self.looks + looks + 1
        wait_until(lambda: self.looks >= until, 20, "looks")

    def moved(self, port, start, *fields):
        """Sums of the ledger since the line with that number."""
        lines = self.seen(port)[start:]
        return tuple(sum(line.get(field, 0) for line in lines) for field in fields)

    def close(self):
        self.process.stdin.close()
        return self.process.wait(10)


def kinds_of(line):
    return sorted(channel["kind"] for channel in line.get("channels", []))


@pytest.fixture(scope="module")
def look(world):
    own = Look()
    yield own
    assert own.close() == 0
    # A look sees the sessions of all that runs beside it. Were one of ours left alone, its test would
    # not have found it.
    assert [one for one in own.troubles if "is left alone" not in one] == []


@pytest.fixture(params=FLAVOURS, ids=lambda flavour: flavour.name)
def server(request, world):
    yield from serve(request.param, world)


@pytest.fixture(params=ONE_OF_A_KIND, ids=lambda flavour: flavour.name)
def some_server(request, world):
    yield from serve(request.param, world)


@pytest.fixture(params=MUX, ids=lambda flavour: flavour.name)
def mux_server(request, world):
    yield from serve(request.param, world)


def serve(flavour, world):
    for path, package in flavour.packages.items():
        if not os.path.exists(path):
            pytest.skip(f"{path} is missing: install {package}")
    own = flavour(world)
    yield own
    own.stop()


@pytest.fixture
def clients():
    own = []
    yield own
    for client in own:
        client.close()


def environment():
    return {**os.environ, "TERM": "xterm", "LC_ALL": "C"}


def open_terminal(world, server, port, clients, **options):
    """A shell with a terminal; tells its number."""
    argv = ssh_argv(world, server, port, server.user(), **options)
    client = Terminal("terminal", argv, environment())
    clients.append(client)
    client.wait_for(r"[$#] ")
    client.send("echo up-$((40+2)) $(tty)\r")
    client.tty = int(client.wait_for(r"up-42 /dev/pts/(\d+)").group(1))
    return client


def open_pipe(world, server, port, clients, command=None, **options):
    argv = ssh_argv(world, server, port, server.user(), command, **options)
    client = Pipe("pipe", argv, environment())
    clients.append(client)
    if command or options.get("no_command"):
        client.wait_for("up-42")
    return client


def check_session(line, server, port):
    assert line["server"] == server.word
    assert line["uid"] == server.user().uid
    assert line["local_port"] == port
    assert line["local"] == line["peer"] == server.address
    assert line["known"] & SAMPLE_COMPLETE == SAMPLE_COMPLETE


def check_still(lines):
    """What was asked just before each sample: whether it will say anything new."""
    assert any(line["still"] for line in lines)
    assert all((line["still_at"] > 0) == line["still"] for line in lines)
    # Not those whose data may have come between the question and the sample.
    moved = [line for line in lines if line.get("net", 0) > 0 and line["data_age"] > 20e6]
    assert moved and not any(line["still"] for line in moved)


def test_shell(world, look, server, clients):
    port = server.listen()
    client = open_terminal(world, server, port, clients, keepalive=1)
    line = look.wait_kinds(port, ["shell"])
    check_session(line, server, port)
    channel = line["channels"][0]
    assert channel["tty"] == client.tty
    # The line may be of the moment in which the terminal was there and its shell was not.
    look.wait(port, lambda line: line["processes"] == 1, "the shell alone")
    known = TERMINAL_KNOWN | TERMINAL_WORK
    look.wait(port, lambda line: line["channels"][0]["known"] & known == known, "work")

    client.send("sleep 1000\r")
    look.wait(port, lambda line: line["processes"] == 2, "the sleep")
    look.let_pass()
    start = len(look.seen(port))
    time.sleep(3.2)
    look.let_pass()
    assert look.moved(port, start, "in", "out") == (0, 0)
    assert look.moved(port, start, "net")[0] > 200, "there were no keepalives"

    start = len(look.seen(port))
    for _ in range(5):
        client.send("x")
        time.sleep(0.1)
    look.let_pass()
    assert look.moved(port, start, "in") == (5,)
    assert len({line["cookie"] for line in look.seen(port)}) == 1
    check_still(look.seen(port))

    client.close()
    look.wait(port, lambda line: line.get("ended"), "the end")


def test_command(world, look, some_server, clients):
    port = some_server.listen()
    open_pipe(world, some_server, port, clients, "echo up-42; sleep 20; true")
    line = look.wait_kinds(port, ["exec"])
    check_session(line, some_server, port)
    assert line["channels"][0]["command"] == "echo up-42; sleep 20; true"
    assert line["channels"][0]["tty"] == -1
    look.wait(port, lambda line: line["processes"] == 2, "the shell and its sleep")


@pytest.mark.parametrize("flavour", [servers.OpenSSH, servers.OpenSSHRoot, servers.Tinyssh],
                         ids=lambda flavour: flavour.name)
def test_command_left_in_the_background(world, look, flavour, clients):
    """The client waits for the end of the output, after the command's own end."""
    command = "echo up-42; sleep 20 & sleep 1; exit 0"
    for server in serve(flavour, world):
        port = server.listen()
        open_pipe(world, server, port, clients, command)
        look.wait(port, lambda line: line["channels"][0]["pid"] > 0, "the command")
        line = look.wait(port, lambda line: line["channels"][0]["pid"] == 0, "its end")
        assert kinds_of(line) == ["exec"]
        assert line["channels"][0]["command"] == command
        assert not line["channels"][0]["known"] & TERMINAL_WORK


def test_work(world, look, some_server, clients):
    port = some_server.listen()
    open_pipe(world, some_server, port, clients, "echo up-42; while [ $SECONDS -lt 10 ]; do :; done")
    look.wait_kinds(port, ["exec"])
    before = look.latest(port)["channels"][0]["work"]
    look.wait(port, lambda line: line["channels"][0]["work"] > before + 200e6, "work")


def test_sftp(world, look, some_server, clients):
    port = some_server.listen()
    user = some_server.user()
    client = Pipe("sftp", some_server.in_namespace(
        ["sftp", *copy_options(world, port), f"{user.name}@{host_of(some_server)}"]), environment())
    clients.append(client)
    client.send("pwd\n")
    client.wait_for("Remote working directory")
    line = look.wait_kinds(port, ["sftp"])
    check_session(line, some_server, port)
    assert line["channels"][0]["command"] == ""


def test_nothing_open(world, look, server, clients):
    port = server.listen()
    open_pipe(world, server, port, clients, no_command=True)
    if isinstance(server, UNPROVED):
        look.let_pass(10)
        assert look.seen(port) == []
        return
    line = look.wait_kinds(port, ["none"])
    assert line["uid"] == (-1 if server.word == "dropbear" else server.user().uid)


def test_before_login(world, look, server, clients):
    port = server.listen()
    user = server.user()
    options = ["PubkeyAuthentication=no"]
    argv = ssh_argv(world, server, port, user, options=options)
    waiting = Terminal("at the prompt", argv, environment())
    clients.append(waiting)
    silent = None
    if not isinstance(server, servers.OpenSSHNamespace):
        silent = server.connect(port)
    look.let_pass(25)
    assert look.seen(port) == []
    if silent:
        silent.close()


def test_agent(world, look, mux_server, clients):
    port = mux_server.listen()
    env = {**environment(), "SSH_AUTH_SOCK": world.agent}
    argv = ssh_argv(world, mux_server, port, mux_server.user(), agent=True)
    client = Terminal("agent", argv, env)
    clients.append(client)
    client.wait_for(r"[$#] ")
    line = look.wait_kinds(port, ["shell"])
    assert line["known"] & SAMPLE_AGENT


@pytest.mark.parametrize("localhost", ["yes", "no"])
def test_display(world, look, clients, localhost):
    """A display that only waits is no channel beside a shell, wherever it listens."""
    if not os.path.exists("/usr/bin/xauth"):
        pytest.skip("/usr/bin/xauth is missing: install xauth")
    for server in serve(servers.OpenSSH, world):
        port = server.listen(X11Forwarding="yes", X11UseLocalhost=localhost)
        argv = ssh_argv(world, server, port, server.user(),
                        options=["ForwardX11=yes", "ForwardX11Trusted=yes"])
        client = Terminal("display", argv, {**environment(), "DISPLAY": ":987"})
        clients.append(client)
        client.wait_for(r"[$#] ")
        client.send("echo up-$DISPLAY\r")
        client.wait_for(r"up-\S*:\d+")
        look.wait_kinds(port, ["shell"])


def test_forward(world, look, mux_server, clients):
    port, forwarded = mux_server.listen(), world.port()
    open_pipe(world, mux_server, port, clients, no_command=True,
              forward=[f"127.0.0.1:{forwarded}:127.0.0.1:{world.echo_port}"])
    if not isinstance(mux_server, servers.OpenSSHInetd):
        look.wait_kinds(port, ["none"])
    time.sleep(2.5)  # one process without a child is believed only when it is older than a fork
    with socket.create_connection(("127.0.0.1", forwarded)) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        look.wait_kinds(port, ["forward"])
        look.let_pass()
        start = len(look.seen(port))
        connection.sendall(b"b" * 1000)
        connection.recv(1000, socket.MSG_WAITALL)
        look.let_pass()
        assert look.moved(port, start, "in", "out", "traffic") == (0, 0, 2000)
    look.wait_kinds(port, ["none"])
    assert look.latest(port)["opened"] == 1


def test_remote_forward(world, look, mux_server, clients):
    port, forwarded = mux_server.listen(), world.port()
    open_pipe(world, mux_server, port, clients, no_command=True,
              remote=[f"127.0.0.1:{forwarded}:127.0.0.1:{world.echo_port}"])
    look.wait_kinds(port, ["forward"])
    with socket.create_connection(("127.0.0.1", forwarded)) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        look.let_pass()
        start = len(look.seen(port))
        connection.sendall(b"b" * 1000)
        connection.recv(1000, socket.MSG_WAITALL)
        look.let_pass()
        assert look.moved(port, start, "in", "out", "traffic") == (0, 0, 2000)


def test_several_channels(world, look, mux_server, clients):
    port = mux_server.listen()
    control = [f"ControlPath={world.path('control', str(port))}"]
    master = [*control, "ControlMaster=yes"]
    first = open_terminal(world, mux_server, port, clients, options=master)
    second = open_terminal(world, mux_server, port, clients, options=control)
    open_pipe(world, mux_server, port, clients, "echo up-42; sleep 4; true", options=control)
    line = look.wait_kinds(port, ["exec", "shell", "shell"])
    ttys = {channel["tty"] for channel in line["channels"] if channel["kind"] == "shell"}
    assert ttys == {first.tty, second.tty}
    start = len(look.seen(port))
    look.wait_kinds(port, ["shell", "shell"])
    assert any(line["reaped"] for line in look.seen(port)[start:])


def test_session_from_before(world, look, mux_server, clients):
    """A look that starts later sees the same, with forwarded connections open."""
    port, forwarded = mux_server.listen(), world.port()
    client = open_terminal(world, mux_server, port, clients,
                           forward=[f"127.0.0.1:{forwarded}:127.0.0.1:{world.echo_port}"])
    with socket.create_connection(("127.0.0.1", forwarded)) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        here = look.wait_kinds(port, ["forward", "shell"])
        late = Look()
        there = late.wait_kinds(port, ["forward", "shell"])
        assert late.close() == 0
    for field in ("cookie", "pid", "uid", "peer_port"):
        assert here[field] == there[field]
    assert {channel["tty"] for channel in there["channels"]} == {-1, client.tty}
