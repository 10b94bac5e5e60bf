"""What a daemon does as a whole: restarts, the brake, its control socket, its privileges, the
command.  Each scenario has a daemon of its own."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time

from clients import Pipe, Terminal, UP, drive
from daemon import PIDFD, Varlink, VarlinkError, links_of, pairs_of
from scenarios.channels import connect, listens
from stage import BUILD, LIMIT_S, LIMITED, collect, scenario
from world import is_alive, kill, tree_of, wait_until


# -- starting, stopping, dying --------------------------------------------------------------


@scenario(own=True)
def session_before_daemon(play):
    """A session that is older than the daemon is found; its limit runs at most from then."""
    term = play.shell(listed=False)
    drive([term], time.monotonic() + 2)
    play.own_daemon()
    started = time.monotonic()
    play.listed(term, "shell", [term.tty])
    play.ends(term, used=(term.used[0], started))


@scenario(own=True)
def two_daemons(play):
    """Two on one runtime directory refuse each other; after the first has gone, by SIGTERM or
    SIGKILL, another may start."""
    first = play.own_daemon()
    play.prove([])
    second = subprocess.run(first.command(), capture_output=True, text=True, timeout=10,
                            check=False)
    assert second.returncode != 0, "a second daemon ran on the same directory"
    assert "another sshidled" in second.stderr, second.stderr
    assert first.answers()
    first.kill_and_restart("monitor", "engine")
    first.signal(signal.SIGTERM)
    assert first.process.wait(5) == 0
    first.start()


@scenario(own=True)
def sigterm_with_a_stopped_engine(play):
    """The monitor does not wait for ever for an engine that does not end, and leaves none behind."""
    own = play.own_daemon()
    play.prove([])
    monitor, engine = own.pids()
    kill(engine, signal.SIGSTOP)
    play.later(kill, engine)
    own.signal(signal.SIGTERM)
    assert own.process.wait(15) == 0
    assert own.process.pid == monitor and not is_alive(engine)
    own.wait_line("the engine process did not end in time and is killed")
    own.start()


@scenario(own=True)
def sigterm_leaves_sessions(play):
    """SIGTERM touches no session; the idle time goes on counting while no daemon runs, and a warning
    stands before the end even if one was given before."""
    own = play.own_daemon()
    term = play.shell()
    sleeping = play.command("echo up-$((40+2)) $$; exec sleep 1010")
    play.later(kill, int(sleeping.up))
    play.prove([term, sleeping])
    drive([term, sleeping], term.used[1] + 0.5 * play.limit)
    own.signal(signal.SIGTERM)
    assert own.process.wait(5) == 0
    drive([term, sleeping], term.used[1] + 2 * play.limit)
    assert not term.ended and not sleeping.ended, "no daemon, and yet a session ended"
    before = time.monotonic()
    own.start()
    after = time.monotonic()
    assert after - before < 2, f"the start took {after - before:.1f} s"
    # Without a terminal there is nobody to warn: it ends as soon as it is known to be past it.
    play.ends(sleeping, used=(sleeping.used[0], after - play.limit), others=[term])
    shift = play.warning - play.limit
    play.ends(term, used=(before + shift, after + shift))


@scenario(own=True)
def down_before_the_limit(play):
    """Killed and down for a while before the limit: ended when it would have been."""
    own = play.own_daemon()
    idle, busy = play.shell(name="idle"), play.shell(name="busy")
    play.prove([idle, busy])
    drive([idle], idle.used[1] + 0.2 * play.limit)
    own.kill("monitor", "engine")
    drive([idle], idle.used[1] + 0.4 * play.limit)
    busy.type("b")
    drive([idle], idle.used[1] + 0.5 * play.limit)
    own.start()
    play.ends(idle, others=[busy])
    # The key fell into the time without a daemon: it is only known to lie in it.
    play.ends(busy, used=(busy.used[0], idle.used[1] + 0.6 * play.limit))


def notice_is_saved(own):
    """Whether the saved state knows of output that is a line of the daemon's own."""
    with contextlib.suppress(FileNotFoundError), \
            open(f"{own.runtime}/state/state.json", encoding="utf-8") as file:
        return any(one["ledger"] and one["ledger"]["notice_bytes"] > 0
                   for one in json.load(file)["sessions"])
    return False


