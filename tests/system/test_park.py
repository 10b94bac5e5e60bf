"""Parked terminals under a real systemd: they outlive their login session, also with
KillUserProcesses=yes, and every stop, restart and crash of the unit."""

import json
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from machine import ROOT, booted, ended_after, wait_until  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
LIMIT_S = 4
UID = 61702

CONFIG = f"IdleTimeout {LIMIT_S}s\nIdleWarning 0\nIdleAction park\nParkMax 20\n"
LOGIND = "[Login]\nKillUserProcesses=yes\nUserStopDelaySec=0\n"


@pytest.fixture(scope="module")
def machine():
    if not os.path.exists(f"{BUILD}/src/keeper/sshidle-keeper"):
        pytest.skip("park is not in this build (libvterm is missing)")
    with booted(BUILD, CONFIG, {"dbus-daemon": "dbus"}, LOGIND) as own:
        yield own


class Parked:
    """A session that was parked; the numbers of its processes are the machine's."""

    def __init__(self, machine, typed="sleep 4711 & setsid -w sleep 4712\r"):
        self.machine = machine
        client = machine.log_in()
        client.send("echo shell-$$ session-$XDG_SESSION_ID-\r")
        client.expect(r"shell-(\d+) session-(\w*)-")
        self.shell, self.session = client.match[1], client.match[2]
        before = machine.journal().count("parked session")
        client.send(typed)
        try:
            ended_after(client, LIMIT_S + 8)
        except Exception:
            print(machine.journal()[-3000:])
            raise
        wait_until(lambda: machine.journal().count("parked session") > before, 5,
                   f"the journal tells of it: {machine.journal()[-2000:]}")
        self.id = re.findall(r"parked=(\d+)\(", machine.journal())[-1]
        self.scope = self.cgroup(self.shell)

    def cgroup(self, pid):
        done = self.machine.run("cat", f"/proc/{pid}/cgroup", check=False)
        return done.stdout.strip().rpartition("/")[2] if done.returncode == 0 else None

    def processes(self):
        """Names of what is in its scope."""
        done = self.machine.run("systemctl", "show", "-P", "ControlGroup",
                                self.scope)
        path = done.stdout.strip()
        if not path:
            return []
        pids = self.machine.run("cat", f"/sys/fs/cgroup{path}/cgroup.procs", check=False).stdout
        names = [self.machine.run("cat", f"/proc/{pid}/comm", check=False).stdout.strip()
                 for pid in pids.split()]
        return sorted(name for name in names if name)

    def slice(self):
        return self.machine.run("systemctl", "show", "-P", "Slice",
                                self.scope).stdout.strip()


ALL = ["setsid", "sh", "sleep", "sleep", "sshidle-keeper"]


def test_it_outlives_its_login_session(machine):
    # The third has left the terminal, as a server of tmux does.
    parked = Parked(machine, "sleep 4711 & setsid -f sleep 4713; setsid -w sleep 4712\r")
    assert parked.session, "logind knows no session: the test proves nothing"
    assert re.fullmatch(rf"sshidle-parked-{parked.id}-\d+\.scope", parked.scope)
    assert parked.slice() == f"user-{UID}.slice"
    wait_until(lambda: machine.run("loginctl", "show-session", parked.session,
                                   check=False).returncode != 0, 20, "the login session is gone")
    # With it goes the user's manager; what is parked stays.
    wait_until(lambda: machine.run("systemctl", "is-active", f"user@{UID}",
                                   check=False).returncode != 0, 20, "the user's manager is gone")
    assert parked.processes() == ALL
    keeper, nice = machine.run("ps", "-C", "sshidle-keeper", "-o", "pid=,nice=").stdout.split()
    assert nice == "0"
    assert re.search(r"open files\s+256\s+256", machine.run("cat", f"/proc/{keeper}/limits").stdout)
    assert machine.run("pgrep", "-f", "sleep 4713", check=False).returncode == 1
    said = machine.run("sshidle", "audit", "--json", check=False).stdout
    (finding,) = [one for one in json.loads(said)["findings"] if one["id"] == "logind.kill-ends-parked"]
    assert finding["verdict"] == "remark" and "scopes of their own" in finding["details"][0]["text"]
    assert finding["details"][0]["file"] == "/etc/systemd/logind.conf.d/test.conf"
    # The unit's filter of system calls lets output be stopped without a loss.
    assert "userfaultfd" not in machine.journal()


def test_it_is_parked_after_a_use_at_the_last_moment(machine):
    """Its scope is there already, with the shell in it."""
    client = machine.log_in()
    before = machine.journal().count("parked session")
    client.expect("session parked", timeout=LIMIT_S + 8)
    client.send("echo again-$$\r")
    client.expect(r"again-(\d+)")
    client.used, shell = time.monotonic(), client.match[1]
    wait_until(lambda: "at the last moment and is not parked" in machine.journal(), 5, "it is cancelled")
    ended_after(client, LIMIT_S + 8)
    wait_until(lambda: machine.journal().count("parked session") > before, 5,
               f"the journal tells of it: {machine.journal()[-2000:]}")
    assert machine.run("cat", f"/proc/{shell}/comm").stdout.strip() == "sh"


def test_what_has_a_place_of_its_own_stays_there(machine):
    """A container's processes, which come from the shell as well, would not survive being taken out of it."""
    client = machine.log_in()
    before = machine.journal().count("parked session")
    client.send("sleep 4714 & echo child-$!\r")
    client.expect(r"child-(\d+)")
    client.used, child = time.monotonic(), client.match[1]
    machine.run("sh", "-c", 'mkdir -p "$0" && echo "$1" >"$0/cgroup.procs"',
                "/sys/fs/cgroup/machine.slice/own", child)
    ended_after(client, LIMIT_S + 8)
    wait_until(lambda: machine.journal().count("parked session") > before, 5, "it is parked")
    assert "machine.slice/own" in machine.run("cat", f"/proc/{child}/cgroup").stdout
    machine.run("kill", child)


@pytest.mark.parametrize("how", ["stop", "restart", "kill"])
def test_it_outlives_the_daemon(machine, how):
    parked = Parked(machine)
    before = machine.show("MainPID")
    if how == "kill":
        machine.run("systemctl", "kill", "--signal=KILL", "sshidle")
        wait_until(lambda: machine.show("MainPID") not in ("0", before), 10, "it is started again")
    else:
        machine.run("systemctl", how, "sshidle")
    assert parked.processes() == ALL
    machine.run("systemctl", "start", "sshidle")
    assert parked.processes() == ALL
    # Ended as a lost line would.
    machine.run("pkill", "-x", "sshidle-keeper", "-n")
    wait_until(lambda: "sh" not in parked.processes(), 5, "the shell got its hang-up")


def test_the_starter_has_only_what_it_needs(machine):
    pid = machine.run("pgrep", "-x", "sshidled-starte").stdout.strip()
    status = machine.run("cat", f"/proc/{pid}/status").stdout
    chown, dac_override, setgid, setuid, sys_ptrace = (1 << bit for bit in (0, 1, 6, 7, 19))
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(re.search(rf"{name}:\s*(\w+)", status)[1], 16) == (
            chown | dac_override | setgid | setuid | sys_ptrace)
    assert re.search(r"NoNewPrivs:\s*1", status) and re.search(r"Seccomp:\s*2", status)


def test_terminating_the_user_ends_it(machine):
    parked = Parked(machine)
    assert parked.processes() == ALL
    machine.run("systemctl", "stop", f"user-{UID}.slice")
    assert parked.processes() == []
