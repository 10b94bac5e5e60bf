"""A hundred terminals parked at the same moment."""

import re

import pytest

from away import place_of
from bench import KEEPER, lives
from panes import rss_bytes, wait_for
from servers import OpenSSH, OpenSSHAway
from world import wait_until

# A connection has no more terminals than sshidled looks at, and few connections cost less.
CONNECTIONS, EACH = 5, 20


# One more than there is room for in facts.h.
TOO_MANY = 33


def terminals(bench, world, number, n):
    """So many of one connection, in the order of their clients, the first of which carries them."""
    path = world.path("control", str(number))
    options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}"]
    clients = []
    for one in range(n):
        output = world.path("out", f"many-{number}-{one}")
        clients.append(bench.raw("echo $$ $(tty); exec cat", output, options=options))
        clients[-1].wait_bytes(1)
    wait_until(lambda: all(b"pts/" in one.bytes() for one in clients), 30, "all are there")
    return clients


def shell_pids(clients):
    return [int(re.search(rb"(\d+) /dev/pts", one.bytes())[1]) for one in clients]


@pytest.mark.heavy
def test_a_hundred(make_bench, world, record_property):
    bench = make_bench(OpenSSH, KEEPER, limit=600, extra="ParkMax 200")
    clients = []
    for number in range(CONNECTIONS):
        clients += terminals(bench, world, number, EACH)
    pids = shell_pids(clients)
    bench.limit(1, "ParkMax 200")
    wait_until(lambda: len(bench.daemon.keepers()) == len(clients), 60, "a keeper for each")
    for client in clients:
        client.end()
    listed = bench.daemon.cli_json("parked")["parked"]
    assert len(listed) == len(clients) and all(lives(pid) for pid in pids)
    keepers = bench.daemon.keepers().values()
    most = max(rss_bytes(pid) for pid in keepers)
    assert most < 8 << 20
    sizes = [rss_bytes(pid) >> 10 for pid in bench.daemon.pids()]
    record_property("a hundred parked", f"the largest keeper {most >> 10} KiB, monitor and engine "
                    f"{sizes} KiB")
    # Any of them can be dropped alone.
    assert bench.daemon.cli("drop", str(listed[50]["id"])).returncode == 0
    wait_for(lambda: sum(lives(pid) for pid in pids) == len(pids) - 1, "the end of one")
    assert len(bench.daemon.cli_json("parked")["parked"]) == len(pids) - 1


ALIVE = """ParkMax 200
    ParkFallback report
    ClientAliveInterval 1
    ClientAliveCountMax 3"""


@pytest.mark.heavy
def test_more_than_are_told_apart(make_bench, world):
    """All or none: they count as in use, and are not ended for those that cannot be parked."""
    bench = make_bench(OpenSSHAway, KEEPER, limit=600, extra=ALIVE)
    bench.machine = place_of(world).machine()
    clients = terminals(bench, world, "more", TOO_MANY)
    pids = shell_pids(clients)
    bench.limit(1, ALIVE)
    # A daemon that has never seen fewer.
    bench.daemon.stop()
    bench.daemon.start()
    since = bench.daemon.wait_line("more channels than are told apart; it counts as in use", 10).at
    # The only end that is no matter of use.
    bench.machine.lose(100)
    bench.daemon.wait_line(r"could not be parked: it has more than 32 channels; ParkFallback report", 15, since)
    assert all(lives(pid) for pid in pids) and bench.daemon.keepers() == {}
    bench.machine.lose(0)
    # One has gone, and one is used: now they are as many as can be told apart.
    clients.pop().close()
    wait_until(lambda: not lives(pids[-1]), 10, "the end of one")
    clients[0].process.stdin.write(b"x\n")
    clients[0].process.stdin.flush()
    parked = bench.parked()
    assert len(parked.terminals) == TOO_MANY - 1 == len(bench.daemon.keepers())
    assert all(lives(pid) for pid in pids[:-1])
