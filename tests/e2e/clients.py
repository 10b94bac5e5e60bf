"""Real clients: ssh, dbclient, sftp and scp, on ptys of their own or on pipes.

A Client keeps everything that was printed (`text`), when it ended (`ended_at`), and in `used` when
it was last used: the moment lies between the two time stamps.  Nobody reads a client in the
background; whoever waits for something passes the time in drive(), which reads.
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import threading
import time

import pexpect

from world import kill, tree_of

KEEP_BYTES = 1 << 20

# What a shell or command prints when it is up; the echo of the typed line does not match.
UP = re.compile(r"up-42 ([^\r\n]*?)[ \t]*[\r\n]")

# Forking a process of many threads is safe only if what happens before exec is alone.
forking = threading.Lock()


class Client:
    """A client program that runs; subclasses know how it was started."""

    def __init__(self, name, pid, fd):
        self.name, self.pid, self.fd = name, pid, fd
        self.text = ""
        self.ended_at = None
        self.started_at = time.monotonic()
        self.used = (self.started_at, self.started_at)
        self.tty = self.shell_pid = None
        self.port = self.from_port = self.session = self.user = None
        self.end_text = self.why = None
        self.said_before = self.said_at = self.started_at

    def __repr__(self):
        return self.name

    @property
    def ended(self):
        return self.ended_at is not None

    def read(self):
        """Takes in what can be read now; notes the end."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.said_before, self.said_at = self.said_at, time.monotonic()
            self.text = (self.text + data.decode("utf-8", "replace"))[-KEEP_BYTES:]
        if not self.ended and (not data or self.end_text and self.end_text in self.text):
            self.ended_at = time.monotonic()

    def wait_for(self, pattern, seconds=20, since=0):
        """Reads until the pattern is in the text after `since`; returns the match."""
        pattern = re.compile(pattern) if isinstance(pattern, str) else pattern
        deadline = time.monotonic() + seconds
        while True:
            found = pattern.search(self.text, since)
            if found:
                return found
            if self.ended or time.monotonic() > deadline:
                how = "ended" if self.ended else f"did not within {seconds:g} s"
                raise AssertionError(f"{self}: waiting for {pattern.pattern!r}: {how}; "
                                     f"it said {self.text[since:][-600:]!r}")
            drive([self], time.monotonic() + 0.2, until_text=True)

    def send(self, data):
        """Writes all of it, reading meanwhile so that nobody waits for anybody."""
        data = data.encode() if isinstance(data, str) else data
        while data:
            readable, writable, _ = select.select([self.fd], [self.input_fd], [], 10)
            if not readable and not writable:
                raise AssertionError(f"{self}: takes no input")
            if readable:
                self.read()
            if self.ended:
                raise AssertionError(f"{self}: ended while written to: {self.text[-600:]!r}")
            if writable:
                data = data[os.write(self.input_fd, data[:1024]):]

    def type(self, keys, expect=None, seconds=20):
        """Types keys and waits for their echo (or `expect`); notes the use."""
        since, before = len(self.text), time.monotonic()
        self.used = (before, before + seconds)
        self.send(keys)
        found = self.wait_for(re.escape(keys) if expect is None else expect, seconds, since)
        self.used = (before, time.monotonic())
        return found

    def kill(self, number=signal.SIGKILL):
        """Signals the client program and what it started."""
        for pid in reversed(tree_of(self.pid)):
            kill(pid, number)

    @property
    def input_fd(self):
        return self.fd


class Terminal(Client):
    """A client on a pty of its own, as a person has it."""

    def __init__(self, name, argv, env):
        with forking:
            self.child = pexpect.spawn(argv[0], argv[1:], env=env, dimensions=(24, 200),
                                       timeout=None)
        os.set_blocking(self.child.child_fd, False)
        super().__init__(name, self.child.pid, self.child.child_fd)

    def close(self):
        """Ends the client and takes it away."""
        self.kill()
        self.child.delayafterclose = self.child.ptyproc.delayafterclose = 0
        with contextlib.suppress(Exception):
            self.child.close(force=True)
        self.ended_at = self.ended_at or time.monotonic()

    def status(self, seconds=5):
        """Exit status of the client, which must be ending."""
        deadline = time.monotonic() + seconds
        while self.child.isalive() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.child.exitstatus


