"""`sshidled -t` and -T: what root can read the engine may not."""

import os
import pathlib
import subprocess
import tempfile

import pytest

from conftest import SSHIDLE, run

SSHIDLED = str(pathlib.Path(SSHIDLE).resolve().parents[2] / "src/daemon/sshidled")


def check(path, user):
    return run(SSHIDLED, "-t", "-f", path, "-u", user)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: others cannot become the engine's user")
def test_as_the_engine():
    # pytest's own directories are closed to others.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        included, path = pathlib.Path(directory, "more"), pathlib.Path(directory, "conf")
        included.write_text("IdleWarning 10s\n", encoding="ascii")
        path.write_text(f"IdleTimeout 5m\nInclude {included}\n", encoding="ascii")
        done = check(path, "nobody")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        included.chmod(0o600)
        done = check(path, "nobody")
        assert done.returncode == 1
        assert done.stderr == f"{path}:2: Include: cannot read {included}: Permission denied\n" \
                              "sshidled: root can read it, but the daemon reads it as user nobody\n"
        included.chmod(0o644)
        # What a pattern finds in a directory that is closed is left out.
        closed = pathlib.Path(directory, "more.d")
        closed.mkdir(mode=0o700)
        (closed / "one").write_text("IdleTimeout 4m\n", encoding="ascii")
        path.write_text(f"Include {directory}/more.*/one\nIdleTimeout 5m\nInclude {directory}/none\n",
                        encoding="ascii")
        missing = f"notice: {path}:%d: Include: there is no file {directory}/%s\n"
        done = check(path, "nobody")
        assert done.returncode == 1
        assert done.stderr == missing % (3, "none") + missing % (1, "more.*/one") + missing % (3, "none") + \
                              "sshidled: the daemon, as user nobody, reads less of it than root\n"
        # Whoever does not exist yet reads nothing.
        assert check(path, "nobody-of-this-name").returncode == 0


def test_output_that_cannot_be_written():
    for arguments in (["-T", "-f", os.devnull], ["-h"], ["-V"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([SSHIDLED, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "sshidled: cannot write: No space left on device\n")
