#!/usr/bin/python3
"""usage: bench/watched.py BUILD-DIRECTORY

What being watched costs a session: throughput of scp and the time from a key to its echo, without and with sshidled, in
turns.  Needs root.  QUICK=1 takes fewer turns, QUICK=tiny two.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

import report
import stage
from stage import sized

TURNS = sized(12, 5, 2)
KEYS = sized(500, 300, 20)
FILE_BYTES = sized(400_000_000, 100_000_000, 5_000_000)
# As busy as it gets: a look each 0.8 s, and pings.
POLICY = "Match LocalPort {port}\n    IdleTimeout 50s\n    ClientAliveInterval 2\n"


class Keyboard:
    """A session whose far end sends each byte back."""

    def __init__(self, keys, port):
        self.client = subprocess.Popen(
            ["ssh", "-tt", *keys.options(port), "bench@127.0.0.1", "stty raw -echo; echo up; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said = b""
        while b"up" not in said:
            said += os.read(self.client.stdout.fileno(), 100)
        time.sleep(0.2)
        os.set_blocking(self.client.stdout.fileno(), True)

    def echo_ms(self):
        """The median of a series."""
        found = []
        for number in range(KEYS):
            key = b"abcdefghij"[number % 10:number % 10 + 1]
            began = time.perf_counter()
            os.write(self.client.stdin.fileno(), key)
            while key not in os.read(self.client.stdout.fileno(), 100):
                pass
            found.append(1000 * (time.perf_counter() - began))
            time.sleep(0.002)
        return statistics.median(found)


def copy_mb_s(keys, port, path):
    began = time.perf_counter()
    subprocess.run(["scp", "-q", *keys.options(port), path, "bench@127.0.0.1:/run/home/bench/copy"], check=True,
                   stdout=subprocess.DEVNULL)
    return FILE_BYTES / (time.perf_counter() - began) / 1e6


def rows(name, form, plain, watched):
    ratios = [with_it / without for without, with_it in zip(plain, watched)]
    return [name, report.spread(plain, form), report.spread(watched, form), report.spread(ratios, "{:.3f}")]


def main():
    machine = report.machine()
    stage.enter()
    build, keys = os.path.abspath(sys.argv[1]), stage.Keys()
    server = stage.sshd(keys)
    path = pathlib.Path("/run/data")
    path.write_bytes(os.urandom(1_000_000) * (FILE_BYTES // 1_000_000))
    keyboard = Keyboard(keys, server.port)
    copies, echoes = ([], []), ([], [])
    # Once for nothing: what is read the first time.
    copy_mb_s(keys, server.port, path)
    keyboard.echo_ms()
    for turn in range(TURNS):
        for watched in (turn % 2, 1 - turn % 2):
            daemon = None
            if watched:
                daemon = stage.Daemon(build, POLICY.format(port=server.port))
                daemon.wait_sessions(1)
            echoes[watched].append(keyboard.echo_ms())
            copies[watched].append(copy_mb_s(keys, server.port, path))
            if daemon:
                daemon.stop()
    slower = statistics.median(with_it / without for without, with_it in zip(*echoes))
    figures = {"watched": (f"echo x {slower:.3f}", None)}
    stage.finish("watched", "\n\n".join([
        "## What being watched costs a session", stage.command("watched") + f"\n{machine}.",
        f"Without and with sshidled in turns, {TURNS} of each: an echo is the median of {KEYS} keys, a copy has "
        f"{FILE_BYTES / 1e6:.0f} MB. The limit is 50 s, so that there is a look each 0.8 s, with "
        "`ClientAliveInterval 2`. Median, lowest and highest; the ratio is of two neighbours.",
        report.table(["", "without", "with sshidled", "ratio"], [
            rows("a key and its echo", "{:.3f} ms", *echoes), rows("`scp`", "{:.0f} MB/s", *copies)])]), figures)


if __name__ == "__main__":
    main()
