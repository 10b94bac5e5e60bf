"""What is seen after resume, cell by cell, beside the same programs in a terminal that was never
parked.  Both are panes of tmux, asked with capture-pane -e."""

import os
import signal
import time

import pytest
from panes import FULL, environment, need, plain, same, settled, wait_for

# Programs whose screens do not change by themselves, and what is typed before the park.
TEXT = "".join(f"line {number}: the quick brown fox\n" for number in range(1, 200))


class Pair:
    """The same command twice: parked and resumed in a pane, and in a pane all the time."""

    def __init__(self, host, tmux, *command, rows=24, columns=80, **options):
        self.host, self.tmux, self.command = host, tmux, command
        self.parked = host.start(*command, rows=rows, columns=columns, **options)
        self.reference = tmux.start(command, rows, columns)
        self.pane = None

    def before(self, text, until=None):
        """Typed while it is an ordinary session."""
        if until:
            self.parked.read_until(until)
        if text:
            self.parked.write(text)
            self.tmux.literal(self.reference, text)

    def park(self):
        settled(self.tmux, self.reference)
        self.parked.drain()
        self.parked.park()
        wait_quiet(self.parked)

    def resume(self, rows=24, columns=80):
        self.pane = self.tmux.start(self.host.command("resume", str(self.parked.number)), rows,
                                    columns)
        self.tmux.size(self.reference, rows, columns)
        wait_for(lambda: self.parked.info()["attached"], "the client")
        settled(self.tmux, self.pane)

    def type(self, *keys):
        for name in (self.pane, self.reference):
            self.tmux.keys(name, *keys)

    def check(self, lines=None):
        """All cells, cursor and modes are the same; or only the last lines."""
        ours, theirs = settled(self.tmux, self.pane), settled(self.tmux, self.reference)
        if lines:
            ours, theirs = (([line for line in cells if line][-lines:], "") for cells, _ in
                            (ours, theirs))
        same(ours, theirs)


def wait_quiet(parked, seconds=0.6):
    """Until the nudge is over."""
    time.sleep(seconds)
    assert parked.info()


def edit(host, tmux, tmp_path, program, *options, **size):
    path = tmp_path / "text"
    path.write_text(TEXT)
    return Pair(host, tmux, program, *options, str(path), **size)


@pytest.mark.parametrize("rows, columns", [(24, 80), (40, 120), (15, 50)])
def test_vim_with_unsaved_text(host, tmux, tmp_path, rows, columns):
    need("vim")
    pair = edit(host, tmux, tmp_path, "vim", "-u", "NONE", "-N", "-n", "-i", "NONE")
    pair.before("Gounsaved words\x1b", until=b"line 20")
    wait_for(lambda: "unsaved" in tmux.text(pair.reference), "the text")
    pair.park()
    pair.resume(rows, columns)
    # The message line below is not drawn anew by vim.
    pair.type("C-l")
    pair.check()
    pair.type("g", "g", "d", "d", "i", "x", "Escape")
    pair.check()
    pair.type(":", "w", "q", "Enter")
    wait_for(lambda: "unsaved words" in (tmp_path / "text").read_text(), "the file")


@pytest.mark.parametrize("rows, columns", [(24, 80), (30, 100)])
def test_less(host, tmux, tmp_path, rows, columns):
    pair = edit(host, tmux, tmp_path, "less")
    pair.before("20j", until=b"line 20")
    wait_for(lambda: "line 40" in tmux.text(pair.reference), "the text")
    pair.park()
    pair.resume(rows, columns)
    pair.check()
    pair.type("Down", "Down", "PageDown", "Up")
    pair.check()


@pytest.mark.parametrize("rows, columns", [(24, 80), (30, 100)])
def test_nano(host, tmux, tmp_path, rows, columns):
    need("nano")
    pair = edit(host, tmux, tmp_path, "nano", "-I", "-U")
    pair.before("unsaved", until=b"line 10")
    wait_for(lambda: "unsaved" in tmux.text(pair.reference), "the text")
    pair.park()
    pair.resume(rows, columns)
    pair.type("C-l")
    pair.type("Down", "Down", "x")
    pair.check()


