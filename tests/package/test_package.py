"""The Debian package in a Debian of its own: installed, at work, upgraded, removed, purged.

Each test goes on where the one before it ended.  Needs root and Debian's packages.
"""

import json
import re
import subprocess

import pytest

from conftest import NEXT, booted, give
from machine import ended_after, lives, wait_until

SHORT_S, LIMIT_S, PARK_S = 6, 16, 4
LATE_S = 2.0

CONFIG = f"""\
IdleTimeout {LIMIT_S}s
IdleWarning 2s
Match User parker
    IdleTimeout {PARK_S}s
    IdleWarning 0
    IdleAction park
"""

CONFFILES = {"/etc/sshidle.conf", "/etc/init.d/sshidle", "/etc/profile.d/sshidle-parked.sh"}

INSTALLED = CONFFILES | {
    "/usr/sbin/sshidled", "/usr/bin/sshidle", "/usr/libexec/sshidle/sshidle-keeper",
    "/lib/systemd/system/sshidle.service", "/lib/systemd/system/sshidle.socket",
    "/usr/lib/sysusers.d/sshidle.conf",
    "/usr/share/bash-completion/completions/sshidle", "/usr/share/man/man1/sshidle.1.gz",
    "/usr/share/man/man5/sshidle.conf.5.gz", "/usr/share/man/man8/sshidled.8.gz",
    "/usr/share/man/man8/sshidle-keeper.8.gz", "/usr/share/sshidle/profiles/pci-dss-4.0.json"}

# What dpkg, systemd and useradd write for themselves, whatever comes and goes.
THEIRS = re.compile(r"/var/log/|/var/cache/|/var/lib/dpkg/(?!info/)|/var/lib/systemd/|/tmp/|/var/tmp/|"
                    r"/etc/(\.pwd\.lock|(passwd|shadow|group|gshadow|subuid|subgid)-)$")

state = {}


@pytest.fixture(scope="module")
def machine(made):
    with booted(made[0]) as own:
        yield own


@pytest.fixture(scope="module")
def packages(made):
    return made[1]


def files(machine):
    """What is there, and what the files below /etc hold."""
    listed = machine.run("sh", "-c", "find / -xdev; find /run -name '*sshidle*'; "
                         "find /var/lib/systemd -name '*sshidle*' | sed s,^,left:,")
    sums = machine.run("sh", "-c", "find /etc -type f -exec sha256sum {} +").stdout
    return {line for line in (listed.stdout + sums).splitlines()
            if not THEIRS.match(line) and not THEIRS.match(line.partition("  ")[2])}


def dpkg(machine, *words):
    return machine.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words)


def install(machine, package):
    give(machine, package, "cat >/tmp/one.deb && dpkg -i /tmp/one.deb && rm /tmp/one.deb")


def answer(machine, *words):
    return json.loads(machine.run("sshidle", *words, "--json").stdout)


def socket_state(machine):
    """Of what gives the daemon its sockets: it comes and goes with it."""
    return machine.run("systemctl", "show", "-P", "ActiveState", "sshidle.socket").stdout.strip()


def idle_of(machine, user):
    return [one["idle_s"] for one in answer(machine, "list")["sessions"] if one["user"] == user]


def test_it_is_built_clean(packages):
    warnings = [line for line in packages.said.splitlines() if "warning:" in line]
    assert not warnings
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "warning", packages.changes],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_install(machine, packages):
    machine.run("useradd", "--create-home", "--shell", "/bin/sh", "-p", "*", "parker")
    # Once before, so that what logins leave is not taken for ours.
    machine.log_in().close(force=True)
    state["before"] = files(machine)
    install(machine, packages.first)
    assert machine.show("ActiveState") == "active", machine.journal()
    assert machine.run("systemctl", "is-enabled", "sshidle").stdout.strip() == "enabled"
    assert "watches this host" in machine.journal() and "error" not in machine.journal()
    assert socket_state(machine) == "active"
    assert INSTALLED <= set(machine.run("dpkg", "-L", "sshidle").stdout.split())
    assert machine.run("getent", "passwd", "sshidle").stdout.split(":")[5:] == [
        "/nonexistent", "/usr/sbin/nologin\n"]
    version = machine.run("dpkg-query", "-W", "-f", "${Version}", "sshidle").stdout
    assert machine.run("sshidled", "-V").stdout.split()[-1] == version
    assert answer(machine, "status")["version"] == version


def test_reload(machine):
    machine.write_config(CONFIG.replace(f"{LIMIT_S}s", f"{SHORT_S}s"))
    machine.run("systemctl", "reload", "sshidle")
    idle = machine.log_in()
    assert machine.run("loginctl", "--no-legend", "list-sessions").stdout.count("sshidle-test") == 1
    assert SHORT_S <= ended_after(idle, SHORT_S + LATE_S), machine.journal()[-3000:]


def test_upgrade_keeps_sessions_and_idle_time(machine, packages):
    machine.write_config(CONFIG)
    machine.run("systemctl", "reload", "sshidle")
    parked = machine.log_in(user="parker")
    idle = machine.log_in()
    parked.send("sleep 6; echo back-$((40+2)); sleep 4711\r")
    parked.used = idle.used
    ended_after(parked, PARK_S + 10)
    wait_until(lambda: len(answer(machine, "parked")["parked"]) == 1, 5, "it is parked")
    before, main = idle_of(machine, "sshidle-test")[0], machine.show("MainPID")
    assert before >= PARK_S
    install(machine, packages.second)
    assert machine.show("ActiveState") == "active" and machine.show("MainPID") != main
    assert socket_state(machine) == "active" and "netlink" not in machine.journal()
    assert answer(machine, "status")["version"] == NEXT
    assert idle_of(machine, "sshidle-test")[0] >= before
    assert lives(idle, 0.1)
    # A changed configuration is the administrator's.
    assert machine.run("cat", "/etc/sshidle.conf").stdout == CONFIG
    assert LIMIT_S <= ended_after(idle, LIMIT_S + LATE_S), machine.journal()[-3000:]
    assert "is watched again" in machine.journal()
    assert len(answer(machine, "parked")["parked"]) == 1
    again = machine.log_in(user="parker")
    again.send("sshidle resume\r")
    again.expect("back-42")
    again.close(force=True)


def test_remove(machine):
    idle = machine.log_in()
    dpkg(machine, "--remove", "sshidle")
    assert machine.show("ActiveState") == "inactive" and socket_state(machine) == "inactive"
    assert lives(idle, 1)
    idle.close(force=True)
    left = files(machine) - state["before"]
    there = {line for line in left if line.startswith("/etc/") and "rc" not in line}
    assert CONFFILES <= there, left
    assert not any(line.startswith("/usr/") for line in left), left
    # What was parked lives on, in case that the package comes back.
    assert machine.run("pgrep", "-x", "sshidle-keeper").stdout


def test_purge_leaves_nothing(machine):
    dpkg(machine, "--purge", "sshidle")
    assert files(machine) ^ state["before"] == set()
    for database in ("passwd", "group"):
        assert machine.run("getent", database, "sshidle", check=False).returncode == 2
    assert machine.run("dpkg-query", "-W", "sshidle", check=False).returncode != 0
    assert machine.run("systemctl", "cat", "sshidle", check=False).returncode != 0
    wait_until(lambda: machine.run("pgrep", "-x", "sshidle-keeper", check=False).returncode == 1
               and machine.run("pgrep", "-f", "sleep 4711", check=False).returncode == 1, 10,
               "what was parked has got its hang-up")
