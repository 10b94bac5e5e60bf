"""What an engine that somebody has taken over can do to sessions: real ones, and a real monitor.

What the monitor refuses at once is in src/daemon/test-monitor.c; here it takes the orders.
"""

import errno
import json
import os
import subprocess
import threading

import pytest
from clients import Terminal, ssh_argv
from world import wait_until

SECCOMP_FILTER = "2"


class Forge:
    """The program, and what it said."""

    def __init__(self, build):
        self.process = subprocess.Popen([f"{build}/tests/trust/forge"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said, self.errors = [], []
        self.readers = [threading.Thread(target=self.read, daemon=True),
                        threading.Thread(target=self.read_errors, daemon=True)]
        for one in self.readers:
            one.start()

    def read(self):
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def heard(self, word, value=None):
        return [one for one in self.said if word in one and value in (None, one[word])]

    def wait(self, word, value, count, seconds=15):
        wait_until(lambda: len(self.heard(word, value)) >= count, seconds,
                   f"{count} x {word} {value}; said {self.said[-5:]} {self.errors[-3:]}")
        return self.heard(word, value)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        for one in self.readers:
            one.join(5)
        return self.heard("ended")[0]["ended"]


@pytest.fixture
def forge(build, world):
    own = Forge(build)
    own.tell("settings", 2, 600)
    own.wait("looked", None, 1, 60)
    yield own
    if own.process.poll() is None:
        assert own.close() == 0, own.errors


@pytest.fixture
def shells(world, server, forge):
    """shells(n): (port, clients at a prompt), once the monitor has found them."""
    clients = []

    def make(count):
        port = server.listen()
        argv = ssh_argv(world, server, port, server.user())
        for number in range(count):
            clients.append(Terminal(f"shell-{number}", argv, dict(os.environ, TERM="xterm")))
        for client in clients:
            client.wait_for(r"[$#] ")
        wait_until(lambda: forge.tell("sample", port, "now") or
                   len({one["handle"] for one in forge.heard("terminal", port)}) == count, 15,
                   "the monitor has found all terminals", 0.2)
        return port, clients

    yield make
    for client in clients:
        client.close()


def ended(clients):
    """Those that have ended, after reading what they said."""
    for client in clients:
        client.read()
    return [client for client in clients if client.ended]


def statuses(forge, port):
    return sorted(one["result"] for one in forge.heard("cut", port))


def test_no_more_end_than_maxcuts(forge, shells):
    """Two of a rule and two more as if asked for; the rest live, whatever is sent."""
    port, clients = shells(7)
    forge.tell("cut", port, "rule")
    forge.wait("cut", port, 7)
    assert statuses(forge, port) == [-errno.EDQUOT] * 5 + [0] * 2
    forge.tell("cut", port, "asked")
    # Those that have ended are unknown to the monitor: no answer.
    forge.wait("cut", port, 7 + 5)
    assert statuses(forge, port) == [-errno.EDQUOT] * (5 + 3) + [0] * 4
    forge.tell("settings", 1000, 1)
    forge.tell("cut", port, "rule")
    forge.tell("cut", port, "asked")
    forge.wait("cut", port, 7 + 5 + 3 + 3)
    assert statuses(forge, port) == [-errno.EDQUOT] * (8 + 6) + [0] * 4
    wait_until(lambda: len(ended(clients)) == 4, 10, "four have ended")
    living = [client for client in clients if not client.ended]
    for client in living:
        client.type("echo up-$((40+2))\r", "up-42")
    assert any("MaxCuts is higher than before" in line for line in forge.errors), forge.errors


def test_no_controls_reach_a_terminal(forge, shells):
    """Nothing that could steer it: not ESC, not C1 as UTF-8 or as a byte, not a line of its own."""
    port, (client,) = shells(1)
    for text in (b"\x1b]0;title\x07", b"a\x1b[6n", "a\u009b6n".encode(), b"a\x9b6n", b"a\r\nb",
                 b"\x08\x7f", b"\xff\xfe"):
        forge.tell("warn", port, 1, text.hex())
    forge.tell("warn", port, 1, b"plainly".hex())
    forge.wait("warned", port, 8)
    assert [one["reached"] for one in forge.heard("warned", port)] == [0] * 7 + [1]
    client.wait_for("plainly")
    client.type("echo up-$((40+2))\r", "up-42")


def test_terminals_are_not_flooded(forge, shells):
    port, _ = shells(1)
    forge.tell("warn", port, 500, b"flood".hex())
    # Its own line would be one more.
    forge.tell("cut", port, "asked")
    forge.wait("cut", port, 1)
    assert len(forge.heard("warned", port)) == 64
    assert statuses(forge, port) == [-errno.EDQUOT]


def test_nor_by_ends_that_come_to_nothing(forge, shells):
    """Each shows its line before the last look, which finds that the client has got it."""
    port, (client,) = shells(1)
    forge.tell("warn", port, 60, b"flood".hex())
    for number in range(10):
        # An age is rounded, and the last sign of life must be older than the order.
        wait_until(lambda: forge.tell("cut", port, "tease") or
                   len(forge.heard("cut", port)) > number, 5, "an answer", 0.1)
    assert 0 not in statuses(forge, port)
    client.type("echo up-$((40+2))\r", "up-42")
    assert client.text.count("flood") <= 64


def test_monitor_is_confined(forge):
    """It stays so under these orders: they were carried out with its list of calls in force."""
    with open(f"/proc/{forge.heard('monitor')[0]['monitor']}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["Seccomp"] == SECCOMP_FILTER and status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == sum(1 << bit for bit in (2, 5, 12, 19)), status["CapEff"]
