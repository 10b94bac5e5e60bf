"""Installing into an image and taking it away again: an administrator's configuration survives.

Needs SSHIDLE_BUILD with the build directory.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
SHIPPED = (ROOT / "packaging" / "sshidle.conf").read_text()

pytestmark = pytest.mark.skipif(not shutil.which("meson"), reason="needs meson")


def install(image):
    """As `make install`; returns what is said in the end."""
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", image],
                   check=True, capture_output=True)
    configs = list(image.rglob("sshidle.conf"))
    return subprocess.run([ROOT / "scripts" / "install-host",
                           "/" + str(configs[0].parent.relative_to(image))], check=True,
                          env={**os.environ, "DESTDIR": str(image)}, capture_output=True,
                          text=True).stdout


def uninstall(image):
    return subprocess.run([sys.executable, ROOT / "scripts" / "uninstall", BUILD], check=True,
                          env={**os.environ, "DESTDIR": str(image)}, capture_output=True,
                          text=True).stdout


def files(image):
    return {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}


def by_name(image, name):
    found = [path for path in image.rglob(name) if path.is_file()]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def test_everything_is_installed(tmp_path):
    install(tmp_path)
    for name, mode in (("bin/sshidle", 0o755), ("sbin/sshidled", 0o755), ("sshidle.1", 0o644),
                       ("sshidle.conf.5", 0o644), ("sshidled.8", 0o644),
                       ("sshidle.service", 0o644), ("init.d/sshidle", 0o755),
                       ("completions/sshidle", 0o644), ("sshidle.conf", 0o644),
                       ("profiles/pci-dss-4.0.json", 0o644)):
        assert by_name(tmp_path, name).stat().st_mode & 0o777 == mode, name
    assert by_name(tmp_path, "sshidle.conf").read_text() == SHIPPED
    for name in ("sshidle.service", "init.d/sshidle"):
        text = by_name(tmp_path, name).read_text()
        assert "@" not in text.replace("@system-service", ""), f"{name}: something is not filled in"
        assert "/sbin/sshidled" in text


def test_the_configuration_is_the_administrators(tmp_path):
    install(tmp_path)
    config = by_name(tmp_path, "sshidle.conf")
    install(tmp_path)
    assert not config.with_name("sshidle.conf.new").exists()
    config.write_text("IdleTimeout 1h\n")
    said = install(tmp_path)
    assert config.read_text() == "IdleTimeout 1h\n"
    assert config.with_name("sshidle.conf.new").read_text() == SHIPPED
    assert "is yours and stays" in said
    assert "was changed and stays" in uninstall(tmp_path)
    assert files(tmp_path) == {str(config.relative_to(tmp_path))}


def test_nothing_stays(tmp_path):
    install(tmp_path)
    uninstall(tmp_path)
    assert files(tmp_path) == set()
