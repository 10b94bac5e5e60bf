"""The same with the real keeper, as far as the daemon has a part in it: park, come back, park again."""

import json
import os
import random
import re
import time

import pytest

from bench import BUILD, KEEPER, LIMIT_S, lives
from servers import Dropbear, OpenSSH, OpenSSHRoot, OpenSSHWithoutPam, Tinyssh
from test_crash import kill_them
from test_handover import answers, ended
from world import wait_until

SERVERS = [OpenSSH, OpenSSHWithoutPam, OpenSSHRoot, Dropbear, Tinyssh]
NAMES = [one.name for one in SERVERS]
ROUNDS = int(os.environ.get("SSHIDLE_PARK_ROUNDS", "1"))


def resume(bench, client):
    """`sshidle resume` in a shell; returns where its output begins."""
    since = len(client.text)
    client.send(f"{BUILD}/src/cli/sshidle resume -r {bench.daemon.runtime}\r")
    return since


def interrupts(client):
    """Whether ^C brings a prompt."""
    since = len(client.text)
    client.send("\x03")
    try:
        return client.wait_for(r"[$#] ", 0.5, since)
    except AssertionError:
        return None


@pytest.mark.parametrize("server", SERVERS, ids=NAMES)
def test_come_back(make_bench, server):
    """What ran counts on, unharmed by two parks; the session that shows it is only cut."""
    bench = make_bench(server, KEEPER)
    first = bench.shell()
    first.send("i=0; while sleep 0.1; do i=$((i+1)); echo tick-$i; done\r")
    first.wait_for("tick-5\r\n")
    assert ended(first, LIMIT_S + 10)
    parked = bench.parked()
    listed = json.loads(bench.daemon.cli("parked", "--json").stdout)["parked"]
    assert [one["id"] for one in listed] == [parked.id], listed

    second = bench.shell()
    since = resume(bench, second)
    second.wait_for(r"tick-\d+\r\n", 10, since)
    # Idle, and what it shows stays parked.
    assert ended(second, LIMIT_S + 10), bench.daemon.tail()
    bench.daemon.wait_line(r"^sshidled: cut session \d+ of .* rule=5 ", 5)
    assert list(bench.daemon.keepers()) == [parked.id]
    assert lives(first.shell_pid) and not lives(second.shell_pid)

    third = bench.shell()
    since = resume(bench, third)
    seen = third.wait_for(r"tick-(\d+)\r\n", 10, since)
    third.wait_for(rf"tick-{int(seen[1]) + 3}\r\n", 10, since)
    # bash goes on where its sleep has just ended by itself.
    wait_until(lambda: interrupts(third), 10, "the loop has ended")
    since = len(third.text)
    third.send("echo still-$$-\r")
    third.wait_for(rf"still-{first.shell_pid}-", 10, since)
    ticks = [int(one) for one in re.findall(r"tick-(\d+)\r\n", first.text)]
    assert ticks == list(range(1, len(ticks) + 1))
    third.send("exit\r")
    wait_until(lambda: not bench.daemon.keepers(), 15, "the keeper has ended with its shell")


@pytest.mark.parametrize("server", [OpenSSH, Dropbear], ids=["openssh", "dropbear"])
def test_use_on_the_way_leaves_no_trace(make_bench, server):
    bench = make_bench(server, KEEPER)
    client = bench.shell()
    for _ in range(2):
        since = len(client.text)
        client.wait_for("session parked: ", LIMIT_S + 10, since)
        answers(client)
        wait_until(lambda: bench.daemon.sockets() == {}, 5, "the keeper has let go")
    assert ended(client, LIMIT_S + 10)
    assert bench.parked().pairs["drained"] == "yes"


@pytest.mark.parametrize("roles", [("monitor",), ("monitor", "engine", "starter")], ids="+".join)
@pytest.mark.parametrize("server", [OpenSSH, Dropbear], ids=["openssh", "dropbear"])
def test_killed_on_the_way(make_bench, server, roles, record_property):
    """The shell lives, and either its client or somebody who comes back can use it."""
    became = []
    for _ in range(ROUNDS):
        bench = make_bench(server, KEEPER)
        client = bench.shell()
        wait_until(bench.daemon.sockets, 15, "a keeper is there", pause=0.001)
        time.sleep(random.uniform(0, 0.15))
        kill_them(bench.daemon, roles)
        if ended(client, 1):
            became.append("parked")
            bench.daemon.configure("")
            bench.daemon.start()
            client2 = bench.shell()
            since = resume(bench, client2)
            client2.wait_for(r"[$#] ", 10, since + 100)
            client2.send("echo still-$$-\r")
            client2.wait_for(rf"still-{client.shell_pid}-", 10, since)
        else:
            became.append("intact")
            wait_until(lambda: not bench.daemon.sockets(), 15, "the keeper has let go")
            answers(client)
        assert lives(client.shell_pid)
        bench.close()
    record_property(f"{server.name}, {'+'.join(roles)}", " ".join(became))


def test_both_limits_of_a_user(make_bench):
    """ParkMax counts real keepers, and ParkLifetime ends them."""
    bench = make_bench(OpenSSH, KEEPER, extra="ParkMax 1\n    ParkLifetime 9s")
    first = bench.shell()
    assert ended(first, LIMIT_S + 10)
    bench.parked()
    second = bench.shell()
    assert ended(second, LIMIT_S + 10)
    bench.daemon.wait_line(r"could not be parked: .*\(ParkMax 1\)", 5)
    assert lives(first.shell_pid)
    wait_until(lambda: not lives(first.shell_pid), 15, "its lifetime is over")
    third = bench.shell()
    since = time.monotonic()
    assert ended(third, LIMIT_S + 10)
    bench.parked(since=since)
