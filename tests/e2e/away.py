"""Clients on machines of their own: network namespaces whose line can be cut, and mended.

An Away is a place: an address of this run on the loopback interface, on which servers listen, and
machines that reach it over a veth pair each.  The servers stay in the namespace of the test, as the
daemon hears the last words of connections only there.  Addresses are of 198.18.0.0/15, which is for
tests of networks (RFC 2544): each run has 256 of them.
"""

import json
import os
import re
import subprocess

from world import is_run

BLOCKS = 512
LABEL = re.compile(r"lo:t(\d+)$")


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True).stdout


def labels():
    """label -> address of all that test runs have put on the loopback interface."""
    found = {}
    for interface in json.loads(ip("-j", "-4", "addr", "show", "dev", "lo")):
        for one in interface["addr_info"]:
            if LABEL.match(one.get("label", "")):
                found[one["label"]] = one["local"]
    return found


def remove_leftovers():
    """Of runs that were killed."""
    for label, address in labels().items():
        if not is_run(int(LABEL.match(label)[1])):
            ip("addr", "del", f"{address}/32", "dev", "lo", check=False)
    for name in ip("netns", "list").split():
        owner = re.match(r"sshidle-t(\d+)", name)
        if owner and not is_run(int(owner[1])):
            ip("netns", "del", name, check=False)


class Away:
    """The place of one run."""

    def __init__(self, world):
        self.world, self.machines = world, 0
        remove_leftovers()
        taken = labels().values()
        block = next(block for block in range(os.getpid() % BLOCKS, 2 * BLOCKS)
                     if self.name(block, 1) not in taken)
        self.block, self.address = block, self.name(block, 1)
        ip("addr", "add", f"{self.address}/32", "dev", "lo", "label", f"lo:t{os.getpid()}")
        world.later(ip, "addr", "del", f"{self.address}/32", "dev", "lo")

    @staticmethod
    def name(block, number):
        return f"198.{18 + block % BLOCKS // 256}.{block % 256}.{number}"

    def machine(self):
        with self.world.lock:
            self.machines += 1
            return Machine(self, self.machines + 1)


def place_of(world):
    """The one Away of this run."""
    return world.once("away", lambda: Away(world))


class Machine:
    """A namespace with one address, and the line from it to the servers."""

    def __init__(self, away, number):
        self.namespace, self.address = f"{away.world.tag}-{number}", away.name(away.block, number)
        self.here = f"t{os.getpid()}-{number}"
        ip("netns", "add", self.namespace)
        away.world.later(ip, "netns", "del", self.namespace)
        ip("link", "add", self.here, "type", "veth", "peer", "name", "line", "netns",
           self.namespace)
        ip("link", "set", self.here, "up")
        ip("route", "add", f"{self.address}/32", "dev", self.here, "src", away.address)
        ip("-n", self.namespace, "addr", "add", f"{self.address}/32", "dev", "line")
        # A window that fills before an OpenSSH channel of 2 MB does: else a client that reads
        # nothing more stops the server without anything waiting in the kernel.
        subprocess.run(self.argv(["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 262144"]),
                       check=True, capture_output=True)
        self.link(True)

    def argv(self, argv):
        """The command line that runs argv there."""
        return ["ip", "netns", "exec", self.namespace, *argv]

    def link(self, up):
        """Its end of the line comes up, or goes down."""
        ip("-n", self.namespace, "link", "set", "line", "up" if up else "down")
        if up:  # the kernel has forgotten it
            ip("-n", self.namespace, "route", "replace", "default", "dev", "line")

    def lose(self, percent):
        """So many of a hundred packets are lost in each direction; 100 is a hole."""
        loss = "drop" if percent == 100 else f"numgen random mod 100 < {percent} drop"
        self.nft("flush ruleset\n" + (f"""
            table inet lost {{
                chain in {{ type filter hook input priority 0; {loss}; }}
                chain out {{ type filter hook output priority 0; {loss}; }}
            }}""" if percent else ""))

    def guard(self):
        """Lets in and out what belongs to a connection, as a firewall does."""
        self.nft("""
            table inet guard {
                chain in { type filter hook input priority 0; policy drop;
                           ct state established,related accept; }
                chain out { type filter hook output priority 0; policy drop;
                            ct state new,established,related accept; }
            }""")

    def nft(self, rules):
        subprocess.run(self.argv(["nft", "-f", "-"]), input=rules, text=True, check=True,
                       capture_output=True)
