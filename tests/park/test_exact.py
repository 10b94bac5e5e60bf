"""No byte of output is lost, doubled or reordered by the hand-over: what the client got, followed by
what the keeper read, counts without a gap."""

import os
import subprocess

import pytest

from bench import NOTICE, RACE, numbers_from
from servers import Dropbear, OpenSSH, OpenSSHRoot, OpenSSHWithoutPam, Tinyssh
from world import wait_until

pytestmark = pytest.mark.heavy

SERVERS = [OpenSSH, OpenSSHWithoutPam, OpenSSHRoot, Dropbear, Tinyssh]

FLOOD = "exec seq 1 10000000000"
# TCOOFF alone loses a line end in 2 to 6 of 100 stops.
STOPS = 600 * int(os.environ.get("SSHIDLE_PARK_ROUNDS", "1"))
SLOW = "i=0; while :; do i=$((i+1)); echo $i; done"


def both(bench, client, parked):
    """The client's bytes and the keeper's, when the keeper has some."""
    dump = bench.daemon.dump(bench.user.uid, parked.id)
    wait_until(lambda: os.path.getsize(dump) > 100000, 20, "the keeper reads on", pause=0.02)
    client.end()
    bench.daemon.end_keepers()
    with open(dump, "rb") as file:
        kept = file.read()
    return NOTICE.sub(b"", client.bytes()), kept


# A program that prints at full speed, and one that makes a call for each line.
CASES = [(one, FLOOD, f"{one.name}-flood") for one in SERVERS] + [
    (one, SLOW, f"{one.name}-loop") for one in (OpenSSH, Dropbear, Tinyssh)]


@pytest.mark.parametrize("server, command", [case[:2] for case in CASES],
                         ids=[case[2] for case in CASES])
def test_counting_goes_on(make_bench, world, server, command, record_property):
    bench = make_bench(server)
    client = bench.raw(command, world.path("out", f"{server.name}-{len(command)}"))
    client.wait_bytes(1000)
    parked = bench.parked()
    shown, kept = both(bench, client, parked)
    assert parked.pairs["drained"] == "yes", parked.text
    assert shown and kept
    lines = numbers_from(shown + kept, parked.text)
    record_property(f"{server.name}", f"{len(shown)} + {len(kept)} bytes, {lines} lines")
    assert bench.daemon.complaints() == []
    assert not bench.daemon.find("userfaultfd"), bench.daemon.tail()


def race(how, stops):
    """How many lines were wrong."""
    done = subprocess.run([RACE, how, str(stops)], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("userfaultfd(2) is refused here")
    assert done.returncode == 0, done
    return int(done.stdout.split()[0]), done.stdout.strip()


def test_stopping_loses_nothing(world, record_property):
    """Also of programs that print at full speed; TCOOFF alone loses line ends."""
    wrong, said = race("exact", STOPS)
    record_property(f"wrong lines in {STOPS} stops", said)
    assert wrong == 0
    _, said = race("plain", STOPS // 10)
    record_property("the same with TCOOFF alone", said)
