"""The unit has no network: what netlink tells of the host's connections comes by sshidle.socket, and that
socket starts nothing."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time

import pexpect
import pytest

sys.path.insert(0, os.path.dirname(__file__))

from machine import ROOT, booted, ended_after, lives, wait_until  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
LIMIT_S = 6
LATE_S = 2.0
PORT = 2030
HERE, AWAY = "198.18.0.1", "198.18.0.2"
SOCK_DIAG = "4"

CONFIG = f"""\
IdleTimeout {LIMIT_S}s
IdleWarning 2s
Match LocalPort {PORT}
    IdleTimeout 40s
"""

REFUSED = "[Service]\nSystemCallFilter=~pidfd_getfd\n"

# Connections that the filter of who listens lets in, too.
CONNECT = f"""
import socket
for i in range(20):
    with socket.create_connection(("{HERE}", {PORT})) as own:
        own.recv(8)
"""


@pytest.fixture(scope="module")
def machine():
    with booted(BUILD, CONFIG, {"ip": "iproute2", "nft": "nftables"}) as own:
        yield own


def ip(*argv, before=()):
    subprocess.run([*before, "ip", *argv], check=True, capture_output=True, text=True)


class Line:
    """From the machine to a client's, which may lose everything; and an sshd at its end."""

    def __init__(self, machine):
        self.machine, self.name = machine, f"sshidle-system-{os.getpid()}"
        net = machine.inside("--net")
        ip("netns", "add", self.name)
        try:
            ip("link", "add", "here", "type", "veth", "peer", "name", "line", "netns", self.name,
               before=net)
            ip("addr", "add", f"{HERE}/24", "dev", "here", before=net)
            ip("link", "set", "here", "up", before=net)
            ip("-n", self.name, "addr", "add", f"{AWAY}/24", "dev", "line")
            ip("-n", self.name, "link", "set", "line", "up")
            # The kernel gives a client up after six seconds instead of fifteen minutes.
            subprocess.run([*net, "sysctl", "-qw", "net.ipv4.tcp_retries2=4"], check=True)
        except BaseException:
            self.close()
            raise
        machine.run("systemd-run", "--unit=away-sshd", "/usr/sbin/sshd", "-D", "-f",
                    "/etc/test/sshd_config", "-o", f"ListenAddress={HERE}", "-p", str(PORT))
        wait_until(lambda: f"{HERE}:{PORT} " in machine.run("ss", "-Hltn").stdout, 10,
                   "sshd listens")

    def close(self):
        """The other end goes with this one; its namespace may have clients that live on."""
        subprocess.run([*self.machine.inside("--net"), "ip", "link", "del", "here"], check=False,
                       capture_output=True)
        ip("netns", "del", self.name)

    def lose(self, everything):
        rules = "flush ruleset\n" + ("""
            table inet lost {
                chain in { type filter hook input priority 0; drop; }
                chain out { type filter hook output priority 0; drop; }
            }""" if everything else "")
        subprocess.run(["ip", "netns", "exec", self.name, "nft", "-f", "-"], input=rules,
                       text=True, check=True, capture_output=True)

    def log_in(self):
        key = str(self.machine.seed / "etc/test/key")
        options = ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR",
                   "UserKnownHostsFile=/dev/null")
        client = pexpect.spawn("ip", ["netns", "exec", self.name, "ssh", "-F", "/dev/null", "-i",
                                      key, *(word for one in options for word in ("-o", one)),
                                      "-p", str(PORT), f"sshidle-test@{HERE}"],
                               encoding="utf-8", timeout=20)
        self.machine.clients.append(client)
        client.expect(r"[$#] ")
        return client


@pytest.fixture
def line(machine):
    with contextlib.closing(Line(machine)) as own:
        yield own
    machine.run("systemctl", "stop", "away-sshd")


def state_of(machine, unit):
    return machine.run("systemctl", "show", "-P", "ActiveState", unit).stdout.strip()


def states(machine):
    return [state_of(machine, unit) for unit in ("sshidle.service", "sshidle.socket")]


def diag_sockets(machine):
    """inode -> groups, of all sockets of sock_diag in the machine's network."""
    rows = [row.split() for row in machine.run("cat", "/proc/net/netlink").stdout.splitlines()]
    return {row[9]: int(row[3], 16) for row in rows if row[1] == SOCK_DIAG}


def processes(machine):
    """name -> pid of the unit's, in the machine."""
    pids = machine.run("cat", f"/sys/fs/cgroup{machine.show('ControlGroup')}/cgroup.procs").stdout
    return {machine.run("cat", f"/proc/{pid}/comm").stdout.strip(): pid for pid in pids.split()}


def sockets_of(machine, pid):
    said = machine.run("sh", "-c", f"readlink /proc/{pid}/fd/*").stdout
    return set(re.findall(r"socket:\[(\d+)\]", said))


def is_listening(machine):
    return any(diag_sockets(machine).values())


