"""What a test run owns: a private directory, users, keys, an agent, an echo service.

Everything is made on first use and taken away by World.close(), also after a failure.  User names
carry the pid of the run, so that runs side by side never meet, and so that what a killed run left
behind can be told from what is in use.
"""

import collections
import contextlib
import fcntl
import glob
import grp
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ENVIRONMENT_MARK = "SSHIDLE_E2E"
LOCK_FILE = "/run/sshidle-e2e.lock"

# Not /tmp: tinysshd takes keys only from below directories that nobody else may write to.
BASE = "/var/lib"
OWN_NAME = re.compile(r"sshidle-t(\d+)-")

# Below the range from which the kernel takes the ports of clients.
PORTS = range(20000, 32000)


# A job in the background and nohup(1) ignore these, and servers that do not put them back hand that
# on to their sessions: nothing there would take a hang-up or a ^C.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def processes():
    """All pids of the host, as numbers."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def is_alive(pid):
    """Whether the process exists and is more than a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_run(pid):
    """Whether a run of the tests with this pid goes on: it holds the lock of its directory.  Its pid would not tell:
    it may be in a namespace of its own."""
    for path in glob.glob(f"{BASE}/sshidle-t{pid}-*"):
        with contextlib.suppress(FileNotFoundError):
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(directory)
    return False


def children_of(pid):
    """Direct children, of every thread."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                found += [int(child) for child in children.read().split()]
    return found


def tree_of(pid):
    """The process and everything below it."""
    found = [pid]
    for one in found:
        found += children_of(one)
    return found


def kill(pid, number=signal.SIGKILL):
    """Signals a process of ours; that it has gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition, seconds, what, pause=0.05):
    """Waits for a condition and returns its value; fails with `what` when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(pause)


class User:
    """A user of the host; `key` is a private key that this user may read."""

    def __init__(self, name, key):
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid, self.home = name, entry.pw_uid, entry.pw_gid, entry.pw_dir
        self.key = key

    def __repr__(self):
        return self.name


class Echo(threading.Thread):
    """A TCP service that sends back what it gets; the far end of forwarded connections."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    @staticmethod
    def serve(connection):
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(65536):
                connection.sendall(data)


class FarAgent(threading.Thread):
    """An agent on a slow line: each of its answers takes a while."""

    def __init__(self, path, agent, delay_s):
        super().__init__(daemon=True)
        self.agent, self.delay_s = agent, delay_s
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    @staticmethod
    def message(sender):
        """One message of the protocol: its length, and so many bytes; None at the end."""
        head = sender.recv(4, socket.MSG_WAITALL)
        return head + sender.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if len(head) == 4 else None

    def serve(self, connection):
        with contextlib.suppress(OSError), connection, socket.socket(socket.AF_UNIX) as agent:
            agent.connect(self.agent)
            while question := self.message(connection):
                agent.sendall(question)
                answer = self.message(agent)
                time.sleep(self.delay_s)
                connection.sendall(answer)


class Hiccups(threading.Thread):
    """Measures how late this host lets a process run that is due."""

    PAUSE_S, WINDOW_S, HOPS, MOST_S = 0.02, 10, 4, 4

    def __init__(self):
        super().__init__(daemon=True)
        self.late = collections.deque(maxlen=int(self.WINDOW_S / self.PAUSE_S))
        self.start()

    def run(self):
        while True:
            due = time.monotonic() + self.PAUSE_S
            time.sleep(self.PAUSE_S)
            self.late.append(time.monotonic() - due)

    def allowance(self):
        """What to allow for it: server, monitor, engine and client all wait for their turn."""
        return min(self.MOST_S, self.HOPS * max(list(self.late), default=0))