EVERYTHING_COUNTS = LIMITED + """
    CountsAsUse shell=input,output forward=traffic
"""


@scenario(own=True, policy=EVERYTHING_COUNTS)
def killed_after_its_warning(play):
    """kill -9 while its own warning is not accounted for: the next daemon takes it for no use, neither
    of a terminal whose output counts nor of a forward."""
    own = play.own_daemon()
    port = play.world.port()
    term = play.shell(forward=[f"127.0.0.1:{port}:127.0.0.1:{play.world.echo_port}"])
    wait_until(lambda: listens(term.pid, port), 10, f"{term} listens")
    connect(play, term, port)
    play.prove([term])
    until = term.used[1] + play.limit
    while not notice_is_saved(own):
        assert time.monotonic() < until, "no notice was saved"
        drive([term], time.monotonic() + 0.02)
    own.kill_and_restart("monitor", "engine")
    play.ends(term)


@scenario(own=True)
def down_over_the_limit(play):
    """Down when the limit passes: warned at the restart, ended when the warning stood."""
    own = play.own_daemon()
    idle, busy = play.shell(name="idle"), play.shell(name="busy")
    play.prove([idle, busy])
    drive([idle, busy], idle.used[1] + 0.4 * play.limit)
    own.kill("monitor", "engine")
    drive([idle, busy], idle.used[1] + 1.3 * play.limit)
    busy.type("b")
    drive([idle, busy], idle.used[1] + 1.5 * play.limit)
    before = time.monotonic()
    own.start()
    after = time.monotonic()
    shift = play.warning - play.limit
    play.ends(idle, used=(before + shift, after + shift), others=[busy])
    play.ends(busy, used=(busy.used[0], after))


