"""Every byte, both ways: nothing lost, doubled or out of order, and nobody waits for nobody."""

import fcntl
import os
import re
import socket
import subprocess
import termios
import time

from panes import rss_bytes, wait_for

MIB = 1 << 20


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_hundred_megabytes_while_nobody_looks(host, tmp_path):
    """The program never stops, the keeper stays small."""
    done = tmp_path / "done"
    parked = host.start("sh", "-c", f"read x; seq 1 14000000; touch {done}; read y", scrollback=2 * MIB)
    parked.write("\r")
    parked.park()
    most = 0

    def finished():
        nonlocal most
        most = max(most, rss_bytes(parked.keeper_pid))
        return done.exists()

    wait_for(finished, "the end of the output", within=120)
    assert most < 16 * MIB, most
    assert parked.info()["bytes_kept"] <= 2 * MIB
    client = host.resume()
    client.expect("14000000\r\n")


def test_wide_colourful_flood_stays_small(host, tmp_path):
    done = tmp_path / "done"
    script = ("import os, sys; sys.stdin.readline(); line = b''.join(b'\\033[38;2;%d;%d;9m\\xe6\\xbc\\xa2' "
              "% (i, i * 3 % 256) for i in range(100)) + b'\\r\\n'\n"
              f"for i in range(20000): os.write(1, line)\nopen({str(done)!r}, 'w'); sys.stdin.readline()")
    parked = host.start("/usr/bin/python3", "-c", script, rows=50, columns=200)
    parked.write("\r")
    parked.park()
    wait_for(done.exists, "the end of the output", within=120)
    assert rss_bytes(parked.keeper_pid) < 20 * MIB


# A line of its own for each number, so that a gap or a repetition shows.
COUNT = "i=0; while [ $i -lt 60000 ]; do echo $i; i=$((i + 1)); done; echo finished; read x"


def numbers(data):
    """Numbers that stand alone in a line, behind anything that moves the cursor."""
    return [int(one) for one in re.findall(rb"(?<![\d;\[?])(\d+)\r\n", data)]


def test_counting_job_is_gapless(host):
    """What the client got before the park, then what the keeper shows."""
    parked = host.start("sh", "-c", COUNT, scrollback=4 * MIB)
    before = parked.read(20000)
    parked.park()
    client = host.resume()
    after = client.expect("finished", within=60)
    # A number may be cut in two by the park.
    after = after[after.index(b"\x1b[H") + 3:]
    both = before + after
    counted = numbers(both)
    assert counted == list(range(60000))


def test_counting_while_clients_come_and_go(host):
    """Let go and taken up again while it counts; each client sees all that is kept, in order."""
    slow = COUNT.replace("60000", "30000")
    parked = host.start("sh", "-c", slow, scrollback=4 * MIB).park()
    for _ in range(3):
        client = host.resume("--steal")
        client.expect("\x1b[H")
        counted = numbers(client.expect(b"000\r\n", within=60))
        assert counted == list(range(counted[0], counted[0] + len(counted))) and counted[0] == 0
    last = host.resume("--steal")
    got = last.expect("finished", within=60)
    got = got[got.index(b"\x1b[H") + 3:]
    assert numbers(got) == list(range(30000))
    assert parked.alive()


def test_flood_reaches_a_client_whole(host):
    """Pass-through of a program faster than the client: it waits, no byte is left out."""
    parked = host.start("sh", "-c", "read x; seq 1 1000000; echo finished; read y").park()
    client = host.resume()
    client.expect("\x1b[H")
    wait_for(lambda: parked.info()["attached"], "the client")
    client.write("\r")
    got = client.expect("finished", within=120)
    assert numbers(got) == list(range(1, 1000001))


def test_a_client_that_takes_nothing_stops_nobody(host, tmp_path):
    done = tmp_path / "done"
    parked = host.start("sh", "-c", f"read x; seq 1 1000000; touch {done}; echo finished; read y",
                        scrollback=MIB).park()
    client = host.resume()
    client.expect("\x1b[H")
    client.write("\r")
    # From here on it reads nothing.
    wait_for(done.exists, "the end of the output", within=60)
    assert rss_bytes(parked.keeper_pid) < 16 * MIB
    # Then it is shown what there is.
    client.expect("finished", within=60)
    client.write("\r")
    assert client.wait(within=60) == 0


def test_paste(host, tmp_path):
    """300 kB, with what looks like escape characters in it."""
    copy = tmp_path / "copy"
    data = b"".join(b"~. %d ~~ \xe6\xbc\xa2 the quick brown fox\n" % number for number in range(9000))
    assert len(data) > 300000
    parked = host.start("sh", "-c", f"stty -echo raw; head -c {len(data)} > {copy}; stty sane; echo copied; "
                        "read x").park()
    client = host.resume()
    wait_for(lambda: parked.info()["attached"], "the client")
    time.sleep(0.3)
    client.write(data)
    client.expect("copied", within=60)
    assert copy.read_bytes() == data


