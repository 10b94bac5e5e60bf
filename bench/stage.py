"""Where a benchmark plays: a private host, an sshidled, and what both cost.

enter() starts the script anew in namespaces of its own for processes, network, mounts and hostname: the daemon
sees nothing but what the benchmark makes, packets on its loopback interface are the benchmark's, users
are in a copy of /etc, and nothing is left when the script ends, however it ends.
"""

import atexit
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import report

INSIDE = "SSHIDLE_BENCH_INSIDE"
USERS = ("bench", "sshidle")
NS_PER_S = 1_000_000_000


# -- sizes and results ----------------------------------------------------------------------

def sized(full, quick, tiny):
    """The value for this run: `make bench`, QUICK=1, QUICK=tiny."""
    return {"": full, "tiny": tiny}.get(os.environ.get("QUICK", ""), quick)


def is_full():
    return os.environ.get("QUICK", "") == ""


def finish(name, section, figures):
    """Tells what was measured.  Only a full run goes into docs/BENCHMARKS.md; `figures` are kept for
    the table of goals: row -> (result, whether it is within the goal, or None)."""
    print(section)
    directory = pathlib.Path(sys.argv[1]) / "bench" / "results"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.json").write_text(json.dumps(figures), encoding="utf-8")
    if is_full():
        report.write(name, section)


def command(name):
    """The line that runs a script again."""
    return f"    ninja -C build bench && sudo bench/{name}.py build\n"


# -- the private host -----------------------------------------------------------------------

def enter(limits=None):
    """Goes on in a private host; needs root.  `limits`: what the real one's have to be at least meanwhile."""
    if os.environ.get(INSIDE):
        settle()
        return
    if os.geteuid() != 0:
        sys.exit(f"{sys.argv[0]}: must be root: it starts servers and a daemon")
    command_line = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc",
                    "--propagation", "private", sys.executable, *sys.argv]
    with raised(limits or {}):
        process = subprocess.Popen(command_line, env={**os.environ, INSIDE: "1"})
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            code = process.wait()
    sys.exit(code)


@contextlib.contextmanager
def raised(limits):
    """With these sysctls at least so high; afterwards as they were."""
    before = {}
    try:
        for name, least in limits.items():
            path = pathlib.Path("/proc/sys", name)
            value = int(path.read_text(encoding="ascii"))
            if value < least:
                path.write_text(str(least), encoding="ascii")
                before[path] = value
        yield
    finally:
        for path, value in before.items():
            path.write_text(str(value), encoding="ascii")


def settle():
    """Makes this process's namespaces a host."""
    be_init()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"], check=True)
    os.makedirs("/run/sshd")
    # All of it: a file that is mounted over is uncovered when the host renames another to its name.
    # A lock file of useradd may vanish meanwhile.
    subprocess.run(["cp", "-a", "/etc", "/run/etc"], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["mount", "--bind", "/run/etc", "/etc"], check=True)
    add_users()


def be_init():
    """The first process of a pid namespace has to bury all others: it does that, and its child goes on."""
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == pid:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def add_users():
    home = pathlib.Path("/run/home")
    home.mkdir()
    for number, name in enumerate(USERS, 4200):
        if name in (row.split(":")[0] for row in open("/etc/passwd", encoding="utf-8")):
            continue
        (home / name).mkdir()
        os.chown(home / name, number, number)
        shell = "/bin/bash" if name == "bench" else "/usr/sbin/nologin"
        for file, row in (("passwd", f"{name}:x:{number}:{number}::{home / name}:{shell}"),
                          ("group", f"{name}:x:{number}:"), ("shadow", f"{name}:*:19000::::::")):
            with open(f"/etc/{file}", "a", encoding="utf-8") as table:
                table.write(row + "\n")


def work_directory():
    """A private directory that goes with the host."""
    path = pathlib.Path(tempfile.mkdtemp(dir="/run"))
    path.chmod(0o755)
    return path


# -- waiting --------------------------------------------------------------------------------

def wait_until(condition, seconds, what, pause=0.02):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still not: {what}")
        time.sleep(pause)
    return value


def say(text):
    print(text, file=sys.stderr, flush=True)


# -- what processes cost --------------------------------------------------------------------

def cpu_s(pids):
    """CPU time that these processes have used, in seconds, to the nanosecond."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / NS_PER_S


def children_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return list(map(int, file.read().split()))
    return []


def tree(pid):
    """A process and all below it."""
    found = [pid]
    for one in found:
        found += children_of(one)
    return found


def everybody():
    """All processes of the host but the benchmark's own: its init, itself and threads."""
    own = {1, os.getpid()}
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in own]


