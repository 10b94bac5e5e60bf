"""pytest's side: the private surroundings of tests/e2e."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import servers  # noqa: E402
from world import World  # noqa: E402


@pytest.fixture(scope="session")
def build():
    if "SSHIDLE_BUILD" not in os.environ:
        pytest.exit("SSHIDLE_BUILD does not name the build directory", 2)
    return os.environ["SSHIDLE_BUILD"]


@pytest.fixture(scope="session")
def world(build):
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    own = World()
    yield own
    own.close()


@pytest.fixture
def server(world, request):
    """Of OpenSSH's flavours the test's parameter, or the usual one."""
    if not os.path.exists("/usr/sbin/sshd"):
        pytest.skip("openssh-server is not installed")
    own = getattr(request, "param", servers.OpenSSH)(world)
    yield own
    own.stop()
