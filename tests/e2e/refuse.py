#!/usr/bin/python3
"""usage: refuse.py [NUMBER=ERROR] COMMAND...

Runs a command in which pidfd_getfd(2) fails with EPERM, as it does for everybody under Yama's
scope 3.  That itself cannot be had in a test: no kernel takes it back before it is booted anew.
Or another system call with another error, as the filters of containers have it.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38
PIDFD_GETFD = 438  # on every architecture
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

LD_W_ABS, JEQ_K, RET_K = 0x20, 0x15, 0x06
RET_ERRNO, RET_ALLOW = 0x00050000, 0x7FFF0000


def program(number, error):
    """struct sock_filter[]: the number is at 0, the architecture at 4 (seccomp(2))."""
    rows = [
        (LD_W_ABS, 0, 0, 4),
        (JEQ_K, 0, 3, ARCHITECTURES[platform.machine()]),
        (LD_W_ABS, 0, 0, 0),
        (JEQ_K, 0, 1, number),
        (RET_K, 0, 0, RET_ERRNO | error),
        (RET_K, 0, 0, RET_ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *row) for row in rows), len(rows)


def main():
    command, number, error = sys.argv[1:], PIDFD_GETFD, errno.EPERM
    if "=" in command[0]:
        number, error = command.pop(0).split("=")
        number, error = int(number), getattr(errno, error)
    text, rows = program(number, error)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(text)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxP", rows, ctypes.addressof(buffer)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 or \
       libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0) < 0:
        sys.exit(f"refuse.py: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


main()
