"""What people had on their screens when they went away, and whether they find it again: real servers,
the real daemon, the real keeper, and `sshidle resume` in a new login.

Everything of one server is parked at the same moment (scene.py).  Which program is seen on which
server is in PLAN: each on two or more, each server with several.
"""

import os
import re
import signal
import subprocess

import pytest

from bench import NOTICE, lives
from panes import FULL, need, plain, rss_bytes, same, wait_for
from scene import SSHIDLE, Seat
from servers import Dropbear, OpenSSH, OpenSSHRoot, OpenSSHWithoutPam, Tinyssh
from world import children_of, kill, wait_until

PLAN = {
    OpenSSH: ["count", "vim", "jobs", "full", "flood", "utf8", "paste", "two", "held", "victim"],
    OpenSSHWithoutPam: ["count", "vim", "top", "utf8", "two"],
    OpenSSHRoot: ["vim", "top", "full", "jobs", "held"],
    Dropbear: ["count", "vim", "jobs", "full", "utf8", "paste", "held", "victim"],
    Tinyssh: ["jobs", "top", "paste"],
}


def on(*names):
    """The servers on which these are seen; one worker has all that is seen on one server."""
    servers = [one for one, has in PLAN.items() if set(names) <= set(has)]
    return pytest.mark.parametrize("scene", [
        pytest.param(one, id=one.name, marks=pytest.mark.xdist_group(f"work-{one.name}"))
        for one in servers], indirect=True)


def prepare(scene):
    """Begins everything of this server, and has it parked."""
    for name in PLAN[type(scene.server)]:
        BEFORE[name](scene)
    scene.park()


# -- a job that counts ------------------------------------------------------------------------

COUNT = """
import os, sys, time
open(sys.argv[1] + ".tty", "w").write(os.ttyname(0))
line = 0
while not os.path.exists(sys.argv[1]):
    os.write(1, "".join(f"{one}\\n" for one in range(line + 1, line + 21)).encode())
    line += 20
    time.sleep(0.01)
print("finished", flush=True)
sys.stdin.readline()
"""


def before_count(scene):
    """It prints at any moment, also in that of the park."""
    path, stop = scene.write(COUNT, "count", "program"), scene.path("count", "stop")
    scene.counting = scene.bench.raw(f"/usr/bin/python3 {path} {stop}",
                                     scene.world.path("out", f"count-{scene.server.name}"))
    scene.counting.wait_bytes(1000)
    with open(stop + ".tty", encoding="ascii") as file:
        scene.ttys.append(file.read().removeprefix("/dev/"))


def counted(data):
    """Numbers that stand alone in a line, behind anything that moves the cursor."""
    return [int(one) for one in re.findall(rb"(?<![\d;\[?])(\d+)\r\n", data)]


@on("count")
def test_counting_job(scene, record_property):
    """What the client got, then what resume shows: without a gap, in order, nothing twice."""
    scene.counting.end()
    number = scene.terminals()[scene.ttys[0]]
    scene.write("", "count", "stop")
    back = scene.bench.raw(f"{SSHIDLE} resume -r {scene.bench.daemon.runtime} {number}",
                           scene.world.path("out", f"counted-{scene.server.name}"),
                           port=scene.free_port)
    wait_until(lambda: b"finished" in back.bytes(), 20, "it has shown all")
    before = NOTICE.sub(b"", scene.counting.bytes())
    after = back.bytes()
    after = after[after.index(b"\x1b[H") + 3:]
    numbers = counted(before + after)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(counted(before)) > 100 and len(counted(after)) > 100
    record_property(scene.server.name, f"{len(counted(before))} + {len(counted(after))} lines")


def content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# -- an editor --------------------------------------------------------------------------------

TEXT = "".join(f"line {number}: the quick brown fox\n" for number in range(1, 200))


def before_vim(scene):
    need("vim")
    seat = Seat(scene, "vim")
    seat.write(TEXT, "text")
    seat.both("vim -u NONE -N -n -i NONE text\r", "line 20")
    seat.both("Gounsaved words\x1b", "unsaved words\n")


