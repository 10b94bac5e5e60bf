"""Installing into an image and taking it away again: an administrator's configuration survives.

Needs SSHIDLE_BUILD with the build directory.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
SHIPPED = (ROOT / "packaging" / "sshidle.conf").read_text()

HAS_PARK = os.path.exists(f"{BUILD}/src/keeper/sshidle-keeper")

PARK = (("libexec/sshidle/sshidle-keeper", 0o755), ("sshidle-keeper.8", 0o644),
        ("profile.d/sshidle-parked.sh", 0o644)) if HAS_PARK else ()

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
                       ("sshidle.service", 0o644), ("sshidle.socket", 0o644), ("init.d/sshidle", 0o755),
                       ("completions/sshidle", 0o644), ("sshidle.conf", 0o644),
                       ("profiles/pci-dss-4.0.json", 0o644), *PARK):
        assert by_name(tmp_path, name).stat().st_mode & 0o7777 == mode, name
    assert by_name(tmp_path, "sshidle.conf").read_text() == SHIPPED
    assert HAS_PARK == bool(list(tmp_path.rglob("sshidle-parked.sh")))
    for name in ("sshidle.service", "init.d/sshidle"):
        text = by_name(tmp_path, name).read_text()
        assert not re.search(r"@[A-Z]+@", text), f"{name}: something is not filled in"
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


@pytest.mark.skipif(not HAS_PARK, reason="park is not in this build (libvterm is missing)")
def test_the_parts_of_park_find_each_other(tmp_path):
    install(tmp_path)
    keeper = by_name(tmp_path, "libexec/sshidle/sshidle-keeper")
    said = subprocess.run([by_name(tmp_path, "sbin/sshidled"), "-h"], check=True, capture_output=True,
                          text=True).stdout
    assert f"(/{keeper.relative_to(tmp_path)})" in said
    snippet = by_name(tmp_path, "profile.d/sshidle-parked.sh").read_text()
    assert "@" not in snippet
    assert f'"/{by_name(tmp_path, "bin/sshidle").relative_to(tmp_path)}" parked --notice' in snippet
    assert '"/run/sshidle/parked/$(id -u)"' in snippet
    # As every shell of Debian that reads it at login does.
    subprocess.run(["dash", "-n"], input=snippet, check=True, text=True)


def test_nothing_stays(tmp_path):
    install(tmp_path)
    uninstall(tmp_path)
    assert files(tmp_path) == set()
    assert not [path for path in tmp_path.rglob("*") if "sshidle" in path.name]


def test_what_others_keep_in_our_directories_stays(tmp_path):
    install(tmp_path)
    own = by_name(tmp_path, "profiles/default.json").with_name("house.json")
    own.write_text("{}")
    uninstall(tmp_path)
    assert files(tmp_path) == {str(own.relative_to(tmp_path))}


def test_what_is_parked_stays(tmp_path, capsys):
    loader = importlib.machinery.SourceFileLoader("uninstall", str(ROOT / "scripts" / "uninstall"))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("uninstall", loader))
    loader.exec_module(script)
    directory = tmp_path / "run"
    (directory / "parked" / "0").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.bind(str(directory / "parked" / "0" / "7.sock"))
        keeper.listen()
        script.remove_runtime(directory)
        assert (directory / "parked" / "0" / "7.sock").exists()
        assert "1 parked terminal stays" in capsys.readouterr().out
    script.remove_runtime(directory)
    assert not directory.exists()
