"""Output, exit codes and errors of sshidle(1)."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

import pexpect
import pytest

from conftest import SSHIDLE, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: for what only root may do")

# All sessions of the stand-in; its group is that of whoever runs the tests, so they see all.
ALL_IDS = [41, 42, 43, 44, 45, 46, 47, 48]


def rows(text):
    return [line.split() for line in text.splitlines()]


# list


def test_list_is_the_default(host):
    assert host.run().stdout == host.run("list").stdout


def test_list_table(host):
    result = host.run("list")
    assert result.returncode == 0 and result.stderr == ""
    table = rows(result.stdout)
    assert table[0] == "ID USER FROM SERVER KIND TTY IDLE LIMIT HEARD ENDS-IN STATE".split()
    # A client that does not answer: heard of 1 s and 40 s ago, 33 s and 35 s ago.
    assert table[1] == "48 carol 10.0.0.13 openssh shell pts/8 50s none 1s/40s 5s unanswered".split()
    assert table[2] == "47 carol 10.0.0.12 openssh shell pts/7 40s 15m 33s/35s 12s unanswered".split()
    assert table[3] == "41 alice 10.0.0.7 openssh shell pts/3 14m3s 15m 3s/4s 57s warned".split()
    assert table[4] == "42 bob 10.0.0.8 openssh shell pts/4,pts/5 2s 15m 3s/4s 14m58s active".split()
    assert table[5] == "44 - 10.0.0.9 dropbear forward - 5m 1h 3s/4s 55m idle".split()
    assert table[6] == "46 日本語 10.0.0.7 tinyssh shell pts/6 20m 15m 3s/4s 2h kept".split()
    assert table[7][0] == "45"  # reported: does not end, so it comes last
    assert result.stdout.endswith("\n1 more without a limit: sshidle list --all\n")


def test_list_all(host):
    result = host.run("list", "--all")
    assert [row[0] for row in rows(result.stdout)[1:]] == ["48", "47", "41", "42", "44", "46", "43", "45"]
    assert "43 root 192.0.2.1 openssh exec - 1h none 3s/4s - unlimited".split() in rows(result.stdout)
    assert "without a limit" not in result.stdout
    assert host.run("-a").stdout == result.stdout


def test_list_counts_what_is_parked(host):
    """By the sockets behind which somebody is; of a user their own, of root all."""
    directory = host.directory / "parked" / str(os.geteuid())
    directory.mkdir(parents=True)
    (directory.parent / "7").mkdir()
    with socket.socket(socket.AF_UNIX) as keeper, socket.socket(socket.AF_UNIX) as gone:
        keeper.bind(str(directory / "41.sock"))
        keeper.listen()
        gone.bind(str(directory / "42.sock"))
        gone.close()
        before = host.run("list", "--json").stdout
        assert host.run("list").stdout.endswith("without a limit: sshidle list --all\n1 parked: sshidle parked\n")
        assert not (directory / "42.sock").exists(), "it is nobody's"
        assert len(json.loads(before)["sessions"]) == len(ALL_IDS)


def test_list_columns_line_up_with_wide_characters(host):
    from unicodedata import east_asian_width

    def position(line, text):
        return sum(2 if east_asian_width(c) in "WF" else 1 for c in line[: line.index(text)])

    lines = host.run("list").stdout.splitlines()
    assert position(lines[0], "FROM") == position(lines[3], "10.0.0.7") == position(lines[6], "10.0.0.7")


def test_list_json(host):
    result = host.run("list", "--json")
    assert result.stdout.count("\n") == 1
    reply = json.loads(result.stdout)
    assert [session["id"] for session in reply["sessions"]] == ALL_IDS
    assert reply["sessions"][0]["idle_s"] == 843.0
    assert reply["sessions"][2]["limit_s"] is None
    assert host.run("--json").stdout != ""


def test_foreign_text_is_harmless(host):
    for arguments in (["list"], ["why", "45"]):
        output = host.run(*arguments).stdout
        assert "ev\\x1b[31mil\\xff" in output
        assert "\033" not in output
    # Without UTF-8 all that is not ASCII is foreign.
    output = host.run("list", env={"LC_ALL": "C"}).stdout
    assert output.isascii() and "\\xe6\\x97\\xa5" in output


def test_list_many(start):
    host = start("-n", "2000")
    assert len(rows(host.run("list").stdout)) == 2000 + 7 + 1 + 1


@pytest.mark.parametrize("command", [
    "list", "list --json", "why 41", "why 41 --json", "keep 41 1m", "cut 41", "reload", "status", "status --json",
    "events", "events --json", "parked", "parked --json", "explain", "explain --json", "audit", "audit --json",
    "audit --sarif", "apply -f /dev/null", "apply -f /dev/null --json", "help", "list --help", "--version"])
def test_output_that_cannot_be_written(start, tmp_path, command):
    """An error is told from what the command finds; a closed pipe ends it as it does others."""
    words, error = command.split(), 1
    if words[0] == "audit":
        profile = tmp_path / "fails"
        profile.write_text(json.dumps({"profile": "fails", "title": "title", "document": "document", "checks": [
            {"id": "at-once", "requirement": "all ends at once", "fix": "none",
             "conditions": [{"fact": "idle-limit", "kinds": ["shell"], "at-most": "1s"}]}]}), encoding="utf-8")
        words, error = [*words, "-f", os.devnull, "--profile", str(profile)], 2
        assert run(SSHIDLE, *words).returncode == 1
    full = os.open("/dev/full", os.O_WRONLY)
    out, pipe = os.pipe()
    os.close(out)
    for stdout, options, result in (
            (full, {}, (error, ["sshidle: cannot write: No space left on device"])),
            (pipe, {}, (-signal.SIGPIPE, [])),
            (pipe, {"restore_signals": False}, (error, ["sshidle: cannot write: Broken pipe"]))):
        done = subprocess.run(start("-e", "20").command(*words), stdout=stdout, stderr=subprocess.PIPE,
                              text=True, timeout=20, check=False, **options)
        told = [line for line in done.stderr.splitlines() if "cannot write" in line]
        assert (done.returncode, told) == result
    os.close(full)
    os.close(pipe)


def test_without_standard_descriptors(host):
    """What it opens is never one of them: it would read, print or run a server's program there."""
    closed = subprocess.Popen(["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *host.command("events")])
    places = {}
    while not any(place.startswith("socket:") for place in places.values()):
        assert closed.poll() is None
        places = {}
        for fd in os.listdir(f"/proc/{closed.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                places[fd] = os.readlink(f"/proc/{closed.pid}/fd/{fd}")
    closed.kill()
    closed.wait()
    assert [places.get(fd) for fd in "012"] == ["/dev/null"] * 3
    result = subprocess.run(["/bin/sh", "-c", '"$@" >&-', "sh", *host.command("list")], capture_output=True, text=True,
                            check=False)
    assert (result.returncode, result.stdout) == (1, "") and "cannot write" in result.stderr


# on a terminal


def on_terminal(host, *arguments, columns=200, env=None):
    variables = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", **(env or {})}
    child = pexpect.spawn(SSHIDLE, ["-r", str(host.directory), *arguments], env=variables,
                          dimensions=(24, columns), encoding="utf-8", timeout=20)
    output = child.read()
    child.close()
    return output


def test_colours(host):
    assert "\033[33mwarned\033[0m" in on_terminal(host)
    assert "\033" not in on_terminal(host, env={"NO_COLOR": "1"})
    assert "\033" in on_terminal(host, env={"NO_COLOR": ""})
    assert "\033" not in on_terminal(host, env={"TERM": "dumb"})
    assert "\033" not in host.run("list").stdout


@pytest.mark.parametrize("columns", [200, 80, 60, 40])
def test_narrow_terminals(host, columns):
    plain = on_terminal(host, columns=columns, env={"NO_COLOR": "1"})
    table = plain.splitlines()[:-1]
    assert max(len(line) for line in table) <= columns
    assert all("ID" in table[0] and word in table[0] for word in ("USER", "ENDS-IN", "STATE"))
    assert ("10.0.0.7" in plain) == (columns >= 60)


def test_columns_go_in_the_order_of_the_manual(host):
    header = host.run("list").stdout.splitlines()[0].split()
    widths = {92: "HEARD", 80: "SERVER", 72: "LIMIT", 66: "KIND", 52: "TTY", 46: "FROM"}
    for columns, gone in widths.items():
        header.remove(gone)
        assert on_terminal(host, columns=columns, env={"NO_COLOR": "1"}).split("\n")[0].split() == header, columns


def test_json_on_a_terminal_cannot_move_the_cursor(host):
    output = on_terminal(host, "list", "--json")
    assert output.isascii() and "\033" not in output
    assert len(json.loads(output)["sessions"]) == len(ALL_IDS)


# why


def test_why(host):
    result = host.run("why", "41")
    assert result.returncode == 0
    for words in ("session 41 of alice from 10.0.0.7 port 50041 to 10.0.0.1 port 22",
                  "warned: reason of rule 4 for session 41",
                  "by rule 4 (warn), limit 15m set at /etc/sshidle.conf:3",
                  "shell on pts/3, process 4194715",
                  "last input between 14m3s and 14m5s ago",
                  "last output between 14m3s and 14m5s ago (does not count)",
                  "UTC (between 14m3s and 14m5s ago)",
                  "keepalives and answers are not use",
                  "next: the end at ", "unless a key is pressed (in 57s)"):
        assert words in result.stdout, words


def test_why_of_a_client_that_does_not_answer(host):
    facts, ends = {}, {}
    for key in ("41", "47", "48"):
        explanation = json.loads(host.run("why", "--json", key).stdout)["explanation"]
        facts[key], ends[key] = "\n".join(explanation["facts"]), explanation["next"]
    for words in ("the client's machine gave its last sign of life 33s ago",
                  "the client's program gave its last sign of life 35s ago",
                  "was pinged 12 times since then and did not answer",
                  "a client that does not answer is ended after 45s (ClientAlive set at "
                  "/etc/sshidle.conf:5)",
                  "cannot be told from a silent one, and ends under its idle limit"):
        assert words in facts["47"], words
    assert "2 probes of the server reached the client's machine" in facts["48"]
    assert "no probe of the server" not in facts["48"] and "pinged" not in facts["48"]
    assert ends["47"].endswith(", unless the client answers") and ends["48"].startswith("the end at ")
    assert "pinged" not in facts["41"] and "unless a key is pressed" in ends["41"]


def test_why_says_the_same_for_id_and_tty(host):
    def explained(*arguments):
        return json.loads(host.run("why", "--json", *arguments).stdout)["explanation"]["session"]["id"]

    assert explained("42") == explained("pts/4") == explained("/dev/pts/5") == 42


def test_why_says_what_happens_next(host):
    nexts = {key: json.loads(host.run("why", "--json", key).stdout)["explanation"] for key in
             map(str, ALL_IDS)}
    assert nexts["42"]["next"].startswith("a warning at ")
    assert nexts["42"]["next_in_s"] == 838.0
    assert nexts["43"]["next"] == "nothing: exec has no limit" and nexts["43"]["next_in_s"] is None
    assert nexts["44"]["next"].startswith("the end at ")
    assert nexts["45"]["next"].startswith("nothing: it was reported")
    assert nexts["46"]["next"].startswith("it is kept until ")
    assert "0 of 2 terminals are past the limit" in nexts["42"]["facts"]


def test_why_without_a_session_of_ones_own(host):
    result = host.run("why")
    assert result.returncode == 1
    assert "not within an SSH session that sshidled knows" in result.stderr


@needs_root
def test_own_session_by_connection(host):
    connection = {"SSH_CONNECTION": "10.0.0.8 50042 10.0.0.1 22"}
    assert "session 42 of bob" in host.run("why", env=connection).stdout
    assert host.run("keep", "1h", env=connection).stdout.startswith("session 42 is kept until 2")


# cut, keep, reload, status


@needs_root
def test_cut(host):
    result = host.run("cut", "41", "-m", "the host goes down")
    assert (result.returncode, result.stdout) == (0, "session 41 is being ended\n")
    again = host.run("cut", "41")
    assert again.returncode == 1 and "is being ended already" in again.stderr
    assert host.run("cut", "pts/5").stdout == "session 42 is being ended\n"
    assert rows(host.run("list").stdout)[3][-1] == "ending"


def test_keep_where_nobody_may(tmp_path):
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "io.sshidle"))
        daemon.listen()
        with subprocess.Popen([SSHIDLE, "-r", str(tmp_path), "keep", "41", "1h"], text=True,
                              stderr=subprocess.PIPE) as process:
            asker = daemon.accept()[0]
            assert b"io.sshidle.Keep" in asker.recv(4096)
            asker.sendall(b'{"error":"io.sshidle.TooLong","parameters":{"most_s":0}}\0')
            said = process.communicate(timeout=10)[1]
            asker.close()
    assert process.returncode == 1 and "KeepMax 0" in said


def test_cut_with_text_that_is_not_utf8(host):
    result = subprocess.run(host.command("cut", "41", "-m", b"\xff"), capture_output=True, check=False)
    assert result.returncode == 2 and b"not UTF-8" in result.stderr


@needs_root
def test_keep(host):
    assert re.fullmatch(r"session 41 is kept until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n",
                        host.run("keep", "41", "90m").stdout)
    assert host.run("keep", "pts/3", "0").stdout == "session 41 is kept no longer\n"
    assert host.run("keep", "41", "soon").returncode == 2


@needs_root
def test_reload(start):
    host = start()
    assert host.run("reload").returncode == 0
    wrong = start("-w").run("reload")
    assert wrong.returncode == 1 and wrong.stdout == ""
    assert "sshidle: /etc/sshidle.conf:3: IdleTimeot: no such keyword\n" in wrong.stderr
    assert "the one that was running stays" in wrong.stderr


def test_status(host):
    result = host.run("status")
    assert result.returncode == 0
    assert "runs as process 4711 since " in result.stdout
    assert "9 warned, 7 ended, 2 parked, 1 held back by MaxCuts" in result.stdout
    assert "the I/O counts of tinysshd cannot be read" in result.stdout
    answer = json.loads(host.run("status", "--json").stdout)
    assert (answer["cuts"], answer["parks"]) == (7, 2)


@needs_root
def test_status_shows_temporary_rules(host):
    assert "in force" not in host.run("status").stdout
    call = {"method": "io.sshidle.TemporaryRules", "more": True, "parameters": {"text": "x"}}
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(host.directory / "io.sshidle"))
        asker.sendall(json.dumps(call).encode() + b"\0")
        assert json.loads(asker.recv(4096).rstrip(b"\0"))["continues"]
        assert f"temporary rules of root (process {os.getpid()})" in host.run("status").stdout
    deadline = time.monotonic() + 10
    while "in force" in host.run("status").stdout:
        assert time.monotonic() < deadline


