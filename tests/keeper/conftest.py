"""The real keeper and the real command.  tests/keeper/park.c stands for the server and the daemon: it
starts a command on a pseudo terminal and hands it over.  SSHIDLE_BUILD is the build directory."""

import fcntl
import json
import os
import pathlib
import pty
import pwd
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

import pytest

pytest.register_assert_rewrite("panes")

from panes import WITHIN_S, Tmux, environment, is_alive, wait_for  # noqa: E402

# Under nohup(1) it is ignored, and a shell cannot set a trap for what was ignored when it began.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

BUILD = os.environ.get("SSHIDLE_BUILD", "build")
SSHIDLE, KEEPER, PARK = (f"{BUILD}/{program}" for program in
                         ("src/cli/sshidle", "src/keeper/sshidle-keeper", "tests/keeper/park"))


class Parked:
    """A command on a terminal that is, or will be, parked."""

    def __init__(self, host, number, command, rows=24, columns=80, user="root", **options):
        self.host, self.number = host, number
        account = pwd.getpwnam(user) if os.geteuid() == 0 else pwd.getpwuid(os.getuid())
        self.uid = account.pw_uid
        host.directory_of(account)
        words = [f"{name}={value}" for name, value in options.items()]
        self.log = open(host.runtime / f"keeper-{number}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [PARK, KEEPER, str(host.runtime), str(number), account.pw_name, str(account.pw_uid),
             str(account.pw_gid), str(rows), str(columns), *words, "--", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=environment(KEEPER_LOG="1"))
        self.command_pid = self.expect("started")
        self.keeper_pid = None

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, word):
        line = self.process.stdout.readline().split()
        assert line and line[0] == word, line
        return int(line[1])

    def write(self, text):
        self.say("write " + text.replace("\\", "\\\\").replace("\r", "\\r").replace("\x1b", "\\x1b"))

    def read(self, least):
        """What the client gets before the park: that many bytes."""
        self.say(f"read {least}")
        line = self.process.stdout.readline().split()
        assert line[0] == "got", line
        return bytes.fromhex(line[1]) if len(line) > 2 else b""

    def read_until(self, wanted):
        got = b""
        while wanted not in got:
            got += self.read(1)
        return got

    def master_flags(self):
        """Those of the open file, which the server and the keeper have in common."""
        directory = pathlib.Path(f"/proc/{self.process.pid}")
        master, = (fd.name for fd in (directory / "fd").iterdir() if os.readlink(fd).endswith("/ptmx"))
        text = (directory / "fdinfo" / master).read_text(encoding="ascii")
        return int(re.search(r"^flags:\s*(\d+)", text, re.M).group(1), 8)

    def drain(self):
        self.say("drain")
        return self.expect("drained")

    def park(self):
        self.say("park")
        self.keeper_pid = self.expect("held")
        self.expect("parked")
        wait_for(lambda: self.info(), "the keeper")
        return self

    def status(self):
        self.say("wait")
        return self.expect("status")

    @property
    def socket(self):
        return self.host.runtime / "parked" / str(self.uid) / f"{self.number}.sock"

    def info(self):
        for one in self.host.parked():
            if one["id"] == self.number:
                return one
        return None

    def size(self):
        """Rows, columns, width and height in pixels."""
        fd = os.open(f"/proc/{self.command_pid}/fd/0", os.O_RDONLY | os.O_NOCTTY)
        try:
            return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
        finally:
            os.close(fd)

    def alive(self):
        return is_alive(self.command_pid)

    def said(self):
        """What the keeper logged."""
        self.log.seek(0)
        return self.log.read()

    def close(self):
        for pid in (self.keeper_pid, self.command_pid):
            if pid and is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait(timeout=WITHIN_S)
        self.process.stdout.close()
        self.log.close()


class Host:
    """A runtime directory."""

    def __init__(self):
        self.runtime = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-keeper-"))
        os.chmod(self.runtime, 0o711)
        (self.runtime / "parked").mkdir(mode=0o711)
        self.closing, self.numbers = [], 0

    def directory_of(self, account):
        path = self.runtime / "parked" / str(account.pw_uid)
        if not path.exists():
            path.mkdir(mode=0o700)
            os.chown(path, account.pw_uid, account.pw_gid)

    def start(self, *command, **options):
        self.numbers += 1
        self.closing.append(Parked(self, self.numbers, command, **options))
        return self.closing[-1]

    def command(self, *arguments):
        return [SSHIDLE, "-r", str(self.runtime), *arguments]

    def run(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), env=environment(), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=WITHIN_S,
                              check=False, **options)

    def parked(self):
        done = self.run("parked", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["parked"]

    def resume(self, *arguments, **options):
        self.closing.append(Client(self.command("resume", *arguments), **options))
        return self.closing[-1]

    def close(self):
        for one in reversed(self.closing):
            one.close()
        shutil.rmtree(self.runtime)


class Client:
    """A command on a terminal of its own, raw bytes both ways."""

    def __init__(self, command, rows=24, columns=80, pixels=(0, 0), **options):
        self.master, slave = pty.openpty()
        self.slave_name = os.ttyname(slave)
        self.size(rows, columns, pixels)
        self.first_modes = termios.tcgetattr(slave)  # the command may set others at once
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        env=environment(), start_new_session=True, **options)
        self.slave = slave
        self.got = b""

    def size(self, rows, columns, pixels=(0, 0)):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, *pixels))

    def resized(self, rows, columns, pixels=(0, 0)):
        self.size(rows, columns, pixels)
        self.process.send_signal(signal.SIGWINCH)

    def write(self, data):
        data = data.encode() if isinstance(data, str) else data
        end = time.monotonic() + WITHIN_S
        while data:
            assert time.monotonic() < end, f"{len(data)} bytes are not taken"
            _, writable, _ = select.select([], [self.master], [], 0.02)
            self.pump(0)
            if writable:
                data, end = data[os.write(self.master, data[:512]):], time.monotonic() + WITHIN_S

    def pump(self, within):
        """Takes what comes within that time; False when there was nothing."""
        readable, _, _ = select.select([self.master], [], [], within)
        if readable:
            self.got += os.read(self.master, 1 << 16)
        return bool(readable)

    def expect(self, wanted, within=WITHIN_S):
        """Reads until it has come; returns what came up to its end."""
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
        end = time.monotonic() + within
        while wanted not in self.got:
            assert time.monotonic() < end, (wanted, self.got[-2000:])
            self.pump(0.05)
        at = self.got.index(wanted) + len(wanted)
        before, self.got = self.got[:at], self.got[at:]
        return before

    def wait(self, within=WITHIN_S):
        """The exit status."""
        end = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < end, self.got[-2000:]
            self.pump(0.02)
        while self.pump(0.05):
            pass
        return self.process.returncode

    def modes(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=WITHIN_S)
        for fd in (self.master, self.slave):
            os.close(fd)


@pytest.fixture
def host():
    one = Host()
    yield one
    one.close()


@pytest.fixture
def tmux():
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing: install tmux")
    one = Tmux()
    yield one
    one.close()


@pytest.fixture(scope="session")
def other_users():
    """Two users beside root."""
    if os.geteuid() != 0:
        pytest.skip("not root: no other users")
    return "nobody", "daemon"
