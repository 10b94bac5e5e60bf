"""What may happen on the way of a session to its keeper, and what becomes of the session."""

import os
import random
import stat
import subprocess
import time

import pytest

from bench import KEEPER, LIMIT_S, NOTICE, lives, numbers_from
from clients import drive
from servers import Dropbear, OpenSSH, OpenSSHRoot, Tinyssh
from test_exact import FLOOD
from world import kill, wait_until

SERVERS = [OpenSSH, OpenSSHRoot, Dropbear, Tinyssh]
NAMES = [one.name for one in SERVERS]

NOTICED = (r"sshidle: session parked: no input for \w+\. It goes on; sshidle resume \d+ brings it back\. "
           r"What stood on the screen before the park is not kept\.\r")

# A keeper that answers as it should and then does what the test wants.
SCRIPT = """#!/usr/bin/python3
import os, struct, sys, time
os.read(4, 65536)
{what}
"""
HOLD = "os.write(4, struct.pack('=ii', 0, os.getpid()))\n"


def script(world, name, what):
    """A keeper written in Python."""
    path = world.path("keepers", name)
    with open(path, "w", encoding="ascii") as file:
        file.write(SCRIPT.format(what=what))
    os.chmod(path, 0o755)
    return path


def ended(client, seconds):
    """The client has ended within so many seconds."""
    deadline = time.monotonic() + seconds
    while not client.ended and time.monotonic() < deadline:
        drive([client], time.monotonic() + 0.2)
    return client.ended


def answers(client):
    """The shell answers: its output is not stopped."""
    number = random.randrange(10000)
    client.type(f"echo back-$(({number}+1))\r", rf"back-{number + 1}\b", 5)


# -- what is parked ---------------------------------------------------------------------------

@pytest.mark.parametrize("server", SERVERS, ids=NAMES)
def test_what_ran_runs_on(make_bench, server):
    bench = make_bench(server)
    client = bench.shell()
    client.type("sleep 1000 & sleep 1001 & jobs -p; exec 3<$(tty); cat\r", r"\d+\r\n\d+\r\n", 5)
    before = os.stat(f"/dev/{client.tty}")
    assert ended(client, LIMIT_S + 10), bench.daemon.tail()
    parked = bench.parked()
    assert client.text.count("session parked") == 1
    assert [tty for _, tty in parked.terminals] == [client.tty]
    assert parked.pairs["rule"] == "5" and parked.pairs["signal"] == "0", parked.text
    assert "sleep" in parked.pairs["lives-on"] and "cat" in parked.pairs["lives-on"]
    after = os.stat(f"/dev/{client.tty}")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid,
                                                           before.st_mode)
    assert lives(client.shell_pid)
    assert list(bench.daemon.keepers()) == [parked.id]
    assert bench.daemon.call("io.sshidle.Status")["parks"] == 1
    # The daemon goes; what is parked stays.
    bench.daemon.stop()
    assert list(bench.daemon.keepers()) == [parked.id]
    assert lives(client.shell_pid)
    # The keeper goes: that is a hang-up.
    bench.daemon.end_keepers()
    wait_until(lambda: not lives(client.shell_pid), 5, "the shell got its hang-up")


