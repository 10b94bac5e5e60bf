"""What README.md tells of park and resume is what is seen, but for numbers and times."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from bench import BUILD, KEEPER

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NEEDED = {"tmux": "tmux", "ssh": "openssh-client", "/usr/sbin/sshd": "openssh-server", "ip": "iproute2"}

NUMBER = re.compile(r"(?:\d+(?:\.\d+)*(?:ms|[smhd](?![a-z]))?)+")
TEST = "test # passed"


def masked(text):
    """Without line ends, and without what differs from run to run: numbers, times, where a test falls."""
    return " ".join(NUMBER.sub("#", " ".join(text.split())).replace(TEST, "").split())


def excerpts():
    """The indented blocks of the section, cut where something is left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Park and resume\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
    assert "IdleAction park" in blocks[0]
    parts = [part for block in blocks[1:] for part in re.split(r"^    \.\.\.$", block, flags=re.M)]
    assert sum("passed" in part for part in parts) == 4
    return [part for part in parts if masked(part)]


def test_the_excerpts_in_the_readme_are_real():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes a host of its own")
    missing = [package for tool, package in NEEDED.items() if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    if not os.path.exists(KEEPER):
        pytest.skip("park is not in this build (libvterm is missing), or SSHIDLE_BUILD is not set")
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
                           "--mount-proc", "/usr/bin/python3", str(HERE / "transcript.py"), BUILD,
                           "6", "2"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^test \d+ passed$", done.stdout, re.M)) > 6
    said, parts = masked(done.stdout), excerpts()
    assert len(parts) > 6
    for part in parts:
        assert masked(part) in said, f"{masked(part)}\n\nnot in\n\n{said}"
