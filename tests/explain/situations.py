"""How each situation is brought about with a real client.

bring(name, case) logs in and returns a Session when everything is as the situation has it; what the
person does for the last time happens within session.used.
"""

import contextlib
import os
import re
import signal
import socket
import threading
import time

from clients import (PROGRAMS, Pipe, Terminal, connection_port, copy_options, host_of)
from world import children_of, is_alive, wait_until

PROMPT = r"[$#] "
PRINT = "while :; do echo line; sleep 0.3; done\r"

# Not all of a processor, but more than WorkThreshold.
COMPUTE = "echo up-42; while :; do head -c 3000000 /dev/zero | md5sum >/dev/null; sleep 0.3; done"


def environment():
    return {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}


class Session:
    """What is watched: a connection, and the process in it that stands for it."""

    def __init__(self, host, client):
        self.host, self.client = host, client
        self.clients = [client]
        self.pid = None
        self.port = None
        self.used = (0.0, 0.0)
        self.alive_too = []
        self.connection = None
        self.stop = threading.Event()
        self.typing_pause_s, self.typed_in_vain = 0.0, None

    def begin(self, function, *args, since=None):
        """Does what begins the time; the client sent something last after `since`."""
        before = since or time.monotonic()
        function(*args)
        self.used = (before, time.monotonic())

    def goes_on(self):
        """Whether what stands for it does: a forwarded connection, a process, else the client."""
        if self.connection:
            try:
                return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            except OSError as error:
                return isinstance(error, BlockingIOError)
        return is_alive(self.pid) if self.pid else not self.client.ended

    def close(self):
        self.stop.set()
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.close()


def log_in(case, host, **options):
    """A shell on a terminal, at its prompt."""
    argv = PROGRAMS[case.program](host.world, host.server, host.port, host.user,
                                  keepalive=case.keepalive, **options)
    client = Terminal(case.name, argv, environment())
    session = Session(host, client)
    case.sessions.append(session)
    client.wait_for(PROMPT)
    client.send("echo up-$((40+2)) $$\r")
    session.pid = int(client.wait_for(r"up-42 (\d+)").group(1))
    session.port = connection_port(client.pid, host.port)
    return session


def enter(session, line, expect, seconds=20):
    """Types a line and waits for what shows that it has begun."""
    since = len(session.client.text)
    session.begin(session.client.send, line + "\r")
    session.client.wait_for(expect, seconds, since)
    session.used = (session.used[0], time.monotonic())


def prompt(case, host):
    session = log_in(case, host)
    enter(session, "echo ok-$((40+2))", r"ok-42[\s\S]*[$#] ")
    return session


def top(case, host):
    session = log_in(case, host)
    enter(session, "top -d 1", "PID")
    return session


def vim(case, host):
    session = log_in(case, host)
    enter(session, "vim -u NONE -i NONE", "~")
    return session


def tmux(case, host):
    """In tmux; its server is to outlive the connection."""
    session = log_in(case, host)
    tmux = f"tmux -S ~/tmux-{host.port}"
    enter(session, f"LC_ALL=C.UTF-8 {tmux} new", r"\[0\]")
    before = len(session.client.text)
    enter(session, f"echo srv-$({tmux} display -p '#{{pid}}') in-$$", r"srv-\d+ in-\d+")
    said = session.client.text[before:]
    session.alive_too = [int(re.search(r"srv-(\d+)", said)[1])]
    if case.inner:
        session.pid = int(re.search(r"in-(\d+)", said)[1])
    return session


def multiplexed(case, host):
    """A terminal at its prompt beside one in which somebody types lines, and no single keys: see decision 0004."""
    path = host.world.path("control", f"{host.port}")
    master = log_in(case, host, options=[f"ControlPath={path}", "ControlMaster=yes"])
    master.client.send("cat >/dev/null\r")
    session = log_in(case, host, options=[f"ControlPath={path}"])
    session.port = master.port
    session.clients += master.clients
    threading.Thread(target=keep_typing, args=(session, master), daemon=True).start()
    enter(session, "echo ok-$((40+2))", r"ok-42[\s\S]*[$#] ")
    session.alive_too = [master.pid]
    return session


def keep_typing(session, master):
    last = time.monotonic()
    while not session.stop.wait(0.5):
        try:
            os.write(master.client.fd, b"more than a ^C\r")
        except (AssertionError, OSError) as error:
            session.typed_in_vain = session.typed_in_vain or error
        now = time.monotonic()
        session.typing_pause_s = max(session.typing_pause_s, now - last)
        last = now


