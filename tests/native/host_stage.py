"""A host of its own: namespaces for processes, network and mounts, with a private /etc, /run and /usr/sbin
over the real ones.  Whatever is written or started in it is gone with its first process.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BUILD = os.environ.get("SSHIDLE_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build"))

# Ends what has no parent any more; goes when the test does.
INIT = """\
import os, signal, sys
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
print("up", flush=True)
sys.stdin.read()
"""

SETUP = """\
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/etc" "$1/upper" "$1/work"
# A copy: others may make users in the real one meanwhile, which an overlay would show; their lock files
# may go before they are copied.
lost=$(LC_ALL=C cp -a /etc/. "$1/etc" 2>&1 | grep -v 'No such file or directory$') && { echo "$lost" >&2; exit 1; }
mount --bind "$1/etc" /etc
mount -t overlay overlay -o "lowerdir=/usr/sbin,upperdir=$1/upper,workdir=$1/work" /usr/sbin
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 755 /run/sshd
ip link set lo up
rm -f /etc/passwd.lock /etc/shadow.lock /etc/group.lock /etc/gshadow.lock
useradd -M --uid 61801 -d / -s /bin/sh -p '*' alice
useradd -M --uid 61802 -d / -s /bin/bash -p '*' bob
mkdir /etc/test
ssh-keygen -q -t ed25519 -N '' -f /etc/test/key
ssh-keygen -q -t ed25519 -N '' -f /etc/test/host-key
chmod 755 /etc/test
exec python3 -c "$2"
"""

BASE = """\
ListenAddress 127.0.0.1
HostKey /etc/test/host-key
AuthorizedKeysFile /etc/test/key.pub
StrictModes no
UsePAM no
UseDNS no
"""


class Stage:
    """The host; `run` runs something in it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="sshidle-native-")
        self.sessions = []
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork",
             "--kill-child", "--mount-proc", "sh", "-c", SETUP, "-", self.directory, INIT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if said != "up\n":
            self.process.kill()
            reason = self.process.stderr.read().strip()
            self.close()
            raise RuntimeError(reason or "the namespaces could not be made")
        self.first = self.find_first()

    def find_first(self):
        """Process 1 of the host, seen from here."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as children:
            return int(children.read().split()[0])

    def close(self):
        for session in self.sessions:
            session.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- doing things in it ---------------------------------------------------------------------

    def inside(self, *argv):
        return ["nsenter", "--target", str(self.first), "--mount", "--net", "--pid", *argv]

    def run(self, *argv, status=0, timeout=60):
        done = subprocess.run(self.inside(*argv), capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=timeout)
        assert status is None or done.returncode == status, \
            f"{argv}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def write(self, path, text, mode="644"):
        done = subprocess.run(self.inside("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1" && chmod $2 "$1"',
                                          "-", path, mode), input=text, text=True, check=False,
                              capture_output=True)
        assert done.returncode == 0, done.stderr

    def append(self, path, text):
        self.write(path, self.read(path) + text)

    def read(self, path):
        return self.run("cat", path)

    def tree(self):
        """All of /etc: names, kinds, owners, modes and contents."""
        return self.run("sh", "-c", "cd /etc && find . -printf '%p %y %u %g %m\\n' | sort && "
                        "find . -type f | sort | xargs -d '\\n' sha256sum")

    def apply(self, *options, status=0):
        return self.run(f"{BUILD}/src/cli/sshidle", "apply", *options, status=status)

    def sites(self, *options, status=0):
        """The servers of `apply --json`."""
        return json.loads(self.apply("--json", *options, status=status))["servers"]

    def host(self, *arguments):
        """What native_host_read() says."""
        return json.loads(self.run(f"{BUILD}/tests/native/host", *arguments))

    # -- servers ------------------------------------------------------------------------------

    def wait(self, condition, what, seconds=20):
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
            time.sleep(0.05)
        return value

    def answers(self, port, address="127.0.0.1"):
        probe = f"exec 3<>/dev/tcp/{address}/{port} && head -c 4 <&3 | grep -q SSH-"
        return self.run("bash", "-c", f"{probe} && echo yes || :", status=None).endswith("yes\n")

    def wait_port(self, port, address="127.0.0.1"):
        self.wait(lambda: self.answers(port, address), f"port {port} answers")

    def sshd(self, config=None, arguments=(), port=22):
        """Starts sshd with the usual file, or what `config` puts in front of it."""
        if config is not None:
            self.write("/etc/ssh/sshd_config", config)
        self.run("/usr/sbin/sshd", *arguments)
        self.wait_port(port)
        return self.pid_of("/run/sshd.pid")

    def pid_of(self, path):
        return int(self.wait(lambda: self.run("cat", path, status=None).strip().isdigit() and
                             self.run("cat", path), f"{path} is written"))

    def lives(self, pid):
        """Whether the process of this host is there and no zombie."""
        return self.run("sh", "-c", f"grep -q '^State:.[^ZX]' /proc/{pid}/status && echo yes || :",
                        status=None).endswith("yes\n")

    def listeners(self):
        return self.run("ss", "-Hltn")

    def log_in(self, user="root", port=22, address="127.0.0.1"):
        session = Session(self, user, port, address)
        self.sessions.append(session)
        return session

    def forward(self, user, port, listen):
        """A session that listens itself; the client stays behind."""
        self.run("ssh", "-f", "-N", "-F", "/dev/null", "-i", "/etc/test/key", "-o",
                 "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", str(port),
                 "-R", f"127.0.0.1:{listen}:127.0.0.1:1", f"{user}@127.0.0.1")
        self.wait(lambda: f":{listen} " in self.listeners(), "the forward listens")

    def settled(self):
        """host(), which waited for nobody."""
        began = time.monotonic()
        facts = self.host()
        assert time.monotonic() - began < 3  # which takes that long
        return facts

    def sshd_says(self, case="", keyword="clientaliveinterval"):
        """One value of sshd -T; the port is one that no Match asks for."""
        said = self.run("/usr/sbin/sshd", "-T", "-C", f"lport=1,host=h,addr=192.0.2.1{case}")
        return next(line.partition(" ")[2] for line in said.lower().splitlines()
                    if line.startswith(keyword + " "))


class Session:
    """A real ssh whose far end echoes lines: it lives as long as it does."""

    def __init__(self, stage, user, port, address):
        self.process = subprocess.Popen(
            stage.inside("ssh", "-F", "/dev/null", "-i", "/etc/test/key", "-o",
                         "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o",
                         "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", str(port),
                         f"{user}@{address}", "cat"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.echoes(), "cannot log in"

    def echoes(self):
        """Whether a line comes back."""
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write("here\n")
            self.process.stdin.flush()
            return self.process.stdout.readline() == "here\n"
        return False

    def signal(self, number):
        """To the ssh itself, which runs below nsenter."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as children:
            for pid in children.read().split():
                os.kill(int(pid), number)

    def close(self):
        with contextlib.suppress(OSError):
            self.signal(signal.SIGKILL)
        # nsenter stops with what it started.
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self.process.wait()
