"""The whole daemon in its confinement: what a forbidden call does, and what a reload may read."""

import ctypes
import glob
import os
import platform
import re
import signal

import pytest
from daemon import Daemon
from world import tree_of, wait_until

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
GETREGS, SETREGS, ATTACH, DETACH = 12, 13, 16, 17
SYS_BPF = 321

# struct user_regs_struct of x86-64: places of what is changed, of 27.
RAX, ORIG_RAX, RIP = 10, 15, 16


def trace(request, pid, data=None):
    if LIBC.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request} of {pid}")


def have_call_made(pid, number):
    """Has a process that waits in the kernel make another system call in place of that one."""
    if platform.machine() != "x86_64":
        pytest.skip("knows the registers of x86-64 only")
    registers = (ctypes.c_ulonglong * 27)()
    trace(ATTACH, pid)
    os.waitpid(pid, 0x40000000)  # __WALL
    trace(GETREGS, pid, ctypes.byref(registers))
    registers[RAX] = number
    registers[ORIG_RAX] = ctypes.c_ulonglong(-1).value  # not to be restarted
    registers[RIP] -= 2  # the instruction again
    trace(SETREGS, pid, ctypes.byref(registers))
    trace(DETACH, pid)


@pytest.fixture
def daemon(world, build, request):
    own = Daemon(world, build, "confined-" + re.sub(r"\W", "-", request.node.name)[:30])
    own.configure("IdleTimeout none\n")
    own.start()
    yield own
    own.stop()


def test_every_process_is_confined(daemon):
    # At its start the starter has a child for a moment.
    wait_until(lambda: len(tree_of(daemon.process.pid)) == 3, 10, "there are three processes")
    processes = tree_of(daemon.process.pid)
    for pid in processes:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            text = status.read()
        assert re.search(r"^Seccomp:\s*2$", text, re.M), text
        assert re.search(r"^NoNewPrivs:\s*1$", text, re.M), text


def test_forbidden_call_in_the_engine(daemon):
    engine = daemon.pids()[1]
    have_call_made(engine, SYS_BPF)
    line = daemon.wait_line("alert: ")
    assert "the engine was ended because it made a system call that is not in its list: bpf;" in line.text
    assert daemon.process.wait(10) == 1
    wait_until(lambda: not os.path.exists(f"/proc/{engine}"), 5, "the engine has gone")


def test_forbidden_call_in_the_monitor(daemon):
    have_call_made(daemon.process.pid, SYS_BPF)
    line = daemon.wait_line("alert: ")
    assert "the monitor was ended because it made a system call that is not in its list: bpf;" in line.text
    assert daemon.process.wait(10) == -signal.SIGSYS


def test_reload_of_files_elsewhere(daemon, world):
    """Refused as a whole, and not silently without them; a restart reads them."""
    place = world.path("elsewhere", "more.conf")
    with open(place, "w", encoding="ascii") as file:
        file.write("IdleTimeout 7h\n")
    os.chmod(os.path.dirname(place), 0o755)
    daemon.configure(f"Include {os.path.dirname(place)}/*.conf\n")
    done = daemon.cli("reload")
    assert done.returncode != 0
    assert "restart it to read from there" in done.stdout + done.stderr
    assert "25200" not in str(daemon.call("io.sshidle.Status"))
    daemon.stop()
    daemon.stopping.clear()
    daemon.start()
    assert daemon.call("io.sshidle.Status")["shortest_limit_s"] == 7 * 3600
    # Beside it now: what is new there is read.
    with open(world.path("elsewhere", "other.conf"), "w", encoding="ascii") as file:
        file.write("IdleTimeout 5h\n")
    daemon.configure(f"Include {os.path.dirname(place)}/other.conf\n")
    assert daemon.cli("reload").returncode == 0
    assert daemon.call("io.sshidle.Status")["shortest_limit_s"] == 5 * 3600


# The whole directory: with the next useradd the host's passwd is another file, and nothing lies over that.  Its locks come
# and go while they are copied.
NO_SSHD = """
mount -t tmpfs etc /mnt && { cp -a /etc/. /mnt 2>/dev/null; grep -v ^sshd: /etc/passwd >/mnt/passwd; } &&
echo "passwd: files systemd" >/mnt/nsswitch.conf && mount --bind /mnt /etc && ! getent passwd sshd && exec "$@"
"""


@pytest.mark.skipif(not glob.glob("/usr/lib/*/libnss_systemd.so.2"), reason="needs libnss-systemd")
def test_a_host_without_openssh(daemon):
    """Who is no user is asked of all databases, and their modules make calls that are in no list of the monitor's."""
    daemon.stop()
    daemon.stopping.clear()
    daemon.wrap = ["unshare", "-m", "sh", "-c", NO_SSHD, "-"]
    daemon.start()
    assert daemon.call("io.sshidle.Status")


def test_without_lists(daemon, world, build):
    """-S says so, and is for who knows."""
    daemon.stop()
    daemon.stopping.clear()
    command = daemon.command
    daemon.command = lambda: [*command(), "-S"]
    daemon.start()
    daemon.wait_line("warning: system calls are not restricted: -S")
    assert daemon.call("io.sshidle.Status")
