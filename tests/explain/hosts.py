"""Servers with the settings of a case, on this host or with a network between them and their
clients; and `sshidle explain` asked about exactly these servers."""

import json
import os
import subprocess
import time

import servers
from world import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
HOUR_S, SHORT_S = 3600, 4


class Network:
    """Two network namespaces: the servers' one, and the clients' one, where a connection can be
    cut off by its port as if the machine behind it had gone."""

    def __init__(self, world):
        self.world = world
        self.inner, self.outer = f"{world.tag}-s", f"{world.tag}-c"
        self.address = "10.203.7.1"
        for name in (self.inner, self.outer):
            run("ip", "netns", "add", name)
            world.later(subprocess.run, ["ip", "netns", "del", name])
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.inner, "link", "add", "sx0", "type", "veth", "peer", "name", "sx1",
            "netns", self.outer)
        for name, link, address in ((self.inner, "sx0", self.address),
                                    (self.outer, "sx1", "10.203.7.2")):
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            run("ip", "-n", name, "link", "set", link, "up")
        self.nft("add table inet gone")
        for hook in ("input", "output"):
            self.nft(f"add chain inet gone {hook} {{ type filter hook {hook} priority 0; }}")

    def nft(self, rule):
        run("ip", "netns", "exec", self.outer, "nft", *rule.split())

    def is_delivered(self, port):
        """Whether all that the server sent to that port has been acknowledged."""
        said = subprocess.run(["ip", "netns", "exec", self.inner, "ss", "-tnH", "dport", "=",
                               f":{port}"], capture_output=True, text=True, check=True).stdout
        return said.split()[2] == "0"

    def cut_off(self, port):
        """Nothing of the connection from that port comes through any more."""
        self.nft(f"add rule inet gone output tcp sport {port} drop")
        self.nft(f"add rule inet gone input tcp dport {port} drop")

    def sysctl(self, **values):
        """Of the servers' side."""
        for name, value in values.items():
            run("ip", "netns", "exec", self.inner, "sysctl", "-q", f"net.ipv4.{name}={value}")


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"


class Dropbear(servers.Dropbear):
    """With any arguments."""

    def arguments(self, options):
        return ["-r", self.host_key(), *map(str, options.get("arguments", ()))]


class Tinyssh(servers.Tinyssh):
    """With a short hour."""

    def command(self, port, directory, options):
        library = self.world.once("short hour", self.build)
        tcpserver = super().command(port, directory, options)
        at = tcpserver.index(servers.TINYSSHD)
        return [*tcpserver[:at], "env", f"LD_PRELOAD={library}", *tcpserver[at:]]

    def build(self):
        library = self.world.path("short_hour.so")
        run("cc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(HERE, "short_hour.c"))
        return library


def far(flavour):
    """The flavour with a network between it and its clients."""
    class Far(flavour):
        def __init__(self, world):
            super().__init__(world)
            self.network = world.once("network", lambda: Network(world))
            self.address = self.network.address

        def command(self, port, directory, options):
            return ["ip", "netns", "exec", self.network.inner,
                    *super().command(port, directory, options)]

        def in_namespace(self, argv):
            return argv if "exec" in argv[:3] else ["ip", "netns", "exec", self.network.outer,
                                                    *argv]

        def answers(self, process, port):
            probe = f"exec 3<>/dev/tcp/{self.address}/{port} && head -c 4 <&3 | grep -q SSH-"
            deadline = time.monotonic() + 15
            while process.poll() is None and time.monotonic() < deadline:
                if subprocess.run(self.in_namespace(["bash", "-c", probe]), check=False,
                                  stderr=subprocess.DEVNULL).returncode == 0:
                    return True
                time.sleep(0.05)
            return False

    return Far


class Host:
    """One server with its settings; knows what the command says of it."""

    def __init__(self, world, build, flavour, listen, user):
        self.world, self.build, self.user = world, build, user
        self.server = flavour(world)
        self.port = self.server.listen(**listen)
        self.listener = self.server.listeners[-1].pid

    def explain(self, runtime):
        """What `sshidle explain --json` says of the server, by the name of the situation."""
        argv = [f"{self.build}/src/cli/sshidle", "explain", "-r", runtime, "--json", "--server",
                str(self.port), "--user", self.user.name]
        network = getattr(self.server, "network", None)
        if network:
            argv = ["ip", "netns", "exec", network.inner, *argv]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert len(answer["servers"]) == 1, answer["servers"]
        assert answer["servers"][0]["trouble"] is None
        return {one["situation"]: one for one in answer["servers"][0]["situations"]}

    def connections(self):
        """Ports of the clients whose connections to the server are established."""
        found = set()
        with open(f"/proc/{self.listener}/net/tcp", encoding="ascii") as table:
            for row in list(table)[1:]:
                fields = row.split()
                local, remote = (int(one.rpartition(":")[2], 16) for one in fields[1:3])
                if local == self.port and fields[3] == "01":
                    found.add(remote)
        return found

    def established(self, port):
        wait_until(lambda: port in self.connections(), 5, f"a connection from port {port}")
