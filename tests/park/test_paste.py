"""A paste in flight at the moment of the cut, with the real keeper: what the server has is in the terminal, and
after resume the rest is typed, so that the program has all of it, once."""

import os
import re
import signal
import threading

import pytest

from bench import BUILD, KEEPER, LIMIT_S
from held import at_shutdown
from servers import Dropbear, OpenSSH
from world import kill, wait_until

PASTE = "".join(f"{number:07d}\n" for number in range(25000)).encode()
# More than a line of the terminal, and no more than a terminal takes at once (11776 bytes, Linux 6.18): a server
# that learns of the end before it can write the rest drops that.
ARRIVED = 8000


def queues(bench):
    """(what the server has not read, what the client has not sent) of the connection."""
    port, found = f":{bench.port:04X}", {}
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[3] == "01" and port in (fields[1][8:], fields[2][8:]):
                sent, read = (int(one, 16) for one in fields[4].split(":"))
                found[fields[1].endswith(port)] = (sent, read)
    return found[True][1], found[False][0]


def all_arrived(bench):
    """All that was pasted stands in the server's socket, with the packets around it."""
    looks = []

    def still():
        looks.append(queues(bench))
        return (len(looks) >= 4 and len(set(looks[-4:])) == 1
                and looks[-1][0] > ARRIVED and looks[-1][1] == 0)

    wait_until(still, 10, "the paste has arrived", pause=0.03)


def paste(client, data):
    """Without waiting for who does not take it, as the client is ended."""
    def write():
        try:
            client.process.stdin.write(data)
            client.process.stdin.flush()
        except (OSError, ValueError):
            pass

    threading.Thread(target=write, daemon=True).start()


def arrives(bench, client, copy, server_pid):
    """It stands in the server's socket, and the client goes on with it during the cut."""
    kill(server_pid, signal.SIGSTOP)
    paste(client, PASTE[:ARRIVED])
    all_arrived(bench)
    assert os.path.getsize(copy) == 0


def flows(_bench, client, copy, _server_pid):
    """It runs through all of them at full speed."""
    paste(client, PASTE)
    wait_until(lambda: os.path.getsize(copy) >= ARRIVED, 10, "the paste runs", pause=0)


def content(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("begin", [arrives, flows], ids=["arrives", "flows"])
@pytest.mark.parametrize("server", [OpenSSH, Dropbear], ids=["openssh", "dropbear"])
def test_paste_at_the_cut(make_bench, world, server, begin, record_property):
    bench = make_bench(server, KEEPER)
    copy = f"{bench.user.home}/pasted-{begin.__name__}"
    client = bench.raw(f"stty raw -echo; echo server=$PPID=; exec cat > {copy}",
                       world.path("out", f"pasted-{server.name}-{begin.__name__}"))
    wait_until(lambda: re.search(rb"=(\d+)=", client.bytes()), 20, "the program")
    server_pid = int(re.search(rb"=(\d+)=", client.bytes())[1])
    # Beyond the last look for use: nothing can cancel it any more.
    with at_shutdown(bench.daemon.pids()[0], LIMIT_S + 20):
        begin(bench, client, copy, server_pid)
    if begin is arrives:
        paste(client, PASTE[ARRIVED:])
        kill(server_pid, signal.SIGCONT)
    parked = bench.parked()
    client.end()
    # Who comes back is not hurried.
    bench.limit(600)
    wait_until(lambda: os.path.getsize(copy) >= ARRIVED, 10, "what had arrived")
    back = bench.raw(f"{BUILD}/src/cli/sshidle resume -r {bench.daemon.runtime} {parked.id}",
                     world.path("out", f"back-{server.name}-{begin.__name__}"))
    wait_until(lambda: bench.daemon.cli_json("parked")["parked"][0]["attached"], 20, "the client")
    taken = content(copy)
    assert PASTE.startswith(taken), "what arrived is no prefix of what was pasted"
    record_property(f"{server.name}, {begin.__name__}", f"{len(taken)} of {len(PASTE)} bytes")
    paste(back, PASTE[len(taken):])
    wait_until(lambda: os.path.getsize(copy) >= len(PASTE), 20, "the rest of it")
    assert content(copy) == PASTE