@scenario(own=True)
def reload_by_signal(play):
    """SIGHUP reads the configuration again; a wrong one changes nothing and is told."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    before = own.call("io.sshidle.Status")["config_loaded"]
    own.accepted = "sshidle.conf(:1)?.* (wrong|unknown keyword)"
    own.configure("IdleTimeot 5m\n")
    since = time.monotonic()
    own.signal(signal.SIGHUP)
    own.wait_line(r"sshidle\.conf:1: .*IdleTimeot.*IdleTimeout", 3, since)
    done = own.cli("reload")
    assert done.returncode == 1 and "IdleTimeot" in done.stderr, done
    assert own.call("io.sshidle.Status")["config_loaded"] == before
    assert play.entry(term, time.monotonic())["limit_s"] == play.limit
    time.sleep(1)
    own.configure(play.own_configuration(policy=LIMITED.replace("{limit}s", "{limit2}s")))
    own.signal(signal.SIGHUP)
    wait_until(lambda: own.call("io.sshidle.Status")["config_loaded"] != before, 10, "reloaded")
    play.ends(term, limit=2 * LIMIT_S)


@scenario(own=True)
def wrong_configuration(play):
    """-t, the start and the message: file, line, keyword, what is allowed."""
    own = play.own_daemon(start=False)
    play.prove([])
    sshidled = own.command()[0]
    cases = {
        "IdleTimeout soon": "IdleTimeout",
        "IdleTimeot 5m": "IdleTimeout",
        "IdleAction kill": "disconnect",
        "Match Usr alice": "User",
        "MaxCuts lots": "MaxCuts",
        "CountsAsUse shell=thinking": "input",
        "IdleTimeout": "IdleTimeout",
    }
    for line, hint in cases.items():
        own.configure(f"# one\n\n{line}\n")
        done = subprocess.run([sshidled, "-t", "-f", own.config_path], capture_output=True,
                              text=True, check=False, timeout=10)
        assert done.returncode == 1, f"{line!r}: exit {done.returncode}"
        assert f"{own.config_path}:3:" in done.stderr and hint in done.stderr, \
            f"{line!r}: {done.stderr}"
    done = subprocess.run(own.command(), capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode != 0 and f"{own.config_path}:3:" in done.stderr, done
    own.configure("IdleTimeout 15m\nMatch User alice\n    IdleTimeout 5m\n")
    for extra, shown in (([], "15m"), (["-C", "user=alice,addr=10.0.0.7,kind=shell"], "5m"),
                         (["-C", "user=bob,addr=10.0.0.7,kind=shell"], "15m")):
        done = subprocess.run([sshidled, "-T", *extra, "-f", own.config_path],
                              capture_output=True, text=True, check=False, timeout=10)
        value = re.search(r"(?im)^\s*IdleTimeout\s+(.*)$", done.stdout)
        assert done.returncode == 0 and value and shown in value[1], done
    assert subprocess.run([sshidled, "-t", "-f", own.config_path], check=False).returncode == 0


@scenario(own=True)
def cannot_start(play):
    """What is missing is named: a user for the engine, with the command that creates it; another one than root;
    a capability, as in a container."""
    own = play.own_daemon(start=False)
    play.prove([])

    def said(wrap=(), user=None):
        argv = [*wrap, *own.command()]
        if user:
            argv[argv.index("-u") + 1] = user
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
        assert done.returncode == 1, done
        return done.stderr

    missing = said(user="sshidle-nobody-at-all")
    assert "useradd" in missing and "sshidle-nobody-at-all" in missing, missing
    assert "must not run as root" in said(user="root")
    for name in ("sys_ptrace", "kill"):
        assert f"CAP_{name.upper()} is missing:" in said(["setpriv", f"--bounding-set=-{name}"])


CAPABILITIES = {
    "monitor": {"SYS_PTRACE": 19, "KILL": 5, "DAC_READ_SEARCH": 2, "NET_ADMIN": 12},
    "engine": {},
    "starter": {"CHOWN": 0, "DAC_OVERRIDE": 1, "SETGID": 6, "SETUID": 7, "SYS_PTRACE": 19},
}
NICE = {"monitor": -10, "engine": -10, "starter": 0}


@scenario(own=True)
def privileges(play):
    """The engine has none and is another user, monitor and starter have what they need and no more; what is
    borrowed of a session is in no other process's reach."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    processes = dict(zip(("monitor", "engine"), own.pids()))
    processes["starter"] = next(pid for pid in tree_of(own.process.pid) if pid not in processes.values())
    for role, pid in processes.items():
        status = status_of(pid)
        kept = sum(1 << number for number in CAPABILITIES[role].values())
        for name in ("CapEff", "CapPrm", "CapBnd"):
            assert int(status[name], 16) == kept, f"{role} {name} {status[name]}"
        for name in ("CapInh", "CapAmb"):
            assert int(status[name], 16) == 0, f"{role} {name} {status[name]}"
        assert status["NoNewPrivs"] == "1", role
        assert os.getpriority(os.PRIO_PROCESS, pid) == NICE[role], role
        # systemd raises what is in the monitor's group.
        assert (os.getpgid(pid) == os.getpgid(processes["monitor"])) == (role != "starter"), role
    engine = status_of(processes["engine"])
    assert engine["Uid"].split() == [str(play.world.engine_user().uid)] * 4, engine["Uid"]
    assert engine["Gid"].split() == [str(play.world.engine_user().gid)] * 4, engine["Gid"]
    assert engine["Groups"] == "", engine["Groups"]
    while not term.ended:
        for role in ("engine", "starter"):
            assert not held_of_sessions(processes[role]), role
        drive([term], time.monotonic() + 0.05)
        assert time.monotonic() < term.used[1] + 3 * play.limit
    play.ends(term)


