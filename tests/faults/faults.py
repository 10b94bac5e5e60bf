"""faults.so from outside: which call of a process fails, and what the calls were."""

import ctypes
import mmap
import os
import re

TRACE_MAX = 65536
HERE = os.path.dirname(os.path.abspath(__file__))


class Call(ctypes.Structure):
    _fields_ = [("function", ctypes.c_uint32), ("origin", ctypes.c_uint32)]

    def site(self):
        return self.function, self.origin


class Shared(ctypes.Structure):
    """faults.h."""

    _fields_ = [(name, ctypes.c_uint32) for name in
                ("pid", "armed", "fail_at", "choice", "count", "failed", "error", "reserved")]
    _fields_ += [("trace", Call * TRACE_MAX)]


def table():
    """Names and numbers of ways to fail, in the order of the library."""
    with open(os.path.join(HERE, "table.h"), encoding="ascii") as file:
        rows = re.findall(r"^FAULT\((\w+), \w+, (.*)\)$", file.read(), re.M)
    return [(name, len(errors.split(","))) for name, errors in rows]


class Faults:
    """One file, one process at a time."""

    def __init__(self, path):
        self.path = path
        self.table = table()
        with open(path, "wb") as file:
            file.truncate(ctypes.sizeof(Shared))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self.shared = Shared.from_buffer(self.memory)

    def environment(self):
        library = os.path.join(os.environ["SSHIDLE_BUILD"], "tests/faults/faults.so")
        return {"LD_PRELOAD": library, "FAULTS": self.path}

    def arm(self, pid, fail_at=0, choice=0):
        shared = self.shared
        shared.armed = 0
        shared.pid, shared.fail_at, shared.choice = pid, fail_at, choice
        shared.count = shared.failed = shared.error = 0
        shared.armed = 1

    def disarm(self):
        self.shared.armed = 0
        return self.shared.count

    def trace(self):
        """The calls since it was armed, as (function, origin)."""
        return [call.site() for call in self.shared.trace[:min(self.shared.count, TRACE_MAX)]]

    def what_failed(self):
        """For people: the function, where it was called, and its error."""
        shared = self.shared
        if not shared.failed or not 0 < shared.fail_at <= TRACE_MAX:
            return "no call failed"
        function, origin = shared.trace[shared.fail_at - 1].site()
        how = os.strerror(shared.error) if shared.error else "less than asked for"
        return f"{self.table[function][0]} at {origin:#x}, call {shared.fail_at}: {how}"

    def ways(self, function):
        return self.table[function][1]
