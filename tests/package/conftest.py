"""A tree of Debian as debootstrap makes it, and the packages in two versions."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/system"))

from machine import Machine, NotBooted  # noqa: E402

TOOLS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "dh": "debhelper",
         "dpkg-buildpackage": "dpkg-dev", "fakeroot": "fakeroot", "lintian": "lintian"}
INCLUDE = ["systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "passwd", "procps"]
OPENRC = ["openrc", "librc1", "libeinfo1"]
CANNOT_FETCH = ("Failed to fetch", "Unable to fetch", "Could not resolve", "Temporary failure")
TREE_BYTES = 1 << 30
NEXT = "0.99.0"

# From the package's own build directory: what is not concerned is not compiled again.
REBUILD = """\
set -eu
sed -i "s/^  version: '.*'/  version: '$1'/" meson.build
sed -i "1s/(.*)/($1)/" debian/changelog
dh_clean
exec dpkg-buildpackage -us -uc -b -nc
"""


class CannotFetch(Exception):
    """There is no tree without Debian's packages; says why."""


class Packages:
    """What was built: the packages of this version and of a higher one."""

    def __init__(self, directory):
        environment = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck parallel=2"}
        self.said = self.call(environment, ROOT / "scripts/build-deb", directory)
        self.changes = next(directory.glob("*.changes"))
        self.first = next(directory.glob("sshidle_*.deb"))
        self.call(environment, "sh", "-c", REBUILD, "-", NEXT, cwd=directory / "tree")
        self.second = next(directory.glob(f"sshidle_{NEXT}_*.deb"))

    @staticmethod
    def call(environment, *argv, cwd=None):
        done = subprocess.run(argv, cwd=cwd, env=environment, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout


def repositories():
    """Debian's, as apt of this host has them."""
    done = subprocess.run(["apt-get", "indextargets", "--format",
                           "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                           "Origin: Debian"], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise CannotFetch("apt knows no repository of Debian, or has no lists (apt-get update)")
    return "\n".join(sorted(set(done.stdout.splitlines()))) + "\n"


def make_tree(directory):
    """Debian with systemd, sshd, and the libraries that the package depends on."""
    with open("/etc/os-release", encoding="utf-8") as file:
        suite = dict(line.strip().split("=", 1) for line in file if "=" in line)["VERSION_CODENAME"]
    libraries = ["libcap-ng0", "libevent-core-2.1-7", "libjansson4", "libmd0", "libsystemd0",
                 "libvterm0"]
    done = subprocess.run(["mmdebstrap", "--mode=root", "--variant=minbase",
                           "--include=" + ",".join(INCLUDE + libraries), suite, directory, "-"],
                          input=repositories(), text=True, errors="replace", check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0 and any(words in done.stdout for words in CANNOT_FETCH):
        raise CannotFetch("Debian's packages cannot be fetched")
    assert done.returncode == 0, done.stdout[-3000:]


def fetch_openrc(directory):
    """OpenRC's own packages; they are only unpacked."""
    directory.mkdir()
    done = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *OPENRC],
                          cwd=directory, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotFetch("OpenRC's packages cannot be fetched")
    return sorted(directory.glob("*.deb"))


def roomy():
    """Where a tree goes: memory, if there is enough."""
    memory = "/dev/shm"
    if os.path.ismount(memory) and shutil.disk_usage(memory).free > TREE_BYTES:
        return memory
    return None


@pytest.fixture(scope="session")
def made():
    """(tree, Packages, OpenRC's packages); made side by side, as one waits for the network."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes a Debian tree and boots it")
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-package-"))
    room = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-tree-", dir=roomy()))
    room.chmod(0o755)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            openrc = pool.submit(fetch_openrc, room / "openrc")
            tree = pool.submit(make_tree, room / "tree")
            packages = pool.submit(Packages, directory)
            concurrent.futures.wait((openrc, tree, packages))
            try:
                tree.result()
                openrc.result()
            except CannotFetch as reason:
                pytest.skip(f"no Debian tree: {reason}")
        yield room / "tree", packages.result(), openrc.result()
    finally:
        shutil.rmtree(room, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def booted(tree):
    """The tree, booted, with logind and without sshidle."""
    try:
        own = Machine(tree=str(tree))
    except NotBooted as reason:
        pytest.skip(f"systemd-nspawn cannot boot here: {reason}")
    try:
        own.run("systemctl", "start", "dbus", "systemd-logind")
        yield own
    finally:
        own.close()


def give(machine, path, command):
    """Runs a command of the shell in the machine with a file as its input."""
    with open(path, "rb") as file:
        done = subprocess.run([*machine.inside("--mount", "--pid", "--net", "--root", "--wd"), "sh",
                               "-c", command], stdin=file, capture_output=True, text=True,
                              check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, done.stdout + done.stderr
