"""One failing call at a time, in observers and actors: no session in use is ended, nothing is left
open, and the next run is as if nothing had been.

play does all of it once for each line of input.  A run without a fault tells the calls there are; then
each is made to fail, each in one of its ways, or as many of them as FAULTS_RUNS allows ("all": all of
them, in all their ways): of each place that calls, the first call, then others by FAULTS_SEED.
"""

import concurrent.futures
import errno
import functools
import json
import os
import random
import re
import select
import subprocess
import time

import pytest
import servers
from world import tree_of, wait_until

RUNS = os.environ.get("FAULTS_RUNS", "150")
SEED = int(os.environ.get("FAULTS_SEED", "0") or 0) or int(time.time())

# Each run of test_end needs a session, so only every eighth is made; so many log in at once.
ENDS_PART, LOGINS = 8, 4

# Longer than any of the acts takes when it is refused.
ANSWER_S = 30

# What cannot fail, or whose failure says nothing: memory and text, constants of the host, clocks
# (FACTS: no system call), descriptors that are closed anyway, threads that end.
CANNOT_FAIL = set("""
__assert_fail __ctype_b_loc __errno_location __stack_chk_fail clock_gettime close closedir dirfd fclose fnmatch free getenv
getpid inet_ntop localtime_r memchr memcmp memcpy memmove memset munmap openlog pthread_cancel pthread_join
pthread_sigmask qsort sigfillset snprintf strchr strcmp strcspn strerror strftime strlen strncmp strnlen strrchr strspn
strstr strtol sysconf syslog vsnprintf _GLOBAL_OFFSET_TABLE_ bufferevent_disable bufferevent_free
bufferevent_get_input bufferevent_get_output bufferevent_setcb evbuffer_add evbuffer_copyout evbuffer_drain
evbuffer_get_length evbuffer_remove event_base_dispatch event_base_free event_base_loopbreak event_del event_free
gmtime_r sigemptyset sigprocmask waitpid
""".split())