def test_paste_that_the_program_does_not_read_at_once(host, tmp_path):
    copy = tmp_path / "copy"
    data = b"".join(b"%07d\n" % number for number in range(250000))
    parked = host.start("sh", "-c", f"stty -echo raw; touch {tmp_path / 'ready'}; "
                        f"while [ ! -e {tmp_path / 'go'} ]; do sleep 0.1; done; "
                        f"head -c {len(data)} > {copy}; echo copied; cat").park()
    client = host.resume()
    wait_for((tmp_path / "ready").exists, "the program")
    began = time.monotonic()
    # All of it is taken, though not at once: something of it may be for the client.
    client.write(data)
    assert time.monotonic() - began > 0.9
    assert parked.info()["attached"]
    (tmp_path / "go").touch()
    client.expect("copied", within=60)
    assert copy.read_bytes() == data


def test_input_of_a_client_that_has_gone_is_not_lost(host, tmp_path):
    copy = tmp_path / "copy"
    host.start("sh", "-c", f"stty -echo raw; touch {tmp_path / 'ready'}; "
               f"while [ ! -e {tmp_path / 'go'} ]; do sleep 0.1; done; "
               f"head -c 20000 > {copy}; cat").park()
    client = host.resume()
    wait_for((tmp_path / "ready").exists, "the program")
    client.expect("\x1b[H")
    client.write(b"x" * 20000)
    wait_for(lambda: fcntl.ioctl(client.slave, termios.FIONREAD, b"\0\0\0\0") == b"\0\0\0\0", "the client")
    time.sleep(0.3)
    client.process.kill()
    (tmp_path / "go").touch()
    wait_for(lambda: copy.exists() and copy.stat().st_size == 20000, "the input")


def test_a_client_that_has_gone_does_not_keep_others_out(host, tmp_path):
    """The program takes nothing of what it has sent, so the keeper does not read its end."""
    parked = host.start("sh", "-c", f"stty -echo raw; touch {tmp_path / 'ready'}; sleep 100").park()
    wait_for((tmp_path / "ready").exists, "the program")
    client = host.resume()
    client.expect("\x1b[H")
    wait_for(lambda: parked.info()["attached"], "the client")
    # More than there is room for on the way.
    client.write(b"x" * 500000)
    client.process.kill()
    client.process.wait()
    again = host.resume()
    again.expect("\x1b[H")
    assert again.process.poll() is None


def test_questions_without_end(host, tmp_path):
    """A program that asks and does not read the answers: they are forgotten, as terminals do."""
    done = tmp_path / "done"
    script = ("import os, sys, tty; sys.stdin.readline(); tty.setraw(0)\n"
              f"for i in range(300): os.write(1, b'\\033[6n' * 10000)\nopen({str(done)!r}, 'w'); sys.stdin.readline()")
    parked = host.start("/usr/bin/python3", "-c", script)
    parked.write("\r")
    parked.park()
    wait_for(done.exists, "the end of the output", within=60)
    assert rss_bytes(parked.keeper_pid) < 12 * MIB


def test_calls_without_end(host):
    """A client that calls and does not read what is said is no client."""
    parked = host.start("cat").park()
    call = b'{"method":"org.varlink.service.GetInfo"}\0' * 1000
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(parked.socket))
        client.settimeout(1)
        try:
            for _ in range(200):
                client.sendall(call)
        except (TimeoutError, OSError):
            pass
        assert rss_bytes(parked.keeper_pid) < 12 * MIB
        assert parked.info()


def test_idle_keeper_costs_nothing(host):
    parked = host.start("sleep", "100").park()
    time.sleep(0.5)
    before = cpu_s(parked.keeper_pid)
    time.sleep(2)
    assert cpu_s(parked.keeper_pid) - before <= 0.01
    assert rss_bytes(parked.keeper_pid) < 8 * MIB


def test_hostile_output(host):
    """What once made libvterm write beyond its arrays."""
    script = (r"import os, sys; sys.stdin.readline(); "
              r"os.write(1, b'\033[' + b';'.join(b'1' for _ in range(5000)) + b'H'); "
              r"os.write(1, b'\xe6\xff\xe6\xff' * 2000); os.write(1, b'\033[99999999999999999999A'); "
              r"os.write(1, b'\033]2;' + b'x' * 3000000 + b'\007'); os.write(1, os.urandom(500000)); "
              r"os.write(1, b'\033\\\030\033c survived'); sys.stdin.readline()")
    parked = host.start("/usr/bin/python3", "-c", script)
    parked.write("\r")
    parked.park()
    client = host.resume()
    client.expect("survived", within=60)
    assert parked.info(), (parked.alive(), parked.said(), client.got)


def test_nothing_is_written_to_disk(host):
    parked = host.start("seq", "1", "100000", lifetime_ms=60000).park()
    wait_for(lambda: parked.info()["ended"], "the end")
    files = [name for _, _, names in os.walk(host.runtime) for name in names]
    assert set(files) <= {"1.ended", "keeper-1.log"}
    links = subprocess.run(["ls", "-l", f"/proc/{parked.keeper_pid}/fd"], capture_output=True, text=True,
                           check=False).stdout
    assert "/tmp" not in links.replace(str(host.runtime), "")