# events


def read_lines(process, n):
    lines = []
    while len(lines) < n:
        assert select.select([process.stdout], [], [], 20)[0]
        lines.append(process.stdout.readline())
    return lines


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_events(start, option):
    host = start("-e", "20")
    with subprocess.Popen(host.command("events", *option), stdout=subprocess.PIPE, text=True,
                          bufsize=1) as process:
        line = read_lines(process, 3)[-1]
        process.terminate()
    if option:
        event = json.loads(line)
        assert event["event"] == "warned" and event["id"] == 41 and event["tty"] == ["pts/3"]
    else:
        assert re.fullmatch(r"\S+Z warned session 41 of alice from 10\.0\.0\.7 on pts/3: "
                            r"no input for 14m, ends in 1m \(rule 4\)\n", line)


def test_events_end_with_the_daemon(start):
    host = start("-e", "20")
    with subprocess.Popen(host.command("events"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        read_lines(process, 1)
        host.process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 3 and "has closed the connection" in errors
    # A second SIGTERM, at its exit, would end it by the signal: sanitizers look for leaks there.
    assert host.process.wait(timeout=20) == 0


# who may what


@needs_root
def test_users_see_and_keep_their_own(start):
    host = start(group=4243)
    alice = {"user": 1000, "group": 1000, "extra_groups": []}
    assert [row[0] for row in rows(host.run("list", **alice).stdout)[1:]] == ["41"]
    hidden = host.run("why", "42", **alice)
    assert hidden.returncode == 1
    assert "there is no session 42 that you may see; sshidle list shows them" in hidden.stderr
    assert host.run("keep", "41", "8h", **alice).returncode == 0
    long = host.run("keep", "41", "9h", **alice)
    assert long.returncode == 1 and "for at most 8h" in long.stderr
    denied = host.run("reload", **alice)
    assert denied.returncode == 1 and "not allowed: only root may do this" in denied.stderr
    assert host.run("status", **alice).stdout.count("sessions        1 that you may see") == 1
    assert host.run("cut", "41", **alice).returncode == 0
    nobody = {"user": 4242, "group": 4242, "extra_groups": []}
    assert host.run("list", **nobody).stdout == "no SSH sessions\n"


@needs_root
def test_members_of_the_group_see_all_and_touch_nothing(start):
    host = start(group=4243)
    member = {"user": 4242, "group": 4242, "extra_groups": [4243]}
    reply = json.loads(host.run("list", "--json", **member).stdout)
    assert [session["id"] for session in reply["sessions"]] == ALL_IDS
    for arguments in (["cut", "41"], ["keep", "41", "1h"]):
        denied = host.run(*arguments, **member)
        assert denied.returncode == 1
        assert "not allowed: only root and the session's owner may" in denied.stderr


# wrong usage, no daemon


@pytest.mark.parametrize("arguments, words", [
    (["lst"], 'there is no command "lst"; did you mean "list"?'),
    (["kepe", "41", "1h"], 'did you mean "keep"?'),
    (["frobnicate"], 'there is no command "frobnicate"; sshidle help lists them'),
    (["list", "--frob"], "unknown option --frob"),
    (["list", "-x"], "unknown option -x"),
    (["list", "-m", "text"], "list has no option -m"),
    (["cut", "--json", "41"], "cut has no option --json"),
    (["cut"], "cut needs more to go by: ID | TTY"),
    (["cut", "41", "42"], '"42" is too much for cut'),
    (["cut", "alice"], '"alice" is neither the ID of a session (41) nor a terminal (pts/3)'),
    (["keep", "41", "1x"], '"1x" is no span of time'),
    (["-r"], "option -r needs an argument"),
    (["help", "lost"], 'there is no command "lost"; did you mean "list"?'),
    (["cut", "41", "-m", "x" * 257], "the text has 257 bytes, at most 256 are shown"),
    (["why", "\033[2J"], "\\x1b[2J"),
])
def test_wrong_usage(arguments, words):
    result = run(SSHIDLE, *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert words in result.stderr and "\033" not in result.stderr


def test_no_daemon(tmp_path):
    for command in ("list", "status", "reload", "events"):
        result = run(SSHIDLE, "-r", str(tmp_path), command)
        assert result.returncode == 3 and result.stdout == ""
        assert f"sshidled is not running: there is no socket at {tmp_path}/io.sshidle" in result.stderr
        assert re.search("start it with: (service sshidle start|systemctl start sshidle)", result.stderr)


def test_dead_socket(start):
    host = start()
    host.process.kill()
    host.process.wait()
    host.close = lambda: None
    result = host.run("list")
    assert result.returncode == 3 and "nobody listens" in result.stderr


def test_too_long_a_directory():
    assert run(SSHIDLE, "-r", "/" + "x" * 200).returncode == 2


def test_help():
    overview = run(SSHIDLE, "--help")
    assert overview.returncode == 0
    commands = re.findall(r"^  (\w+)  +", overview.stdout.split("\noptions")[0], re.M)
    assert commands[0] == "list" and commands[-1] == "help" and len(commands) > 8
    for command in commands:
        by_option = run(SSHIDLE, command, "--help")
        assert by_option.returncode == 0
        assert by_option.stdout.startswith(f"usage: sshidle {command} ")
        assert run(SSHIDLE, "help", command).stdout == by_option.stdout
    assert re.fullmatch(r"sshidle \d+\.\d+\.\d+\n", run(SSHIDLE, "-V").stdout)


def test_a_slow_start_is_no_wait(host):
    begun = time.monotonic()
    host.run("list")
    assert time.monotonic() - begun < 5
