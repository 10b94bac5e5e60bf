"""Each test has a host of its own."""

import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from host_stage import Stage  # noqa: E402

TOOLS = {"/usr/sbin/sshd": "openssh-server", "/usr/sbin/dropbear": "dropbear-bin",
         "/usr/sbin/tinysshd": "tinysshd", "tcpserver": "ucspi-tcp", "ssh": "openssh-client",
         "unshare": "util-linux", "ip": "iproute2", "start-stop-daemon": "dpkg"}


@pytest.fixture(scope="session")
def possible():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces")
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))


@pytest.fixture
def stage(possible):
    try:
        own = Stage()
    except RuntimeError as reason:
        pytest.skip(f"no namespaces here: {reason}")
    yield own
    own.close()