@pytest.mark.parametrize("server", [OpenSSH, Dropbear], ids=["openssh", "dropbear"])
def test_keeper_is_its_users(make_bench, world, server):
    """Owner, groups, no capabilities; nobody else sees or opens anything of it."""
    bench = make_bench(server)
    client = bench.shell()
    assert ended(client, LIMIT_S + 10)
    parked = bench.parked()
    pid = bench.daemon.keepers()[parked.id]
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        facts = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert facts["Uid"].split() == [str(bench.user.uid)] * 4
    assert facts["Gid"].split() == [str(bench.user.gid)] * 4
    assert {int(one) for one in facts["Groups"].split()} == set(
        os.getgrouplist(bench.user.name, bench.user.gid))
    assert facts["CapEff"] == facts["CapPrm"] == "0" * 16 and facts["NoNewPrivs"] == "1"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    with open(f"/proc/{pid}/environ", "rb") as environ:
        assert environ.read() == b"PATH=/usr/bin:/bin\0"
    assert os.getsid(pid) == pid
    parked_dir = f"{bench.daemon.runtime}/parked"
    own = os.stat(f"{parked_dir}/{bench.user.uid}")
    assert (own.st_uid, stat.S_IMODE(own.st_mode)) == (bench.user.uid, 0o700)
    assert stat.S_IMODE(os.stat(parked_dir).st_mode) == 0o711

    other = world.user("mallory")
    tries = f"""
import os, socket
def refused(what):
    try:
        what()
    except PermissionError:
        return True
    return False
own = "{parked_dir}/{bench.user.uid}"
s = socket.socket(socket.AF_UNIX)
assert refused(lambda: os.listdir("{parked_dir}"))
assert refused(lambda: os.listdir(own))
assert refused(lambda: s.connect(own + "/{parked.id}.sock"))
assert refused(lambda: os.listdir("/proc/{pid}/fd"))
assert refused(lambda: open("/dev/{client.tty}"))
"""
    done = world_run(other, tries)
    assert done.returncode == 0, done.stderr


def world_run(user, program):
    """Runs Python as another user."""
    return subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True,
                          check=False, user=user.uid, group=user.gid, extra_groups=[])


def test_both_terminals_of_a_connection(make_bench, world):
    bench = make_bench(OpenSSH)
    control = world.path("control", "path")
    shared = ["ControlMaster=auto", f"ControlPath={control}", "ControlPersist=no"]
    first = bench.shell("first", options=shared)
    second = bench.shell("second", options=shared)
    answers(first)
    parked = bench.parked()
    assert {tty for _, tty in parked.terminals} == {first.tty, second.tty}
    first.wait_for(r"Its terminals go on; sshidle parked lists them\. What stood", 2)
    assert len({number for number, _ in parked.terminals}) == 2
    assert sorted(bench.daemon.keepers()) == sorted(number for number, _ in parked.terminals)
    assert lives(first.shell_pid) and lives(second.shell_pid)


@pytest.mark.parametrize("options", ["", "-n 1 "], ids=["plain", "options"])
def test_what_shows_a_parked_one_is_only_cut(make_bench, world, options):
    """In front is a program named sshidle with the argument resume."""
    bench = make_bench(OpenSSH)
    program = world.path("programs", "sshidle")
    with open("/usr/bin/tail", "rb") as source, open(program, "wb") as copy:
        copy.write(source.read())
    os.chmod(program, 0o755)
    client = bench.shell()
    client.type(f"{program} {options}resume -f /dev/null\r", "No such file", 5)
    assert ended(client, LIMIT_S + 10)
    bench.daemon.wait_line(r"^sshidled: cut session \d+ of .* rule=5 ", 5)
    assert "sshidle: session ended: no input for" in client.text, client.text
    assert "session parked" not in client.text, client.text
    assert bench.daemon.keepers() == {}
    wait_until(lambda: not lives(client.shell_pid), 5, "the shell got its hang-up")


def test_frozen_client(make_bench, world):
    """What it did not take is lost with it, all else is kept: each part counts without a gap."""
    bench = make_bench(OpenSSH)
    client = bench.raw(FLOOD, world.path("out", "frozen"))
    client.wait_bytes(1000)
    kill(client.pid, 19)
    parked = bench.parked()
    assert parked.pairs["drained"] == "no", parked.text
    kill(client.pid, 18)
    dump = bench.daemon.dump(bench.user.uid, parked.id)
    wait_until(lambda: os.path.getsize(dump) > 100000, 20, "the keeper reads on")
    client.end()
    bench.daemon.end_keepers()
    shown = numbers_from(NOTICE.sub(b"", client.bytes()), "client")
    with open(dump, "rb") as file:
        lines = file.read().split(b"\r\n")
    assert int(lines[1]) > shown
    assert [int(one) for one in lines[1:-1]] == list(range(int(lines[1]),
                                                           int(lines[1]) + len(lines) - 2))


