"""What is done to connections without their noticing: pings, keepalive values, and their last
words.

Needs root, the servers, and SSHIDLE_BUILD with the build directory.  Each client is on a machine of
its own (tests/e2e/away.py), so its line can be cut.
"""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

import servers
from away import place_of
from clients import Terminal, drive, ssh_argv
from world import PORTS, kill, tree_of, wait_until

SAMPLE_DESCRIPTORS = 0x80
MS, S = 1_000_000, 1_000_000_000

# As FACTS of the kernel: sshd and dropbear switch keepalive on, the values are the host's.
TUNED = [1, 5, 5, 127, 90000]

FLAVOURS = [servers.OpenSSHAway, servers.OpenSSHRootAway, servers.DropbearAway,
            servers.TinysshAway]


class Care(threading.Thread):
    """The program under test; keeps what it said of each port, and all last words."""

    def __init__(self, wrap=()):
        super().__init__(daemon=True)
        self.process = subprocess.Popen(
            [*wrap, os.path.join(os.environ["SSHIDLE_BUILD"], "tests/observe/care"),
             str(PORTS.start), str(PORTS.stop - 1)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines, self.words = {}, {}
        self.start()

    def run(self):
        for text in self.process.stdout:
            line = json.loads(text)
            if "words" in line:
                self.words[line["words"]] = line
            else:
                self.lines.setdefault(line["local_port"], []).append(line)

    def said(self, port, key):
        return [line for line in self.lines.get(port, []) if key in line]

    def latest(self, port):
        """The last sample."""
        return (self.said(port, "cookie") or [{}])[-1]

    def wait(self, port, condition, what, seconds=8):
        try:
            return wait_until(lambda: self.latest(port) and condition(self.latest(port)) and
                              self.latest(port), seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen {self.latest(port)}; the program's status: "
                                 f"{self.process.poll()}") from None

    def do(self, word, port, *numbers):
        """One line of input; returns what came of it."""
        before = len(self.said(port, "done"))
        print(word, port, *numbers, file=self.process.stdin, flush=True)
        wait_until(lambda: len(self.said(port, "done")) > before, 5, f"an answer to {word}")
        return self.said(port, "done")[-1]

    def close(self):
        self.process.stdin.close()
        return self.process.wait(10)


@pytest.fixture
def care(world):
    own = Care()
    yield own
    assert own.close() == 0


class Guest:
    """A shell on a server, from a machine of its own."""

    def __init__(self, world, flavour, care):
        for path, package in flavour.packages.items():
            if not os.path.exists(path):
                pytest.skip(f"{path} is missing: install {package}")
        self.server = flavour(world)
        self.port = self.server.listen()
        self.machine = place_of(world).machine()
        argv = ssh_argv(world, self.server, self.port, self.server.user())
        self.client = Terminal("guest", self.machine.argv(argv), dict(os.environ, TERM="xterm"))
        self.client.wait_for(r"[$#] ")
        # Once prompt and all are acknowledged nothing moves by itself.
        self.sample = care.wait(self.port, lambda line: line["data_age"] > S, "silence")

    def close(self):
        self.machine.lose(0)
        self.client.kill(signal.SIGCONT)
        self.client.close()
        self.server.stop()


@pytest.fixture(params=FLAVOURS, ids=lambda flavour: flavour.name)
def guest(request, world, care):
    own = Guest(world, request.param, care)
    yield own
    own.close()


@pytest.fixture
def openssh(world, care):
    own = Guest(world, servers.OpenSSHAway, care)
    yield own
    own.close()


def sign_of_life(line):
    """The latest moment of a sample at which the client's machine was there."""
    return line["at"] - min(line["ack_age"], line["data_age"])


def test_a_ping_is_answered(care, guest):
    before = care.latest(guest.port)
    assert before["ack_age"] > S // 2 and before["reuse"] == 1
    for _ in range(3):
        done = care.do("ping", guest.port)
        assert done["result"] == 0
        after = care.wait(guest.port, lambda line: sign_of_life(line) > done["at"] - 10 * MS,
                          "an answer")
        assert after["data_age"] > S, "the program has said something"
        assert after["acked"] == before["acked"] and after["reuse"] == 1
        time.sleep(0.6)  # a host answers such probes twice a second
    # Whoever comes later still takes it for a session: an accepted socket.
    late = Care()
    late.wait(guest.port, lambda line: line["cookie"] == before["cookie"], "the session")
    assert late.close() == 0
    assert before["known"] & SAMPLE_DESCRIPTORS and before["descriptors"] > 3


@pytest.mark.parametrize("flavour", [servers.OpenSSHIpv6, servers.OpenSSHInetd,
                                     servers.OpenSSHNamespace], ids=lambda one: one.name)
def test_a_ping_is_answered_elsewhere(world, care, flavour):
    """Over IPv6, with a socket of two numbers, in another network namespace."""
    server = flavour(world)
    port = server.listen()
    client = Terminal("guest", ssh_argv(world, server, port, server.user()),
                      dict(os.environ, TERM="xterm"))
    try:
        client.wait_for(r"[$#] ")
        care.wait(port, lambda line: line["data_age"] > S, "silence")
        done = care.do("ping", port)
        assert done["result"] == 0
        after = care.wait(port, lambda line: sign_of_life(line) > done["at"] - 10 * MS,
                          "an answer")
        assert after["reuse"] == 1
    finally:
        client.close()
        server.stop()


def test_a_ping_is_answered_for_a_stopped_program(care, guest):
    guest.client.kill(signal.SIGSTOP)
    done = care.do("ping", guest.port)
    care.wait(guest.port, lambda line: sign_of_life(line) > done["at"] - 10 * MS, "an answer")


def test_a_ping_into_a_hole_is_not(care, openssh):
    openssh.machine.lose(100)
    sent = [care.do("ping", openssh.port)["at"]]
    time.sleep(1)
    sent.append(care.do("ping", openssh.port)["at"])
    time.sleep(1)
    assert sign_of_life(care.latest(openssh.port)) < sent[0]
    openssh.machine.lose(0)
    done = care.do("ping", openssh.port)
    care.wait(openssh.port, lambda line: sign_of_life(line) > done["at"] - 10 * MS, "an answer")


def test_a_ping_needs_net_admin(world, openssh):
    bare = Care(["setpriv", "--bounding-set=-net_admin"])
    bare.wait(openssh.port, lambda line: line["reuse"] == 1, "the session")
    assert bare.do("ping", openssh.port)["result"] == -1
    assert bare.latest(openssh.port)["reuse"] == 1
    assert bare.close() == 0


def test_a_full_window_shows(care, openssh):
    openssh.client.send("yes\r")
    openssh.client.wait_for("y\r\ny\r\ny")
    openssh.client.kill(signal.SIGSTOP)
    full = care.wait(openssh.port, lambda line: line["unsent"] > 0 and line["data_age"] > S,
                     "a full window")
    assert full["acked"] > openssh.sample["acked"]
    time.sleep(1)
    assert care.latest(openssh.port)["acked"] == full["acked"]
    openssh.client.kill(signal.SIGCONT)
    openssh.client.send("\x03")
    deadline = time.monotonic() + 20
    while care.latest(openssh.port)["unsent"] > 0 and time.monotonic() < deadline:
        drive([openssh.client], time.monotonic() + 0.2)
    assert care.latest(openssh.port)["unsent"] == 0


def test_tuned_and_put_back(care, guest):
    original = care.latest(guest.port)["values"]
    assert original != TUNED
    assert care.do("tune", guest.port, *TUNED)["result"] == 0
    told = wait_until(lambda: care.said(guest.port, "original"), 10, "the original values")[-1]
    assert told["original"] == original and told["changed"] is True
    care.wait(guest.port, lambda line: line["values"] == TUNED, "the values")
    # A second change does not take the first one for the original.
    assert care.do("tune", guest.port, 1, 7, 7, 127, 0)["result"] == 0
    care.wait(guest.port, lambda line: line["values"] == [1, 7, 7, 127, 0], "other values")
    assert care.do("put-back", guest.port)["result"] == 0
    care.wait(guest.port, lambda line: line["values"] == original, "the original values")
    assert care.said(guest.port, "original")[-1]["changed"] is False
    assert care.do("put-back", guest.port)["result"] == 0
    assert care.latest(guest.port)["values"] == original


def test_what_the_kernel_does_not_take(care, openssh):
    original = care.latest(openssh.port)["values"]
    assert care.do("tune", openssh.port, 1, 40000, 5, 127, 0)["result"] == -22
    assert care.do("put-back", openssh.port)["result"] == 0
    care.wait(openssh.port, lambda line: line["values"] == original, "the original values")


def last_words(care, guest, seconds=8):
    cookie = guest.sample["cookie"]
    return wait_until(lambda: care.words.get(cookie), seconds, "last words")


def test_last_words_of_a_closed_one(care, guest):
    guest.client.close()
    words = last_words(care, guest)
    assert min(words["ack_age"], words["data_age"]) < S // 2
    assert words["probes"] == words["retransmits"] == 0


def test_last_words_of_one_that_was_reset(care, openssh):
    """Its machine forgets the connection while the line is cut, as when it starts anew."""
    care.do("tune", openssh.port, 1, 1, 1, 127, 0)
    openssh.machine.lose(100)
    for pid in tree_of(openssh.client.pid):
        kill(pid)
    subprocess.run(openssh.machine.argv(["ss", "-K", "dst", openssh.server.address]), check=True,
                   capture_output=True)
    time.sleep(2.2)
    openssh.machine.lose(0)
    words = last_words(care, openssh)
    assert words["probes"] > 0 and words["ack_age"] > 2 * S


@pytest.mark.parametrize("output", [False, True], ids=["silent", "output"])
def test_last_words_of_one_that_the_kernel_gave_up(care, openssh, output):
    care.do("tune", openssh.port, 1, 1, 1, 127, 2000)
    if output:
        openssh.client.send("while sleep 0.2; do echo x; done\r")
        openssh.client.wait_for("x\r\nx\r\n")
    openssh.machine.lose(100)
    words = last_words(care, openssh, 12)
    assert words["retransmits" if output else "probes"] > 0
    assert 1.9 * S < min(words["ack_age"], words["data_age"]) < 6 * S
