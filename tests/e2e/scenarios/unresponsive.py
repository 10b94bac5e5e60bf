"""Clients that do not answer, each on a machine of its own whose line can be cut (away.py).

Intervals are scaled down: 1 s x 4 and 2 s x 3 stand for 15 s x 3 and 60 s x 3.  When a session ends
is seen in its server's process, as most of these clients see nothing; and when its client was last
heard of is read from the kernel (ss), not from the daemon.
"""

import contextlib
import ctypes
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

from away import place_of
from clients import Pipe, connection_port, drive
from daemon import pairs_of
from servers import sshd_version
from stage import LIMIT_S, collect, scenario, span
from world import is_alive, kill, wait_until

IDLE_S = 60
PIDFD_GETFD = 438
KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
             (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
             (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)]

# Ages of the kernel are in ticks of up to 10 ms.
TICK_S = 0.02

RULE_HOST, RULE_PROGRAM = 10, 11


def alive(interval, count, idle=IDLE_S):
    return f"""
Match LocalPort {{port}}
    IdleTimeout {idle}s sftp={idle}s exec={idle}s forward={idle}s none={idle}s
    IdleWarning 2s
    ClientAliveInterval {interval}
    ClientAliveCountMax {count}
"""


# sshd's own probes, and an end by itself that is far away.
PROBES = {"ClientAliveInterval": 1, "ClientAliveCountMax": 100}


def guest(play, limit=IDLE_S, **options):
    """A shell from a machine of its own."""
    play.machine = place_of(play.world).machine()
    term = play.shell(limit=limit, **options)
    server_of(play, term)
    return term


def unlisted(play):
    """The same when no daemon watches."""
    play.machine = place_of(play.world).machine()
    term = play.shell(listed=False)
    term.port = play.port
    term.from_port = wait_until(lambda: connection_port(term.pid, play.port), 5, "its connection")
    server_of(play, term)
    return term


def server_of(play, client):
    """Remembers the server's process of the session, the youngest that holds the connection."""
    said = connection(play, client, "-p")
    client.server_pid = max(map(int, re.findall(r"pid=(\d+)", said)))


def connection(play, client, *options):
    """What ss says of the session's connection; "" when it is gone."""
    return subprocess.run(
        ["ss", "-tniOH", *options, f"src {play.server.address} and sport = :{client.port}" +
         (f" and dport = :{client.from_port}" if client.from_port else "")],
        capture_output=True, text=True, check=True).stdout


def heard(play, client):
    """Between which moments the client's machine, and its program, were last heard of."""
    before = time.monotonic()
    said = connection(play, client)
    after = time.monotonic()
    assert said, f"{client} has no connection any more{play.about(client)}"
    data, ack = ([int(age) / 1000 for age in re.findall(rf"\b{word}:(\d+)", said)] or [0.0]
                 for word in ("lastrcv", "lastack"))
    host = min(data[0], ack[0])
    return [(before - age - TICK_S, after - age + TICK_S) for age in (host, data[0])]


def gone_at(client, deadline):
    """When the server's process has gone."""
    while is_alive(client.server_pid):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return time.monotonic()


def ends(play, client, rule, promise, since=None):
    """The session ends when its client was not heard of for so long, by that rule; returns the
    line of the log.  `since`: counts from then, if that is later."""
    play.prove([])
    play.expect_cut(play.belongs(client))
    time.sleep(0.3)  # what was under way when the line was cut has arrived by then
    last = heard(play, client)[0 if rule == RULE_HOST else 1]
    if since:
        last = (max(last[0], since[0]), max(last[1], since[1]))
    gone = gone_at(client, last[1] + promise + play.allowed(promise) + 3)
    assert gone, f"{client} does not answer and was not ended{play.about(client)}"
    early, late = last[0] + promise - gone, gone - last[1] - promise
    assert early <= 0, f"{client} was ended {early:.3f} s early{play.about(client)}"
    play.stage.lateness.append((late, play.name))
    assert late <= play.allowed(promise), f"{client} was ended {late:.2f} s late" \
                                          f"{play.about(client)}"
    client.ended_at = gone
    return told(play, client, rule, promise)


def told(play, client, rule, promise):
    line = play.cut_line(client, rule)
    part = "machine" if rule == RULE_HOST else "program"
    assert f"client's {part} did not answer for" in line.text, line.text
    assert pairs_of(line)["limit"] == span(promise), line.text
    assert "warned" not in " ".join(one.text for one in play.daemon.find(play.line(client)))
    return line