def held_of_sessions(pid):
    """Descriptors of terminals, processes and connections that a process has; those of local sockets come and go."""
    def held():
        links = links_of(pid)
        with open(f"/proc/{pid}/net/unix", encoding="ascii") as table:
            local = {f"socket:[{row.split()[6]}]" for row in list(table)[1:]}
        return {link for link in links if "/ptmx" in link or "/pts/" in link or link == PIDFD
                or link.startswith("socket:") and link not in local}

    return held() & held()


def status_of(pid):
    """/proc/PID/status as a dict."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return {name: value.strip() for name, _, value in (row.partition(":") for row in status)}


# -- many at once ---------------------------------------------------------------------------


@scenario(own=True)
def brake(play):
    """MaxCuts 3/10s and eight idle sessions: three in any ten seconds, an alarm, then the rest. The last
    is another user's: it is not behind all of the first one's."""
    own = play.own_daemon("MaxCuts 3/10s\n")
    terms = play.together(*[lambda number=number: play.shell(name=f"idle {number}")
                            for number in range(7)])
    terms.append(play.shell(user=play.world.user("bob"), name="idle of another"))
    play.prove(terms)
    for term in terms:
        play.expect_cut(play.belongs(term))
    wait_until(lambda: pump(terms) >= 3, 2 * play.limit + 5, "three are ended")
    alarm = own.wait_line(r"brake: .*MaxCuts", 10)
    assert "alert" in alarm.text.split()[1], alarm.text
    held = own.wait_session(lambda one: one["local_port"] == play.port and one["rule"] == 7,
                            play.limit, "a session that is held")
    assert held["state"] == "held", held
    explained = own.cli_json("why", str(held["id"]))["explanation"]
    assert explained["rule"] == 7 and explained["rule_name"] == "held", explained
    wait_until(lambda: pump(terms) == 8, 40 + play.allowed(play.limit), "all are ended")
    cuts = [play.cut_line(term).at for term in terms]
    assert sum(cut < cuts[-1] for cut in cuts[:-1]) <= 5, f"not the first of the second three: {cuts}"
    for term, cut in zip(terms, cuts):
        assert cut >= term.used[0] + play.limit, f"{term} was ended early"
    cuts.sort()
    for first, fourth in zip(cuts, cuts[3:]):
        assert fourth - first > 9.5, f"four ended within {fourth - first:.2f} s: {cuts}"
    assert cuts[-1] - cuts[0] < 20 + 2 * play.allowed(play.limit), cuts


def pump(terms):
    """Reads all of them for a moment; returns how many have ended."""
    alive = [term for term in terms if not term.ended]
    drive(alive, time.monotonic() + 0.1)
    return sum(term.ended for term in terms)


@scenario(own=True)
def storm(play):
    """Fifty connections that come and go: nothing is left of them in the daemon."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    drive([term], time.monotonic() + 1)
    before = own.descriptors()

    def visit(number):
        with play.stage.login(play):
            client = play.start(Pipe, play.argv("echo up-$((40+2)) -"), f"visit {number}")
            client.wait_for(UP, 30)
            client.process.wait(10)

    def stay():
        while not over.is_set():
            term.type("s")
            drive([term], time.monotonic() + 0.5)

    over = threading.Event()
    staying = threading.Thread(target=stay, daemon=True)
    staying.start()
    play.together(*[lambda number=number: visit(number) for number in range(50)])
    over.set()
    staying.join()

    def settled():
        sessions = own.call("io.sshidle.List")["sessions"]
        mine = [one for one in sessions if one["local_port"] == play.port]
        return len(mine) == 1 and own.held_processes() <= len(sessions) + 2 and is_back(own, before)

    wait_until(settled, 10, f"descriptors are back at {before}", 0.3)
    play.ends(term)