def memory_kib(pid):
    """(proportional, resident, highest resident) of a process."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return (int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]),
            int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]),
            int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1]))


def packets():
    """Packets that have passed on the loopback interface."""
    for line in open("/proc/net/dev", encoding="ascii"):
        if line.strip().startswith("lo:"):
            return int(line.split()[2])
    raise ValueError("no loopback interface")


# -- sshidled -------------------------------------------------------------------------------

class Daemon:
    """One sshidled of this build."""

    def __init__(self, build, config):
        self.build, self.directory = pathlib.Path(build).resolve(), work_directory()
        self.config, self.runtime = self.directory / "sshidle.conf", self.directory / "run"
        self.config.write_text(config, encoding="utf-8")
        self.log = open(self.directory / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [self.build / "src/daemon/sshidled", "-d", "-f", self.config, "-r", self.runtime],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: self.process.poll() is not None or "watches this host" in self.said(), 60,
                   "sshidled watches")
        if self.process.poll() is not None:
            raise RuntimeError(f"sshidled ended with {self.process.returncode}: {self.said()[-500:]}")

    def said(self):
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def pids(self):
        return tree(self.process.pid)

    def cli(self, *arguments):
        return [self.build / "src/cli/sshidle", "-r", self.runtime, *arguments]

    def sessions(self):
        return call(self.runtime / "io.sshidle", "io.sshidle.List")["sessions"]

    def wait_sessions(self, n, seconds=120):
        wait_until(lambda: len(self.sessions()) >= n, seconds, f"{n} sessions are listed", 0.5)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(60)
    client.connect(str(path))
    return client


def send_call(client, method, **more):
    client.sendall(json.dumps({"method": method, **more}).encode() + b"\0")


def messages(client):
    """The messages that come, with the time of each."""
    left = b""
    while data := client.recv(1 << 20):
        left += data
        while b"\0" in left:
            message, _, left = left.partition(b"\0")
            yield time.monotonic(), json.loads(message)["parameters"]


def call(path, method):
    with connect(path) as client:
        send_call(client, method)
        return next(messages(client))[1]


# -- programs of ours -----------------------------------------------------------------------

class Program:
    """A program that prints lines; each is kept with the time at which it came."""

    def __init__(self, *command):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.changed = [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        atexit.register(self.stop)

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.split())
                self.changed.notify_all()

    def wait_line(self, word, n=1, seconds=120):
        """The first n lines that begin with the word."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(found := [line for line in self.lines if line[0] == word]) < n:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.process.args[0]} has ended")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.process.args[0]}: {len(found)} of {n} lines {word}")
                self.changed.wait(0.5)
        return found[:n]

    def found(self, word):
        with self.changed:
            return [line for line in self.lines if line[0] == word]

    def tell(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Swarm(Program):
    """bench/swarm: light sessions."""

    def __init__(self, build, n):
        directory = work_directory()
        for name in ("sshd", "bash"):
            shutil.copy(f"{build}/bench/swarm", directory / name)
        super().__init__(f"{build}/bench/swarm", directory, n)
        ready = self.wait_line("ready", seconds=600)[0]
        self.n, self.port = n, int(ready[2])

    def type(self, first, n, word="type"):
        """One key on each of n sessions; when the first was sent, in ns."""
        before = len(self.found("typed"))
        self.tell(f"{word} {first} {n}")
        return int(self.wait_line("typed", before + 1)[-1][3])

    def ended(self):
        """session -> time of its end, in ns."""
        return {int(line[1]): int(line[2]) for line in self.found("ended")}


class Crowd(Program):
    """bench/crowd: processes that are no sessions."""

    def __init__(self, build, n, rate=0, live_ms=0):
        super().__init__(f"{build}/bench/crowd", n, rate, live_ms)
        self.wait_line("ready", seconds=600)


# -- real servers ---------------------------------------------------------------------------

class Keys:
    """Host and user key; the user is `bench`."""

    def __init__(self):
        self.directory = work_directory()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name],
                           check=True)
        ssh = pathlib.Path("/run/home/bench/.ssh")
        ssh.mkdir(exist_ok=True)
        shutil.copy(self.directory / "user.pub", ssh / "authorized_keys")
        for path in (ssh, ssh / "authorized_keys"):
            shutil.chown(path, "bench", "bench")
        self.host, self.user = self.directory / "host", self.directory / "user"

    def options(self, port):
        return ["-F", "/dev/null", "-i", str(self.user), "-o", f"Port={port}", "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "IPQoS=none"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server of the distribution on a port of its own."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(port), 15, f"{command[0]} listens")


def sshd(keys, *options):
    port = free_port()
    settings = ["ListenAddress=127.0.0.1", "UsePAM=no", "PidFile=none", "MaxStartups=1000",
                "PasswordAuthentication=no", "Subsystem=sftp /usr/lib/openssh/sftp-server", *options]
    return Server(["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-p", port, "-h", keys.host,
                   *(word for setting in settings for word in ("-o", setting))], port)


def dropbear(keys, *arguments):
    port = free_port()
    host = keys.directory / "dropbear"
    if not host.exists():
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", host], check=True, capture_output=True)
    return Server(["/usr/sbin/dropbear", "-F", "-R", "-p", f"127.0.0.1:{port}", "-r", host, "-P",
                   keys.directory / "dropbear.pid", *arguments], port)


class Shells:
    """Real ssh clients with a terminal each, at a prompt."""

    def __init__(self, keys, port, n, *options, at_once=8):
        self.clients = []
        while len(self.clients) < n:
            wave = [self.login(keys, port, options) for _ in range(min(at_once, n - len(self.clients)))]
            for client in wave:
                self.wait_prompt(client)
            self.clients += wave

    @staticmethod
    def login(keys, port, options):
        return subprocess.Popen(["ssh", "-tt", *keys.options(port), *options, "bench@127.0.0.1"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    @staticmethod
    def wait_prompt(client):
        said = b""
        while b"$ " not in said:
            data = os.read(client.stdout.fileno(), 4096)
            if not data:
                raise RuntimeError(f"no login: {said!r}")
            said += data

    def type(self):
        """One key each; when it was sent to the first."""
        at = time.monotonic()
        for client in self.clients:
            client.stdin.write(b"x")
            client.stdin.flush()
        return at

    def drain(self):
        for client in self.clients:
            os.set_blocking(client.stdout.fileno(), False)
            with contextlib.suppress(BlockingIOError):
                os.read(client.stdout.fileno(), 65536)

    def close(self):
        for client in self.clients:
            client.kill()
            client.wait()


# -- figures --------------------------------------------------------------------------------

def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def spread(values):
    """(median, lowest, highest)."""
    return statistics.median(values), min(values), max(values)