def network_of(machine, pid):
    return machine.run("readlink", f"/proc/{pid}/ns/net").stdout


def sessions_on(machine, port):
    answer = json.loads(machine.run("sshidle", "list", "--json").stdout)
    return [one for one in answer["sessions"] if one["local_port"] == port]


def silent_client(machine, line):
    """A session whose client does not answer any more, as the daemon has noticed."""
    client = line.log_in()
    wait_until(lambda: sessions_on(machine, PORT), 5, "the session is watched")
    client.send("while sleep .2; do echo tick; done\r")
    client.expect("tick\r\n")
    line.lose(True)
    wait_until(lambda: is_listening(machine), 5, "the daemon listens for the end")
    return client


def test_only_the_monitor_has_the_sockets(machine):
    assert states(machine) == ["active", "active"], machine.journal()
    found = processes(machine)
    assert {"sshidled", "sshidled-engine"} <= set(found), found
    of_host = set(diag_sockets(machine))
    for name, pid in found.items():
        assert network_of(machine, pid) != network_of(machine, "1"), name
        assert len(sockets_of(machine, pid) & of_host) == (2 if name == "sshidled" else 0), name
    assert "netlink" not in machine.journal()
    assert not is_listening(machine)


def test_a_lost_connection_has_its_reason(machine, line):
    silent_client(machine, line)
    wait_until(lambda: "the kernel gave up" in machine.journal(), 20, "the journal tells of it")
    assert re.search(r"ended by itself: the kernel gave up, the client's machine did not answer for "
                     r"([3-9]|1\d)(\.\d+)?s", machine.journal()), machine.journal()[-3000:]
    wait_until(lambda: not is_listening(machine), 5, "nobody listens any more")


def test_what_ends_starts_nothing(machine, line):
    """The daemon is stopped while it listens."""
    silent_client(machine, line)
    machine.run("systemctl", "stop", "sshidle")
    # The socket goes last.
    wait_until(lambda: states(machine) == ["inactive", "inactive"], 5, "both are stopped")
    line.lose(False)
    machine.run("python3", "-c", CONNECT)
    time.sleep(2)
    assert states(machine) == ["inactive", "inactive"]
    machine.run("systemctl", "start", "sshidle")
    assert states(machine) == ["active", "active"]


def test_killed_while_it_listens(machine, line):
    """It comes back after RestartSec, once, and its sockets work; connections that end meanwhile change nothing."""
    silent_client(machine, line)
    line.lose(False)
    before, restarts = machine.show("MainPID"), int(machine.show("NRestarts"))
    began = time.monotonic()
    machine.run("systemctl", "kill", "--signal=KILL", "sshidle")
    machine.run("python3", "-c", CONNECT)
    wait_until(lambda: machine.show("MainPID") not in ("0", before), 10, "it is started again")
    assert time.monotonic() - began >= 0.9
    machine.run("python3", "-c", CONNECT)
    time.sleep(2)
    assert int(machine.show("NRestarts")) == restarts + 1
    assert states(machine) == ["active", "active"]
    line.lose(True)
    before = machine.journal().count("the kernel gave up")
    wait_until(lambda: machine.journal().count("the kernel gave up") > before, 20,
               "the journal tells of the next end")


def test_where_sockets_cannot_be_borrowed(machine):
    """They are looked at through netlink, of the machine's network."""
    machine.run("sh", "-c", 'mkdir -p /etc/systemd/system/sshidle.service.d && '
                'printf "$1" >/etc/systemd/system/sshidle.service.d/refused.conf', "-", REFUSED)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "sshidle")
    idle, used = machine.log_in(), machine.log_in()
    while time.monotonic() < idle.used + LIMIT_S - 2:
        used.send("#")
        used.used = time.monotonic()
        time.sleep(0.5)
    assert LIMIT_S <= ended_after(idle, LIMIT_S + LATE_S), machine.journal()[-3000:]
    assert lives(used, 0.1)
    assert "sockets cannot be borrowed" in machine.journal()
    wait_until(lambda: "cut session" in machine.journal(), 10, "the journal tells of it")
    assert "signal=15" in [row for row in machine.journal().splitlines() if "cut session" in row][-1]
    used.close(force=True)
    machine.run("rm", "/etc/systemd/system/sshidle.service.d/refused.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed", "sshidle")
    machine.run("systemctl", "restart", "sshidle")


def test_without_the_socket(machine):
    """Masked: the daemon does what it can, and says what is missing."""
    machine.run("systemctl", "stop", "sshidle")
    machine.run("systemctl", "mask", "--runtime", "sshidle.socket")
    machine.run("systemctl", "start", "sshidle")
    assert states(machine) == ["active", "inactive"]
    assert "no netlink socket for inet-diag" in machine.journal()
    machine.run("systemctl", "unmask", "--runtime", "sshidle.socket")
    machine.run("systemctl", "restart", "sshidle")
    assert states(machine) == ["active", "active"]