@on("vim")
def test_vim_with_unsaved_text(scene):
    seat = scene.seats["vim"]
    seat.resume()
    # The message line below is not drawn anew by vim itself.
    (ours, _), (theirs, _) = seat.seen()
    same((ours[:23], ""), (theirs[:23], ""))
    seat.type("C-l")
    seat.check()
    # Keys that vim sees before the new size would make it scroll by the old one.
    seat.size(40, 120)
    seat.type("Escape", until="line 165: ")
    seat.type("g", "g", "d", "d", "i", "x", "Escape", "C-l",
              until="^xline 2: ")
    seat.check()
    seat.type(":", "w", "q", "Enter")
    wanted = "x" + TEXT.partition("\n")[2] + "unsaved words\n"
    for side in ("parked", "reference"):
        wait_for(lambda: content(seat.path(side, "text")) == wanted, "the text")
    # The shell below it is there, too.
    seat.parked.pane = seat.back.pane
    seat.parked.answers()


# -- programs that use the whole screen -------------------------------------------------------

def before_top(scene):
    need("top")
    Seat(scene, "top").both("top -d 5\r", "PID USER")


@on("top")
def test_top(scene):
    """Its numbers change; its shape does not."""
    seat = scene.seats["top"]
    seat.resume(30, 100)
    (ours, state), (theirs, their_state) = seat.seen()
    assert state.split()[2:] == their_state.split()[2:]
    head = [next(line for line in cells if "PID USER" in plain([line])[0])
            for cells in (ours, theirs)]
    assert head[0] == head[1]
    for cells in (ours, theirs):
        assert len([line for line in plain(cells) if line.strip()]) >= 20, plain(cells)
    seat.back.keys("q")
    seat.back.wait(r"\n\$\s*$")
    seat.parked.pane = seat.back.pane
    seat.parked.answers()


def before_full(scene):
    """The name is one that the keeper knows."""
    seat = Seat(scene, "full")
    seat.write("#!/usr/bin/python3" + FULL, "htop")
    seat.both("./htop\r", "keys 0")
    seat.both("aaa", "keys 3")


@on("full")
def test_full_screen_at_another_size(scene):
    seat = scene.seats["full"]
    count = 3
    for rows, columns in ((40, 132), (12, 45)):
        seat.resume(rows, columns).wait(f"keys {count}")
        (ours, state), (theirs, _) = seat.seen()
        same((ours, ""), (theirs, ""))
        # On the other screen, and the mouse is heard.
        assert state.split()[3] == "1" and state.split()[6:8] == ["1", "1"], state
        count += 1
        seat.type("b", until=f"keys {count}")
        (ours, _), (theirs, _) = seat.seen()
        same((ours, ""), (theirs, ""))
        seat.leave()


# -- a shell ----------------------------------------------------------------------------------

def before_jobs(scene):
    seat = Seat(scene, "jobs")
    seat.both("sleep 1000 &\r", r"\[1\] \d+")
    seat.both("sleep 1001 &\r", r"\[2\] \d+")
    seat.both("echo half a line", "half a line")


@on("jobs")
def test_shell_with_jobs(scene):
    seat = scene.seats["jobs"]
    seat.resume().wait("half a line")
    seat.check(last=1)
    seat.type("Enter", until=r"\nhalf a line\n\$")
    seat.type("jobs", "Enter", until=r"sleep 1001 &\n\$")
    seat.check(last=5)
    assert seat.back.text().count("Running") == 2
    seat.type("fg %1", "Enter", until=r"fg %1\nsleep 1000\n")
    seat.type("C-c", until=r"\^C\n\$")
    seat.type("jobs", "Enter", until=r"jobs\n\[2\]\+  Running.*\n\$")
    seat.check(last=10)
    assert len(children_of(seat.parked.shell_pid)) == 1


# -- while nobody looks -----------------------------------------------------------------------

WAIT = "while [ ! -e go ]; do sleep 0.1; done; "
MIB = 1 << 20


def before_flood(scene):
    Seat(scene, "flood", reference=False).both(
        f"{WAIT} seq 1 14000000; touch done; echo after\r", "echo after\n")