def sftp(case, host):
    server = host.server
    argv = server.in_namespace(["sftp", *copy_options(host.world, host.port),
                                *(["-o", f"ServerAliveInterval={case.keepalive}"]
                                  if case.keepalive else []),
                                f"{host.user.name}@{host_of(server)}"])
    client = Pipe(case.name, argv, environment())
    session = Session(host, client)
    case.sessions.append(session)
    session.begin(client.send, "pwd\n")
    client.wait_for("Remote working directory")
    session.used = (session.used[0], time.monotonic())
    session.port = connection_port(client.pid, host.port)
    return session


def command(case, host, line):
    argv = PROGRAMS[case.program](host.world, host.server, host.port, host.user, line,
                                  keepalive=case.keepalive)
    client = Pipe(case.name, argv, environment())
    session = Session(host, client)
    case.sessions.append(session)
    session.begin(client.wait_for, "up-42")
    session.port = connection_port(client.pid, host.port)
    return session


def command_works(case, host):
    return command(case, host, COMPUTE)


def command_waits(case, host):
    return command(case, host, "echo up-42; sleep 1000; true")


def job_in_shell(case, host):
    session = log_in(case, host)
    enter(session, "sleep 1000", "sleep 1000")
    wait_until(lambda: children_of(session.pid), 5, "the job runs")
    return session


def tunnel(case, host):
    forwarded = host.world.port()
    argv = PROGRAMS[case.program](host.world, host.server, host.port, host.user,
                                  keepalive=case.keepalive, no_command=True, forward=[
                                      f"127.0.0.1:{forwarded}:127.0.0.1:{host.world.echo_port}"])
    client = Pipe(case.name, argv, environment())
    session = Session(host, client)
    case.sessions.append(session)

    def open_one():
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", forwarded))
    session.open_one = lambda: wait_until(open_one, 10, "the tunnel takes a connection")
    if case.program == "ssh":
        session.begin(client.wait_for, "up-42")
    else:
        # dbclient listens only when it has logged in.
        session.begin(lambda: session.open_one().close())
    session.port = connection_port(client.pid, host.port)
    return session


def forward_unused(case, host):
    return tunnel(case, host)


def forward_idle(case, host):
    session = tunnel(case, host)
    connection = session.open_one()
    session.begin(exchange, connection)
    session.connection = connection
    return session


def exchange(connection):
    connection.sendall(b"a")
    assert connection.recv(1) == b"a"


def forward_busy(case, host):
    session = forward_idle(case, host)
    threading.Thread(target=keep_sending, args=(session,), daemon=True).start()
    return session


def keep_sending(session):
    with contextlib.suppress(OSError, AssertionError), session.connection:
        while not session.stop.wait(0.3):
            exchange(session.connection)


def stop_client(session):
    session.begin(os.kill, session.client.pid, signal.SIGSTOP, since=session.used[0])


def cut_off_silent(session):
    """With output under way the kernel would give up before anybody else."""
    network = session.host.server.network
    wait_until(lambda: network.is_delivered(session.port), 10, "all of its output has arrived")
    cut_off(session)


def cut_off(session):
    session.begin(session.host.server.network.cut_off, session.port, since=session.used[0])


def then(begin, end):
    """The one, and then the other."""
    def both(case, host):
        session = begin(case, host)
        end(session)
        return session
    return both


def printing(case, host):
    session = log_in(case, host)
    enter(session, PRINT.strip(), r"line\s+line\s")
    return session


def flooding(case, host):
    session = log_in(case, host)
    enter(session, "yes", r"y\s+y\s+y\s")
    return session


BRING = {
    "lid-closed": then(prompt, cut_off_silent),
    "network-gone": then(vim, cut_off_silent),
    "network-gone-printing": then(printing, cut_off),
    "client-stopped": then(vim, stop_client),
    "client-stopped-printing": then(printing, stop_client),
    "client-stopped-flood": then(flooding, stop_client),
    "away-at-prompt": prompt,
    "away-in-top": top,
    "away-in-vim": vim,
    "away-in-tmux": tmux,
    "multiplexed": multiplexed,
    "sftp-idle": sftp,
    "command-works": command_works,
    "command-waits": command_waits,
    "job-in-shell": job_in_shell,
    "forward-unused": forward_unused,
    "forward-idle": forward_idle,
    "forward-busy": forward_busy,
}
