"""Clients on slow lines, and such that take nothing at a bad moment."""

import os
import select
import signal
import time

from panes import WITHIN_S, wait_for


def take(client, rate, until):
    """Takes so many bytes a second, as a slow line does."""
    end = time.monotonic() + WITHIN_S
    while not until():
        assert time.monotonic() < end, client.got[-300:]
        if select.select([client.master], [], [], 0.02)[0]:
            client.got += os.read(client.master, rate // 50)
            time.sleep(0.02)


def attached(host, script, **options):
    parked = host.start("sh", "-c", script, **options).park()
    client = host.resume()
    client.expect("\x1b[H")
    wait_for(lambda: parked.info()["attached"], "the client")
    return parked, client


def test_last_words_on_a_slow_line(host):
    """All that was printed and how it ended, however long that takes to get there."""
    parked, client = attached(host, "read x; seq 1 120000; echo last words; exit 7")
    client.write("\r")
    take(client, 150000, lambda: len(client.got) > 50000)
    assert os.waitstatus_to_exitcode(parked.status()) == 7
    take(client, 300000, lambda: client.process.poll() is not None)
    while client.pump(0.05):
        pass
    assert b"120000\r\nlast words\r\n" in client.got
    assert client.process.returncode in (0, 7), client.got[-300:]  # Linux before 6.15 does not tell
    assert b"gone" not in client.got[-300:]


def test_end_that_the_client_does_not_take(host):
    """What the shell has said last is there for the next one."""
    parked, client = attached(host, "read x; seq 1 300000; echo last words; exit 7", lifetime_ms=600000)
    client.write("\r")
    client.expect("\r\n1000\r\n")
    client.process.send_signal(signal.SIGSTOP)
    parked.status()
    wait_for(lambda: host.parked()[0]["ended"], "the end")
    client.process.kill()
    wait_for(lambda: not host.parked()[0]["attached"], "the end of the client")
    again = host.resume()
    again.expect("300000\r\nlast words\r\n")
    assert again.wait() in (0, 7)
    assert host.parked() == []


def test_leave_while_keys_wait(host):
    """A program that does not read them keeps nobody."""
    parked, client = attached(host, "stty raw -echo; echo ready; exec sleep 1000", lifetime_ms=600000)
    client.expect("ready")
    client.write(b"x\n" * 500000)

    def left():
        # Again: what comes in one piece with the paste was not typed.
        client.write("\r~.")
        client.pump(0.3)
        return client.process.poll() is not None

    wait_for(left, "its end")
    assert client.wait() == 0
    assert b"it stays parked" in client.got and parked.alive()
    # Nor its lifetime.
    wait_for(lambda: parked.info()["expires_in_s"], "the end of the client")
    host.resume().expect("ready")


def test_leave_on_a_slow_line(host):
    """What is on its way to the terminal is not waited for."""
    parked, client = attached(host, "read x; exec yes abcdefghijklmnopqrstuvw")
    client.write("\r")
    take(client, 50000, lambda: len(client.got) > 30000)
    os.write(client.master, b"\r~.")
    began = time.monotonic()
    take(client, 50000, lambda: client.process.poll() is not None)
    assert client.process.returncode == 0 and time.monotonic() - began < 5
    while client.pump(0.05):
        pass
    assert b"it stays parked" in client.got and parked.alive()