def still_there(play, client):
    """The session answers its client, and nothing was said against it."""
    assert not client.ended and is_alive(client.server_pid), f"{client} ended{play.about(client)}"
    client.text = ""  # after a flood only its end is kept, and grows no more
    client.type("echo st\"\"ill\r", r"still", 30)
    play.not_cut(client)


def keeps(play, client, seconds):
    """The session is there for so long, and answers then."""
    play.lives([client], seconds)
    still_there(play, client)


def print_now_and_then(client, text="tick"):
    client.type(f"while sleep 0.4; do echo {text}; done\r", rf"[\r\n]{text}[\r\n]")


def interrupt(client):
    """^C, and the prompt again."""
    client.text = ""
    client.send("\x03")
    client.wait_for(r"\^C[\r\n]+[^\r\n]*[$#] ", 30)


def print_without_end(client):
    client.type("yes flood\r", r"flood[\r\n]+flood[\r\n]+flood")


# -- the machine is lost --------------------------------------------------------------------


@scenario(policy=alive(1, 4))
def link_down_silent(play):
    term = guest(play)
    play.machine.link(False)
    line = ends(play, term, RULE_HOST, 4)
    assert re.search(r"\([2-9] pings\)", line.text), line.text
    assert pairs_of(line)["config"].split(":")[-1].isdigit(), line.text


@scenario(policy=alive(2, 3))
def hole_silent(play):
    """The same at another interval, when the session was quiet for a while before."""
    term = guest(play)
    drive([term], time.monotonic() + 5)
    play.machine.lose(100)
    ends(play, term, RULE_HOST, 6)


@scenario(policy=alive(1, 4))
def link_down_printing(play):
    term = guest(play)
    print_now_and_then(term)
    play.machine.link(False)
    ends(play, term, RULE_HOST, 4)


@scenario(policy=alive(1, 4))
def hole_printing_later(play):
    """Output begins when the line has been cut for half of the time."""
    term = guest(play)
    term.type("echo go; sleep 2.5; while sleep 0.4; do echo late; done\r", r"[\r\n]go[\r\n]")
    play.machine.lose(100)
    ends(play, term, RULE_HOST, 4)


@scenario(policy=alive(1, 4))
def hole_flood(play):
    term = guest(play)
    print_without_end(term)
    play.machine.lose(100)
    ends(play, term, RULE_HOST, 4)


@scenario(policy=alive(1, 4))
def stopped_and_lost(play):
    """The program is stopped first, then its machine goes: the machine's clock counts."""
    term = guest(play)
    term.kill(signal.SIGSTOP)
    time.sleep(1)
    play.machine.link(False)
    ends(play, term, RULE_HOST, 4)


@scenario(policy=alive(1, 0))
def count_zero(play):
    """As for sshd a count of 0 never ends anything."""
    term = guest(play)
    play.machine.lose(100)
    play.lives([term], 14)
    play.machine.lose(0)
    still_there(play, term)


# -- the program has stopped, its machine answers -------------------------------------------


@scenario(policy=alive(1, 4), listen=PROBES)
def stopped_with_probes(play):
    """The server's own probes prove it, long before the server itself gives up."""
    term = guest(play)
    drive([term], time.monotonic() + 5)
    term.kill(signal.SIGSTOP)
    line = ends(play, term, RULE_PROGRAM, 4)
    assert re.search(r"\(\d probes? of the server\)", line.text), line.text


@scenario(policy=alive(1, 4), listen={"ClientAliveInterval": 2})
def stopped_with_keepalives(play):
    """The same with dropbear -K 2, which would give up after 6 s."""
    term = guest(play)
    drive([term], time.monotonic() + 5)
    term.kill(signal.SIGSTOP)
    ends(play, term, RULE_PROGRAM, 4)


@scenario(policy=alive(1, 4, idle=LIMIT_S))
def stopped_without_probes(play):
    """Nothing proves it: it ends as idle, and not before."""
    term = guest(play, limit=LIMIT_S)
    term.kill(signal.SIGSTOP)
    ends_idle(play, term)


@scenario(policy=alive(1, 4, idle=LIMIT_S), listen=PROBES)
def stopped_printing(play):
    """sshd from 9.2 on sends no probe while the session prints."""
    if sshd_version() < (9, 2):
        return
    term = guest(play, limit=LIMIT_S)
    print_now_and_then(term)
    term.kill(signal.SIGSTOP)
    ends_idle(play, term)


