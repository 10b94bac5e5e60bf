"""Memory and descriptors over a long time: bench/soak.py, shortly.

`make check-long` has it run as long as is promised.
"""

import os
import subprocess

import pytest

SOAK = os.path.join(os.path.dirname(__file__), "..", "..", "bench", "soak.py")
SESSIONS = int(os.environ.get("SSHIDLE_SOAK_SESSIONS", "100"))
SECONDS = int(os.environ.get("SSHIDLE_SOAK_SECONDS", "60"))


def test_soak(capsys):
    """Most sessions are used, some are ended, others come for them; nothing grows."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes namespaces and starts sshd and sshidled")
    if not os.path.exists(f"{os.environ['SSHIDLE_BUILD']}/bench/swarm"):
        pytest.skip("bench/swarm is static: not for builds with a sanitizer")
    done = subprocess.run(["/usr/bin/python3", SOAK, os.environ["SSHIDLE_BUILD"],
                           f"--sessions={SESSIONS}", f"--seconds={SECONDS}"], text=True,
                          capture_output=True, check=False, timeout=SECONDS + 300)
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        print("\n" + done.stdout, end="")
