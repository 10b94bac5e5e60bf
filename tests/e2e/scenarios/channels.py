"""Sessions without a terminal of their own: files, commands, forwards, nothing at all; and
connections with several channels."""

import hashlib
import os
import socket
import time

from clients import UP, Pipe, Terminal, drive
from scenarios.shells import names_survivors
from stage import LIMIT_S, LIMITED, PROMPT, TTY_STEP_S, collect, scenario
from world import is_alive, kill, wait_until

# Of what a transfer asks for ahead, the client may take in much later; small requests keep that
# well below a limit.
SLOW_BYTES_S = 100_000
FAST_BYTES_S = 1_000_000


def bandwidth(bytes_s):
    """The argument of -l."""
    return str(bytes_s * 8 // 1000)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# -- files ----------------------------------------------------------------------------------


@scenario()
def sftp_prompt(play):
    """sftp at its prompt."""
    client = play.sftp()
    play.ends(client)


@scenario()
def sftp_keepalives(play):
    """sftp at its prompt, whose ssh asks every second."""
    client = play.sftp("-o", "ServerAliveInterval=1")
    play.ends(client)


def transferred(play, client, source, target, began):
    """The transfer takes three limits, is not disturbed, and is complete."""
    play.lives_until_done(client, began + 10 * play.limit)
    took = time.monotonic() - began
    assert client.status() == 0, client.text
    assert digest(source) == digest(target), f"{target} is not what was sent"
    assert took > 2.5 * play.limit, f"it took {took:.1f} s only"


@scenario()
def sftp_download(play):
    """A slow download by sftp."""
    source = play.world.random_file(3 * LIMIT_S * SLOW_BYTES_S)
    target = play.world.path("received", play.name)
    client = play.sftp("-l", bandwidth(SLOW_BYTES_S), "-R", "4", "-B", "8192")
    began = time.monotonic()
    client.send(f"get {source} {target}\rbye\r")
    transferred(play, client, source, target, began)


@scenario()
def sftp_upload(play):
    """A slow upload by sftp."""
    source = play.world.random_file(3 * LIMIT_S * SLOW_BYTES_S)
    target = os.path.join(play.user.home, play.name)
    client = play.sftp("-l", bandwidth(SLOW_BYTES_S), "-R", "4", "-B", "8192")
    began = time.monotonic()
    client.send(f"put {source} {target}\rbye\r")
    transferred(play, client, source, target, began)


@scenario()
def scp_upload(play):
    """A slow upload by scp, which speaks sftp."""
    source = play.world.random_file(3 * LIMIT_S * SLOW_BYTES_S)
    target = os.path.join(play.user.home, play.name)
    with play.stage.login(play):
        began = time.monotonic()
        client = play.scp("-l", bandwidth(SLOW_BYTES_S), source, play.remote(target))
        wait_until(lambda: os.path.exists(target), 10, f"{client} has begun")
    play.listed(client, "sftp")
    transferred(play, client, source, target, began)


@scenario()
def scp_download(play):
    """A slow download by the scp of old, which is a command."""
    source = play.world.random_file(3 * LIMIT_S * FAST_BYTES_S)
    target = play.world.path("received", play.name)
    with play.stage.login(play):
        began = time.monotonic()
        client = play.scp("-O", "-l", bandwidth(FAST_BYTES_S), play.remote(source), target)
        wait_until(lambda: os.path.exists(target), 10, f"{client} has begun")
    play.listed(client, "exec")
    transferred(play, client, source, target, began)


# -- commands -------------------------------------------------------------------------------


@scenario()
def exec_busy(play):
    """A command that only computes is work."""
    client = play.command("echo up-$((40+2)) $$; exec nice -n 19 bash -c 'while :; do :; done'")
    pid = int(client.up)
    play.later(kill, pid)
    play.lives([client])
    assert is_alive(pid)


@scenario()
def exec_sleeping(play):
    """A command that sleeps is none; it gets the hang-up, which no server would send it."""
    client = play.command("echo up-$((40+2)) $$; sleep 1004; echo over")
    shell = int(client.up)
    play.later(kill, shell)
    line = play.ends(client)
    wait_until(lambda: not is_alive(shell), 10, f"the command is gone{play.about(client)}")
    names_survivors(line, {})


@scenario(policy=LIMITED + "    AfterCut leave\n")
def exec_left(play):
    """The same under AfterCut leave: it lives on and is named."""
    client = play.command("echo up-$((40+2)) $$; exec sleep 1005")
    pid = int(client.up)
    play.later(kill, pid)
    line = play.ends(client)
    time.sleep(1)
    assert is_alive(pid), f"the command died{play.about(client)}"
    names_survivors(line, {pid: "sleep"})


@scenario(needs=["left-output"], policy=LIMITED.replace("none={limit}s", "none=1s") +
          "    CountsAsUse exec=input,output\n")
def exec_left_output(play):
    """A command has ended, and what it left in the background has its output: the channel is open."""
    client = play.command("echo up-$((40+2)) -; sleep 1; sleep 1007 & exit 0")
    client.used = (client.used[0], client.used[1] + 1)
    play.ends(client)


@scenario()
def exec_output(play):
    """A command whose output is read by a script; when it says nothing more, the limit runs."""
    client = play.command(f"echo up-$((40+2)) -; for i in $(seq {3 * LIMIT_S}); do sleep 1; "
                          f"echo tick $i; done; sleep 1006")
    play.lives([client], (3 * LIMIT_S - 1))
    client.wait_for(f"tick {3 * LIMIT_S}\n", 10)
    play.ends(client, used=(client.said_before, client.said_at))


SILENT = "echo up-$((40+2)) -; cat >/dev/null"


@scenario()
def exec_input(play):
    """A script that feeds a silent command a line now and then."""
    client = play.command(SILENT)
    play.lives([client], act=lambda: feed(client), every=0.6 * play.limit)
    play.ends(client)


def feed(client, size=5):
    """A line without an echo: the use is within the next moment."""
    before = time.monotonic()
    client.send("x" * (size - 1) + "\n")
    client.used = (before, time.monotonic() + 0.2)


@scenario(needs=["rekey"], listen={"RekeyLimit": "default 2s"})
def exec_rekeys(play):
    """New keys every two seconds are no use, also where no terminal proves that there was none."""
    client = play.command(SILENT, program="ssh", keepalive=1)
    used = client.used
    if play.stage.restarts:  # what the monitor was asked before is not known then
        used = (used[0], used[1] + 6)
    play.ends(client, used=used)


@scenario(needs=["rekey"], listen={"RekeyLimit": "default 2s"})
def exec_input_with_rekeys(play):
    """A line that makes one signature's question look like another's, with each exchange of keys."""
    client = play.command(SILENT, program="ssh")
    play.lives([client], act=lambda: feed(client, 19), every=0.45 * play.limit)
    play.ends(client)


@scenario()
def exec_quick(play):
    """Commands that come and go: they end by themselves."""
    for number in range(3):
        with play.stage.login(play):
            client = play.start(Pipe, play.argv("echo up-$((40+2)) -; sleep 0.3"),
                                f"quick {number}")
            client.wait_for(UP, 30)
        wait_end = time.monotonic() + 10
        while not client.ended and time.monotonic() < wait_end:
            drive([client], time.monotonic() + 0.2)
        assert client.status() == 0, client.text


# -- forwards and connections without a channel ---------------------------------------------


@scenario(needs=["none"])
def no_channel(play):
    """Connected, authenticated, nothing open."""
    client = play.connection()
    play.listed(client, "none")
    play.ends(client)


@scenario(needs=["none"])
def no_channel_keepalives(play):
    """The same, with a client that asks every second."""
    client = play.connection(keepalive=1)
    play.listed(client, "none")
    play.ends(client)


@scenario(needs=["forward", "none"])
def forward_idle(play):
    """A forward that nobody connects to cannot be told from nothing."""
    client, _ = forwarding(play)
    play.listed(client, "none")
    play.ends(client)


def forwarding(play):
    """A connection with a local forward to the echo service, and its port."""
    port = play.world.port()
    client = play.connection(forward=[f"127.0.0.1:{port}:127.0.0.1:{play.world.echo_port}"])
    wait_until(lambda: listens(client.pid, port), 10, f"{client} listens")
    return client, port


def listens(pid, port):
    """Whether somebody in the network of the process listens there; without connecting."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A"
                   for row in list(table)[1:])


def connect(play, client, port):
    """A connection through the forward, proved by one byte there and back."""
    inner = socket.create_connection(("127.0.0.1", port), timeout=10)
    play.later(inner.close)
    ping(client, inner)
    return inner


def ping(client, inner):
    """One byte there and back."""
    before = time.monotonic()
    inner.sendall(b"b")
    assert inner.recv(1) == b"b"
    client.used = (before, time.monotonic())


@scenario(needs=["forward"])
def forward_now_and_then(play):
    """One byte in half a limit keeps a forward; without it the limit runs."""
    client, port = forwarding(play)
    inner = connect(play, client, port)
    play.listed(client, "forward")
    play.lives([client], act=lambda: ping(client, inner), every=0.5 * play.limit)
    play.ends(client)


@scenario(needs=["forward"])
def forward_silent(play):
    """A forwarded connection that is open and silent."""
    client, port = forwarding(play)
    connect(play, client, port)
    play.listed(client, "forward")
    play.ends(client)


@scenario(needs=["forward"])
def remote_forward_busy(play):
    """Traffic on a remote forward keeps the connection; without it the limit runs."""
    port = play.world.port()
    client = play.connection(remote=[f"127.0.0.1:{port}:127.0.0.1:{play.world.echo_port}"])
    wait_until(lambda: listens(client.pid, port), 10, f"{client} listens")
    inner = connect(play, client, port)
    play.listed(client, "forward")
    play.lives([client], act=lambda: ping(client, inner), every=0.4)
    play.ends(client)


@scenario(needs=["forward"])
def shell_with_busy_forward(play):
    """Traffic on a forward keeps the connection of an idle shell."""
    port = play.world.port()
    rule = f"127.0.0.1:{port}:127.0.0.1:{play.world.echo_port}"
    term = play.shell(forward=[rule])
    wait_until(lambda: listens(term.pid, port), 10, f"{term} listens")
    inner = connect(play, term, port)
    play.lives([term], 2 * play.limit, lambda: ping(term, inner), 0.4)
    play.ends(term, warned=False)


@scenario(needs=["unix-forward"], restarts=False)
def shell_with_silent_unix_forward(play):
    """A connection to a forwarded unix socket, on which nothing is counted: our own lines are not its traffic.

    Not beside kill -9: between our last line and the end it leaves a line of which nobody knows, which counts.
    """
    path = play.world.path("unix", play.name)
    listener = socket.create_server(path, family=socket.AF_UNIX)
    play.later(listener.close)
    play.later(os.unlink, path)
    os.chmod(listener.getsockname(), 0o666)
    port = play.world.port()
    term = play.shell(forward=[f"127.0.0.1:{port}:{listener.getsockname()}"])
    wait_until(lambda: listens(term.pid, port), 10, f"{term} listens")
    inner = socket.create_connection(("127.0.0.1", port), timeout=10)
    play.later(inner.close)
    far, _ = listener.accept()
    play.later(far.close)
    before = time.monotonic()
    inner.sendall(b"b")
    assert far.recv(1) == b"b"
    term.used = (before, time.monotonic())
    play.ends(term)


# -- several channels -----------------------------------------------------------------------


def second_terminal(play, path, limit=0):
    """A second terminal through the connection of the first."""
    term = play.start(Terminal, play.argv(program="ssh", options=[f"ControlPath={path}"]),
                      "second")
    term.wait_for(PROMPT, 30)
    play.ask_up(term)
    return term


@scenario(needs=["mux"])
def mux_one_idle(play):
    """Two terminals of one connection: the idle one is hung up alone, the busy one lives."""
    path = play.world.path("mux", play.name)
    busy = play.shell(name="busy", program="ssh",
                      options=["ControlMaster=yes", f"ControlPath={path}"])
    idle = second_terminal(play, path)
    play.prove([busy, idle])
    idle.port, idle.from_port, idle.user = busy.port, busy.from_port, busy.user
    play.daemon.wait_session(
        lambda one: play.belongs(busy)(one) and sorted(one["tty"]) == sorted([busy.tty, idle.tty]),
        1 + play.slack(), f"both terminals of {busy}")
    play.expect_cut(play.belongs(busy))
    # With a kill -9 every few seconds it is late again and again: a step that is not certain counts
    # for every terminal.  That the idle one ends at all, and alone, is what is asked for then.
    coarse = TTY_STEP_S * (3 if play.stage.restarts else 1)
    deadline = idle.used[1] + 2 * play.limit + coarse + play.allowed(play.limit)
    while not idle.ended and time.monotonic() < deadline:
        drive([busy, idle], time.monotonic() + 0.5, lambda: busy.type("m"), 0.3)
        assert not busy.ended, f"the busy terminal was ended{play.about(busy)}"
    assert idle.ended, f"the idle terminal was not hung up{play.about(idle)}"
    play.on_time(idle, idle.used, play.limit, coarse=coarse)
    line = play.daemon.wait_line(play.line(busy, f"hung up {idle.tty} of"), 10)
    assert "rule=9" in line.text, line.text
    play.sees_warning(idle)
    drive([busy], time.monotonic() + play.limit, lambda: busy.type("m"), 0.3)
    assert not busy.ended, f"the busy terminal was ended{play.about(busy)}"
    play.daemon.wait_session(
        lambda one: play.belongs(busy)(one) and one["tty"] == [busy.tty], 2, f"{busy} alone")
    play.ends(busy)


@scenario(needs=["mux"])
def mux_all_idle(play):
    """Two idle terminals: the connection ends when the last one is past its limit."""
    path = play.world.path("mux", play.name)
    first = play.shell(name="first", program="ssh",
                       options=["ControlMaster=yes", f"ControlPath={path}"])
    second = second_terminal(play, path)
    play.prove([first, second])
    both = (min(first.used[0], second.used[0]), second.used[1])
    play.ends(first, used=both, others=[second], warned=False)
    play.wait_end(second, time.monotonic() + 2)


@scenario(needs=["mux"])
def mux_command_goes_on(play):
    """A command beside an idle terminal keeps the connection as long as it says something."""
    path = play.world.path("mux", play.name)
    term = play.shell(name="master", program="ssh",
                      options=["ControlMaster=yes", f"ControlPath={path}"])
    argv = play.argv("while sleep 0.5; do echo tick; done", program="ssh",
                     options=[f"ControlPath={path}"])
    command = play.start(Pipe, argv, "command")
    command.wait_for("tick")
    play.expect_cut(play.belongs(term))
    play.lives([command], 2 * play.limit)


ALL = collect(globals())