def ends_idle(play, client):
    play.prove([])
    play.expect_cut(play.belongs(client))
    used = client.used
    gone = gone_at(client, used[1] + LIMIT_S + play.allowed(LIMIT_S) + 3)
    assert gone, f"{client} is idle and was not ended{play.about(client)}"
    assert gone >= used[0] + LIMIT_S, f"{client} was ended early{play.about(client)}"
    assert gone <= used[1] + LIMIT_S + play.allowed(LIMIT_S), f"late{play.about(client)}"
    play.cut_line(client, 5)


@scenario(policy=alive(1, 4))
def stopped_flood(play):
    """A full window that stays full."""
    # dbclient's channel is full before its window is: nothing waits then, and nothing is proved.
    term = guest(play, program="ssh")
    print_without_end(term)
    term.kill(signal.SIGSTOP)
    line = ends(play, term, RULE_PROGRAM, 4)
    assert "window is full" in line.text, line.text


# -- slow and living ------------------------------------------------------------------------


@scenario(policy=alive(2, 3))
def outage_silent(play):
    """Down for half of the time, twice."""
    term = guest(play)
    for _ in range(2):
        drive([term], time.monotonic() + 2)
        play.machine.link(False)
        play.lives([term], 3)
        play.machine.link(True)
        still_there(play, term)
    keeps(play, term, 9)


@scenario(policy=alive(2, 3), listen=PROBES)
def outage_with_probes(play):
    term = guest(play)
    for _ in range(2):
        drive([term], time.monotonic() + 2)
        play.machine.lose(100)
        play.lives([term], 3)
        play.machine.lose(0)
        still_there(play, term)
    keeps(play, term, 9)


@scenario(policy=alive(2, 3))
def outage_printing(play):
    term = guest(play)
    print_now_and_then(term)
    play.machine.lose(100)
    play.lives([term], 3)
    play.machine.lose(0)
    play.lives([term], 9)
    interrupt(term)
    still_there(play, term)


@scenario(policy=alive(2, 3))
def outage_flood(play):
    term = guest(play)
    print_without_end(term)
    play.machine.link(False)
    play.lives([term], 3)
    play.machine.link(True)
    play.lives([term], 9)
    interrupt(term)
    still_there(play, term)


@scenario(policy=alive(2, 3), listen=PROBES)
def stopped_for_a_while(play):
    """^Z and fg within half of the time."""
    term = guest(play)
    for _ in range(2):
        drive([term], time.monotonic() + 2)
        term.kill(signal.SIGSTOP)
        play.lives([term], 3)
        term.kill(signal.SIGCONT)
        still_there(play, term)
    keeps(play, term, 9)


@scenario(policy=alive(2, 3), listen=PROBES)
def terminal_blocked_for_a_while(play):
    """The terminal in front of a busy client takes nothing for half of the time."""
    term = guest(play)
    print_without_end(term)
    time.sleep(3)
    play.lives([term], 2)
    time.sleep(3)
    play.lives([term], 9)
    interrupt(term)
    still_there(play, term)


def lossy(play, client, seconds=30):
    """10 % of the packets are lost in each direction."""
    play.machine.lose(10)
    play.lives([client], seconds)
    play.machine.lose(0)
    play.not_cut(client)


@scenario(policy=alive(2, 4))
def lossy_silent(play):
    lossy(play, guest(play))


@scenario(policy=alive(2, 4), listen=PROBES)
def lossy_with_probes(play):
    lossy(play, guest(play))


@scenario(policy=alive(2, 4))
def lossy_printing(play):
    term = guest(play)
    print_now_and_then(term)
    lossy(play, term)


@scenario(policy=alive(2, 4))
def lossy_flood(play):
    term = guest(play)
    print_without_end(term)
    lossy(play, term)


@scenario(policy=alive(2, 4))
def outages_again_and_again(play):
    """Up to half of the time each; in between there is time for a sign of life."""
    term = guest(play)
    dice = random.Random(play.name)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        play.machine.lose(100)
        play.lives([term], dice.uniform(0.5, 4))
        play.machine.lose(0)
        play.lives([term], dice.uniform(2.5, 3.5))
    still_there(play, term)


