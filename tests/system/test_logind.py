"""logind's StopIdleSessionSec does what `sshidle explain` says, under a real systemd."""

import contextlib
import json
import os
import sys
import time

import pexpect
import pytest

sys.path.insert(0, os.path.dirname(__file__))

from machine import ROOT, booted, lives, wait_until  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
STOP_S, ACTION_S = 20, 12
LATE_S = 2.0

LOGIND = f"[Login]\nStopIdleSessionSec={STOP_S}\nIdleActionSec={ACTION_S}\n"

# Situation -> what is typed, and what shows that it has begun.
TYPED = {
    "away-at-prompt": ("", ""),
    "away-in-top": ("TERM=xterm top\r", "PID"),
    "job-in-shell": ("sleep 1000\r", "sleep"),
    "away-in-tmux": ("LC_ALL=C.UTF-8 TERM=xterm tmux -S /tmp/session new\r", r"\[0\]"),
}


@pytest.fixture(scope="module")
def machine():
    with booted(BUILD, "IdleTimeout none\n", {"dbus-daemon": "dbus", "tmux": "tmux"}, LOGIND) as own:
        yield own


class Begun:
    """All sessions side by side, and what explain says of them."""

    def __init__(self, machine):
        self.machine = machine
        answer = json.loads(machine.run("sshidle", "explain", "--json", "--server", "2022").stdout)
        self.cells = {one["situation"]: one for one in answer["servers"][0]["situations"]}
        self.command = pexpect.spawn(*self.ssh("sleep 1000"), timeout=20)
        machine.clients.append(self.command)
        self.late, self.unread = machine.log_in(), machine.log_in()
        self.unread.send("sleep 1000\r")
        self.clients = {}
        for situation, (keys, shows) in TYPED.items():
            client = self.clients[situation] = machine.log_in()
            client.send(keys)
            client.expect(shows)
            client.used = time.monotonic()
        self.unread.used = time.monotonic()
        self.after = {}
        self.follow()

    def ssh(self, command):
        """The command line of log_in(), for a command without a terminal."""
        key = str(self.machine.seed / "etc/test/key")
        argv = [*self.machine.inside("--net"), "ssh", "-F", "/dev/null", "-i", key, "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", "2022",
                "sshidle-test@127.0.0.1", command]
        return argv[0], argv[1:]

    def follow(self):
        """Types at one while it does not read, at another one once more; waits for the ends."""
        began, clients = time.monotonic(), {**self.clients, "late": self.late,
                                            "unread": self.unread}
        typed = False
        while time.monotonic() < began + STOP_S + 5 and len(self.after) < len(clients):
            if not typed and time.monotonic() > self.late.used + 6:
                self.late.send("\r")
                self.late.used, typed = time.monotonic(), True
            with contextlib.suppress(OSError):
                self.unread.send("x")
            for name, client in clients.items():
                if name not in self.after and not lives(client, 0.05):
                    self.after[name] = time.monotonic() - client.used


@pytest.fixture(scope="module")
def begun(machine):
    return Begun(machine)


def check(begun, name, situation):
    first = begun.cells[situation]["first"]
    assert first["because"]["mechanism"] == "logind-stop-idle-session"
    assert first["what"] == "session-killed"
    assert name in begun.after, f"{name}: not ended"
    assert first["earliest_s"] <= begun.after[name] <= first["latest_s"] + LATE_S


@pytest.mark.parametrize("situation", TYPED)
def test_the_cell(begun, situation):
    check(begun, situation, situation)


def test_keys_that_nobody_reads_are_no_use(begun):
    check(begun, "unread", "job-in-shell")


def test_the_smaller_one_wins(begun):
    """The timer of StopIdleSessionSec runs from the login: at its end IdleActionSec decides."""
    check(begun, "late", "away-at-prompt")
    assert ACTION_S - 8 <= begun.after["late"] < STOP_S - 4


def test_a_session_without_a_terminal_is_never_idle(begun):
    assert "logind" not in json.dumps(begun.cells["command-waits"]["also"])
    assert lives(begun.command, 0.1)


def test_tmux_is_killed_with_it(machine, begun):
    assert "away-in-tmux" in begun.after
    wait_until(lambda: machine.run("pgrep", "-x", "tmux: server", check=False).returncode == 1, 5,
               "tmux is dead")