class World:
    """The private surroundings of one test process."""

    def __init__(self):
        self.tag = f"sshidle-t{os.getpid()}"
        self.lock = threading.RLock()
        self.users, self.groups, self.made = {}, [], {}
        self.ports = set()
        self.hiccups = Hiccups()
        self.cleanups = []
        os.makedirs("/run/sshd", exist_ok=True)
        with self.accounts():
            self.dir = tempfile.mkdtemp(prefix=f"{self.tag}-", dir=BASE)
            os.chmod(self.dir, 0o755)
            self.held = os.open(self.dir, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self.held, fcntl.LOCK_EX)
            self.remove_leftovers()

    def path(self, *names):
        """A path in the private directory, whose parent exists."""
        path = os.path.join(self.dir, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def once(self, name, make):
        """The value of make(), computed at the first call."""
        with self.lock:
            if name not in self.made:
                self.made[name] = make()
            return self.made[name]

    def later(self, function, *args):
        """Registers a clean-up; the last one registered runs first."""
        with self.lock:
            self.cleanups.append((function, args))

    # -- accounts ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def accounts(self):
        """Holds the lock of the account files against other test runs."""
        with self.lock, open(LOCK_FILE, "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def account_tool(*argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"

    @staticmethod
    def remove_account(name):
        uid = pwd.getpwnam(name).pw_uid
        for pid in processes():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid == uid:
                    kill(pid)
        subprocess.run(["userdel", "-f", name], capture_output=True, check=False)

    def remove_leftovers(self):
        """Removes what test runs that were killed left behind."""
        for name in os.listdir(BASE):
            owner = OWN_NAME.match(name)
            if owner and not is_run(int(owner[1])):
                shutil.rmtree(os.path.join(BASE, name), ignore_errors=True)
        for entry in pwd.getpwall():
            owner = OWN_NAME.match(entry.pw_name)
            if owner and not is_run(int(owner[1])):
                self.remove_account(entry.pw_name)
        for entry in grp.getgrall():
            owner = OWN_NAME.match(entry.gr_name)
            if owner and not is_run(int(owner[1])):
                subprocess.run(["groupdel", "-f", entry.gr_name], capture_output=True, check=False)

    def user(self, short, groups=()):
        """The ordinary user `short` of this run; made at the first call."""
        with self.lock:
            if short not in self.users:
                self.users[short] = self.make_user(short, groups)
            return self.users[short]

    def make_user(self, short, groups):
        name, home = f"{self.tag}-{short}", self.path("home", short)
        extra = ["-G", ",".join(groups)] if groups else []
        with self.accounts():
            # "*" and not "!": without PAM sshd refuses keys of users who are locked.
            self.account_tool("useradd", "-M", "-d", home, "-s", "/bin/bash", "-p", "*", *extra,
                              name)
        user = User(name, f"{home}/.ssh/id_ed25519")
        os.makedirs(f"{home}/.ssh")
        shutil.copy(self.key, user.key)
        shutil.copy(self.key + ".pub", f"{home}/.ssh/authorized_keys")
        for path in (home, f"{home}/.ssh", user.key, f"{home}/.ssh/authorized_keys"):
            os.chown(path, user.uid, user.gid)
            os.chmod(path, 0o600 if os.path.isfile(path) else 0o700)
        return user

    def engine_user(self):
        """A system user for the unprivileged process of the daemon."""
        with self.lock:
            if "engine" not in self.users:
                name = f"{self.tag}-engine"
                with self.accounts():
                    self.account_tool("useradd", "--system", "--no-create-home", "--home-dir",
                                      "/nonexistent", "--shell", "/usr/sbin/nologin", name)
                self.users["engine"] = User(name, None)
            return self.users["engine"]

    def root(self):
        """The superuser as a user who logs in, with a home of ours."""
        user = User("root", self.key)
        user.home = self.path("home", "root", "")
        return user

    def group(self, short):
        """A group of this run; give its name to user()."""
        name = f"{self.tag}-{short}"
        with self.accounts():
            if name not in self.groups:
                self.account_tool("groupadd", name)
                self.groups.append(name)
        return name

    # -- keys, services, files --------------------------------------------------------------

    @property
    def key(self):
        """Private key of all users, in OpenSSH's format."""
        def make():
            path = self.path("keys", "id_ed25519")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.tag, "-f",
                            path], check=True)
            return path
        return self.once("key", make)

    @property
    def dropbear_key(self):
        """The same key in dropbear's format."""
        def make():
            path = self.path("keys", "id_dropbear")
            subprocess.run(["dropbearconvert", "openssh", "dropbear", self.key, path],
                           check=True, capture_output=True)
            return path
        return self.once("dropbear_key", make)

    @property
    def agent(self):
        """Socket of a private ssh-agent that holds the key."""
        def make():
            path = self.path("keys", "agent")
            agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
            self.later(agent.wait)
            self.later(agent.kill)
            wait_until(lambda: os.path.exists(path), 5, "ssh-agent has its socket")
            subprocess.run(["ssh-add", "-q", self.key], check=True, stderr=subprocess.DEVNULL,
                           env={**os.environ, "SSH_AUTH_SOCK": path})
            return path
        return self.once("agent", make)

    @property
    def far_agent(self):
        """The same behind a line that takes 300 ms."""
        def make():
            path = self.path("keys", "far-agent")
            FarAgent(path, self.agent, 0.3)
            return path
        return self.once("far agent", make)

    @property
    def echo_port(self):
        """Port of an echo service on 127.0.0.1."""
        return self.once("echo", Echo).port

    def random_file(self, size_bytes):
        """A file of random bytes that every user may read."""
        def make():
            path = self.path("files", str(size_bytes))
            with open(path, "wb") as file:
                file.write(random.randbytes(size_bytes))
            return path
        return self.once(f"file {size_bytes}", make)

    def port(self):
        """A port that is free on 127.0.0.1 and ::1, and is given out once."""
        with self.lock:
            while True:
                port = random.choice(PORTS)
                if port not in self.ports and port_is_free(port):
                    self.ports.add(port)
                    return port

    def namespace(self):
        """Name of a network namespace of this run, with its loopback up."""
        def make():
            name = self.tag
            subprocess.run(["ip", "netns", "add", name], check=True)
            self.later(subprocess.run, ["ip", "netns", "del", name])
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
            return name
        return self.once("namespace", make)

    # -- the end ----------------------------------------------------------------------------

    def kill_marked(self):
        """Ends what sessions of root left running: it carries our mark in its environment."""
        mark = f"{ENVIRONMENT_MARK}={self.tag}\0".encode()
        for pid in processes():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    if mark in environ.read() + b"\0":
                        kill(pid)

    def close(self):
        """Takes everything away again."""
        while self.cleanups:
            function, args = self.cleanups.pop()
            with contextlib.suppress(Exception):
                function(*args)
        self.kill_marked()
        with self.accounts():
            for user in self.users.values():
                self.remove_account(user.name)
            for name in self.groups:
                subprocess.run(["groupdel", "-f", name], capture_output=True, check=False)
        if os.environ.get("SSHIDLE_E2E_KEEP") == "1":
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        os.close(self.held)


def port_is_free(port):
    """Whether nobody listens there; our own ports are not in the range of clients."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True
