"""A hundred terminals parked at the same moment."""

import re

import pytest

from bench import KEEPER, lives
from panes import rss_bytes, wait_for
from servers import OpenSSH
from world import wait_until

# A connection has no more terminals than sshidled looks at, and few connections cost less.
CONNECTIONS, EACH = 5, 20


@pytest.mark.heavy
def test_a_hundred(make_bench, world, record_property):
    bench = make_bench(OpenSSH, KEEPER, limit=600, extra="ParkMax 200")
    clients = []
    for number in range(CONNECTIONS):
        path = world.path("control", str(number))
        options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}"]
        for one in range(EACH):
            output = world.path("out", f"many-{number}-{one}")
            client = bench.raw("echo $$ $(tty); exec cat", output, options=options)
            clients.append(client)
            client.wait_bytes(1)
    wait_until(lambda: all(b"pts/" in one.bytes() for one in clients), 30, "all are there")
    pids = [int(re.search(rb"(\d+) /dev/pts", one.bytes())[1]) for one in clients]
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
