"""A systemd that runs beside the one of the host, with sshd, a user, and sshidle installed."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pexpect
import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PORT = 2022
SETUP_FAILED = 70

SSHD_SERVICE = """\
[Service]
ExecStartPre=/usr/sbin/sshd -t -f /etc/test/sshd_config
ExecStart=/usr/sbin/sshd -D -f /etc/test/sshd_config
RuntimeDirectory=sshd
"""

SSHD_CONFIG = f"""\
Port {PORT}
ListenAddress 127.0.0.1
HostKey /etc/test/host-key
AuthorizedKeysFile /etc/test/key.pub
StrictModes no
UsePAM yes
UseDNS no
"""

TARGET = """\
[Unit]
Requires=sysinit.target
Wants=systemd-user-sessions.service test-sshd.service sshidle.service
After=sysinit.target systemd-user-sessions.service test-sshd.service sshidle.service
"""

SETUP = """\
#!/bin/sh
set -eu
# Somebody on the host may be adding a user just now: that is not our file.
rm -f /etc/passwd.lock /etc/shadow.lock /etc/group.lock /etc/gshadow.lock /etc/subuid.lock \\
	/etc/subgid.lock
# Users of the host may come and go meanwhile, and what runs under their numbers with them.
userdel -f sshidle 2>/dev/null || :
"""

ENGINE_USER = """\
useradd --system --uid 61701 --user-group --no-create-home --home-dir /nonexistent \\
	--shell /usr/sbin/nologin sshidle
"""

USER = """\
useradd -M --uid 61702 -d / -s /bin/sh -p '*' sshidle-test
"""


# What a machine takes from the host, and the packages that have it.
TOOLS = {"systemd-nspawn": "systemd-container", "/usr/lib/systemd/systemd": "systemd",
         "/usr/sbin/sshd": "openssh-server", "meson": "meson", "nsenter": "util-linux"}


class NotBooted(Exception):
    """There can be no such machine here; says why."""


class Machine:
    """The container; what it needs is in a directory of its own.

    Without a build it has no sshidle; without a tree it is this host's system.
    """

    def __init__(self, build=None, config="", tree="/"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-system-"))
        self.cgroup = f"sshidle-system-{os.getpid()}"
        self.seed = self.directory / "seed"
        self.process = self.leader = None
        self.tree, self.clients = tree, []
        try:
            self.make_seed(build, config)
            self.boot()
        except BaseException:
            self.close()
            raise

    # -- making it --------------------------------------------------------------------------

    def write(self, path, text, mode=0o644):
        file = self.seed / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def make_seed(self, build, config):
        self.seed.mkdir()
        if build:
            subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir",
                            self.seed], check=True, stdout=subprocess.DEVNULL)
            self.write("etc/sshidle.conf", config)
        self.write("etc/machine-id", "")
        self.write("etc/test/sshd_config", SSHD_CONFIG)
        self.write("etc/systemd/system/test-sshd.service", SSHD_SERVICE)
        self.write("etc/systemd/system/test.target", TARGET)
        self.write("setup", SETUP + (ENGINE_USER if build else "") + USER, 0o755)
        for name in ("host-key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                            self.seed / "etc/test" / name], check=True)

    def boot(self):
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", HERE / "boot", self.directory,
                 self.cgroup, self.tree], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.has_booted, 60, "systemd has reached its target")

    def has_booted(self):
        if self.process.poll() is not None:
            said = (self.directory / "log").read_text(errors="replace").strip()
            assert self.process.returncode != SETUP_FAILED, said
            raise NotBooted(said[-600:] or f"systemd-nspawn ended with {self.process.returncode}")
        self.leader = self.leader or self.find_leader()
        return self.leader and self.run("systemctl", "is-active", "test.target",
                                        check=False).returncode == 0

    def find_leader(self):
        """Process 1 of the container, seen from here."""
        for pid in tree_of(self.process.pid):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status",
                                                    encoding="ascii") as status:
                ids = [line.split()[1:] for line in status if line.startswith("NSpid:")]
                if ids and len(ids[0]) > 1 and ids[0][-1] == "1":
                    return pid
        return None

    def close(self):
        for client in self.clients:
            client.close(force=True)
        if self.leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
        if self.process:
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                for pid in reversed(tree_of(self.process.pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
        self.remove_cgroup()
        shutil.rmtree(self.directory, ignore_errors=True)

    def remove_cgroup(self):
        """It can only be reached where the unified hierarchy is mounted."""
        place = self.directory / "cgroup"
        place.mkdir()
        script = 'mount -t cgroup2 cgroup2 "$1" && find "$1/$2" -depth -type d -exec rmdir {} \\;'
        subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "-",
                        place, self.cgroup], check=False, stderr=subprocess.DEVNULL)

    # -- using it ---------------------------------------------------------------------------

    def inside(self, *spaces):
        return ["nsenter", "--target", str(self.leader), *spaces]

    def run(self, *argv, check=True):
        """Runs a command in the container."""
        done = subprocess.run([*self.inside("--mount", "--pid", "--net", "--uts", "--ipc",
                                            "--root", "--wd"), *argv],
                              capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=60)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def write_config(self, text):
        self.run("sh", "-c", 'printf %s "$1" >/etc/sshidle.conf', "-", text)

    def show(self, name):
        """One property of the unit."""
        return self.run("systemctl", "show", "-P", name, "sshidle").stdout.strip()

    def journal(self):
        return self.run("journalctl", "-u", "sshidle", "-o", "cat", "--no-pager").stdout

    def log_in(self, port=PORT, user="sshidle-test"):
        """An ssh into the container on a terminal of its own; `used` is when it was used last."""
        argv = ["ssh", "-F", "/dev/null", "-i", str(self.seed / "etc/test/key"), "-o",
                "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", str(port),
                f"{user}@127.0.0.1"]
        command = self.inside("--net") + argv
        client = pexpect.spawn(command[0], command[1:], encoding="utf-8", timeout=20)
        self.clients.append(client)
        client.expect(r"[$#] ")
        client.used = time.monotonic()
        client.send("echo up-$((40+2))\r")
        client.expect("up-42")
        return client


def ended_after(client, seconds):
    """Waits for the end of the client; how long after its last use that was."""
    client.expect(pexpect.EOF, timeout=max(0.1, client.used + seconds - time.monotonic()))
    return time.monotonic() - client.used


def lives(client, seconds):
    """Whether the client is still there after so long."""
    try:
        client.expect(pexpect.EOF, timeout=seconds)
        return False
    except pexpect.TIMEOUT:
        return True


def tree_of(pid):
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/children", encoding="ascii") as children:
                    found += [int(child) for child in children.read().split()]
    return found


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


@contextlib.contextmanager
def booted(build, config, tools=None, logind=None):
    """A machine with the build, for as long as it is needed; or the test is skipped with the reason.

    `tools`: more of what TOOLS has. With the text of a logind.conf, logind runs as well.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root: it boots a container")
    missing = [package for tool, package in {**TOOLS, **(tools or {})}.items()
               if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    try:
        machine = Machine(build, config)
    except NotBooted as reason:
        pytest.skip(f"systemd-nspawn cannot boot here: {reason}")
    try:
        if logind:
            machine.run("sh", "-c", 'mkdir -p /etc/systemd/logind.conf.d && '
                        'printf "$1" >/etc/systemd/logind.conf.d/test.conf', "-", logind)
            machine.run("systemctl", "start", "dbus", "systemd-logind")
        yield machine
    finally:
        machine.close()