def is_back(own, before):
    """Whether the daemon has no more descriptors open than before."""
    return all(now <= then + 1 for now, then in zip(own.descriptors(), before))


# -- the control socket ---------------------------------------------------------------------


@scenario(own=True, policy=LIMITED + "    KeepMax {limit3}s\n")
def rights(play):
    """Users see and keep their own sessions, root all."""
    own = play.own_daemon()
    alice, bob, carol = (play.world.user(name) for name in ("alice", "bob", "carol"))
    mine = play.shell(user=alice, name="alice")
    other = play.shell(user=bob, name="bob")
    play.prove([mine, other])
    mine.type("echo in-use-$((40+2))\r", "in-use-42")
    seen = own.cli_json("list", user=alice)["sessions"]
    assert {one["user"] for one in seen} == {alice.name}, seen
    assert mine.session in [one["id"] for one in seen], seen
    assert {bob.name} == {one["user"] for one in own.cli_json("list", user=bob)["sessions"]}
    assert own.cli_json("list", user=carol)["sessions"] == []
    assert own.cli("why", str(other.session), user=alice).returncode == 1
    assert own.cli("cut", str(other.session), user=alice).returncode == 1
    assert own.cli("keep", str(other.session), "5s", user=alice).returncode == 1
    too_long = own.cli("keep", str(mine.session), f"{4 * LIMIT_S}s", user=alice)
    assert too_long.returncode == 1 and f"{3 * LIMIT_S}s" in too_long.stderr, too_long
    assert own.cli("reload", user=alice).returncode == 1
    asked = time.monotonic()
    done = own.cli("keep", str(mine.session), f"{int(1.5 * LIMIT_S)}s", user=alice)
    assert done.returncode == 0, done.stderr
    assert not other.ended
    play.ends(other, others=[mine])
    play.ends(mine, used=(asked + 0.5 * play.limit,
                          time.monotonic() + 0.5 * play.limit + play.warning))


@scenario(own=True)
def bad_clients(play):
    """Garbage, giants, sluggards and crowds on the control socket hold up nobody else."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    before = own.descriptors()
    stop = threading.Event()
    play.later(stop.set)
    threads = [threading.Thread(target=abuse, args=(own.socket_path, kind, stop), daemon=True)
               for kind in (garbage, giant, slow, deaf, fickle)]
    crowd = subprocess.Popen(
        ["/usr/bin/python3", "-c", CROWD, own.socket_path], stdin=subprocess.PIPE,
        user=play.world.user("bob").uid, stdout=subprocess.PIPE)
    play.later(crowd.wait)
    play.later(crowd.kill)
    assert crowd.stdout.readline() == b"up\n"
    for one in threads:
        one.start()
    slowest = 0.0
    while not term.ended and time.monotonic() < term.used[1] + 3 * play.limit:
        began = time.monotonic()
        done = own.cli("list", "--json")
        slowest = max(slowest, time.monotonic() - began)
        assert done.returncode == 0, f"list beside bad clients: {done.stderr}"
        drive([term], time.monotonic() + 0.3)
    assert slowest < 1.0 + play.slack(), f"list took {slowest:.2f} s beside bad clients"
    play.ends(term)
    stop.set()
    crowd.kill()
    for one in threads:
        one.join(10)
    wait_until(lambda: is_back(own, before), 10, f"descriptors are back at {before}", 0.3)
    assert own.call("io.sshidle.Status")


CROWD = """
import socket, sys, time
held = []
for number in range(1000):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(1)
    try:
        one.connect(sys.argv[1])
    except OSError:
        break
    held.append(one)
