"""pytest's side: private surroundings, one stage for each module, reasons for what cannot run."""

import contextlib
import fcntl
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

pytest.register_assert_rewrite("checks", "stage", "scenarios.shells", "scenarios.channels",
                               "scenarios.rules", "scenarios.daemons", "scenarios.unresponsive",
                               "scenarios.hardship")

import stage as stage_module  # noqa: E402
from world import World  # noqa: E402

TOOLS = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "useradd": "passwd",
         "tmux": "tmux"}


def missing_tools():
    paths = os.environ["PATH"].split(":")
    return [f"{tool} ({package})" for tool, package in TOOLS.items()
            if not any(os.access(os.path.join(path, tool), os.X_OK) for path in paths)]


@pytest.fixture(scope="session")
def world():
    """The private surroundings; skips everything where they cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    if missing_tools():
        pytest.skip("not installed: " + ", ".join(missing_tools()))
    if not stage_module.BUILD and not stage_module.PROVE_ONLY:
        pytest.exit("SSHIDLE_BUILD does not name the build directory", 2)
    own = World()
    yield own
    own.close()


@contextlib.contextmanager
def host_to_itself():
    """One stage at a time, over all workers and runs: some sixty sessions that log in and end
    together are as much as two cores take without making every session late."""
    with open("/run/lock/sshidle-e2e", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def stage(request, world):
    """The module's STAGE, with everything that was selected running."""
    wanted = {item.callspec.params["case"] for item in request.session.items
              if item.module is request.module and hasattr(item, "callspec")}
    own = request.module.STAGE
    with host_to_itself():
        try:
            own.start(world, wanted)
            yield own
        finally:
            own.close()


@pytest.fixture
def case(request):
    """(flavour name, scenario name)"""
    return request.param


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = [(flavour.name, one.name) for flavour, one in metafunc.module.STAGE.cases()]
        metafunc.parametrize("case", cases, ids=["-".join(names) for names in cases],
                             indirect=True, scope="function")


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if getattr(report, "when", None) == "call":
                    terminalreporter.write_line(f"{name}: {value}")
