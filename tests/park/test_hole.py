"""dropbear leaves the terminal of an ended connection to everybody: nobody may get it."""

import os
import subprocess
import time

from bench import LIMIT_S, lives
from servers import Dropbear
from test_handover import ended
from world import wait_until

ROUNDS = int(os.environ.get("SSHIDLE_PARK_ROUNDS", "4"))

# Tries to open the terminal without a pause and keeps it.
ATTACK = """
import os, sys, time
until = time.monotonic() + 30
while time.monotonic() < until:
    try:
        fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    except OSError:
        continue
    print("got it", flush=True)
    try:
        while os.read(fd, 100):
            pass
    except OSError:
        pass
    print("lost it", flush=True)
    break
"""


def test_terminal_is_given_back(make_bench, world, record_property):
    """Parked or, where somebody was quicker, hung up with an alarm."""
    became = []
    for _ in range(ROUNDS):
        bench = make_bench(Dropbear)
        client = bench.shell()
        mallory = world.user("mallory")
        before = os.stat(f"/dev/{client.tty}")
        attack = subprocess.Popen(["/usr/bin/python3", "-c", ATTACK, f"/dev/{client.tty}"],
                                  stdout=subprocess.PIPE, text=True, user=mallory.uid,
                                  group=mallory.gid, extra_groups=[])
        try:
            assert ended(client, LIMIT_S + 10)
            parked = bench.parked()
            alarms = bench.daemon.find("had opened pts/")
            if alarms:
                assert f"process {attack.pid} of uid {mallory.uid}" in alarms[0].text
                assert attack.stdout.readline() == "got it\n"
                assert attack.stdout.readline() == "lost it\n"
                wait_until(lambda: not lives(client.shell_pid), 5, "it was hung up")
                became.append("hung up")
            else:
                after = os.stat(f"/dev/{client.tty}")
                assert (after.st_uid, after.st_gid, after.st_mode) == (
                    before.st_uid, before.st_gid, before.st_mode), parked.text
                assert lives(client.shell_pid)
                time.sleep(0.5)
                attack.kill()
                assert attack.stdout.read() == "", "it has the terminal, and nobody noticed"
                became.append("kept")
        finally:
            attack.kill()
            attack.wait()
        bench.close()
    record_property("against an open() without a pause", " ".join(became))
