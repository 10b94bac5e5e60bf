"""SIGTERM, and kill -9 of the daemon's processes, in the middle of a park: the session is what it was, with its output
going on, or it is parked; it is never lost, and no byte of it is."""

import itertools
import os
import random
import signal
import time

import pytest

from bench import LIMIT_S, NOTICE, numbers_from
from servers import Dropbear, OpenSSH
from test_exact import FLOOD
from world import kill, tree_of, wait_until

pytestmark = pytest.mark.heavy

ROUNDS = int(os.environ.get("SSHIDLE_PARK_ROUNDS", "1"))
# A keeper waits 10 s for the end of a server that nobody has told it of.
PATIENCE_S = 10


def kill_them(daemon, roles):
    """All at once; those that are left go by themselves.  None: SIGTERM."""
    pids = dict(zip(("monitor", "engine"), daemon.pids()))
    pids["starter"] = daemon.starter()
    everything = tree_of(daemon.process.pid)
    if not roles:
        daemon.signal(signal.SIGTERM)
    for role in roles:
        kill(pids[role])
    if "starter" not in roles or len(roles) > 1:
        daemon.process.wait(10)
    return everything


def grows(path, seconds):
    """Whether a file grows, waiting for it so long."""
    before, deadline = os.path.getsize(path), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.path.getsize(path) > before:
            return True
        time.sleep(0.05)
    return False


def outcome(bench, client, dump):
    """"parked" or "intact", as soon as one of them is sure."""
    deadline = time.monotonic() + PATIENCE_S + 5
    while time.monotonic() < deadline:
        if client.process.poll() is not None:
            wait_until(lambda: os.path.exists(dump) and os.path.getsize(dump) > 0, 5,
                       "somebody reads what the session prints")
            return "parked"
        if grows(client.path, 0.5) and not bench.daemon.keepers():
            return "intact"
    raise AssertionError("the session's output is stopped")


KILLED = [("monitor",), ("engine",), ("monitor", "engine"), ("starter",), ("monitor", "engine", "starter")]
CASES = [(OpenSSH, ()), *itertools.product((OpenSSH, Dropbear), KILLED)]


@pytest.mark.parametrize("server, roles", CASES,
                         ids=[f"{one.name}-{'+'.join(roles) or 'SIGTERM'}" for one, roles in CASES])
def test_killed_on_the_way(make_bench, world, server, roles, record_property):
    became = []
    for number in range(ROUNDS):
        bench = make_bench(server)
        client = bench.raw(FLOOD, world.path("out", f"crash-{server.name}-{number}"))
        client.wait_bytes(1000)
        # The keeper's socket is the first that can be seen of a park.
        found = wait_until(bench.daemon.sockets, LIMIT_S + 10, "a keeper is there", pause=0.001)
        uid, parked = next(iter(found.values()))
        time.sleep(random.uniform(0, 0.15))
        kill_them(bench.daemon, roles)
        dump = bench.daemon.dump(uid, parked)
        became.append(outcome(bench, client, dump))
        if became[-1] == "parked":
            bench.daemon.end_keepers()
            kept = open(dump, "rb").read()
        else:
            client.close()
            kept = b""
        shown = NOTICE.sub(b"", client.bytes())
        numbers_from(shown + kept, f"round {number}, {became[-1]}")
        bench.close()
    record_property(f"{server.name}, {'+'.join(roles) or 'SIGTERM'}", " ".join(became))
