"""Terminals whose cells can be asked for: panes of tmux, and how two of them are compared.  Also for
tests/park."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

WITHIN_S = 20

# A sanitizer has shadows of all memory, and keeps 16 MiB of what was freed (src/base/sanitizers.c).
MEMORY_TIMES = 6 if os.environ.get("SSHIDLE_SANITIZED") else 1


def wait_for(condition, what="it", within=WITHIN_S):
    """Waits until the condition gives something true, and returns that."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come within {within} s")


def environment(**more):
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "HOME": "/tmp",
            "PS1": "$ ", "HISTFILE": "/dev/null", **more}


def rss_bytes(pid):
    """What is in memory, as if no sanitizer were there."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        kib = int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M)[1])
    return kib * 1024 // MEMORY_TIMES


def is_alive(pid):
    """Lives, and is no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Tmux:
    """A terminal whose cells can be asked for."""

    def __init__(self):
        self.socket = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-tmux-")) / "socket"
        self.names = 0

    def call(self, *arguments):
        return subprocess.run(["tmux", "-S", str(self.socket), "-f", "/dev/null", *arguments],
                              env=environment(), capture_output=True, text=True, check=True,
                              timeout=WITHIN_S).stdout

    def start(self, command, rows=24, columns=80):
        """A pane with that command; returns its name."""
        self.names += 1
        name = f"t{self.names}"
        words = ["new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows)]
        self.call(*words, "-e", "TERM=xterm-256color", "-e", "PS1=$ ", *command,
                  ";", "set", "-g", "status", "off", ";", "set", "-g", "escape-time", "0", ";",
                  "set", "-g", "remain-on-exit", "on", ";",
                  "resize-window", "-t", name, "-x", str(columns), "-y", str(rows))
        return name

    def keys(self, name, *keys):
        self.call("send-keys", "-t", name, *keys)

    def literal(self, name, text):
        self.call("send-keys", "-t", name, "-l", text)

    def size(self, name, rows, columns):
        self.call("resize-window", "-t", name, "-x", str(columns), "-y", str(rows))

    def cells(self, name, history=False):
        """What is shown: for each line its cells, each the character and its attributes."""
        words = ["-S", "-"] if history else []
        return cells_of(self.call("capture-pane", "-p", "-e", "-N", "-t", name, *words))

    def text(self, name):
        return self.call("capture-pane", "-p", "-t", name)

    def state(self, name):
        """Cursor and modes."""
        return self.call("display", "-p", "-t", name,
                         "#{cursor_x} #{cursor_y} #{cursor_flag} #{alternate_on} #{keypad_cursor_flag} "
                         "#{keypad_flag} #{mouse_any_flag} #{mouse_sgr_flag} #{insert_flag} "
                         "#{wrap_flag} #{origin_flag} #{scroll_region_upper} "
                         "#{scroll_region_lower}").strip()

    def close(self):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True,
                       check=False)
        shutil.rmtree(self.socket.parent)


# Attributes that a later one takes back.
OFF = {"22": ("1", "2"), "23": ("3",), "24": ("4", "21"), "25": ("5",), "27": ("7",), "28": ("8",),
       "29": ("9",), "55": ("53",)}


def attribute(pen, words):
    """One attribute (a colour is several words) into the pen: {what: value}."""
    word = words.pop(0)
    # tmux writes 53 as 5:3.
    if ":" in word:
        pen["53" if word == "5:3" else "4"] = word
    elif word in ("", "0"):
        pen.clear()
    elif word in OFF:
        for one in OFF[word]:
            pen.pop(one, None)
    elif word in ("38", "48"):
        n = 4 if words[0] == "2" else 2
        pen[word] = tuple(words[:n])
        del words[:n]
    elif word in ("39", "49"):
        pen.pop(word[0] + "8", None)
    elif len(word) == 2 and word[0] in "34" or len(word) > 2 or word[0] == "9" and word != "9":
        pen["48" if word.startswith(("4", "10")) else "38"] = word
    else:
        pen["4" if word.startswith("4") else word] = word


# The line drawing set of the VT100.
LINES = dict(zip("jklmnqtuvwx", "\u2518\u2510\u250c\u2514\u253c\u2500\u251c\u2524\u2534\u252c\u2502"))


def cells_of(text):
    """The output of capture-pane -e: what matters is how a cell looks, not how it came to."""
    lines, pen, graphics = [], {}, False
    for line in text.rstrip("\n").split("\n"):
        cells = []
        for sequence, shift, character in re.findall(r"\x1b\[([0-9;:]*)m|([\x0e\x0f])|(.)", line):
            if shift:
                graphics = shift == "\x0e"
            elif character:
                drawn = LINES.get(character, character) if graphics else character
                cells.append((drawn, tuple(sorted(pen.items()))))
            else:
                words = sequence.split(";")
                while words:
                    attribute(pen, words)
        # Blanks at the end may be printed or erased.
        while cells and cells[-1][0] == " ":
            cells.pop()
        lines.append(cells)
    while lines and not lines[-1]:
        lines.pop()
    return lines


# -- comparing -------------------------------------------------------------------------------


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is missing: install {program}")


def settled(tmux, name):
    """The cells once they stand still."""
    before, times = None, 0
    for _ in range(100):
        cells = tmux.cells(name), tmux.state(name)
        times = times + 1 if cells == before else 0
        if times == 2:
            return cells
        before = cells
        time.sleep(0.1)
    raise AssertionError("the screen does not stand still")


def same(ours, theirs):
    """Asserts it, and shows the lines that differ."""
    (ours, state), (theirs, their_state) = ours, theirs
    wrong = [(row, one, other) for row, (one, other) in enumerate(zip(ours, theirs)) if one != other]
    assert not wrong, wrong[:3]
    assert len(ours) == len(theirs)
    assert state == their_state


def plain(lines):
    return ["".join(cell[0] for cell in line) for line in lines]


def strip(data):
    """Printed text without control sequences."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return re.sub(r"\x1b(\][^\x07]*\x07|\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])", "", text)


# Like htop, but it shows the same twice.
FULL = r'''
import curses, sys, locale
locale.setlocale(locale.LC_ALL, "")
def main(screen):
    curses.start_color(); curses.use_default_colors(); curses.curs_set(0)
    curses.mousemask(curses.ALL_MOUSE_EVENTS)
    for pair in range(1, 200):
        curses.init_pair(pair, pair, (pair * 7) % 256 if pair % 3 else -1)
    count = 0
    while True:
        screen.erase()
        rows, columns = screen.getmaxyx()
        for row in range(rows - 1):
            for column in range(0, columns - 12, 12):
                pair = 1 + (row * 13 + column) % 199
                words = [f"{row}x{column}", "\u6f22\u5b57", "e\u0301\u00e4", "\u2500\u2502\u253c"]
                screen.addstr(row, column, words[(row + column // 12) % 4],
                              curses.color_pair(pair) | [0, curses.A_BOLD, curses.A_REVERSE,
                              curses.A_UNDERLINE, curses.A_DIM, curses.A_ITALIC][(row + column) % 6])
        screen.addstr(rows - 1, 0, f"keys {count}")
        screen.refresh()
        key = screen.getch()
        if key != curses.KEY_RESIZE:
            count += 1
curses.wrapper(main)
'''
