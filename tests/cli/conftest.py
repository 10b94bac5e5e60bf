"""The real command against the stand-in engine (src/daemon/fake-engine.c): the same sessions at the
same ages in every run.  SSHIDLE and FAKE_ENGINE name the programs."""

import os
import pathlib
import subprocess

import pytest

SSHIDLE = os.environ.get("SSHIDLE", "sshidle")
FAKE_ENGINE = os.environ.get("FAKE_ENGINE", "fake-engine")


class Host:
    """One stand-in daemon and the command asking it."""

    def __init__(self, directory, *options, group=None):
        self.directory = directory
        extra = {"group": group, "extra_groups": []} if group is not None else {}
        self.process = subprocess.Popen(
            [FAKE_ENGINE, "-r", str(directory), *options], stdout=subprocess.PIPE, text=True, **extra)
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0

    def command(self, *arguments):
        return [SSHIDLE, "-r", str(self.directory), *arguments]

    def run(self, *arguments, env=None, **options):
        return run(*self.command(*arguments), env=env, **options)


def run(*command, env=None, **options):
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", **(env or {})}
    return subprocess.run(command, env=clean, text=True, capture_output=True, timeout=20,
                          stdin=subprocess.DEVNULL, **options)


@pytest.fixture
def start(tmp_path):
    """Starts a host; users other than root can reach its directory."""
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:3]:
        if parent.owner() == pathlib.Path(tmp_path).owner() and parent != pathlib.Path("/tmp"):
            os.chmod(parent, 0o755)
    hosts = []

    def start_host(*options, **more):
        directory = tmp_path / f"run{len(hosts)}"
        directory.mkdir()
        if more.get("group") is not None:
            os.chmod(directory, 0o777)
        hosts.append(Host(directory, *options, **more))
        return hosts[-1]

    yield start_host
    for host in hosts:
        host.close()


@pytest.fixture
def host(start):
    return start()
