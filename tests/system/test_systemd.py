"""The unit under a real systemd: it starts, is hardened and does its work all the same; restarts
keep idle time, and stopping it touches no session.

Needs root, SSHIDLE_BUILD with the build directory, and systemd-nspawn.
"""

import json
import os
import shutil
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from machine import ROOT, booted, ended_after, lives, wait_until  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
LIMIT_S, WARNING_S = 10, 3
# 1 s is promised; the clients' ends are seen from here, and the host may be busy.
LATE_S = 2.0

CONFIG = f"IdleTimeout {LIMIT_S}s\nIdleWarning {WARNING_S}s\n"


@pytest.fixture(scope="module")
def machine():
    with booted(BUILD, CONFIG) as own:
        yield own


def status_of(machine, pid=None):
    """/proc/PID/status of a process (the main one), as a dict."""
    pid = pid or machine.show("MainPID")
    lines = machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_starts(machine):
    assert machine.show("ActiveState") == "active", machine.journal()
    assert machine.show("NRestarts") == "0", machine.journal()
    assert "watches this host" in machine.journal()
    assert "error" not in machine.journal()


def test_it_has_only_what_it_needs(machine):
    status = status_of(machine)
    kill, dac_read_search, sys_ptrace, net_admin = 1 << 5, 1 << 2, 1 << 19, 1 << 12
    wanted = kill | dac_read_search | sys_ptrace
    # A machine that shares its host's network may not administer it.
    wanted |= int(status_of(machine, "1")["CapBnd"], 16) & net_admin
    assert int(status["CapBnd"], 16) == wanted
    assert int(status["CapEff"], 16) == wanted
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    nice = dict(line.split() for line in machine.run("ps", "-eo", "comm=,nice=").stdout.splitlines()
                if line.startswith("sshidled"))
    assert nice == {"sshidled": "-10", "sshidled-engine": "-10", "sshidled-starte": "0"}
    security = machine.run("systemd-analyze", "security", "--no-pager", "sshidle").stdout
    assert float(security.split("sshidle.service: ")[1].split()[0]) <= 2.0, security


def test_it_ends_an_idle_session(machine):
    idle, used = machine.log_in(), machine.log_in()
    while time.monotonic() < idle.used + LIMIT_S - 2:
        used.send("#")
        used.used = time.monotonic()
        time.sleep(0.5)
    after = ended_after(idle, LIMIT_S + LATE_S)
    assert after >= LIMIT_S
    assert lives(used, 0.1)
    assert "any key" in idle.before
    wait_until(lambda: "cut session" in machine.journal(), 10, "the journal tells of it")
    line = [line for line in machine.journal().splitlines() if "cut session" in line][-1]
    assert "of sshidle-test" in line and "rule=5" in line
    assert "config=/etc/sshidle.conf:1" in line
    used.close(force=True)


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_restart_keeps_idle_time(machine, how):
    idle = machine.log_in()
    assert lives(idle, 5)
    if how == "restart":
        machine.run("systemctl", "restart", "sshidle")
    else:
        before = machine.show("MainPID")
        machine.run("systemctl", "kill", "--signal=KILL", "sshidle")
        wait_until(lambda: machine.show("MainPID") not in ("0", before), 10, "it is started again")
    assert LIMIT_S <= ended_after(idle, LIMIT_S + LATE_S), idle.before + machine.journal()[-3000:]
    assert "is watched again" in machine.journal()


def test_reload_tells_what_is_wrong(machine):
    machine.write_config("IdleTimeout 10s\nIdleTimeoot 5s\n")
    wrong = machine.run("systemctl", "reload", "sshidle", check=False)
    assert wrong.returncode != 0
    assert "IdleTimeoot" in machine.journal()
    machine.write_config(CONFIG)
    machine.run("systemctl", "reload", "sshidle")
    assert machine.show("ActiveState") == "active"


def test_stopping_touches_no_session(machine):
    idle = machine.log_in()
    began = time.monotonic()
    machine.run("systemctl", "stop", "sshidle")
    assert time.monotonic() - began < 5
    assert lives(idle, LIMIT_S + 2)
    # What was idle before and meanwhile counts: it is warned, and ends when the warning has stood.
    began = time.monotonic()
    machine.run("systemctl", "start", "sshidle")
    ended_after(idle, time.monotonic() + WARNING_S + LATE_S - idle.used)
    assert time.monotonic() - began >= WARNING_S, machine.journal()[-3000:]


def test_the_state_is_where_it_belongs(machine):
    listing = machine.run("stat", "-c", "%A %U %G", "/run/sshidle", "/run/sshidle/state").stdout
    assert listing.splitlines() == ["drwxr-xr-x root root", "drwx------ sshidle sshidle"]


