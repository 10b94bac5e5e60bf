"""The benchmarks run, with a few sessions: so that they cannot rot.  What they measure then means nothing."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it makes namespaces and starts servers")

# script -> the figures that the table of goals asks for.
FIGURES = {
    "scale": {"lateness", "one sample", "one sample, OpenSSH", "sessions, CPU", "sessions, memory", "unresponsive", "list"},
    "crowd": {"crowd, CPU", "crowd, slices", "crowd, new session"},
    "compare": set(),
    "watched": {"watched"},
}


@pytest.mark.parametrize("script", FIGURES)
def test_runs(script):
    document = (ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8")
    results = pathlib.Path(BUILD, "bench", "results", f"{script}.json")
    results.unlink(missing_ok=True)
    done = subprocess.run([ROOT / "bench" / f"{script}.py", BUILD], env={**os.environ, "QUICK": "tiny"}, timeout=180,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "\n| --- |" in done.stdout
    assert "did not run to its end" not in done.stdout, done.stderr[-3000:]
    assert set(json.loads(results.read_text(encoding="utf-8"))) == FIGURES[script]
    # Only a full run writes.
    assert (ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8") == document


def test_goals():
    """Each figure that the table shows is one that a script makes."""
    wanted = subprocess.run(
        ["/usr/bin/python3", "-c", "import all, json\n"
         "print(json.dumps([row[2] for row in all.GOALS if not isinstance(row[2], str)]))"],
        cwd=ROOT / "bench", capture_output=True, text=True, check=True).stdout
    for script, figure in json.loads(wanted):
        assert figure in FIGURES[script]
