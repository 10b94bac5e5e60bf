#!/usr/bin/python3
"""usage: bench/resume.py [--print] [--rounds N] BUILD-DIRECTORY

What `sshidle resume` costs: keystroke echo and throughput, plain and through it, over a real sshd on
loopback.  Rewrites its section of docs/BENCHMARKS.md, or only prints it.  Needs root (it starts an
sshd of its own on a free port) and an idle machine.  Plain and resumed runs take turns, so that what
else the machine does falls on both, and each resumed run is compared with the plain one beside it.
Exits with 1 if a goal is missed.
"""

import argparse
import fcntl
import os
import pathlib
import pty
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

import report

ROUNDS = 9
KEYS = 400
DUMP_BYTES = 50_000_000
QUIET_S = 0.3
ECHO_MOST_MS = 1.0
RATE_LEAST = 0.5


class Terminal:
    """A command on a pseudo terminal."""

    def __init__(self, command):
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)

    def read_until(self, wanted, within=120):
        """Bytes that came up to it."""
        tail, total, end = b"", 0, time.monotonic() + within
        while wanted not in tail:
            readable, _, _ = select.select([self.master], [], [], end - time.monotonic())
            if not readable:
                raise TimeoutError(f"{wanted!r} did not come: {tail[-200:]!r}")
            got = os.read(self.master, 1 << 16)
            total += len(got)
            tail = tail[-200:] + got
        return total

    def settle(self):
        """Takes what comes until nothing has come for a while."""
        while select.select([self.master], [], [], QUIET_S)[0]:
            os.read(self.master, 1 << 16)

    def write(self, data):
        os.write(self.master, data)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Host:
    """An sshd on loopback, and something parked."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sshidle-bench-"))
        os.chmod(self.directory, 0o711)
        self.runtime = self.directory / "run"
        (self.runtime / "parked" / "0").mkdir(parents=True)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name],
                           check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-p", str(self.port), "-h",
             self.directory / "host", "-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o",
             f"AuthorizedKeysFile={self.directory}/user.pub", "-o", "StrictModes=no", "-o",
             "PidFile=none", "-o", "PermitRootLogin=yes"], stderr=subprocess.DEVNULL)
        self.wait_for_sshd()
        self.park = None

    def wait_for_sshd(self):
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise TimeoutError("sshd does not listen")

    def ssh(self, *command):
        return Terminal(["ssh", "-tt", "-F", "/dev/null", "-i", self.directory / "user", "-p", str(self.port),
                         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                         "-o", "LogLevel=ERROR", "127.0.0.1", " ".join(map(str, command))])

    def parked(self, command):
        """Parks a command and returns a terminal on which it has been resumed over ssh."""
        program = [self.build / "tests/keeper/park", self.build / "src/keeper/sshidle-keeper",
                   self.runtime, "1", "root", "0", "0", "24", "80", "--", *command]
        self.park = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.park.stdin.write("park\n")
        self.park.stdin.flush()
        while not self.park.stdout.readline().startswith("parked"):
            pass
        terminal = self.ssh(self.build / "src/cli/sshidle", "-r", self.runtime, "resume")
        terminal.read_until(b"\033[H")
        return terminal

    def drop(self):
        subprocess.run([self.build / "src/cli/sshidle", "-r", self.runtime, "drop", "1"], check=False,
                       capture_output=True)
        self.park.stdin.close()
        self.park.wait()

    def close(self):
        self.sshd.terminate()
        self.sshd.wait()
        shutil.rmtree(self.directory)


def echo_ms(terminal):
    """Median of milliseconds from a key to its echo."""
    times = []
    for number in range(KEYS):
        key = b"abcdefghijklmnopqrstuvwxyz"[number % 26:number % 26 + 1]
        began = time.perf_counter()
        terminal.write(key)
        terminal.read_until(key)
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.002)
    return statistics.median(times)


def rate(terminal):
    """MB/s of the dump that a key sets off."""
    began = time.perf_counter()
    terminal.write(b"\r")
    total = terminal.read_until(b"finished")
    return total / (time.perf_counter() - began) / 1e6


def measure(host, rounds, command, what):
    """Plain and resumed in turns; the command says `ready` first."""
    plain, resumed = [], []
    for _ in range(rounds):
        terminal = host.ssh(*(f"'{word}'" for word in command))
        terminal.read_until(b"ready")
        terminal.settle()
        plain.append(what(terminal))
        terminal.close()
        terminal = host.parked(command)
        terminal.settle()
        resumed.append(what(terminal))
        host.drop()
        terminal.close()
    return plain, resumed


def make_dumps(host):
    """Two files of 50 MB: lines of text, and full screens with colours."""
    text, screens = host.directory / "text", host.directory / "screens"
    line = "".join(f"{number:07d} the quick brown fox jumps over the lazy dog, and again over it\n"
                   for number in range(1000))
    text.write_text(line * (DUMP_BYTES // len(line) + 1))
    screen = "\033[H" + "".join(f"\033[{row};1H\033[38;5;{row * 9}m{'x' * 40}\033[1;44m{'y' * 30}\033[m\033[K"
                                for row in range(1, 25))
    screens.write_text(screen * (DUMP_BYTES // len(screen) + 1))
    return ("50 MB of lines", text), ("50 MB of full screens", screens)


def rows_of(host, rounds):
    """Rows of the table, and whether the goals were met."""
    # A raw terminal and cat: the echo is a program's, not the kernel's.
    plain, resumed = measure(host, rounds, ["sh", "-c", "stty raw -echo; echo ready; exec cat"], echo_ms)
    added = [after - before for before, after in zip(plain, resumed)]
    good = [statistics.median(added) <= ECHO_MOST_MS]
    rows = [["keystroke to echo", report.spread(plain, "{:.2f} ms"), report.spread(resumed, "{:.2f} ms"),
             report.spread(added, "{:+.2f} ms"), f"at most {ECHO_MOST_MS:+.0f} ms"]]
    for name, path in make_dumps(host):
        plain, resumed = measure(host, rounds, ["sh", "-c", f"echo ready; read x; cat {path}; echo finished; "
                                                "read y"], rate)
        ratios = [after / before for before, after in zip(plain, resumed)]
        good.append(statistics.median(ratios) >= RATE_LEAST)
        rows.append([name, report.spread(plain, "{:.1f} MB/s"), report.spread(resumed, "{:.1f} MB/s"),
                     report.spread(ratios, "{:.2f}"), f"at least {RATE_LEAST}"])
    return [[*row, "met" if met else "missed"] for row, met in zip(rows, good)], all(good)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    machine = report.machine()
    host = Host(options.build)
    try:
        rows, good = rows_of(host, options.rounds)
    finally:
        host.close()
    text = "\n\n".join([
        "## `sshidle resume`",
        "    ninja -C build && sudo bench/resume.py build",
        f"{machine}; {report.version('ssh', '-V').partition(',')[0]} on loopback.",
        f"Medians of {options.rounds} rounds with the least and the most; in each a plain session of ssh and "
        f"one in which `sshidle resume` runs, one after the other, and what the second has more ({KEYS} keys "
        "a round, their median) or how much of the first's rate it reaches.",
        report.table(["", "plain", "resumed", "difference or ratio", "goal", ""], rows)])
    if options.print:
        print(text)
    else:
        report.write("resume", text)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
