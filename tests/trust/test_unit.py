"""The unit as systemd judges it; docs/SECURITY.md says why it is not less."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = 2.0


@pytest.fixture
def unit(tmp_path):
    """The unit with the paths of an installation."""
    text = (ROOT / "packaging/sshidle.service.in").read_text()
    for name, value in {"SBINDIR": "/usr/sbin", "BINDIR": "/usr/bin"}.items():
        text = text.replace(f"@{name}@", value)
    assert "@" not in re.sub(r"@[a-z-]+", "", text)
    path = tmp_path / "sshidle.service"
    path.write_text(text)
    return path


def exposure(path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing: install systemd")
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", path],
                          capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_exposure(unit):
    assert exposure(unit) <= MOST


def test_documented():
    text = (ROOT / "docs/SECURITY.md").read_text()
    assert f"gives {MOST} (systemd 252" in text


@pytest.mark.parametrize("without", ["NoNewPrivileges=yes", "ProtectSystem=strict",
                                     "IPAddressDeny=any"])
def test_it_would_be_seen(unit, without):
    text = unit.read_text()
    assert without in text
    unit.write_text(text.replace(without, ""))
    assert exposure(unit) > MOST
