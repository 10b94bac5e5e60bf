"""pytest's side: the private surroundings of tests/e2e, and one bench for each test."""

import fcntl
import itertools
import os
import sys

import pytest

E2E = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e")
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), E2E]

pytest.register_assert_rewrite("bench")

import bench as bench_module  # noqa: E402
from world import World  # noqa: E402


NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if not os.path.exists(bench_module.STANDIN):
        pytest.skip("park is not in this build (libvterm is missing), or SSHIDLE_BUILD is not set")
    own = World()
    yield own
    own.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "heavy: floods the host; has it to itself")


@pytest.fixture
def make_bench(request, world):
    """make_bench(server class, keeper=...): a bench that is taken down after the test."""
    benches = []

    def make(server_class, keeper=None, **start):
        for path, package in server_class.packages.items():
            if not os.path.exists(path):
                pytest.skip(f"{path} is missing: install {package}")
        # Short: the keepers' sockets are below it.
        name = f"p{next(NUMBERS)}"
        own = bench_module.Bench(world, server_class, name, keeper or bench_module.STANDIN)
        benches.append(own)
        return own.start(**start)

    # Over all workers and runs.
    heavy = request.node.get_closest_marker("heavy")
    with open("/run/lock/sshidle-park", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if heavy else fcntl.LOCK_SH)
        try:
            yield make
        finally:
            for own in benches:
                own.close()


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in getattr(report, "user_properties", ()):
                    terminalreporter.write_line(f"{name}: {value}")
