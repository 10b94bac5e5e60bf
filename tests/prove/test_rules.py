"""Temporary rules of the real daemon: whom they concern, and how they go."""

import json
import os
import signal

import pytest

from clients import Terminal, ssh_argv
from daemon import Varlink, VarlinkError
from world import wait_until

ADDRESS, OTHER = "127.98.76.54", "127.98.76.55"


def rule(address=ADDRESS, limit=1234):
    return f"Match Address {address}\n  IdleTimeout {limit}\n"


class Asker:
    """A connection that holds rules."""

    def __init__(self, host, text):
        self.client = Varlink(host.daemon.socket_path)
        message = {"method": "io.sshidle.TemporaryRules", "more": True,
                   "parameters": {"text": text}}
        self.client.send(json.dumps(message).encode() + b"\0")
        reply = self.client.receive()
        if "error" in reply:
            self.client.close()
            raise VarlinkError(reply)
        assert reply["continues"]

    def close(self):
        self.client.close()


@pytest.fixture
def log_in(world, openssh, port):
    """Logs in from an address."""
    terms = []

    def start(address):
        term = Terminal(address, ssh_argv(world, openssh, port, world.user("alice"), bind=address),
                        {"PATH": os.environ["PATH"], "TERM": "dumb"})
        terms.append(term)
        term.type("echo up-$((40+2)) .\r", expect=r"up-42 \.")
        return term

    yield start
    for term in terms:
        term.close()


def limits(host):
    """Limit of each session, by address; none until its channels are known."""
    sessions = host.daemon.call("io.sshidle.List")["sessions"]
    return {one["from"]: one["limit_s"] for one in sessions if one["from"] in (ADDRESS, OTHER)}


def test_they_concern_one_address(host, log_in):
    host.daemon.configure("IdleTimeout 1h\n")
    host.daemon.call("io.sshidle.Reload")
    shortest = host.daemon.call("io.sshidle.Status")["shortest_limit_s"]
    asker = Asker(host, rule())
    log_in(ADDRESS)
    log_in(OTHER)
    wait_until(lambda: limits(host) == {ADDRESS: 1234, OTHER: 3600}, 10, "each has its limit")
    status = host.daemon.call("io.sshidle.Status")
    assert status["shortest_limit_s"] == shortest == 3600
    text, = status["temporary_rules"]
    assert f"for {ADDRESS}, asked for by root (process {os.getpid()}) at 20" in text
    assert "temporary rules 1 for" in host.daemon.cli("status").stdout
    # They live through a reload, and what the file says changes for the others.
    host.daemon.configure("IdleTimeout 2h\n")
    host.daemon.call("io.sshidle.Reload")
    wait_until(lambda: limits(host) == {ADDRESS: 1234, OTHER: 7200}, 5, "the file is in force")
    asker.close()
    wait_until(lambda: limits(host) == {ADDRESS: 7200, OTHER: 7200}, 5, "the rule has gone")
    assert host.rules() == []
    host.daemon.wait_line(rf"temporary rules 1 for {ADDRESS}, .*, are in force$")
    host.daemon.wait_line(rf"temporary rules 1 for {ADDRESS}, .*, are taken away$")


@pytest.mark.parametrize("text, words", [
    ("IdleTimeout 5\n", "a temporary rule stands in a Match block"),
    ("Match User alice\nIdleTimeout 5\n", "no Address that is one single address"),
    ("Match Address 127.0.0.0/8\nIdleTimeout 5\n", "no Address that is one single address"),
    ("Match Address 127.9.9.9\nIdleTimeot 5\n", "unknown keyword"),
    ("Include /etc/shadow\n" + rule(), "cannot include files"),
])
def test_refused(host, text, words):
    with pytest.raises(VarlinkError) as refusal:
        Asker(host, text)
    assert refusal.value.error == "io.sshidle.RulesWrong"
    assert words in " ".join(refusal.value.parameters["problems"])
    assert host.rules() == []


def test_refused_where_somebody_is(host, log_in):
    first = Asker(host, rule(OTHER))
    with pytest.raises(VarlinkError) as refusal:
        Asker(host, rule() + rule(OTHER + "/32"))
    assert "there are temporary rules for" in str(refusal.value)
    log_in(ADDRESS)
    wait_until(lambda: ADDRESS in limits(host), 10, "it is listed")
    with pytest.raises(VarlinkError) as refusal:
        Asker(host, rule())
    assert f"from {ADDRESS} is open already" in str(refusal.value)
    assert len(host.rules()) == 1
    first.close()


def test_askers_are_limited(host):
    askers = [Asker(host, rule(f"127.98.1.{i}")) for i in range(16)]
    with pytest.raises(VarlinkError) as refusal:
        Asker(host, rule())
    assert "too many temporary rules" in str(refusal.value)
    for asker in askers:
        asker.close()
    wait_until(lambda: host.rules() == [], 10, "all have gone")


def test_they_end_with_the_daemon(host):
    """A daemon that is started anew knows nothing of them; SIGTERM with some in force is clean."""
    asker = Asker(host, rule())
    host.daemon.signal(signal.SIGTERM)
    assert host.daemon.process.wait(10) == 0
    asker.close()
    host.daemon.start()
    assert host.rules() == []