# -- use on the way ---------------------------------------------------------------------------

@pytest.mark.parametrize("server", SERVERS, ids=NAMES)
def test_use_at_the_last_moment(make_bench, server):
    bench = make_bench(server)
    client = bench.shell()
    for _ in range(2):
        since = len(client.text)
        client.wait_for(NOTICED, LIMIT_S + 10, since)
        answers(client)
        bench.daemon.wait_line("was used at the last moment and is not parked", 5)
        wait_until(lambda: bench.daemon.keepers() == {}, 5, "the keeper has let go")
    assert not bench.daemon.find(r"^sshidled: (cut|parked) ")
    assert ended(client, LIMIT_S + 10)
    assert bench.parked().pairs["drained"] == "yes"


PASTE_LINES = 400000


@pytest.mark.parametrize("delay_ms", [0, 70, 100])
@pytest.mark.parametrize("server", [OpenSSH, Dropbear, Tinyssh],
                         ids=["openssh", "dropbear", "tinyssh"])
def test_paste_is_a_prefix(make_bench, world, server, delay_ms):
    """Pasted while the park goes on: it is cancelled and all arrives, or what arrived is a prefix."""
    bench = make_bench(server, limit=2)
    client = bench.shell()
    target = f"{bench.user.home}/paste-{server.name}-{delay_ms}"
    client.type(f"stty -echo; echo ready; cat > {target}\r", "ready\r\n", 5)
    client.wait_for(NOTICED, 15)
    paste = "".join(f"{n}\n" for n in range(1, PASTE_LINES // 20)).encode()
    drive([client], time.monotonic() + delay_ms / 1000)
    try:
        if not client.ended:
            client.send(paste)
    except (AssertionError, OSError):
        pass
    if bench.daemon.find("was used at the last moment"):
        wait_until(lambda: os.path.getsize(target) == len(paste), 10, "all of it has arrived")
    else:
        assert ended(client, 10)
        bench.parked()
    size = -1
    while os.path.getsize(target) != size:
        size = os.path.getsize(target)
        drive([], time.monotonic() + 0.3)
    with open(target, "rb") as file:
        data = file.read()
    assert paste.startswith(data), "what arrived is no prefix of what was pasted"
    assert lives(client.shell_pid)


# -- where it fails ---------------------------------------------------------------------------

FAILING = {
    "missing": (lambda world: "/nonexistent/keeper",
                r"there is no sshidle-keeper where it is looked for \(sshidled -k\)"),
    "ends": (lambda world: "/bin/false", "ended while it started"),
    "refuses": (lambda world: script(world, "refuses",
                                     "os.write(4, struct.pack('=ii', -13, 0))"),
                "could not be started: Permission denied"),
    "dies": (lambda world: script(world, "dies", HOLD + "time.sleep(0.02)"), "has ended"),
}


@pytest.mark.parametrize("how, server", [*((how, OpenSSH) for how in FAILING), ("dies", Dropbear)],
                         ids=[*FAILING, "dies-dropbear"])
def test_fallback_report(make_bench, world, how, server):
    """It is left alone, once said, with its output going on; and tried again after a use."""
    keeper, why = FAILING[how]
    bench = make_bench(server, keeper(world), extra="ParkFallback report")
    client = bench.shell()
    line = bench.daemon.wait_line(rf"could not be parked: .*{why}.*left alone", LIMIT_S + 10)
    bench.daemon.wait_line(r"would cut session .* rule=6", 5)
    answers(client)
    again = bench.daemon.wait_line(r"could not be parked", LIMIT_S + 10, line.at + 0.1)
    assert again.at - line.at > LIMIT_S * 0.9
    answers(client)
    assert lives(client.shell_pid) and not client.ended


def test_fallback_disconnect(make_bench):
    bench = make_bench(OpenSSH, "/bin/false")
    client = bench.shell()
    assert ended(client, LIMIT_S + 10)
    bench.daemon.wait_line(r"could not be parked: .*ParkFallback disconnect: it is ended", 5)
    bench.daemon.wait_line(r"^sshidled: cut session .* rule=5 ", 5)
    wait_until(lambda: not lives(client.shell_pid), 5, "the shell got its hang-up")


def test_keeper_that_never_answers(make_bench, world):
    bench = make_bench(OpenSSH, script(world, "silent", "time.sleep(100)"),
                       extra="ParkFallback report")
    client = bench.shell()
    bench.daemon.wait_line("could not be parked: its keeper did not start in time",
                           LIMIT_S + 25)
    answers(client)


def test_starter_is_dead(make_bench):
    """The daemon leaves, for whatever starts it again; the next one parks."""
    bench = make_bench(OpenSSH)
    client = bench.shell()
    kill(bench.daemon.starter())
    bench.daemon.wait_line("the starter process has ended; leaving", 5)
    assert bench.daemon.process.wait(10) == 1
    answers(client)
    bench.daemon.stop()
    since = time.monotonic()
    bench.daemon.start()
    assert ended(client, LIMIT_S + 10)
    bench.parked(since=since)


def test_park_max(make_bench):
    bench = make_bench(OpenSSH, extra="ParkMax 2")
    clients = []
    for _ in range(2):
        clients.append(bench.shell())
        assert ended(clients[-1], LIMIT_S + 10)
    wait_until(lambda: len(bench.daemon.keepers()) == 2, 5, "two are parked")
    third = bench.shell()
    assert ended(third, LIMIT_S + 10)
    bench.daemon.wait_line(r"could not be parked: the user has as many .*\(ParkMax 2\)", 5)
    wait_until(lambda: not lives(third.shell_pid), 5, "the third got its hang-up")
    # One that was killed counts no more, and what it left behind is taken away.
    number, pid = sorted(bench.daemon.keepers().items())[0]
    kill(pid)
    wait_until(lambda: not lives(clients[0].shell_pid), 5, "the shell got its hang-up")
    fourth = bench.shell()
    assert ended(fourth, LIMIT_S + 10)
    wait_until(lambda: len(bench.daemon.keepers()) == 2, 5, "the fourth is parked")
    assert lives(fourth.shell_pid)
    assert not os.path.exists(f"{bench.daemon.runtime}/parked/{bench.user.uid}/{number}.sock")




def test_exclusive_terminal_is_no_way_out(make_bench):
    """TIOCEXCL keeps everybody from opening it, the daemon too: it cannot be parked, and is ended."""
    bench = make_bench(OpenSSH)
    client = bench.shell()
    client.type("/usr/bin/python3 -c 'import fcntl; fcntl.ioctl(0, 0x540c)'; echo done-$((1+1))\r", "done-2", 5)
    assert ended(client, LIMIT_S + 10), bench.daemon.tail()
    bench.daemon.wait_line(r"could not be parked: .*Permission denied.*it is ended", 5)


def test_what_has_ended_takes_no_room(make_bench):
    """A shell that has ended while parked (TMOUT) leaves its last screen; that is no work to be kept."""
    bench = make_bench(OpenSSH, KEEPER, extra="ParkMax 1")
    first = bench.shell()
    assert ended(first, LIMIT_S + 10)
    at = bench.parked().at
    kill(first.shell_pid)
    directory = f"{bench.daemon.runtime}/parked/{bench.user.uid}"
    wait_until(lambda: [name for name in os.listdir(directory) if name.endswith(".ended")], 5,
               "the shell has ended")
    second = bench.shell()
    assert ended(second, LIMIT_S + 10)
    bench.parked(since=at + 0.1)
    assert lives(second.shell_pid)
