"""packaging/sshidle.bash-completion in a real bash."""

import os
import pathlib
import subprocess

from conftest import SSHIDLE

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "sshidle.bash-completion"
COMMANDS = ["list", "why", "cut", "keep", "events", "explain", "audit", "prove", "apply",
            "parked", "resume", "drop", "status", "reload", "help"]


PROVE_VALUES = ["--server", "--limit", "--user", "--evidence", "--sign"]


def complete(*words, directory=None):
    """What is offered for the last word."""
    quoted = " ".join(f"'{word}'" for word in ("sshidle", *words))
    where = f"sshidle() {{ command '{SSHIDLE}' \"$@\"; }}\n"
    if directory:
        where = f"sshidle() {{ command '{SSHIDLE}' -r '{directory}' \"$@\"; }}\n"
    script = (f"set -u\n{where}. '{SCRIPT}'\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words)}\n"
              "_sshidle\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
    result = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                            timeout=20, check=True, env={"PATH": os.environ["PATH"]})
    assert result.stderr == ""
    return [line for line in result.stdout.splitlines() if line]


def test_commands():
    assert complete("") == COMMANDS
    assert complete("re") == ["resume", "reload"]
    assert complete("help", "s") == ["status"]
    assert complete("-r", "/run", "ev") == ["events"]


def test_the_names_are_those_of_the_command():
    help_text = subprocess.run([SSHIDLE, "help"], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {command} " in help_text for command in COMMANDS)


def test_options():
    assert complete("list", "--") == ["--runtime-dir", "--help", "--all", "--json"]
    assert complete("cut", "41", "-") == ["-r", "--runtime-dir", "-h", "--help", "-m", "--message"]
    assert "--json" not in complete("reload", "--")
    assert "--version" in complete("--")


def test_every_option_offered_is_taken(tmp_path):
    for command in COMMANDS:
        for option in complete(command, "-"):
            if option in ("-r", "--runtime-dir", "-m", "--message", "-f", "--file", "--from",
                          "--profile", "--write", "--undo", "--escape", *PROVE_VALUES):
                continue
            result = subprocess.run([SSHIDLE, "-r", str(tmp_path), command, option],
                                    capture_output=True, text=True, check=False)
            assert "has no option" not in result.stderr and "unknown option" not in result.stderr


def test_values_of_options():
    assert complete("prove", "--") == ["--runtime-dir", "--help", *PROVE_VALUES, "--json"]
    assert complete("prove", "--server", "") == ["all", "openssh", "dropbear", "tinyssh"]
    assert complete("prove", "--user", "roo") == ["root"]
    assert complete("prove", "--limit", "") == []
    assert complete("prove", "--server", "all", "--li") == ["--limit"]


def test_sessions(host):
    ids = ["41", "42", "43", "44", "45", "46", "47", "48"]
    ttys = ["pts/3", "pts/4", "pts/5", "pts/6", "pts/7", "pts/8"]
    assert complete("why", "", directory=host.directory) == ids + ttys
    assert complete("cut", "pts", directory=host.directory) == ttys
    assert complete("-r", str(host.directory), "keep", "45") == ["45"]
    assert complete("keep", "41", "", directory=host.directory) == "30m 1h 2h 4h 8h 0".split()
    assert complete("cut", "41", "", directory=host.directory) == []


def test_no_daemon(tmp_path):
    assert complete("why", "", directory=tmp_path) == []


def test_directories(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").write_text("")
    assert complete("-r", f"{tmp_path}/") == [f"{tmp_path}/one"]


def test_text_of_a_message_is_ones_own():
    assert complete("cut", "41", "-m", "") == []
