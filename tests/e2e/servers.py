"""Throwaway SSH servers on loopback ports: OpenSSH, dropbear and tinysshd, each as a daemon or
started per connection by tcpserver.

A Server is a flavour; listen() starts it once more on a port of its own.  `word` is what sshidle
calls it, `login` who logs in, `cannot` names what it cannot do and why, `program` is the client
that fits it best.
"""

import contextlib
import functools
import os
import re
import socket
import subprocess
import time

from away import place_of
from world import ENVIRONMENT_MARK, kill, tree_of

# The distribution's, or another version: the scenarios are the same for all.
SSHD = os.environ.get("SSHIDLE_TEST_SSHD", "/usr/sbin/sshd")
DROPBEAR = os.environ.get("SSHIDLE_TEST_DROPBEAR", "/usr/sbin/dropbear")
TINYSSHD = "/usr/sbin/tinysshd"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"

SSHD_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {host_key}
PidFile none
AuthorizedKeysFile {authorized_keys}
StrictModes no
UsePAM {pam}
PermitRootLogin yes
PasswordAuthentication yes
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 500
MaxSessions 50
SetEnv {environment}
Subsystem sftp {sftp}
{options}
"""


@functools.cache
def version_of(program, pattern):
    """(major, minor) as the program tells it; sshd before 9.3 with its usage."""
    done = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    assert found, f"{program} -V says {done.stdout}{done.stderr}"
    return int(found[1]), int(found[2])


def sshd_version():
    return version_of(SSHD, r"OpenSSH_(\d+)\.(\d+)")


class Server:
    """One flavour of server; remembers its listeners and ends them all in stop()."""

    name = word = None
    login = "alice"
    program = "ssh"
    address = "127.0.0.1"
    packages = {}
    cannot = {}
    shows_user = True  # in the server's process; else only a child does

    def __init__(self, world):
        self.world = world
        self.listeners = []

    def user(self):
        """Who logs in unless a scenario says otherwise."""
        return self.world.user(self.login)

    def in_namespace(self, argv):
        """The command line that runs argv where the server is."""
        return argv

    def listen(self, **options):
        """Starts the server on a port of its own and returns the port when it answers."""
        for _ in range(5):
            port = self.world.port()
            directory = os.path.dirname(self.world.path("servers", f"{self.name}-{port}", "x"))
            argv = self.in_namespace(self.command(port, directory, options))
            with open(f"{directory}/log", "wb") as log:
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True, cwd="/")
            self.listeners.append(process)
            if self.answers(process, port):
                return port
        with open(f"{directory}/log", encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"{self.name} does not start: {log.read()[-600:]}")

    def answers(self, process, port):
        """Waits until the port says SSH-2.0; false when the process has gone."""
        deadline = time.monotonic() + 15
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), self.connect(port) as probe:
                if probe.recv(4) == b"SSH-":
                    return True
            time.sleep(0.05)
        return False

    def connect(self, port):
        """A plain TCP connection to the server."""
        return socket.create_connection((self.address, port), timeout=5)

    def stop(self):
        """Ends the listeners and every session process below them."""
        for process in self.listeners:
            for pid in reversed(tree_of(process.pid)):
                kill(pid)
            process.wait()
        self.listeners.clear()

    def command(self, port, directory, options):
        raise NotImplementedError


class OpenSSH(Server):
    """sshd of the distribution, with PAM, ordinary users."""

    name = word = "openssh"
    packages = {SSHD: "openssh-server"}
    pam = "yes"
    sftp = SFTP_SERVER
    inetd = False

    def config(self, port, options):
        world = self.world
        lines = [f"{keyword} {value}" for keyword, value in options.items()]
        return SSHD_CONFIG.format(
            port=port, address=self.address, host_key=self.host_key(), pam=self.pam,
            authorized_keys=world.key + ".pub", sftp=self.sftp, options="\n".join(lines),
            environment=" ".join(self.environment()))

    def environment(self):
        """Variables of the sessions; the mark is how World finds what they leave running."""
        return [f"{ENVIRONMENT_MARK}={self.world.tag}"]

    def host_key(self):
        def make():
            path = self.world.path("keys", "ssh_host_ed25519_key")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
            return path
        return self.world.once("openssh host key", make)

    def command(self, port, directory, options):
        config = f"{directory}/sshd_config"
        with open(config, "w", encoding="ascii") as file:
            file.write(self.config(port, options))
        if self.inetd:  # with -E 9.8 and 9.9 send their log to the client
            return tcpserver(self.address, port, [SSHD, "-f", config, "-i"])
        return [SSHD, "-f", config, "-E", f"{directory}/sshd.log", "-D"]


class OpenSSHWithoutPam(OpenSSH):
    """With a certificate of its host key, which makes its signatures other sums."""

    name = "openssh-nopam"
    login = "nora"
    pam = "no"
    sftp = "internal-sftp"

    def certificate(self):
        def make():
            key = self.host_key()
            subprocess.run(["ssh-keygen", "-q", "-s", key, "-I", "host", "-h", f"{key}.pub"],
                           check=True)
            return f"{key}-cert.pub"
        return self.world.once("openssh host certificate", make)

    def config(self, port, options):
        return super().config(port, {"HostCertificate": self.certificate(), **options})


class OpenSSHRoot(OpenSSH):
    """Logins of root: up to 9.7 one process in all, which is never another uid."""

    name = "openssh-root"

    def user(self):
        return self.world.root()

    def environment(self):
        return [*super().environment(), f"HOME={self.user().home}"]


class OpenSSHInetd(OpenSSH):
    name = "openssh-inetd"
    login = "ida"
    packages = {SSHD: "openssh-server", "/usr/bin/tcpserver": "ucspi-tcp"}
    inetd = True


class OpenSSHIpv6(OpenSSH):
    name = "openssh-ipv6"
    login = "vera"
    address = "::1"


class OpenSSHNamespace(OpenSSH):
    """Server and client both live in another network namespace than the daemon."""

    name = "openssh-netns"
    login = "nina"
    packages = {SSHD: "openssh-server", "/usr/sbin/ip": "iproute2"}

    def in_namespace(self, argv):
        return ["ip", "netns", "exec", self.world.namespace()] + argv

    def answers(self, process, port):
        probe = f"exec 3<>/dev/tcp/{self.address}/{port} && head -c 4 <&3 | grep -q SSH-"
        deadline = time.monotonic() + 15
        while process.poll() is None and time.monotonic() < deadline:
            if subprocess.run(self.in_namespace(["bash", "-c", probe]), check=False,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return True
            time.sleep(0.05)
        return False


NO_REKEY = "the server has no option that makes it rekey"


class Dropbear(Server):
    name = word = "dropbear"
    login = "dora"
    program = "dbclient"
    packages = {DROPBEAR: "dropbear-bin", "/usr/bin/dbclient": "dropbear-bin",
                "/usr/bin/dropbearconvert": "dropbear-bin"}
    cannot = {"rekey": NO_REKEY, "unix-forward": "dbclient forwards no unix sockets",
              "left-output": "dropbear closes a channel when its command ends"}

    @property
    def shows_user(self):
        """Since 2025.89 its process becomes the user."""
        return version_of(DROPBEAR, r"v(\d+)\.(\d+)") >= (2025, 89)

    def host_key(self):
        def make():
            path = self.world.path("keys", "dropbear_host_key")
            subprocess.run(["dropbearkey", "-t", "ed25519", "-f", path], check=True,
                           capture_output=True)
            return path
        return self.world.once("dropbear host key", make)

    def arguments(self, options):
        keepalive = options.get("ClientAliveInterval")
        return ["-r", self.host_key()] + (["-K", str(keepalive)] if keepalive else [])

    def command(self, port, directory, options):
        return [DROPBEAR, "-F", "-E", "-P", f"{directory}/pid", "-p", f"{self.address}:{port}",
                *self.arguments(options)]


NOT_PROVED = ("without a channel this server does not show whether the client has authenticated, "
              "so sshidle leaves it alone for minutes")


class DropbearInetd(Dropbear):
    name = "dropbear-inetd"
    login = "dina"
    packages = {**Dropbear.packages, "/usr/bin/tcpserver": "ucspi-tcp"}
    cannot = {**Dropbear.cannot, "none": NOT_PROVED}

    def command(self, port, directory, options):
        return tcpserver(self.address, port, [DROPBEAR, "-i", *self.arguments(options)])


class Tinyssh(Server):
    name = word = "tinyssh"
    shows_user = False
    login = "tina"
    packages = {TINYSSHD: "tinysshd", "/usr/bin/tcpserver": "ucspi-tcp"}
    cannot = {
        "forward": "tinysshd forwards nothing",
        "unix-forward": "tinysshd forwards nothing",
        "agent": "tinysshd forwards no agent",
        "mux": "tinysshd has one channel in a connection",
        "none": NOT_PROVED,
        "rekey": NO_REKEY,
        "server-keepalive": "tinysshd sends no keepalives",
        "password": "tinysshd knows no passwords",
    }

    def host_keys(self):
        def make():
            path = os.path.join(os.path.dirname(self.world.path("keys", "x")), "tinyssh")
            subprocess.run(["tinysshd-makekey", path], check=True, capture_output=True)
            return path
        return self.world.once("tinyssh host keys", make)

    def command(self, port, directory, options):
        return tcpserver(self.address, port, [TINYSSHD, "-v", "-x", f"sftp={SFTP_SERVER}",
                                              self.host_keys()])


class Reachable(Server):
    """Mixed in: listens where machines of their own reach it (away.py)."""

    line = {"/usr/sbin/ip": "iproute2", "/usr/sbin/nft": "nftables"}

    @property
    def address(self):
        return place_of(self.world).address


class OpenSSHAway(Reachable, OpenSSH):
    name = "openssh-away"
    packages = {**OpenSSH.packages, **Reachable.line}


class OpenSSHWithoutPamAway(Reachable, OpenSSHWithoutPam):
    name = "openssh-nopam-away"
    packages = {**OpenSSHWithoutPam.packages, **Reachable.line}


class OpenSSHRootAway(Reachable, OpenSSHRoot):
    name = "openssh-root-away"
    packages = {**OpenSSHRoot.packages, **Reachable.line}


class DropbearAway(Reachable, Dropbear):
    name = "dropbear-away"
    packages = {**Dropbear.packages, **Reachable.line}


class TinysshAway(Reachable, Tinyssh):
    name = "tinyssh-away"
    packages = {**Tinyssh.packages, **Reachable.line}


def tcpserver(address, port, argv):
    """argv once for each connection, with the connection as its standard input and output."""
    return ["tcpserver", "-H", "-R", "-l0", "-c", "500", address, str(port), *argv]
