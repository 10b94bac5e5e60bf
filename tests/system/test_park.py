"""Parked terminals under a real systemd: they outlive their login session, also with
KillUserProcesses=yes, and every stop, restart and crash of the unit."""

import contextlib
import grp
import json
import os
import re
import shutil
import subprocess
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
    dac_override, setgid, setuid, sys_ptrace = (1 << bit for bit in (1, 6, 7, 19))
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(re.search(rf"{name}:\s*(\w+)", status)[1], 16) == (
            dac_override | setgid | setuid | sys_ptrace)
    assert re.search(r"NoNewPrivs:\s*1", status) and re.search(r"Seccomp:\s*2", status)


# -- a terminal that dropbear leaves to root ---------------------------------------------------

DROPBEAR_PORT = 2025
DROPBEAR_SERVICE = f"""\
[Service]
ExecStart=/usr/sbin/dropbear -EF -p 127.0.0.1:{DROPBEAR_PORT} -r /etc/test/dropbear-key
KillMode=process
"""

# Notes what becomes of a terminal's node, and tries to open it, without a pause, as another user.
WATCH = """
import os, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
os.setgroups([]), os.setgid(65534), os.setuid(65534)
last, until = None, time.monotonic() + seconds
while time.monotonic() < until:
    status = os.stat(path)
    now = (status.st_uid, status.st_gid, oct(status.st_mode & 0o7777))
    if now != last:
        print(*now, round(time.monotonic() * 1000), flush=True)
        last = now
    try:
        os.open(path, os.O_RDWR | os.O_NOCTTY)
        print("opened", flush=True)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def dropbear(machine):
    if not shutil.which("dropbear"):
        pytest.skip("needs dropbear-bin")
    machine.run("dropbearkey", "-t", "ed25519", "-f", "/etc/test/dropbear-key")
    machine.run("sh", "-c", 'mkdir -p /.ssh && cp /etc/test/key.pub /.ssh/authorized_keys && '
                'printf %s "$1" >/etc/systemd/system/test-dropbear.service && '
                "systemctl daemon-reload && systemctl start test-dropbear", "-", DROPBEAR_SERVICE)
    wait_until(lambda: f":{DROPBEAR_PORT} " in machine.run("ss", "-Hltn").stdout, 10,
               "dropbear listens")
    yield machine
    machine.run("systemctl", "stop", "test-dropbear")


@contextlib.contextmanager
def watched(machine, tty, seconds=LIMIT_S + 14):
    """Yields a list, in the end of what was seen of the terminal's node."""
    seen = []
    watch = subprocess.Popen([*machine.inside("--mount", "--pid", "--root"), "/usr/bin/python3", "-c",
                              WATCH, tty, str(seconds)], stdout=subprocess.PIPE, text=True)
    try:
        yield seen
    finally:
        watch.terminate()
        seen += watch.communicate()[0].splitlines()


def log_in_by_dropbear(machine):
    client = machine.log_in(DROPBEAR_PORT)
    client.send("echo tty-$(tty) shell-$$-\r")
    client.expect(r"tty-(\S+) shell-(\d+)-")
    client.used = time.monotonic()
    client.tty, client.shell = client.match[1], client.match[2]
    return client


def node(machine, tty):
    return machine.run("stat", "-c", "%u %g %a", tty).stdout.strip()


def usual(uid=UID):
    return f"{uid} {grp.getgrnam('tty').gr_gid} 620"


def test_systemd_gives_a_terminal_back(dropbear):
    """The daemon has no capability to do it."""
    machine = dropbear
    assert "CAP_CHOWN" not in machine.show("CapabilityBoundingSet").upper()
    client = log_in_by_dropbear(machine)
    client.send("stty -icanon -echo; sleep 4715\r")
    client.used = time.monotonic()
    assert node(machine, client.tty) == usual()
    before = machine.journal().count("parked session")
    with watched(machine, client.tty) as seen:
        ended_after(client, LIMIT_S + 8)
        wait_until(lambda: machine.journal().count("parked session") > before, 5, "it is parked")
        wait_until(lambda: node(machine, client.tty) == usual(), 5, f"it is given back: {machine.journal()}")
        time.sleep(0.3)
    print(*seen, sep="\n")
    assert "opened" not in seen, seen
    states = [line.split() for line in seen]
    assert [one[0] for one in states[:2]] == [str(UID), "0"], "dropbear did not give it to root"
    assert (states[-1][0], states[-1][2]) == (str(UID), "0o620")
    assert int(states[-1][3]) - int(states[1][3]) < 1000, seen
    assert machine.run("cat", f"/proc/{client.shell}/comm").stdout.strip() == "sh"
    assert "CHOWN" not in machine.journal() and "given back" not in machine.journal()
    # Nothing of it is left, and the starter has not loaded what it takes to ask.
    starter = machine.run("pgrep", "-x", "sshidled-starte").stdout.strip()
    assert "libsystemd" not in machine.run("cat", f"/proc/{starter}/maps").stdout
    wait_until(lambda: "sshidle-give-back" not in machine.run("systemctl", "list-units", "--all").stdout,
               5, "the service is forgotten")
    assert can_open(machine, client.tty)
    # systemd resets the terminals of its services.
    assert "-icanon" in machine.run("stty", "-a", "-F", client.tty).stdout


def can_open(machine, tty):
    program = f"import os; os.setuid({UID}); os.open('{tty}', os.O_RDWR | os.O_NOCTTY)"
    return machine.run("/usr/bin/python3", "-c", program, check=False).returncode == 0


def test_systemd_does_not_give_it_back(dropbear):
    """It stays closed to everybody, and what runs in it runs on; the next daemon has it given back."""
    machine = dropbear
    client = log_in_by_dropbear(machine)
    before = machine.journal().count("was not given back to its user")
    machine.run("mv", "/bin/chown", "/bin/not-chown")
    try:
        with watched(machine, client.tty, LIMIT_S + 30) as seen:
            ended_after(client, LIMIT_S + 8)
            wait_until(lambda: machine.journal().count("was not given back to its user") > before, 15,
                       f"an alert: {machine.journal()}")
            assert node(machine, client.tty) == f"0 {node(machine, client.tty).split()[1]} 0"
            time.sleep(0.3)
    finally:
        machine.run("mv", "/bin/not-chown", "/bin/chown")
    assert "opened" not in seen, seen
    assert machine.run("cat", f"/proc/{client.shell}/comm").stdout.strip() == "sh"
    machine.run("systemctl", "restart", "sshidle")
    wait_until(lambda: node(machine, client.tty) == usual(), 5, f"it is given back: {machine.journal()}")
    wait_until(lambda: can_open(machine, client.tty), 5, "it is exclusive no more")


def test_terminating_the_user_ends_it(machine):
    parked = Parked(machine)
    assert parked.processes() == ALL
    machine.run("systemctl", "stop", f"user-{UID}.slice")
    assert parked.processes() == []