print("up", flush=True)
time.sleep(60)
"""


def abuse(path, kind, stop):
    """Behaves badly again and again until told to stop."""
    while not stop.is_set():
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(path)
                kind(client, stop)
        except OSError:
            pass
        stop.wait(0.05)


def garbage(client, _stop):
    client.sendall(random.randbytes(4096) + b"\0")
    client.recv(65536)


def giant(client, _stop):
    """A gigabyte, if it were let."""
    for _ in range(4096):
        client.sendall(b"[" * 262144)


def slow(client, stop):
    for byte in json.dumps({"method": "io.sshidle.List"}).encode():
        client.sendall(bytes([byte]))
        if stop.wait(0.1):
            return


def deaf(client, stop):
    """Asks and asks and never reads."""
    message = json.dumps({"method": "io.sshidle.List"}).encode() + b"\0"
    client.setblocking(False)
    while not stop.wait(0.01):
        try:
            client.send(message * 50)
        except BlockingIOError:
            pass


def fickle(client, _stop):
    """Goes away in the middle of a call."""
    client.sendall(b'{"method":"io.sshidle.List"}\0{"method":"io.ssh')


@scenario(own=True)
def wrong_calls(play):
    """Wrong messages get a Varlink error; the service describes itself."""
    own = play.own_daemon()
    play.prove([])
    info = own.call("org.varlink.service.GetInfo")
    assert set(info["interfaces"]) >= {"io.sshidle", "org.varlink.service"}, info
    described = own.call("org.varlink.service.GetInterfaceDescription", interface="io.sshidle")
    source = os.path.join(os.path.dirname(__file__), "../../../src/daemon/io.sshidle.varlink")
    with open(source, encoding="utf-8") as file:
        assert described["description"].strip() == file.read().strip()
    cases = [
        ("io.sshidle.Nothing", {}, "org.varlink.service.MethodNotFound"),
        ("io.example.Nothing", {}, "org.varlink.service.InterfaceNotFound"),
        ("org.varlink.service.GetInterfaceDescription", {"interface": "io.example"},
         "org.varlink.service.InterfaceNotFound"),
        ("io.sshidle.Cut", {}, "org.varlink.service.InvalidParameter"),
        ("io.sshidle.Cut", {"id": "one"}, "org.varlink.service.InvalidParameter"),
        ("io.sshidle.Cut", {"id": 2 ** 62}, "io.sshidle.NoSuchSession"),
        ("io.sshidle.Keep", {"id": 2 ** 30, "duration_s": 5}, "io.sshidle.NoSuchSession"),
        ("io.sshidle.Why", {"id": 1, "tty": "pts/1"}, "org.varlink.service.InvalidParameter"),
        ("io.sshidle.Why", {"tty": "pts/99999"}, "io.sshidle.NoSuchSession"),
    ]
    client = Varlink(own.socket_path)
    for method, parameters, error in cases:
        try:
            raise AssertionError(f"{method} {parameters}: {client.call(method, **parameters)}")
        except VarlinkError as failed:
            assert failed.error == error, f"{method} {parameters}: {failed}"
    for broken in (b"{", b"[]", b"7", b"null", b'{"method":7}', b"\xff\xfe", b"{}"):
        client = Varlink(own.socket_path)
        client.send(broken + b"\0")
        reply = client.receive()
        assert reply is None or "error" in reply, f"{broken}: {reply}"
        client.close()
    assert own.answers()


# -- the command ----------------------------------------------------------------------------


@scenario(own=True)
def events(play):
    """`sshidle events` tells what happens as it happens."""
    own = play.own_daemon()
    play.prove([])
    listener = play.start(Pipe, [f"{BUILD}/src/cli/sshidle", "events", "--json", "-r",
                                 own.runtime], "events")
    wait_until(lambda: len(own.descriptors()) == 2, 10, "it listens")
    drive([listener], time.monotonic() + 0.5)
    term = play.shell()
    play.sees_warning(term, 2 * play.limit)
    term.type("e")
    play.ends(term, others=[listener])
    drive([listener], time.monotonic() + 1)
    told = [json.loads(line) for line in listener.text.splitlines() if line.startswith("{")]
    mine = [(one["event"], one["rule"]) for one in told if one["id"] == term.session]
    expected = [("opened", None), ("warned", 4), ("cancelled", 3), ("warned", 4), ("cut", 5)]
    assert [one for one in mine if one[0] != "closed"] == expected, mine
    assert all(one["user"] == term.user for one in told if one["id"] == term.session)


@scenario(own=True)
def command(play):
    """Exit codes and output of the command."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    table = own.cli()
    assert table.returncode == 0 and term.user[:8] in table.stdout, table
    assert "\x1b" not in table.stdout, "colours without a terminal"
    assert own.cli("list").stdout.split("\n")[0].split() == table.stdout.split("\n")[0].split()
    status = own.cli_json("status")
    assert status["sessions"] >= 1 and status["pid"] in own.pids(), status
    assert status["config"] == own.config_path, status
    why = own.cli("why", term.tty)
    assert why.returncode == 0 and own.config_line(f"IdleTimeout {play.limit}s "
        f"sftp={play.limit}s exec={play.limit}s forward={play.limit}s none={play.limit}s") \
        in why.stdout, why
    drive([term], term.used[1] + 3)
    explained = own.cli_json("why", term.tty)["explanation"]
    said = float(re.fullmatch(r"no input for ([\d.]+)s", explained["reason"])[1])
    assert abs(said - explained["session"]["idle_s"]) < 0.5, explained
    # All that follows may take its limit on a busy host.
    term.type("echo in-use-$((40+2))\r", "in-use-42")
    assert own.cli("why", "999999").returncode == 1
    assert own.cli("cut", "999999").returncode == 1
    assert own.cli("keep", str(term.session), "soon").returncode == 2
    assert own.cli("lst").returncode == 2 and "list" in own.cli("lst").stderr
    assert own.cli("cut").returncode == 2
    assert own.cli("list", "--nonsense").returncode == 2
    assert own.cli("list", "-r", play.world.path("nowhere", "x")).returncode == 3
    for argument in ("help", "--help", "-V"):
        assert own.cli(argument).returncode == 0
    env = {**play.environment(), "NO_COLOR": "1"}
    term.type("echo in-use-$((50+2))\r", "in-use-52")
    plain = play.start(Terminal, [f"{BUILD}/src/cli/sshidle", "-r", own.runtime], "table", **env)
    wait_until(lambda: drive([plain], time.monotonic() + 0.1) or plain.ended, 5, "the table")
    assert term.user[:8] in plain.text and "\x1b" not in plain.text, plain.text


