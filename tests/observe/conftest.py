"""The private surroundings of tests/e2e."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

from world import World  # noqa: E402


@pytest.fixture(scope="module")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if "SSHIDLE_BUILD" not in os.environ:
        pytest.fail("SSHIDLE_BUILD does not name the build directory")
    own = World()
    yield own
    own.close()
