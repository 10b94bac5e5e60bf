"""Holds another process at its next call of shutdown(2), as long as the test wants."""

import contextlib
import ctypes
import os
import platform
import signal
import time

SEIZE, CONTINUE_TO_CALL, DETACH, INTERRUPT, CALL_INFO = 0x4206, 24, 17, 0x4207, 0x420e
MARK_CALLS = 1  # PTRACE_O_TRACESYSGOOD
SHUTDOWN = {"x86_64": 48, "aarch64": 210}[platform.machine()]


class CallInfo(ctypes.Structure):
    """struct ptrace_syscall_info at an entry."""

    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("ip", ctypes.c_uint64), ("sp", ctypes.c_uint64), ("number", ctypes.c_uint64),
                ("arguments", ctypes.c_uint64 * 6)]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {pid})")


def stops(pid, seconds):
    """The status of each of its stops."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG | 0x40000000)  # __WALL
        if not found:
            time.sleep(0.0005)
            continue
        assert os.WIFSTOPPED(status), f"{pid} has ended: {status:#x}"
        yield status
    raise AssertionError(f"{pid} did not call shutdown(2) within {seconds} s")


def run_to_shutdown(pid, seconds):
    for status in stops(pid, seconds):
        number = os.WSTOPSIG(status)
        info = CallInfo()
        if number == signal.SIGTRAP | 0x80:
            ptrace(CALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
            if info.op == 1 and info.number == SHUTDOWN:
                return
        handed_on = 0 if status >> 16 or number == signal.SIGTRAP | 0x80 else number
        ptrace(CONTINUE_TO_CALL, pid, None, handed_on)


@contextlib.contextmanager
def at_shutdown(pid, seconds):
    """Inside the process stands before the call, and makes it afterwards."""
    ptrace(SEIZE, pid, None, MARK_CALLS)
    ptrace(INTERRUPT, pid)
    run_to_shutdown(pid, seconds)
    try:
        yield
    finally:
        ptrace(DETACH, pid)