@scenario(own=True)
def ends_by_itself(play):
    """A session that its user ends is gone from the list at once, and said to be."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    before = time.monotonic()
    term.send("exit\r")
    line = own.wait_line(rf"session {term.session} of {term.user} ended by itself", 10)
    assert line.at - before < 1 + play.slack(), f"it took {line.at - before:.2f} s"
    assert pairs_of(line).get("server") == "openssh", line.text
    assert not [one for one in own.call("io.sshidle.List")["sessions"]
                if one["id"] == term.session]


@scenario(own=True)
def sampling_survives_stopped_server(play):
    """A session whose server process is stopped is ended all the same, by force: after 5 s SIGTERM, after 5 more SIGKILL."""
    own = play.own_daemon()
    term = play.shell()
    play.prove([term])
    ledger = play.entry(term)["pid"]
    play.expect_cut(play.belongs(term))
    os.kill(ledger, signal.SIGSTOP)
    play.later(kill, ledger)
    line = own.wait_line(rf"\bcut session {term.session} of ",
                         play.limit + 10 + play.allowed(play.limit))
    assert line.at >= term.used[0] + play.limit + 10, f"early{play.about(term)}"
    assert pairs_of(line)["signal"] == "9", line.text
    wait_until(lambda: not is_alive(ledger), 10, "the stopped process is gone")


ALL = collect(globals())