@scenario(policy=alive(1, 4))
def firewall(play):
    """The client's host lets in only what belongs to its connections: pings do."""
    play.machine = place_of(play.world).machine()
    play.machine.guard()
    term = play.shell(limit=IDLE_S)
    server_of(play, term)
    keeps(play, term, 14)
    play.machine.link(False)
    ends(play, term, RULE_HOST, 4)


# -- living clients of other kinds ----------------------------------------------------------


@scenario(policy=alive(1, 4), listen=PROBES)
def answers_probes(play):
    """A quiet client that answers the server's probes."""
    keeps(play, guest(play), 14)


@scenario(policy=alive(1, 4), listen=PROBES)
def dbclient_answers(play):
    keeps(play, guest(play, program="dbclient"), 14)


@scenario(policy=alive(1, 4), listen={**PROBES, "RekeyLimit": "default 2s"})
def rekeys(play):
    keeps(play, guest(play, keepalive=1), 14)


@scenario(policy=alive(1, 4), listen=PROBES)
def multiplexed(play):
    """Two shells in a connection; one of them is stopped, which stops nothing else."""
    control = [f"ControlPath={play.world.path('control', str(play.port) + '-m')}"]
    first = guest(play, options=[*control, "ControlMaster=yes"])
    second = play.shell(options=control, listed=False)
    second.kill(signal.SIGSTOP)
    play.lives([first], 10)
    second.kill(signal.SIGCONT)
    second.server_pid = first.server_pid
    still_there(play, second)
    still_there(play, first)


@scenario(policy=alive(1, 4), listen=PROBES)
def transfer_stopped(play):
    """sftp waits for its disk for long (it is stopped), its ssh answers."""
    source = play.world.random_file(64 << 20)
    play.machine = place_of(play.world).machine()
    client = play.sftp(limit=IDLE_S)
    server_of(play, client)
    client.send(f"get {source} /dev/null\r")
    time.sleep(0.1)
    os.kill(sftp_process(client), signal.SIGSTOP)
    play.lives([client], 12)
    os.kill(sftp_process(client), signal.SIGCONT)
    client.wait_for("100%", 60)
    play.not_cut(client)


def sftp_process(client):
    """The sftp itself, not the ssh below it."""
    with open(f"/proc/{client.pid}/comm", encoding="ascii") as comm:
        assert comm.read().strip() == "sftp"
    return client.pid


@scenario(policy=alive(1, 4))
def upload_stopped(play):
    """The server's disk is slow: the client waits for room in its channel, and says nothing."""
    play.machine = place_of(play.world).machine()
    with play.stage.login(play):
        client = play.start(Pipe, play.argv("echo up-$((40+2)) $$; sleep 14; wc -c"), "upload")
        client.up = client.wait_for(r"up-42 (\d+)", 30)[1]
    play.listed(client, "exec", limit=IDLE_S)
    server_of(play, client)
    feeder = feed(client, 16 << 20)
    play.lives([client], 12)
    feeder.join(60)
    client.wait_for(str(16 << 20), 60)
    play.not_cut(client)


def feed(client, size_bytes):
    """Writes so much into the client, as fast as it takes it, then ends its input."""
    def write():
        os.set_blocking(client.input_fd, True)
        left = size_bytes
        with contextlib.suppress(OSError):
            while left:
                left -= os.write(client.input_fd, b"u" * min(left, 65536))
            client.process.stdin.close()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@scenario(needs=["forward"], policy=alive(1, 4), listen=PROBES)
def forward_blocked(play):
    """A forwarded connection whose reader does not read."""
    play.machine = None
    forwarded = play.world.port()
    term = play.shell(limit=IDLE_S, forward=[f"127.0.0.1:{forwarded}:127.0.0.1:"
                                             f"{play.world.echo_port}"])
    server_of(play, term)
    with socket.create_connection(("127.0.0.1", forwarded)) as one:
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                one.send(b"b" * 65536)
        keeps(play, term, 12)


