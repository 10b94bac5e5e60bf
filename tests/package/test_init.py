"""The init scripts of other systems, at work: OpenRC's with the real openrc-run and supervise-daemon, procd's
with a stand-in for rc.common and procd, which Debian does not have."""

import re
import shutil
import subprocess

import pytest

from conftest import ROOT, booted, give
from machine import ended_after, lives, wait_until

LIMIT_S, LATE_S = 10, 2.0
CONFIG = f"IdleTimeout {LIMIT_S}s\nIdleWarning 2s\n"

SCRIPTS = {"openrc": "packaging/openrc/sshidle.in", "procd": "packaging/openwrt/sshidle.init.in",
           "sysv": "packaging/sshidle.init.in"}

# What openrc makes at boot.
OPENRC_STATE = ("daemons exclusive failed hotplugged inactive options scheduled started starting "
                "stopping tmp wasinactive").split()

# As OpenWrt's: the script is read by this one, which tells procd of a service.  Here procd is what comes after
# start_service(): it leaves a command as it is that runs already, and ends one that the service has no more.
RC_COMMON = """\
script=$1
restart() { stop "$@"; start "$@"; }
. "$script"
procd_open_instance() { command=; }
procd_set_param() {
	echo "$@" >>/tmp/procd.new
	[ "$1" != command ] || { shift; command=$*; }
}
procd_close_instance() { instance=$command; }
start() {
	instance=
	: >/tmp/procd.new
	start_service "$@"
	cmp -s /tmp/procd /tmp/procd.new && kill -0 "$(cat /tmp/procd.pid)" 2>/dev/null && return
	stop
	[ -n "$instance" ] || return 0
	mv /tmp/procd.new /tmp/procd
	setsid $instance </dev/null >/dev/null 2>&1 &
	echo $! >/tmp/procd.pid
}
stop() {
	[ ! -e /tmp/procd ] || kill "$(cat /tmp/procd.pid)"
	rm -f /tmp/procd
}
reload() { reload_service "$@"; }
"$2"
"""


@pytest.fixture(scope="module")
def machine(made):
    """The tree with the package, whose unit does not run."""
    with booted(made[0]) as own:
        give(own, made[1].first, "cat >/tmp/one.deb && dpkg -i /tmp/one.deb")
        own.run("systemctl", "disable", "--now", "sshidle")
        yield own