@on("flood")
def test_hundred_megabytes(scene, record_property):
    """The program is never stopped, and the keeper stays small."""
    seat = scene.seats["flood"]
    keeper, most = scene.bench.daemon.keepers()[seat.parked.id], 0
    scene.write("", "flood-parked", "go")

    def finished():
        nonlocal most
        most = max(most, rss_bytes(keeper))
        return os.path.exists(seat.path("parked", "done"))

    wait_for(finished, "the end of the output", within=120)
    assert most < 16 * MIB, most
    record_property("the keeper's most", f"{most >> 10} KiB")
    seat.resume().wait("\n13999999\n14000000\nafter\n")


HALVES = r"""
import os, sys, time
character = "\U0001f44d".encode()
os.write(1, b"one \xe6\xbc\xa2 ready:" + character[:int(sys.argv[1])])
while not os.path.exists("go"):
    time.sleep(0.05)
os.write(1, character[int(sys.argv[1]):] + b"after \xe6\xbc\xa2\n")
sys.stdin.readline()
"""


def before_utf8(scene):
    """The client has the first bytes of a character."""
    for cut in (1, 3):
        seat = Seat(scene, f"utf8-{cut}", reference=False)
        seat.write(HALVES, "halves")
        seat.both(f"clear; /usr/bin/python3 halves {cut}\r", "^one \u6f22 ready:")


@on("utf8")
def test_utf8_cut(scene):
    """The rest of it is not shown as rubbish."""
    for cut in (1, 3):
        seat = scene.seats[f"utf8-{cut}"]
        scene.write("", f"utf8-{cut}-parked", "go")
        text = seat.resume().wait("after \u6f22\n").string
        assert "\ufffd" not in text and "\U0001f44d" not in text, text


PASTE = "".join(f"{number:07d}\n" for number in range(25000))


def before_paste(scene):
    """More than terminal, server and client hold, and the program does not read yet."""
    seat = Seat(scene, "paste", reference=False)
    seat.both(f"stty -icanon -echo; clear; echo ready; {WAIT} exec cat > copy\r", "^ready")
    path = scene.write(PASTE, "paste-parked", "paste")
    scene.tmux.call("load-buffer", path, ";", "paste-buffer", "-t", seat.parked.pane)


@on("paste")
def test_paste_in_flight(scene, record_property):
    """What has arrived is a prefix; the rest is typed after resume, and nothing is there twice."""
    seat = scene.seats["paste"]
    copy = seat.path("parked", "copy")
    scene.write("", "paste-parked", "go")
    back = seat.resume()
    wait_for(lambda: os.path.exists(copy) and os.path.getsize(copy), "the first of it")
    wait_quiet(copy)
    arrived = content(copy)
    assert PASTE.startswith(arrived)
    record_property(scene.server.name, f"{len(arrived)} of {len(PASTE)} bytes had arrived")
    rest = scene.write(PASTE[len(arrived):], "paste-parked", "rest")
    scene.tmux.call("load-buffer", rest, ";", "paste-buffer", "-t", back.pane)
    wait_for(lambda: os.path.getsize(copy) >= len(PASTE), "the rest of it")
    wait_quiet(copy)
    assert content(copy) == PASTE


def wait_quiet(path):
    """Until it has not grown for three looks."""
    sizes = []
    wait_until(lambda: sizes.append(os.path.getsize(path)) or len(sizes) > 3 and
               len(set(sizes[-4:])) == 1, 20, f"{path} grows no more", pause=0.1)


# -- two terminals of one connection ------------------------------------------------------------

def before_two(scene):
    shared = ["ControlMaster=auto", f"ControlPath={scene.world.path('control', scene.server.name)}",
              "ControlPersist=no"]
    for name in ("first", "second"):
        Seat(scene, name, reference=False, options=shared)


@on("two")
def test_two_terminals_of_a_connection(scene):
    first, second = scene.seats["first"], scene.seats["second"]
    assert first.parked.id != second.parked.id
    for seat in (second, first):
        seat.resume()
        seat.parked.pane = seat.back.pane
        seat.parked.answers()


# -- who has it, and who may -------------------------------------------------------------------

def before_held(scene):
    Seat(scene, "held", reference=False)