@pytest.mark.parametrize("rows, columns", [(24, 80), (40, 132), (12, 45)])
def test_full_screen_with_colours_and_wide_characters(host, tmux, rows, columns):
    """Like htop, but it shows the same twice."""
    pair = Pair(host, tmux, "/usr/bin/python3", "-c", FULL, flags=1)
    pair.before("aaa", until=b"keys 0")
    wait_for(lambda: "keys 3" in tmux.text(pair.reference), "the screen")
    pair.park()
    pair.resume(rows, columns)
    if (rows, columns) == (24, 80):
        # Nothing tells of the mouse before the park.
        ours, theirs = settled(tmux, pair.pane), settled(tmux, pair.reference)
        same((ours[0], ""), (theirs[0], ""))
    pair.type("Down", "b")
    ours, theirs = settled(tmux, pair.pane), settled(tmux, pair.reference)
    same((ours[0], ""), (theirs[0], ""))


@pytest.mark.parametrize("program", ["top", "htop"])
def test_top(host, tmux, program):
    """Its numbers change; its shape does not."""
    need(program)
    parked = host.start(program, "-d", "50")
    parked.read_until(b"PID")
    parked.park()
    wait_quiet(parked, 1.0)
    pane = tmux.start(host.command("resume"), 30, 100)
    wait_for(lambda: "PID" in tmux.text(pane), "its head")
    cells = plain(settled(tmux, pane)[0])
    assert len([line for line in cells if line.strip()]) >= 20, cells
    state = tmux.state(pane).split()
    assert state[4] == "1" and state[3] == ("1" if program == "htop" else "0")
    if program == "htop":
        assert state[6:8] == ["1", "1"]
    tmux.keys(pane, "q")
    wait_for(lambda: not parked.alive(), "its end")


COLOURS = r'''
for i in $(seq 0 15); do printf "\033[38;5;${i}m%s \033[48;5;${i}m%s\033[m " "$i" "$i"; done; echo
for i in $(seq 16 9 255); do printf "\033[38;5;${i}mx\033[48;5;${i}my\033[m"; done; echo
for i in $(seq 0 5 255); do printf "\033[38;2;${i};0;$((255 - i))m#\033[48;2;0;${i};9m+\033[m"; done; echo
for i in 1 2 3 4 5 7 8 9 21 53; do printf "\033[${i}mattr${i}\033[m "; done; echo
printf '\033[44mto the end of the line\033[K\033[m\n'
printf '\346\274\242\345\255\227 wide e\314\201 combined \360\237\221\215 \342\224\200\342\224\202\n'
printf '\033(0lqqqk\033(B lines\n'
printf '%0100d\n' 7
printf 'tabs\tand\ttabs\n'
'''


@pytest.mark.parametrize("rows, columns", [(24, 80), (40, 120), (10, 80)])
def test_what_is_printed_while_parked(host, tmux, rows, columns):
    """Everything, the scrollback included, and also on a terminal of another size."""
    script = "read x; " + COLOURS + "for i in $(seq 1 100); do echo line $i; done; " + COLOURS + "read y"
    pair = Pair(host, tmux, "bash", "-c", script)
    pair.park()
    pair.resume(24, 80)
    tmux.keys(pair.pane, "Enter")
    tmux.keys(pair.reference, "Enter")
    wait_for(lambda: "tabs" in tmux.text(pair.reference), "the output")
    pair.check()
    tmux.call("kill-session", "-t", pair.pane)
    wait_for(lambda: not pair.parked.info()["attached"], "the end of the client")
    pair.resume(rows, columns)
    if columns == 80:
        pair.check()
        ours, theirs = (tmux.cells(name, history=True) for name in (pair.pane, pair.reference))
        assert ours[-len(theirs):] == theirs or ours[-110:] == theirs[-110:]
    else:
        # tmux joins a wrapped line anew on a wider terminal, we cannot.
        wait_for(lambda: "tabs" in tmux.text(pair.pane), "the output")
        wanted = [line for line in tmux.cells(pair.reference)
                  if line and len(line) < 80]
        ours = tmux.cells(pair.pane)
        assert all(line in ours for line in wanted[-12:])


