"""A user whose groups cannot be told now: nobody is told a policy as if there were none."""

import os
import pathlib

import pytest

from conftest import SSHIDLE, run

BUILD = pathlib.Path(SSHIDLE).resolve().parents[2]
SAID = ": the groups of root cannot be told; of the rules that ask for a group the most lenient hold\n"
# The sanitizers want to be the first.
BROKEN = {"LD_PRELOAD": str(BUILD / "tests/cli/no-groups.so"), "ASAN_OPTIONS": "verify_asan_link_order=0"}
NO_NAMES = {**BROKEN, "NO_GROUP_NAMES": "1"}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "conf"
    path.write_text("IdleTimeout 15m\nMatch Group none-has-it\n\tIdleTimeout 1h\n")
    return str(path)


def checked(config, **env):
    return run(str(BUILD / "src/daemon/sshidled"), "-T", "-f", config, "-C", "user=root", env=env)


@pytest.mark.parametrize("broken", [BROKEN, NO_NAMES])
def test_sshidled(config, tmp_path, broken):
    done = checked(config)
    assert "IdleTimeout 15m  # " in done.stdout and (done.returncode, done.stderr) == (0, "")
    done = checked(config, **broken)
    assert "IdleTimeout 1h  # " in done.stdout and (done.returncode, done.stderr) == (0, "sshidled" + SAID)
    (tmp_path / "conf").write_text("IdleTimeout 15m\n")
    assert checked(config, **broken).stderr == ""


def test_many(config, tmp_path):
    """As many as the daemon knows."""
    (tmp_path / "conf").write_text("IdleTimeout 1h\nMatch Group g299\n\tIdleTimeout 5m\n")
    done = checked(config, **BROKEN, MANY_GROUPS="1")
    assert "IdleTimeout 5m  # " in done.stdout and (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("broken", [BROKEN, NO_NAMES])
def test_sshidle(config, tmp_path, broken):
    asked = SSHIDLE, "explain", "-r", str(tmp_path), "--user", "root", "-f"
    assert run(*asked, config).stderr == ""
    done = run(*asked, config, env=broken)
    assert done.stderr == "sshidle" + SAID and done.stdout
    assert run(*asked, os.devnull, env=broken).stderr == ""
