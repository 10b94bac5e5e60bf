"""Builds for other C libraries and processors, and what runs of them here: static with musl, against the
scenarios, the unit tests and a real dropbear; arm64 under qemu-user.

Needs Debian's source packages.  SSHIDLE_CROSS names a directory in which builds are kept; else each
run makes its own.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE_BYTES = 1 << 20
CANNOT_FETCH = ("Failed to fetch", "Unable to fetch", "Could not resolve", "Temporary failure")
SUITES = ["--suite", "unit", "--suite", "prop", "--suite", "scenario"]

TOOLS = {"cmake": "cmake", "dpkg-source": "dpkg-dev", "make": "make", "apt-get": "apt"}
TOOLS_OF = {"musl": {"musl-gcc": "musl-tools"},
            "arm64": {"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}}

# One of each kind of what a daemon on a small machine does.
DROPBEAR = ["idle_shell", "typing", "output_only", "exec_busy", "exec_sleeping", "sftp_prompt",
            "forward_silent", "warning_cancelled", "keep"]


@pytest.fixture(scope="module")
def room():
    kept = os.environ.get("SSHIDLE_CROSS")
    directory = pathlib.Path(kept or tempfile.mkdtemp(prefix="sshidle-cross-"))
    directory.chmod(0o755)
    yield directory
    if not kept:
        shutil.rmtree(directory, ignore_errors=True)


def built(room, target):
    """Directory of a build."""
    missing = [package for tool, package in {**TOOLS, **TOOLS_OF[target]}.items()
               if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    done = subprocess.run([ROOT / "scripts/cross", target, room / target, "-Dwerror=true",
                           "-Ddebug=false"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0 and any(words in done.stdout for words in CANNOT_FETCH):
        pytest.skip("Debian's source packages cannot be fetched")
    assert done.returncode == 0, done.stdout[-4000:]
    return room / target


@pytest.fixture(scope="module")
def musl(room):
    return built(room, "musl")


@pytest.fixture(scope="module")
def arm64(room):
    return built(room, "arm64")


def check_suites(build, slower):
    done = subprocess.run(["meson", "test", "-C", build, "-t", str(slower), "--print-errorlogs",
                           *SUITES], check=False, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.search(r"^Ok: +(\d+)", done.stdout, re.M)[1]) > 80, done.stdout


def test_musl_is_static_and_small(musl):
    sizes = 0
    for name in ("sshidled", "sshidle"):
        said = subprocess.run(["readelf", "-l", "-S", musl / name], check=True,
                              capture_output=True, text=True).stdout
        assert "INTERP" not in said and ".symtab" not in said
        sizes += (musl / name).stat().st_size
    assert sizes <= SIZE_BYTES


def test_musl_suites(musl):
    check_suites(musl / "build", 4)


def test_musl_with_dropbear(musl):
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users and starts SSH servers")
    words = " or ".join(f"dropbear-{name}]" for name in DROPBEAR)
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs",
                           ROOT / "tests/e2e/test_other_servers.py", "-k",
                           f"{words} or test_daemon_is_well or test_nothing_else_was_cut"],
                          # How late is tests/e2e's to judge; beside this one others build.
                          env={**os.environ, "SSHIDLE_E2E_SLACK": "3", "SSHIDLE_BUILD": str(musl / "build"),
                               "SSHIDLE": str(musl / "build/src/cli/sshidle")},
                          check=False, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-6000:]
    if "passed" not in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-2])
    assert f"{len(DROPBEAR) + 2} passed" in done.stdout, done.stdout


def test_arm64_suites(arm64):
    said = subprocess.run(["readelf", "-h", arm64 / "sshidled"], check=True, capture_output=True,
                          text=True).stdout
    assert "AArch64" in said
    check_suites(arm64 / "build", 8)
