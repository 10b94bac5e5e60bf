"""The demonstration of `make run`: keeps its promises and leaves nothing behind.

Needs root and SSHIDLE_BUILD with the build directory.
"""

import os
import pathlib
import pwd
import re
import signal
import subprocess
import tempfile
import time

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
COMMAND = ["/usr/bin/python3", str(ROOT / "scripts" / "demo"), BUILD]
ALL_S = 90

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes a user and starts a server"),
    pytest.mark.skipif(not os.path.exists("/usr/sbin/sshd"), reason="needs openssh-server"),
]


@pytest.fixture
def place():
    """Where the demonstration makes its directory; must be empty in the end."""
    with tempfile.TemporaryDirectory(prefix="sshidle-demo-test-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)
        nothing_is_left(pathlib.Path(path))


def nothing_is_left(place):
    deadline = time.monotonic() + 5
    while processes_of(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(place) == []
    assert list(place.iterdir()) == []


def environment(place):
    return {**os.environ, "TMPDIR": str(place), "TERM": "xterm"}


def processes_of(place):
    """Command lines that name the directory."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = pathlib.Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if str(place).encode() in command:
            found.append(command.decode("utf-8", "replace"))
    return found


def users_of(pid):
    return [entry.pw_name for entry in pwd.getpwall() if entry.pw_name == f"demo-{pid}"]


def test_it_happens_as_promised(place):
    with subprocess.Popen(COMMAND, env=environment(place), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said = process.communicate(timeout=ALL_S)[0]
    assert process.returncode == 0, said
    for row in (r"idle, sends keepalives +ENDED 2\d\.\d s after its last use; warned \d\.\d s before",
                r"idle, running top +ENDED \d+\.\d s after its last use; warned \d\.\d s before",
                r"sftp at its prompt +ENDED 2\d\.\d s after its last use; it has no terminal",
                r"busy transfer +LEFT ALONE, finished by itself after \d+ s: the file is intact",
                r"somebody types +LEFT ALONE, active: .*\(rule 3, in-use\)",
                r"the host's own sessions +\d+ seen, none touched"):
        assert re.search(row, said), f"no {row!r} in:\n{said}"
    assert "\033" not in said
    assert users_of(process.pid) == []


def test_it_cleans_up_after_ctrl_c(place):
    child = pexpect.spawn(COMMAND[0], COMMAND[1:], env=environment(place), encoding="utf-8",
                          dimensions=(40, 120), timeout=30)
    child.expect("sshidle list --all")
    child.expect("<- somebody types")
    # Refreshed in place: the cursor goes up and what was there is erased.
    child.expect(r"\033\[\d+A\033\[J")
    child.expect("<- idle, sends keepalives")
    assert users_of(child.pid)
    child.send("\x03")
    child.expect("Stopped; cleaning up")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 128 + signal.SIGINT
    assert users_of(child.pid) == []


def test_it_cleans_up_after_sigterm(place):
    with subprocess.Popen(COMMAND, env=environment(place), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert "throwaway" in process.stdout.readline()
        # In the middle of the logins.
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[0]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert users_of(process.pid) == []