def before_victim(scene):
    Seat(scene, "victim", reference=False)


STRANGER = """
import ctypes, os, socket, sys
def refused(what):
    try:
        what()
    except PermissionError:
        return True
    return False
link = socket.socket(socket.AF_UNIX)
assert refused(lambda: link.connect({socket!r})), "connect"
assert refused(lambda: os.listdir(os.path.dirname({socket!r}))), "directory"
assert refused(lambda: open("/dev/{tty}")), "terminal"
proc = "/proc/{keeper}/"
assert refused(lambda: os.listdir(proc + "fd")), "fd"
assert refused(lambda: os.readlink(proc + "exe")), "exe"
for name in ("maps", "environ", "mem", "stack"):
    assert refused(lambda: open(proc + name, "rb").read(1)), name
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):  # attach, seize
    assert libc.ptrace(request, {keeper}, 0, 0) != 0 and ctypes.get_errno() == 1, request
"""


@on("held")
def test_another_user_is_kept_out(scene):
    """Neither sees nor attaches, by no way."""
    number, daemon = scene.seats["held"].parked.id, scene.bench.daemon
    mallory = scene.world.user("mallory")
    keeper = daemon.keepers()[number]
    socket = f"{daemon.runtime}/parked/{scene.user.uid}/{number}.sock"
    program = STRANGER.format(socket=socket, tty=scene.seats["held"].parked.tty, keeper=keeper)
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True,
                          check=False, user=mallory.uid, group=mallory.gid, extra_groups=[])
    assert done.returncode == 0, done.stderr
    assert daemon.cli("parked", user=mallory).stdout == "nothing is parked\n"
    assert daemon.cli("drop", str(number), user=mallory).returncode == 1
    stranger = scene.login(user=mallory)
    for words in ((), (number,), (number, "--steal")):
        stranger.line("clear")
        stranger.resume(*words)
        stranger.wait(r"\nsshidle: nothing (of yours )?is parked[^$]*\n\$")
    assert not scene.listed()[number]["attached"]


@on("held")
def test_from_two_places_at_once(scene):
    """One has it, until the other takes it over; letting go keeps it; its end is resume's end."""
    held = scene.seats["held"].parked
    first = scene.resume(held.id)
    second = scene.login(options=["EscapeChar=none"])
    second.resume(held.id)
    second.wait(r"is attached to it; --steal takes over")
    second.resume(held.id, "--steal")
    first.wait("taken over by")
    first.answers()
    held.pane = second.pane
    held.answers()
    # The escape is one at the beginning of a line only.
    second.keys("Enter")
    second.literal("~")
    second.literal(".")
    second.wait(rf"it stays parked: sshidle resume {held.id}")
    second.answers()
    assert lives(held.shell_pid)
    second.resume(held.id)
    wait_for(lambda: scene.listed()[held.id]["attached"], "the client")
    second.line("exit 7")
    second.wait(r"logout(.*\n)+\$\s*$")
    assert not lives(held.shell_pid)
    second.line("echo status-$?-")
    second.wait(rf"status-{7 if kernel_tells_status() else 0}-\n")
    assert held.id not in scene.listed()


def kernel_tells_status():
    """Since Linux 6.15."""
    return tuple(int(one) for one in re.findall(r"\d+", os.uname().release)[:2]) >= (6, 15)


@on("victim")
def test_keeper_killed(scene):
    """That is a hang-up of its terminal; nothing else is harmed."""
    victim, daemon = scene.seats["victim"].parked, scene.bench.daemon
    live = scene.login()
    back = scene.resume(victim.id)
    before = daemon.keepers()
    kill(before[victim.id], signal.SIGKILL)
    wait_for(lambda: not lives(victim.shell_pid), "the hang-up")
    back.wait("is gone")
    back.answers()
    live.answers()
    after = daemon.keepers()
    assert set(after) == set(before) - {victim.id} and len(after) >= 1
    assert set(scene.listed()) == set(after)
    others = [one for one in scene.logins() if one.id in after]
    assert others and all(lives(one.shell_pid) for one in others)


BEFORE = {name.removeprefix("before_"): value for name, value in list(globals().items())
          if name.startswith("before_")}