@scenario(inner=True, private=True, policy=alive(1, 4), listen=PROBES)
def jump(play):
    """Through another host: its machine answers for the client's, its program does not."""
    play.machine = place_of(play.world).machine()
    term = play.shell(listed=False, options=[f"ProxyCommand=ssh -F /dev/null -i {play.world.key} "
                                "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
                                "-o LogLevel=ERROR -o IdentitiesOnly=yes -o EscapeChar=none "
                                f"-W %h:%p -p {play.inner_port} "
                                f"{play.user.name}@{play.server.address}"])
    # The connection comes from the other host, which is this one.
    term.port = play.port
    row = next(row for row in connection(play, term).splitlines() if row.startswith("ESTAB"))
    term.from_port = int(row.split()[4].rpartition(":")[2])
    server_of(play, term)
    play.prove([term])
    play.daemon.wait_session(play.belongs(term), 3, "the session behind the jump")
    term.session = play.entry(term)["id"]
    term.user = play.user.name
    keeps(play, term, 10)
    os.kill(term.pid, signal.SIGSTOP)
    ends(play, term, RULE_PROGRAM, 4)


# -- others were first ----------------------------------------------------------------------


def borrowed(client):
    """A copy of the connection's socket in the server's process."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(client.server_pid)
    try:
        for name in os.listdir(f"/proc/{client.server_pid}/fd"):
            link = os.readlink(f"/proc/{client.server_pid}/fd/{name}")
            if not link.startswith("socket:"):
                continue
            fd = libc.syscall(PIDFD_GETFD, pidfd, int(name), 0)
            assert fd >= 0, os.strerror(ctypes.get_errno())
            own = socket.socket(fileno=fd)
            with contextlib.suppress(OSError):
                if own.family == socket.AF_INET and own.getpeername()[1] == client.from_port:
                    return own
            own.close()
    finally:
        os.close(pidfd)
    raise AssertionError(f"{client} has no connection")


def values(client):
    with borrowed(client) as own:
        return [own.getsockopt(level, name) for level, name in KEEPALIVE]


@scenario(policy=alive(1, 0))
def kernel_first(play):
    term = guest(play)
    print_now_and_then(term)
    with borrowed(term) as own:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000)
    play.prove([])
    play.machine.lose(100)
    assert gone_at(term, time.monotonic() + 15), "the kernel does not give it up"
    line = play.daemon.wait_line(rf"session {term.session} .*: the kernel gave up", 10)
    assert re.search(r"the client's machine did not answer for [3-8](\.\d+)?s", line.text), line.text
    play.not_cut(term)


@scenario(policy=alive(3, 10), listen={"ClientAliveInterval": 1, "ClientAliveCountMax": 2})
def server_first(play):
    term = guest(play)
    drive([term], time.monotonic() + 5)
    play.prove([])
    term.kill(signal.SIGSTOP)
    assert gone_at(term, time.monotonic() + 12), "sshd does not give it up"
    play.daemon.wait_line(rf"session {term.session} .*: the client's program did not answer "
                          r"\d+ probes? of the server for \d", 3)
    play.not_cut(term)


# -- the daemon -----------------------------------------------------------------------------


def tuned(client, interval):
    """Waits until the session's values are the daemon's; also the last resort, three times the
    promise."""
    wait_until(lambda: values(client)[:4] == [1, interval, interval, 127] and values(client)[4] > 0,
               5, f"the daemon's values, not {values(client)}", 0.1)


@scenario(own=True, policy=alive(2, 3))
def values_put_back(play):
    """By a reload that switches it off, and by SIGTERM."""
    term = unlisted(play)
    own = play.own_daemon(start=False)
    play.prove([term])
    before = values(term)
    own.start()
    own.watch()
    tuned(term, 2)
    own.configure(play.own_configuration(policy=alive(2, 0)))
    assert own.cli("reload").returncode == 0
    wait_until(lambda: values(term) == before, 5, f"{before} again, not {values(term)}")
    own.configure(play.own_configuration(policy=alive(3, 3)))
    assert own.cli("reload").returncode == 0
    term.type("echo 1\r", "1")
    tuned(term, 3)
    own.signal(signal.SIGTERM)
    assert own.process.wait(5) == 0
    assert values(term) == before
    still = time.monotonic() + 1
    drive([term], still)
    assert is_alive(term.server_pid)


@scenario(own=True, policy=alive(2, 3))
def killed_in_an_outage(play):
    """kill -9 in the middle: not ended early, ended soon after; and the values of another session
    are known to the next daemon."""
    own = play.own_daemon()
    term = guest(play)
    play.prove([term])
    here = play.machine
    other = guest(play, name="other")
    before = [1, 7200, 75, 9, 0]
    tuned(term, 2)
    tuned(other, 2)
    time.sleep(1.5)  # the state is saved within a second
    here.lose(100)
    time.sleep(3)
    own.kill_and_restart("monitor", "engine")
    # It has to ask anew: two pings, a second each.
    last = heard(play, term)[0]
    play.machine, there = here, play.machine
    play.expect_cut(play.belongs(term))
    gone = gone_at(term, last[1] + 6 + 3 + play.allowed(6))
    assert gone and gone >= last[0] + 6, f"early or never{play.about(term)}"
    assert gone <= last[1] + 6 + 3 + play.allowed(6), f"{gone - last[1]:.1f} s{play.about(term)}"
    play.cut_line(term, RULE_HOST)
    play.machine = there
    tuned(other, 2)
    own.signal(signal.SIGTERM)
    assert own.process.wait(5) == 0
    assert values(other) == before


@scenario(own=True, policy=alive(1, 4), listen=PROBES)
def daemon_stopped(play):
    """Nobody watches for longer than the promise: what was not asked was not refused."""
    own = play.own_daemon()
    term = guest(play)
    play.prove([term])
    drive([term], time.monotonic() + 3)
    for outage in (0, 3):
        for pid in own.pids():
            play.later(kill, pid, signal.SIGCONT)
            kill(pid, signal.SIGSTOP)
        if outage:
            play.machine.lose(100)
        time.sleep(outage)
        if outage:
            play.machine.lose(0)
        term.kill(signal.SIGSTOP)
        time.sleep(5 - outage)
        for pid in own.pids():
            kill(pid, signal.SIGCONT)
        term.kill(signal.SIGCONT)
        play.lives([term], 3)
        still_there(play, term)


@scenario(own=True, policy=alive(1, 4))
def without_net_admin(play):
    """Without the capability nothing can be proved, so the daemon ends nothing, which it says once;
    the kernel does, after three times the promise."""
    own = play.own_daemon(start=False)
    play.prove([])
    own.wrap = ["setpriv", "--bounding-set=-net_admin"]
    own.start()
    own.watch()
    term = guest(play)
    tuned(term, 1)
    play.machine.lose(100)
    play.lives([term], 6)
    play.machine.lose(0)
    still_there(play, term)
    tuned(term, 1)
    play.machine.lose(100)
    time.sleep(0.3)
    last = heard(play, term)[0]
    gone = gone_at(term, last[1] + 20)
    assert gone and last[0] + 12 <= gone <= last[1] + 16, f"{gone} {last}{play.about(term)}"
    own.wait_line(rf"session {term.session} .*: the kernel gave up", 10)
    play.not_cut(term)
    said = own.find("CAP_NET_ADMIN")
    assert len(said) == 1, said


# -- what sshd does alone -------------------------------------------------------------------


ALONE = {"ClientAliveInterval": 1, "ClientAliveCountMax": 3}


@scenario(own=True, listen=ALONE)
def sshd_alone_silent(play):
    """Its manual says interval x count, 3 s.  It takes one interval more; 9.2 to 9.4 twice that."""
    term = unlisted(play)
    term.kill(signal.SIGSTOP)
    last = heard(play, term)[1]
    gone = gone_at(term, time.monotonic() + 15)
    takes = 8 if (9, 2) <= sshd_version() < (9, 5) else 4
    assert gone, "sshd never gives it up"
    assert takes - 1.2 < gone - last[0] < takes + 0.6 + play.slack(), gone - last[0]
    term.ended_at = gone


@scenario(own=True, listen=ALONE)
def sshd_alone_printing(play):
    """From 9.2 on it sends no probe while the session prints, and never finds it."""
    term = unlisted(play)
    print_now_and_then(term)
    term.kill(signal.SIGSTOP)
    gone = gone_at(term, time.monotonic() + 16)
    if sshd_version() >= (9, 2):
        assert not gone, "sshd found it"


# What makes sense also while the daemon is killed and restarted.
LOST = [link_down_silent, hole_silent, link_down_printing, hole_flood, stopped_with_probes,
        stopped_flood]
LIVING = [outage_silent, outage_with_probes, outage_printing, outage_flood, stopped_for_a_while,
          terminal_blocked_for_a_while, outages_again_and_again, lossy_silent, lossy_with_probes,
          lossy_printing, lossy_flood, answers_probes, dbclient_answers, rekeys, multiplexed,
          transfer_stopped, upload_stopped, forward_blocked]
EVERYWHERE = [link_down_silent, link_down_printing, hole_flood, stopped_flood, outage_silent,
              outage_printing]

ALL = [one for one in collect(globals()) if one is not stopped_with_keepalives]