class Pipe(Client):
    """A client without a terminal, as a script has it."""

    def __init__(self, name, argv, env):
        with forking:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, env=env,
                                            start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        super().__init__(name, self.process.pid, self.process.stdout.fileno())

    @property
    def input_fd(self):
        return self.process.stdin.fileno()

    def close(self):
        self.kill()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.ended_at = self.ended_at or time.monotonic()

    def status(self, seconds=5):
        return self.process.wait(seconds)


def drive(clients, until, act=None, every=None, until_text=False):
    """Reads the clients until the clock says `until`, calling act() every so many seconds.

    Returns early when a client ends; with `until_text` also when one says something.
    """
    next_act = time.monotonic() if act else until
    while True:
        now = time.monotonic()
        if now >= until or any(client.ended for client in clients):
            return
        if now >= next_act:
            act()
            next_act = max(next_act + every, time.monotonic())
        pause = max(0.0, min(until, next_act if act else until) - time.monotonic())
        ready, _, _ = select.select([client.fd for client in clients], [], [], pause)
        for client in clients:
            if client.fd in ready:
                client.read()
        if ready and until_text:
            return


# -- command lines --------------------------------------------------------------------------

SSH_OPTIONS = ["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no",
               "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
               "-o", "EscapeChar=none"]


def ssh_argv(world, server, port, user, command=None, *, keepalive=0, forward=(), remote=(),
             no_command=False, agent=False, bind=None, options=()):
    """ssh; with no_command (-N) it prints `up-42` as soon as it is authenticated."""
    argv = ["ssh", *SSH_OPTIONS, "-i", world.key, "-p", str(port)]
    for option in options:
        argv += ["-o", option]
    if no_command:
        argv += ["-N", "-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo up-42 -"]
    if keepalive:
        argv += ["-o", f"ServerAliveInterval={keepalive}"]
    argv += ["-A"] if agent else []
    argv += ["-b", bind] if bind else []
    for flag, rules in (("-L", forward), ("-R", remote)):
        for rule in rules:
            argv += [flag, rule]
    argv += [f"{user.name}@{server.address}"] + ([command] if command else [])
    return server.in_namespace(argv)


def dbclient_argv(world, server, port, user, command=None, *, keepalive=0, forward=(), remote=(),
                  no_command=False, agent=False, bind=None, options=()):
    """dbclient, with the same words as ssh."""
    assert not options, "dbclient has other options"
    argv = ["dbclient", "-y", "-y", "-i", world.dropbear_key, "-p", str(port)]
    argv += ["-N"] if no_command else []
    argv += ["-K", str(keepalive)] if keepalive else []
    argv += ["-A"] if agent else []
    argv += ["-b", bind] if bind else []
    for flag, rules in (("-L", forward), ("-R", remote)):
        for rule in rules:
            argv += [flag, rule]
    argv += [f"{user.name}@{server.address}"] + ([command] if command else [])
    return server.in_namespace(argv)


PROGRAMS = {"ssh": ssh_argv, "dbclient": dbclient_argv}


def copy_options(world, port):
    """What sftp and scp pass on to ssh."""
    return [*SSH_OPTIONS, "-i", world.key, "-P", str(port)]


def host_of(server):
    """The server's address as sftp and scp write it."""
    return f"[{server.address}]" if ":" in server.address else server.address


def connection_port(pid, server_port):
    """Local port of the connection to server_port that the process or one below it holds."""
    inodes = set()
    for one in tree_of(pid):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{one}/fd"):
                with contextlib.suppress(OSError):
                    link = os.readlink(f"/proc/{one}/fd/{fd}")
                    if link.startswith("socket:["):
                        inodes.add(link[8:-1])
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}",
                                                encoding="ascii") as file:
            for row in list(file)[1:]:
                fields = row.split()
                remote = int(fields[2].rpartition(":")[2], 16)
                if remote == server_port and fields[9] in inodes:
                    return int(fields[1].rpartition(":")[2], 16)
    return None