class Play:
    """The program, run by lines."""

    def __init__(self, faults, inside):
        self.faults = faults
        self.process = subprocess.Popen(
            [*inside, "env", *(f"{key}={value}" for key, value in faults.environment().items()),
             os.path.join(os.environ["SSHIDLE_BUILD"], "tests/faults/play")],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.inner_pid = json.loads(self.process.stdout.readline())["pid"]
        self.pid = tree_of(self.process.pid)[-1]

    def do(self, line, fail_at=0, choice=0):
        """What it said, with one call failing."""
        self.faults.arm(self.inner_pid, fail_at, choice)
        print(line, file=self.process.stdin, flush=True)
        readable, _, _ = select.select([self.process.stdout], [], [], ANSWER_S)
        said = self.process.stdout.readline() if readable else ""
        self.faults.disarm()
        what = f"{line.strip()}, {self.faults.what_failed()}"
        assert readable, f"{what}: hangs"
        assert said, f"{what}: ended with {self.process.wait(10)}"
        return {**json.loads(said), "what": what}

    def descriptors(self):
        directory = f"/proc/{self.pid}/fd"
        return sorted(os.readlink(f"{directory}/{name}") for name in os.listdir(directory))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture
def play(faults, inside):
    own = Play(faults, inside)
    yield own
    own.close()


def choose(trace, ways):
    """Numbers of calls and how they fail."""
    every = [(number, choice) for number, (function, _) in enumerate(trace, 1)
             for choice in range(ways(function))]
    if RUNS == "all":
        return every
    dice = random.Random(SEED)
    first, rest = [], []
    seen = set()
    for number, site in enumerate(trace, 1):
        if site not in seen:
            first.append((number, dice.randrange(ways(site[0]))))
            seen.add(site)
    rest = [one for one in every if one not in first]
    dice.shuffle(first)
    dice.shuffle(rest)
    return (first + rest)[:int(RUNS)]


def try_all(play, line, check, is_good):
    """Runs a line with one call after the other failing; `is_good` says what it comes to if none
    does."""
    play.do(line)
    good = play.do(line)
    assert is_good(good), good
    before = play.descriptors()
    chosen = choose(play.faults.trace(), play.faults.ways)
    for fail_at, choice in chosen:
        said = play.do(line, fail_at, choice)
        check(said)
        assert play.descriptors() == before, said["what"]
    after = play.do(line)
    assert {**after, "what": ""} == {**good, "what": ""}
    print(f"{line}: {len(play.faults.trace())} calls, {len(chosen)} made to fail, seed {SEED}")


def test_no_call_is_forgotten(world, faults):
    """Whatever these parts import either is made to fail or is known not to."""
    build = os.environ["SSHIDLE_SYMBOLS"] if "SSHIDLE_SYMBOLS" in os.environ else "build"
    objects = [f"{build}/src/base/libbase.a", f"{build}/src/observe/libobserve.a", f"{build}/src/act/libact.a",
               f"{build}/src/daemon/sshidled.p/monitor.c.o",
               f"{build}/src/daemon/sshidled.p/monitored.c.o",
               f"{build}/src/daemon/sshidled.p/link.c.o"]
    said = subprocess.run(["nm", *objects], check=True, stdout=subprocess.PIPE, text=True).stdout
    ours = subprocess.run(["nm", "--defined-only", f"{build}/src/daemon/sshidled"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    wanted = {line.split()[-1] for line in said.splitlines() if " U " in line}
    defined = {line.split()[-1] for line in ours.splitlines() if line.split()[1:2] != ["U"]}
    tried = {name for name, _ in faults.table}
    assert wanted - defined - tried - CANNOT_FAIL == set()


FLAVOURS = pytest.mark.parametrize("flavour", [servers.OpenSSH, servers.Dropbear],
                                   ids=lambda one: one.name)

INPUT, OUTPUT, WORK, TRAFFIC = (1 << number for number in range(4))


@FLAVOURS
def test_look(play, make_session, flavour):
    make_session(flavour)
    try_all(play, "see", lambda said: None, lambda said: said["looked"] == 0 and said["seen"] == 1)


@FLAVOURS
def test_found_all_the_same(play, make_session, flavour):
    """What failed in the look that came upon the session: a later look finds it, once."""
    make_session(flavour)
    assert play.do("see")["seen"] == 1
    play.do("open")
    chosen = choose(play.faults.trace(), play.faults.ways)
    play.do("close")
    for fail_at, choice in chosen:
        what = play.do("open", fail_at, choice)["what"]
        wait_until(lambda: play.do("again")["seen"] == 1, 5, what)
        for _ in range(2):
            assert play.do("again")["seen"] == 1, what
        play.do("close")


# What ends a session by mistake is not bound to show in the same moment: each of the kinds of use is
# looked at by a play that keeps what it has found, as the daemon does.
KINDS = {"shell": INPUT, "exec": INPUT | OUTPUT, "forward": TRAFFIC}


@pytest.mark.parametrize("word", ["cut", "park"])
@pytest.mark.parametrize("kind", KINDS)
@FLAVOURS
def test_in_use(play, make_session, flavour, kind, word):
    """It was used after the sample that the order rests on: whatever fails, it is not ended."""
    session = make_session(flavour, kind)
    if word == "park" and kind != "shell":
        pytest.skip("only terminals are parked")
    play.do("open")
    assert play.do(f"mark {session.port} {KINDS[kind]}")["done"] == 0
    session.use()
    try_all(play, f"{word} {session.port}", refused, lambda said: said["done"] == -errno.EBUSY)
    play.do("close")
    session.use()


class Idle:
    """Sessions of one server that nobody uses; new ones come when there are none left."""

    def __init__(self, make_session, flavour, kind):
        self.sessions = [make_session(flavour, kind)]
        self.port = self.sessions[0].port
        self.more = functools.partial(make_session, flavour, kind, self.sessions[0])

    def left(self):
        for session in [session for session in self.sessions if session.ended()]:
            session.client.close()
            session.end_left()
            self.sessions.remove(session)
        return len(self.sessions)

    def fill(self):
        if not self.left():
            with concurrent.futures.ThreadPoolExecutor(LOGINS) as pool:
                self.sessions = [one.result() for one in
                                 [pool.submit(self.more) for _ in range(LOGINS)]]
        return len(self.sessions)


def end_one(play, idle, uses, fail_at=0, choice=0):
    """Ends one of them; when a call that fails prevents it all of them stay, and it is done again."""
    n, before = idle.fill(), play.descriptors()
    play.do("open")
    assert play.do(f"mark {idle.port} {uses}")["done"] == 0
    said, trace = play.do(f"end {idle.port}", fail_at, choice), play.faults.trace()
    if said["done"] != 0:
        refused(said)
        assert idle.left() == n, said["what"]
        assert play.do(f"mark {idle.port} {uses}")["done"] == 0, said["what"]
        assert play.do(f"end {idle.port}")["done"] == 0, said["what"]
    wait_until(lambda: idle.left() == n - 1, 5, f"the end of one of {n}, {said['what']}")
    play.do("close")
    assert play.descriptors() == before, said["what"]
    return said, trace


# What one of them leaves behind, and what hides that: it is not ours to see.
LEFT = {"shell": 0, "leaver": 1}
HIDDEN = f"{os.strerror(errno.EACCES)}|{os.strerror(errno.EPERM)}"


def is_told(said, kind):
    """All that lives on, or that there may be more."""
    return said["living"] >= LEFT[kind] or said["more"] or re.search(HIDDEN, said["what"])


@pytest.mark.parametrize("kind", LEFT)
@FLAVOURS
def test_end(play, make_session, flavour, kind):
    """The real end of idle sessions: whatever fails, none but that one ends, it can be ended later, and what lives on
    is told."""
    used, idle = make_session(flavour, "shell"), Idle(make_session, flavour, kind)
    uses = KINDS["shell" if kind == "shell" else "exec"]
    good, trace = end_one(play, idle, uses)
    assert (good["done"], good["living"], good["more"]) == (0, LEFT[kind], 0)
    chosen = choose(trace, play.faults.ways)
    if RUNS != "all":
        chosen = chosen[:int(RUNS) // ENDS_PART]
    refusals = 0
    for fail_at, choice in chosen:
        said, _ = end_one(play, idle, uses, fail_at, choice)
        refusals += said["done"] != 0
        assert said["done"] != 0 or is_told(said, kind), said["what"]
        used.use()
    print(f"end: {len(trace)} calls, {len(chosen)} made to fail, {refusals} prevented it, seed {SEED}")


@FLAVOURS
def test_kin(play, make_session, flavour):
    """All processes of a terminal are found, or none is: what a park left out would end with the login session."""
    session = make_session(flavour)
    session.client.type("sleep 1000 & echo up-$((40+2))\r", expect="up-42")
    play.do("open")

    def check(said):
        assert said["done"] == 2 or said["done"] < 0 or re.search(HIDDEN, said["what"]), said

    try_all(play, f"kin {session.port}", check, lambda said: said["done"] == 2)
    play.do("close")


@FLAVOURS
def test_used_while_it_fails(play, make_session, flavour):
    """Traffic of a forwarded connection comes while a look at it fails."""
    session = make_session(flavour, "forward")
    play.do("open")
    play.do("again")
    session.use()
    play.do("again")
    chosen = choose(play.faults.trace(), play.faults.ways)
    for fail_at, choice in chosen:
        assert play.do(f"mark {session.port} {TRAFFIC}")["done"] == 0
        session.use()
        what = play.do("again", fail_at, choice)["what"]
        assert play.do(f"cut {session.port}")["done"] == -errno.EBUSY, what
    play.do("close")
    session.use()


def refused(said):
    assert said["done"] < 0, said["what"]


@FLAVOURS
def test_terminal_in_use(play, make_session, flavour):
    session = make_session(flavour)
    session.find_tty()
    play.do("open")
    assert play.do(f"mark {session.port} {INPUT}")["done"] == 0
    before = session.tty_atime()
    wait_until(lambda: session.use() or session.tty_atime() > before, 20, "keys that show", 0.5)
    try_all(play, f"hangup {session.port}", refused, lambda said: said["done"] == -errno.EBUSY)
    play.do("close")
    session.use()


@FLAVOURS
def test_tune(play, make_session, flavour):
    session = make_session(flavour)
    try_all(play, f"tune {session.port}", lambda said: None, lambda said: said["done"] == 0)
    session.use()
