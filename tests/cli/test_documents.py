"""The manual and docs/CONTROL.md say what the programs do."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import SSHIDLE

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANUAL = ROOT / "man" / "sshidle.1"
CONTROL = ROOT / "docs" / "CONTROL.md"


def output(*command):
    return subprocess.run([SSHIDLE, *command], capture_output=True, text=True, check=True).stdout


def commands():
    return re.findall(r"^  (\w+)  +", output("help").split("\noptions")[0], re.M)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="needs mandoc")
def test_the_manual_is_clean():
    result = subprocess.run(["mandoc", "-Tlint", "-W", "warning", str(MANUAL)], capture_output=True,
                            text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_manual_has_every_command_with_its_options():
    text = MANUAL.read_text()
    for command in commands():
        entry = re.search(rf"^\.It Cm {command}\b(.*)$", text, re.M)
        assert entry, command
        usage = output("help", command).splitlines()[0]
        assert ("-json" in entry[1]) == ("--json" in usage)
        assert ("Fl m" in entry[1]) == ("-m" in usage)
        assert ("Fl a" in entry[1]) == ("-a" in usage)


def test_the_manual_has_every_option():
    text = MANUAL.read_text()
    for option in re.findall(r"--([a-z-]+)", "".join(output("help", c) for c in commands())):
        assert f"Fl -{option}" in text, option


def test_the_manual_has_every_exit_code():
    header = (ROOT / "src" / "cli" / "command.h").read_text()
    codes = re.findall(r"COMMAND_\w+ = (\d)", header)
    status = MANUAL.read_text().split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    assert codes == ["0", "1", "2", "3"] == re.findall(r"^\.It (\d)$", status, re.M)


def test_what_is_not_kept_is_said_in_the_same_words_everywhere():
    header = (ROOT / "src" / "core" / "order.h").read_text()
    sentence = re.search(r'#define ORDER_NOT_KEPT "(.*)"', header)[1]
    assert sentence.endswith(".") and sentence.count(".") == 1
    for name in ("README.md", "man/sshidle.1", "man/sshidle.conf.5", "man/sshidle-keeper.8"):
        assert sentence in (ROOT / name).read_text(), name
    for name in ("src/daemon/engine-park.c", "src/cli/command-resume.c"):
        assert "ORDER_NOT_KEPT" in (ROOT / name).read_text(), name


def test_the_sections_of_the_benchmarks_can_be_rewritten():
    script = "import sys; sys.path.insert(0, 'bench'); import report; document = report.PATH.read_text()\n" \
             "names = report.re.findall(r'^<!-- (.*): begin -->$', document, report.re.M)\n" \
             "assert 'resume' in names\n" \
             "for name in [*names, 'new']:\n" \
             "    once = report.replaced(document, name, 'it')\n" \
             "    assert once != document and report.replaced(once, name, ' it ') == once\n" \
             "    assert report.replaced(once, name, 'zq9').replace('zq9', 'it') == once\n"
    subprocess.run([sys.executable, "-B", "-c", script], cwd=ROOT, check=True)


def examples():
    return re.findall(r"```python\n(.*?)```", CONTROL.read_text(), re.S)


def test_the_example_of_calls(host):
    code = examples()[0].replace("/run/sshidle", str(host.directory))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                            timeout=20, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert result.stdout.splitlines()[0] == "41 alice 843.0 warned"


def test_the_example_of_events(start):
    host = start("-e", "20")
    code = "import sys; sys.stdout.reconfigure(line_buffering=True)\n" + examples()[1]
    with subprocess.Popen([sys.executable, "-c", code.replace("/run/sshidle", str(host.directory))],
                          stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.terminate()
    assert line.endswith("Z warned 41 no input for 14m, ends in 1m\n")


def test_the_limits_are_those_of_the_source():
    source = (ROOT / "src" / "daemon" / "control-client.c").read_text()
    limits = dict(re.findall(r"\.(\w+) = ([0-9* ]+),", source.split("control_limits_default")[1]))
    values = {name: eval(value) for name, value in limits.items()}  # products of numbers
    text = CONTROL.read_text()
    for words in (f"{values['clients']}, {values['clients_for_root']} of them for root alone",
                  f"{values['clients_per_uid']}; root: none",
                  f"{values['message_bytes'] // 1024} KiB, 16 levels",
                  f"{values['message_ms'] // 1000} s |", f"{values['idle_ms'] // 60000} min |",
                  f"from {values['waiting_bytes'] // 1024} KiB on",
                  f"for {values['stall_ms'] // 1000} s: closed",
                  f"{values['events_bytes'] // 1024 // 1024} MiB |"):
        assert words in text, words


def test_every_error_is_explained():
    interface = (ROOT / "src" / "daemon" / "io.sshidle.varlink").read_text()
    for error in re.findall(r"^error (\w+)", interface, re.M):
        assert f"| `io.sshidle.{error}` |" in CONTROL.read_text()
