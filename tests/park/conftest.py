"""pytest's side: the private surroundings of tests/e2e, and one bench for each test."""

import contextlib
import fcntl
import itertools
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
# Behind the others: tests/keeper has a conftest.py of its own.
sys.path[:0] = [HERE, os.path.join(TESTS, "e2e")]
sys.path.append(os.path.join(TESTS, "keeper"))

pytest.register_assert_rewrite("bench", "scene", "panes")

import bench as bench_module  # noqa: E402
from scene import Scene  # noqa: E402
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What shares a scene one after the other: pytest goes by the number of a parameter."""
    names = {}

    def scene_of(item):
        param = getattr(item, "callspec", None) and item.callspec.params.get("scene")
        return names.setdefault((item.module.__name__, param), len(names))

    items.sort(key=scene_of)


@contextlib.contextmanager
def on_this_host(alone):
    """Over all workers and runs: alone, or with others that need not be.

    Whoever waits holds the queue, or those who share would never leave room for one alone.
    """
    with open("/run/lock/sshidle-park", "w", encoding="ascii") as lock:
        with open("/run/lock/sshidle-park-queue", "w", encoding="ascii") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def need(server_class):
    for path, package in server_class.packages.items():
        if not os.path.exists(path):
            pytest.skip(f"{path} is missing: install {package}")


@pytest.fixture
def make_bench(request, world):
    """make_bench(server class, keeper=...): a bench that is taken down after the test."""
    benches = []

    def make(server_class, keeper=None, **start):
        need(server_class)
        # Short: the keepers' sockets are below it.
        name = f"p{next(NUMBERS)}"
        own = bench_module.Bench(world, server_class, name, keeper or bench_module.STANDIN)
        benches.append(own)
        return own.start(**start)

    with on_this_host(alone=request.node.get_closest_marker("heavy") is not None):
        try:
            yield make
        finally:
            for own in benches:
                own.close()


@pytest.fixture(scope="module")
def scene(request, world):
    """What is parked at one server (scene.py), made ready by the module's prepare()."""
    need(request.param)
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing: install tmux")
    with on_this_host(alone=False):
        own = Scene(world, request.param, f"s{next(NUMBERS)}")
        try:
            request.module.prepare(own)
            yield own
            assert own.bench.daemon.complaints() == []
        finally:
            own.close()


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in getattr(report, "user_properties", ()):
                    terminalreporter.write_line(f"{name}: {value}")