def filled_in(name, tmp_path):
    """The script as Meson installs it with -Dinit."""
    done = subprocess.run(["meson", "setup", tmp_path / name, ROOT, "--prefix=/usr",
                           "--sysconfdir=/etc", f"-Dinit={name}", "-Dtests=disabled"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return (tmp_path / name / "packaging/sshidle.init").read_text()


def lay_down(machine, text):
    machine.run("sh", "-c", 'printf %s "$1" >/etc/init.d/sshidle && chmod 755 /etc/init.d/sshidle',
                "-", text)


def script(machine, word, status=0):
    done = machine.run("/etc/init.d/sshidle", word, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, f"{word}: {said}"
    return said


def readings(machine):
    """How often the configuration was read again, by the log."""
    return machine.run("journalctl", "-t", "sshidled", "-o", "cat", "--no-pager").stdout.count(
        " is in force for all sessions")


def check_reload(machine):
    """By the command, which tells what is wrong, and by SIGHUP, which alone raises MaxCuts."""
    before = readings(machine)
    script(machine, "reload")
    wait_until(lambda: readings(machine) == before + 2, 5, "it is read again, twice")


def answers(machine):
    return machine.run("sshidle", "status", check=False).returncode == 0


@pytest.mark.parametrize("shell", ["sh", "dash", "busybox ash"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_syntax(name, shell):
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"not installed: {shell.split()[0]}")
    subprocess.run([*shell.split(), "-n", ROOT / SCRIPTS[name]], check=True)


def test_openrc(machine, made, tmp_path):
    for package in made[2]:
        give(machine, package, "cat >/tmp/one.deb && dpkg-deb --fsys-tarfile /tmp/one.deb | "
             "tar -x -C / --keep-directory-symlink && ldconfig")
    machine.run("mkdir", "-p", *(f"/run/openrc/{name}" for name in OPENRC_STATE))
    machine.run("touch", "/run/openrc/softlevel", "/etc/insserv.conf")
    lay_down(machine, filled_in("openrc", tmp_path))
    machine.write_config(CONFIG)

    script(machine, "start")
    wait_until(lambda: answers(machine), 5, "it answers")
    idle = machine.log_in()
    assert "started" in script(machine, "status")
    check_reload(machine)
    # It is supervised: killed, it comes back, and idle time goes on to count.
    before = machine.run("cat", "/run/sshidle/sshidled.pid").stdout
    wait_until(lambda: '"idle_s"' in machine.run("sshidle", "list", "--json").stdout, 10, "it is seen")
    machine.run("kill", "-9", before.strip())
    wait_until(lambda: answers(machine) and before != machine.run(
        "cat", "/run/sshidle/sshidled.pid").stdout, 10, "it is started again")
    # A wrong configuration changes nothing and stops nothing.
    machine.write_config("IdleTimeoot 5s\n")
    for word in ("reload", "restart", "checkconfig"):
        assert "IdleTimeoot" in script(machine, word, 1)
    assert "started" in script(machine, "status")
    machine.write_config(CONFIG)
    script(machine, "restart")
    assert LIMIT_S <= ended_after(idle, LIMIT_S + LATE_S)
    wait_until(lambda: answers(machine), 5, "it answers")
    other = machine.log_in()
    script(machine, "stop")
    assert lives(other, 0.5) and not answers(machine)
    assert "stopped" in script(machine, "status", 3)
    said = machine.run("journalctl", "-t", "sshidled", "-o", "cat", "--no-pager").stdout
    assert "cut session" in said


def test_procd(machine, tmp_path):
    machine.run("sh", "-c", 'printf %s "$1" >/etc/rc.common', "-", RC_COMMON)
    lay_down(machine, filled_in("procd", tmp_path))
    machine.write_config("IdleTimeoot 5s\n")
    assert "IdleTimeoot" in script(machine, "start", 1)
    assert machine.run("test", "-e", "/tmp/procd", check=False).returncode
    machine.write_config(CONFIG)
    script(machine, "start")
    wait_until(lambda: answers(machine), 5, "it answers")
    told = machine.run("cat", "/tmp/procd").stdout.splitlines()
    assert "command /usr/sbin/sshidled -D" in told and "respawn 3600 1 0" in told
    check_reload(machine)
    before = machine.run("cat", "/run/sshidle/sshidled.pid").stdout
    machine.write_config("IdleTimeoot 5s\n")
    for word in ("reload", "start", "restart"):
        assert "IdleTimeoot" in script(machine, word, 1)
    assert answers(machine) and machine.run("cat", "/run/sshidle/sshidled.pid").stdout == before
    machine.write_config(CONFIG)
    script(machine, "restart")
    wait_until(lambda: answers(machine) and before != machine.run(
        "cat", "/run/sshidle/sshidled.pid").stdout, 5, "another one has taken over")
    script(machine, "stop")
    wait_until(lambda: not answers(machine), 5, "it has ended")


def test_the_package_for_openwrt():
    """As far as it can be told without OpenWrt's build system: it speaks of what there is."""
    text = (ROOT / "packaging/openwrt/sshidle/Makefile").read_text()
    meson = (ROOT / "meson.build").read_text()
    assert re.search(r"PKG_VERSION:=(.*)", text)[1] == re.search(r"version: '(.*)'", meson)[1]
    options = (ROOT / "meson_options.txt").read_text()
    for name in re.findall(r"-D(\w+)=", text):
        assert f"option('{name}'" in options
    # What another package left in the staging directory is not linked, or there would be a dependency more.
    for name in re.findall(r"option\('(\w+)', type: 'feature', value: 'auto'", options):
        assert f"-D{name}=disabled" in text
    assert "INSTALL_CONF" not in text  # 0600: the engine could not read it