def test_prompt_comes_back(host, tmux):
    pair = Pair(host, tmux, "bash", "--norc", "-i")
    wait_for(lambda: "$" in tmux.text(pair.reference), "the prompt")
    pair.before("echo half a line", until=b"$ ")
    wait_for(lambda: "half a line" in tmux.text(pair.reference), "the prompt")
    pair.park()
    pair.resume()
    pair.check(lines=1)
    pair.type("Enter")
    pair.check(lines=2)


def test_prompt_of_a_shell_that_is_late(host, tmux):
    """On a busy host it may have its turn long after the park."""
    parked = host.start("bash", "--norc", "-i")
    parked.read_until(b"$ ")
    parked.write("echo half a line")
    parked.read_until(b"half a line")
    os.kill(parked.command_pid, signal.SIGSTOP)
    parked.park()
    wait_quiet(parked)
    pane = tmux.start(host.command("resume"))
    wait_for(lambda: parked.info()["attached"], "the client")
    os.kill(parked.command_pid, signal.SIGCONT)
    wait_for(lambda: "$ echo half a line" in tmux.text(pane), "the prompt")
    wait_quiet(parked)
    tmux.literal(pane, "; stty size\r")
    wait_for(lambda: "\n24 80\n" in tmux.text(pane), "the size")


def test_bracketed_paste_at_a_prompt(host):
    host.start("bash", "--norc", "-i").park()
    client = host.resume()
    client.expect("\x1b[?2004h")
    client.write("\x1b[200~echo one\recho two\x1b[201~\r")
    client.expect("one\r\ntwo")


MODES = (r"read x; printf '\033[?1049h\033[?1h\033=\033[?1002h\033[?1006h\033[?2004h\033[?25l"
         r"\033[5 q\033[3;10r\033[?1004h\033]2;the title\007\033[4;5Hhere'; read y; "
         r"printf '\033[?1002l\033[?1049l\033[?1l\033>\033[?25hback'; read z")


def test_modes(host, tmux):
    pair = Pair(host, tmux, "bash", "-c", MODES)
    pair.park()
    pair.resume()
    pair.type("Enter")
    wait_for(lambda: "here" in tmux.text(pair.reference), "the text")
    pair.check()
    assert pair.parked.info()["title"] == "the title"
    tmux.call("kill-session", "-t", pair.pane)
    wait_for(lambda: not pair.parked.info()["attached"], "the end of the client")
    pair.resume()
    pair.check()
    assert tmux.call("display", "-p", "-t", pair.pane, "#{pane_title}").strip() == "the title"
    pair.type("Enter")
    pair.check()


@pytest.mark.parametrize("how", ["less -X", "env LESS=FRX less", "less"])
def test_pagers(host, how):
    """Those that do not use the alternate screen, as git calls them, are not thought to."""
    parked = host.start("bash", "--norc", "-c", f"seq 300 | {how}; echo after $((4 + 5)); read x")
    parked.read_until(b":")
    parked.park()
    assert parked.info()["program"] == "less"
    wait_quiet(parked)
    client = host.resume()
    client.expect("23")
    client.expect("\x1b[24;2H")
    client.write("q")
    shown = client.expect("after 9")
    assert (b"\x1b[?1049l" in shown) == (how == "less")


def test_alternate_screen_that_was_only_guessed(host, tmp_path):
    """With the program gone the shell must not stay there."""
    (tmp_path / "watch").symlink_to("/usr/bin/python3")
    script = "import termios, tty; tty.setraw(0); print('drawn', end='', flush=True); input()"
    parked = host.start("bash", "--norc", "-c", f"set -m; {tmp_path}/watch -c \"{script}\"; cat")
    parked.read_until(b"drawn")
    parked.park()
    client = host.resume()
    client.expect("\x1b[?1049h")
    client.write("\n")
    client.expect("\x1b[?1049l")


def test_a_raw_program_that_is_not_known_keeps_its_lines(host):
    """ssh, sudo and script set the terminal as an editor does, and print lines."""
    parked = host.start("bash", "--norc", "-c", "set -m; script -qc 'echo ready; read x; seq 500; "
                        "echo finished; cat' /dev/null", flags=1)
    parked.read_until(b"ready")
    parked.park()
    client = host.resume()
    wait_for(lambda: parked.info()["attached"], "the client")
    client.write("\r")
    client.expect("finished")
    client.close()
    host.closing.remove(client)
    again = host.resume("--steal")
    got = again.expect("finished")
    assert b"\x1b[?1049h" not in got
    assert b"\r\n1\r\n2\r\n" in got and b"\r\n499\r\n500\r\n" in got