def test_the_init_script(machine):
    def script(word, status=0):
        done = machine.run("/etc/init.d/sshidle", word, check=False)
        assert done.returncode == status, f"{word}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    machine.run("systemctl", "stop", "sshidle")
    assert "does not run" in script("status", 3)
    script("reload", 7)
    script("start")
    idle = machine.log_in()
    assert "runs, pid" in script("status")
    assert "runs already" in script("start")
    script("reload")
    machine.write_config("IdleTimeoot 5s\n")
    assert "IdleTimeoot" in script("reload", 1)
    # A daemon that works is not stopped for a configuration that does not.
    assert "IdleTimeoot" in script("restart", 1)
    assert "runs, pid" in script("status")
    machine.write_config(CONFIG)
    script("restart")
    assert LIMIT_S <= ended_after(idle, LIMIT_S + LATE_S), idle.before + machine.journal()[-3000:]
    script("stop")
    script("stop")
    assert "does not run" in script("status", 3)
    script("nonsense", 2)
    machine.run("systemctl", "start", "sshidle")


SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
Port 2023
ListenAddress 127.0.0.1
HostKey /etc/test/host-key
AuthorizedKeysFile /etc/test/key.pub
StrictModes no
UsePAM yes
UseDNS no
"""


def test_apply(machine):
    """The distribution's own ssh.service: reloaded, its sessions stay; and put back."""
    def says():
        said = machine.run("/usr/sbin/sshd", "-T").stdout.lower()
        return [line.split()[1] for line in said.splitlines() if line.startswith("clientalive")]

    def unit(name):
        return machine.run("systemctl", "show", "-P", name, "ssh.service").stdout.strip()

    machine.write_config("ClientAliveInterval 30\nClientAliveCountMax 4\n")
    machine.run("sh", "-c", 'printf %s "$1" >/etc/ssh/sshd_config', "-", SSHD_CONFIG)
    machine.run("systemctl", "start", "ssh.service")
    session, main = machine.log_in(2023), unit("MainPID")
    before = says()
    done = machine.run("sshidle", "apply", "--write", "--json", check=False)
    by_port = {site["ports"][0]: site for site in json.loads(done.stdout)["servers"]}
    assert by_port[2023]["state"] == "written", done.stdout
    # The other one has no reload in its unit, and is told by SIGHUP.
    assert by_port[2022]["state"] == "written", done.stdout
    assert done.returncode == 0 and says() != before
    assert unit("MainPID") == main and unit("ActiveState") == "active"
    assert "Reloaded" in machine.run("journalctl", "-u", "ssh.service", "--no-pager").stdout
    assert lives(session, 0.1) and lives(machine.log_in(2023), 0.1)
    assert "as wanted" in machine.run("sshidle", "apply").stdout
    machine.run("sshidle", "apply", "--undo")
    assert says() == before and lives(session, 0.1)
    machine.run("systemctl", "stop", "ssh.service")
    machine.write_config(CONFIG)


# As Debian's package has it.
DROPBEAR_SERVICE = """\
[Service]
Environment=DROPBEAR_PORT=2024
EnvironmentFile=-/etc/default/dropbear
ExecStart=/usr/sbin/dropbear -EF -p "$DROPBEAR_PORT" -r /etc/test/dropbear-key $DROPBEAR_EXTRA_ARGS
KillMode=process
"""


@pytest.mark.skipif(not shutil.which("dropbear"), reason="needs dropbear-bin")
def test_apply_to_dropbear(machine):
    """Restarted, because it reads its arguments once; only where that leaves its sessions alone."""
    def write(path, text):
        machine.run("sh", "-c", 'printf %s "$2" >"$1"', "-", path, text)

    def apply(*options):
        # systemd calls it started before it listens.
        wait_until(lambda: ":2024 " in machine.run("ss", "-Hltn").stdout, 10, "dropbear listens")
        done = machine.run("sshidle", "apply", "--json", *options, check=False)
        return next(site for site in json.loads(done.stdout)["servers"]
                    if site["server"] == "dropbear")

    def arguments():
        pid = machine.run("systemctl", "show", "-P", "MainPID", "dropbear").stdout.strip()
        return machine.run("cat", f"/proc/{pid}/cmdline").stdout.split("\0")

    machine.write_config("ClientAliveInterval 30\nClientAliveCountMax 4\n")
    machine.run("dropbearkey", "-t", "ed25519", "-f", "/etc/test/dropbear-key")
    write("/etc/default/dropbear", 'DROPBEAR_EXTRA_ARGS="-m -K 7"\n')
    write("/etc/systemd/system/dropbear.service", DROPBEAR_SERVICE.replace("process", "mixed"))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "dropbear")
    assert apply("--write")["state"] == "cannot" and "7" in arguments()
    write("/etc/systemd/system/dropbear.service", DROPBEAR_SERVICE)
    machine.run("systemctl", "daemon-reload")
    written = apply("--write")
    assert written["state"] == "written", written
    assert arguments()[-4:-1] == ["-m", "-K", "40"]
    assert apply()["state"] == "same"
    assert apply("--undo")["state"] == "written"
    assert arguments()[-4:-1] == ["-m", "-K", "7"]
    machine.run("systemctl", "stop", "dropbear")
    machine.write_config(CONFIG)