# Without an echo, which would come first.
QUIET = ("import os, sys, termios; mode = termios.tcgetattr(0); mode[3] &= ~termios.ECHO; "
         "termios.tcsetattr(0, termios.TCSANOW, mode); os.write(1, b'ready'); sys.stdin.readline(); ")


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_utf8_cut_at_the_park(host, cut):
    """The client had the first bytes of a character; the rest is not shown as rubbish."""
    script = (QUIET + r"os.write(1, '\U0001f44d'.encode()[:%d]); "
              r"sys.stdin.readline(); os.write(1, '\U0001f44d'.encode()[%d:] + b'after \xe6\xbc\xa2'); "
              r"sys.stdin.readline()" % (cut, cut))
    parked = host.start("/usr/bin/python3", "-c", script)
    parked.read_until(b"ready")
    parked.write("\r")
    parked.read_until("\U0001f44d".encode()[:cut])
    parked.park()
    client = host.resume()
    client.expect("]\r\n")
    client.write("\r")
    client.expect("after \u6f22")
    client.close()
    host.closing.remove(client)
    again = host.resume("--steal")
    shown = again.expect("after \u6f22").decode()
    assert "\ufffd" not in shown


def test_utf8_cut_at_the_resume(host):
    script = (QUIET + r"os.write(1, b' first \xe6\xbc'); sys.stdin.readline(); "
              r"os.write(1, b'\xa2 second'); sys.stdin.readline()")
    parked = host.start("/usr/bin/python3", "-c", script)
    parked.read_until(b"ready")
    parked.park()
    client = host.resume()
    client.expect("]\r\n")
    client.write("\r")
    client.expect(b"first ")
    client.expect(b"\xe6\xbc")
    again = host.resume("--steal")
    again.expect(b"first ")
    again.expect(b"\xe6\xbc")
    again.write("\r")
    again.expect(b"\xa2 second")


def test_questions_are_answered_while_nobody_looks(host, tmp_path):
    script = (r"stty -icanon -echo; read x; printf '\033[6n'; IFS= read -r -d R answer; "
              r"printf %s \"$answer\" | od -c > " + str(tmp_path / "answer") + r"; read y")
    parked = host.start("bash", "-c", script)
    parked.write("\r")
    parked.park()
    wait_for(lambda: (tmp_path / "answer").exists() and (tmp_path / "answer").read_text(), "the answer")
    assert "[" in (tmp_path / "answer").read_text()
    assert parked.alive()


def test_questions_go_to_the_client_that_looks(host):
    script = r"stty -icanon -echo; read x; printf '\033[6n'; IFS= read -r -d R answer; echo got ${answer#?}"
    parked = host.start("bash", "-c", script + "; read y").park()
    client = host.resume()
    wait_for(lambda: parked.info()["attached"], "the client")
    client.write("\r")
    client.expect("\x1b[6n")
    time.sleep(0.3)
    client.write("\x1b[7;42R")
    client.expect("got [7;42")


def test_leaving_puts_the_terminal_in_order(host, tmux, tmp_path):
    need("vim")
    path = tmp_path / "text"
    path.write_text(TEXT)
    parked = host.start("vim", "-u", "NONE", "-N", "-n", "-i", "NONE", str(path))
    parked.read_until(b"line 20")
    parked.park()
    wait_quiet(parked)
    pane = tmux.start(["bash", "--norc", "-i"])
    wait_for(lambda: "$" in tmux.text(pane), "the prompt")
    before = tmux.state(pane).split()[2:]
    tmux.literal(pane, " ".join(host.command("resume")) + "\n")
    wait_for(lambda: "line 20" in tmux.text(pane), "vim")
    assert tmux.state(pane).split()[3] == "1"
    tmux.literal(pane, "~")
    tmux.literal(pane, ".")
    wait_for(lambda: "it stays parked" in tmux.text(pane), "the prompt")
    wait_for(lambda: tmux.state(pane).split()[2:] == before, "the modes")
    assert os.path.exists(parked.socket) and environment()
