"""Plays scenarios side by side: one daemon, some servers, one thread for each scenario.

A scenario is a function of a Play, marked with @scenario.  It drives real clients and asserts what
becomes of them; Stage runs all that a test module selected at the same time, and each becomes one
test.  With SSHIDLE_E2E_PROVE=1 there is no daemon: a scenario then proves only that its sessions
come up and do what they should, and is skipped at the point where the daemon would be judged.
"""

import contextlib
import os
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from clients import (PROGRAMS, UP, Pipe, Terminal, connection_port, copy_options, drive, host_of)
from daemon import POLL_S, Daemon, VarlinkError, pairs_of
from world import wait_until

LIMIT_S = int(os.environ.get("SSHIDLE_E2E_LIMIT", "6"))
WARNING_S = 2

# Beyond what the product promises: the reading of the client's end.  What a busy host adds is
# measured (world.Hiccups).
SLACK_S = float(os.environ.get("SSHIDLE_E2E_SLACK", "0.75"))

# What a kill -9 may cost: state is saved a second after something changed, and a session is seen
# within a second.  What was not saved is known only to lie before the first look after it; and a
# warning whose end passed meanwhile stands again for its time.
RESTART_S = 2.5 + WARNING_S

# Where input comes in that is no typing at this terminal (that of another one, answers of an
# agent), only the terminal's own times tell; the kernel keeps them in steps of this size.
TTY_STEP_S = 8

PROVE_ONLY = os.environ.get("SSHIDLE_E2E_PROVE") == "1"
BUILD = os.environ.get("SSHIDLE_BUILD")

# Loaded into the daemon; see other-host.c.
OTHER_HOST = f"{BUILD}/tests/e2e/other-host.so"

PROMPT = r"[$#] "
ASK_UP = "echo up-$((40+2)) $(tty) $$\r"

# The usual policy: every kind of channel has the limit.
LIMITED = """
Match LocalPort {port}
    IdleTimeout {limit}s sftp={limit}s exec={limit}s forward={limit}s none={limit}s
    IdleWarning {warning}s
"""


class Proved(Exception):
    """There is no daemon to judge; what comes before was in order."""


class Scenario:
    """A scenario function with what it needs; see scenario()."""

    def __init__(self, play, needs, policy, listen, inner, own, private, restarts, plain):
        self.play, self.name, self.needs = play, play.__name__, needs
        self.policy, self.listen, self.inner = policy, listen, inner
        self.own, self.private, self.restarts = own, private or own, restarts
        self.plain = plain

    def obstacle(self, server_class):
        """Why it cannot be played with that server, or None."""
        if self.plain and BUILD and not os.path.exists(OTHER_HOST):
            return "not for builds with a sanitizer"
        for need in self.needs:
            if need in server_class.cannot:
                return server_class.cannot[need]
        for path, package in server_class.packages.items():
            if not os.path.exists(path):
                return f"{path} is missing: install {package}"
        return None


def scenario(*, needs=(), policy=LIMITED, listen=None, inner=False, own=False,
             private=False, restarts=True, plain=False):
    """Marks a function as a scenario.

    needs     what the server must be able to do (Server.cannot)
    policy    the part of the configuration for its port; scenarios with equal policy and listen
              options share a port, and so a listener
    listen    options of the server
    inner     wants a second port of its own, with the same policy
    private   has a listener of its own
    own       the same, and starts a daemon of its own (Play.own_daemon)
    restarts  makes sense also while the daemon is killed and restarted
    plain     needs programs that were built without a sanitizer
    """
    def mark(function):
        return Scenario(function, needs, policy, listen or {}, inner, own, private,
                        restarts, plain)
    return mark


class Play:
    """One scenario with one server; what a scenario function gets."""

    def __init__(self, stage, server, one):
        self.stage, self.server, self.scenario = stage, server, one
        self.world, self.limit, self.warning = stage.world, LIMIT_S, WARNING_S
        self.name = f"{server.name}-{one.name}"
        self.own = self.port = self.inner_port = None
        self.user = server.user()
        self.machine = None
        self.clients, self.cleanups, self.remarks = [], [], []
        self.failure = self.where = self.proved = self.measured = None
        self.done = threading.Event()

    @property
    def daemon(self):
        """The daemon that watches this play's sessions."""
        daemon = self.own or self.stage.daemon
        if daemon is None:
            raise Proved
        return daemon

    @property
    def judged(self):
        """Whether there is a daemon to judge."""
        return bool(self.own or self.stage.daemon)

    def own_daemon(self, extra="", start=True, policy=None):
        """A daemon for this play alone; `extra` comes before the policy of its port."""
        if PROVE_ONLY:
            return None
        own = Daemon(self.world, BUILD, self.name)
        self.later(own.stop)
        own.configure(self.own_configuration(extra, policy))
        if start:
            own.start()
            own.watch()
        self.own = own
        return own

    def own_configuration(self, extra="", policy=None):
        policy = self.scenario.policy if policy is None else policy
        return extra + self.stage.policy_text(policy, self.port)

    def run(self):
        """The thread: plays, keeps the failure for the test, cleans up."""
        try:
            self.scenario.play(self)
            for client in self.clients:
                self.was_always_of_its_user(client)
            assert not self.remarks, "; ".join(self.remarks)
            if self.own:
                assert self.own.cuts_beside(self.stage.expected) == []
                assert self.own.complaints() == []
        except Proved:
            self.proved = True
        except BaseException as error:
            self.failure, self.where = error, where(error) + (self.own.obituary() if self.own else "")
            for client in self.clients:  # whatever becomes of them now is no news
                self.expect_cut(self.belongs(client))
        finally:
            for client in self.clients:
                client.close()
            for function, args in reversed(self.cleanups):
                try:
                    function(*args)
                except Exception as error:
                    self.failure = self.failure or error
                    self.where = self.where or where(error)
            self.done.set()

    def later(self, function, *args):
        """Registers a clean-up."""
        self.cleanups.append((function, args))

    # -- clients ----------------------------------------------------------------------------

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.world.path("home", "client", ""),
                "TERM": "xterm", "LANG": "C.UTF-8"}

    def start(self, kind, argv, name=None, **environment):
        """Starts a client (Terminal or Pipe), to be closed when the scenario ends."""
        env = {**self.environment(), **environment}
        client = kind(f"{self.name} {name or os.path.basename(argv[0])}", argv, env)
        self.clients.append(client)
        return client

    def argv(self, command=None, user=None, port=None, program=None, **options):
        """The command line of ssh or dbclient to the server of this play."""
        make = PROGRAMS[program or ("ssh" if options.get("options") else self.server.program)]
        return self.there(make(self.world, self.server, port or self.port, user or self.user,
                               command, **options))

    def there(self, argv):
        """The command line that runs argv on the clients' machine, where they have one."""
        return self.machine.argv(argv) if self.machine else argv

    def agent_environment(self, options):
        sockets = {True: "agent", "far": "far_agent"}
        return {"SSH_AUTH_SOCK": getattr(self.world, sockets[options["agent"]])} if "agent" in options else {}

    def shell(self, user=None, port=None, name="shell", listed=True, limit=0, **options):
        """Logs in on a pty, proves that the shell answers, and that it is listed."""
        with self.stage.login(self):
            term = self.start(Terminal, self.argv(user=user, port=port, **options), name,
                              **self.agent_environment(options))
            term.wait_for(PROMPT, 30)
            self.ask_up(term)
        if listed:
            self.listed(term, "shell", [term.tty], user=user, port=port, limit=limit,
                        address=options.get("bind"))
        return term

    @staticmethod
    def ask_up(term, seconds=20):
        """Types a command that tells the terminal and the pid of the shell."""
        tty, pid = term.type(ASK_UP, UP, seconds)[1].split()
        term.tty, term.shell_pid = tty.removeprefix("/dev/"), int(pid)

    def command(self, command, name="command", kind="exec", limit=0, **options):
        """Runs a command without a terminal; it must print `up-42 TEXT` (see UP) first."""
        with self.stage.login(self):
            client = self.start(Pipe, self.argv(command, **options), name,
                                **self.agent_environment(options))
            client.up = client.wait_for(UP, 30)[1].strip()
            client.used = (client.started_at, time.monotonic())
        self.listed(client, kind, limit=limit)
        return client

    def connection(self, name="connection", **options):
        """A connection without any channel (-N), possibly with forwards."""
        with self.stage.login(self):
            client = self.start(Pipe, self.argv(no_command=True, **options), name)
            if client.name and self.server.program == "ssh":
                client.wait_for(UP, 30)
            else:
                wait_until(lambda: connection_port(client.pid, self.port), 10,
                           f"{client} is connected")
            client.used = (client.started_at, time.monotonic())
        return client

    @staticmethod
    def together(*functions):
        """Calls the functions at the same time; returns their values."""
        with ThreadPoolExecutor(len(functions)) as pool:
            return [future.result() for future in [pool.submit(one) for one in functions]]

    def sftp(self, *arguments, limit=0):
        """sftp on a pty, at its prompt."""
        argv = ["sftp", *copy_options(self.world, self.port), *arguments,
                f"{self.user.name}@{host_of(self.server)}"]
        with self.stage.login(self):
            client = self.start(Terminal, self.there(self.server.in_namespace(argv)), "sftp")
            client.wait_for("sftp> ", 30)
            # At its prompt sftp does not end with its ssh, it only says so.
            client.end_text = "Connection closed."
            client.type("ls -l /\r", r"\busr\b[^$]*sftp> ")
        if getattr(self.server, "sftp", None) == "internal-sftp":
            # In its first 2 s sshd's own sftp may be a command before its exec (observe/channels.h): what comes is a use.
            client.used = (client.used[0], client.used[1] + 1)
        self.listed(client, "sftp", limit=limit)
        return client

    def scp(self, *arguments):
        """scp in the background."""
        argv = ["scp", *copy_options(self.world, self.port), *arguments]
        return self.start(Pipe, self.server.in_namespace(argv), "scp")

    def password_prompt(self):
        """An ssh that waits for somebody's password."""
        argv = self.argv(program="ssh", options=[
            "PubkeyAuthentication=no", "PreferredAuthentications=password,keyboard-interactive"])
        client = self.start(Terminal, argv, "password")
        client.wait_for("assword: ", 30)
        client.port, client.from_port = self.port, connection_port(client.pid, self.port)
        assert client.from_port, f"{client} has no connection"
        return client

    def remote(self, path):
        """A path on the server as scp writes it."""
        return f"{self.user.name}@{host_of(self.server)}:{path}"

    # -- what List says ---------------------------------------------------------------------

    @staticmethod
    def belongs(client):
        """A function that knows the client's session among those of List."""
        port, own = client.port, client.from_port
        return lambda one: one["local_port"] == port and one["from_port"] == own

    def listed(self, client, kind, ttys=(), user=None, port=None, limit=0, address=None):
        """The session is listed soon, as what it is; remembers its id and returns the entry."""
        port, up_at = port or self.port, time.monotonic()
        client.port = port
        client.from_port = wait_until(lambda: connection_port(client.pid, port), 5,
                                      f"{client} holds its connection")
        if not self.judged:
            return None
        belongs = self.belongs(client)
        soon = 1.0 + POLL_S + self.slack()
        self.daemon.wait_session(belongs, soon + 5, f"{client}, {client.from_port} > {port}")
        seen = self.daemon.seen(belongs)[0][0] - up_at
        soon = 1.0 + POLL_S + self.slack()
        if seen > soon:
            self.remarks.append(f"{client} was seen after {seen:.1f} s only, as {kind}")
        wanted = {
            "kind": kind, "server": self.server.word, "tty": sorted(ttys),
            "user": self.shown_user(kind, user),
            "from": address or (self.machine or self.server).address,
            "limit_s": self.limit if limit == 0 else limit,
        }
        try:
            entry = self.daemon.wait_session(
                lambda one: belongs(one) and is_as(one, wanted), soon + 3, "")
        except AssertionError:
            last = self.daemon.seen(belongs)[-1:]
            raise AssertionError(f"{client}: List should say {wanted}, says {last}") from None
        client.session = entry["id"]
        client.user = wanted["user"]
        return entry

    def shown_user(self, kind, user):
        """Where the server's process stays root only a child shows who logged in."""
        if not self.server.shows_user and kind in ("none", "forward"):
            return None
        return (user or self.user).name

    def was_always_of_its_user(self, client):
        """List never said that the session is somebody else's."""
        if self.judged and client.session is not None:
            users = {one["user"] for _, one in self.daemon.seen(self.belongs(client))}
            assert users <= {client.user, None}, f"{client} was listed as of {users}"

    def ids(self, client):
        """All ids the session ever had in List."""
        return {one["id"] for _, one in self.daemon.seen(self.belongs(client))}

    def line(self, client, what=r"\S+"):
        """Regular expression of the log lines that say `what` of the client's session."""
        ids = "|".join(map(str, self.ids(client)))
        return rf"(^|\s){what} session ({ids})[ :].*\bport={client.from_port}\b"

    def entry(self, client, since=0.0):
        """The session's newest description."""
        return self.daemon.wait_session(self.belongs(client), 3, f"{client}", since)

    def command_about(self, client, name, *arguments):
        """`sshidle NAME ID ARGUMENTS` as root; must succeed, if need be after a restart."""
        deadline = time.monotonic() + (5 if self.stage.restarts else 0)
        while True:
            done = self.daemon.cli(name, str(self.entry(client)["id"]), *arguments)
            if done.returncode != 3 or time.monotonic() > deadline:
                break
        assert done.returncode == 0, f"sshidle {name}: {done.stderr}"

    def about(self, client):
        """What the daemon knows and said of the session, for messages."""
        lines = self.daemon.find(self.line(client))
        last = self.daemon.seen(self.belongs(client))[-1:]
        now = time.monotonic()
        said = "\n    ".join(f"{line.at - now:+.2f} {line.text}" for line in lines[-12:])
        return (f"\n  used {client.used[0] - now:+.2f} to {client.used[1] - now:+.2f}"
                f"\n  List: {[(at - now, one) for at, one in last]}\n  log:\n    {said}"
                f"\n  when it was late, why said: {client.why}"
                f"\n  client said: {client.text[-300:]!r}")

    def expect_cut(self, fits):
        """The sessions that fit may be cut; of all others a cut is a mistake."""
        self.stage.expected.append(fits)

    # -- outcomes ---------------------------------------------------------------------------

    def slack(self):
        """Tolerance of the test itself; never for what is early."""
        return (SLACK_S + self.world.hiccups.allowance()
                + (RESTART_S if self.stage.restarts else 0))

    def allowed(self, limit):
        """How late a cut may be."""
        return max(1.0, 0.02 * limit) + self.slack()

    def prove(self, clients, act=None, every=None):
        """Without a daemon: the clients live for a moment longer, and that is all."""
        if not self.judged:
            drive(clients, time.monotonic() + 1.5, act, every)
            for client in clients:
                assert not client.ended, f"{client} ended by itself: {client.text[-500:]!r}"
            raise Proved

    def lives(self, clients, seconds=None, act=None, every=None):
        """None of the clients ends for so long (default: three limits), while act() is called."""
        self.prove(clients, act, every)
        until = time.monotonic() + (3 * self.limit if seconds is None else seconds)
        drive(clients, until, act, every)
        for client in clients:
            assert not client.ended, f"{client} was in use and ended{self.about(client)}"
            self.not_cut(client)

    def lives_until_done(self, client, deadline):
        """The client ends, in its own time."""
        self.prove([client])
        while not client.ended and time.monotonic() < deadline:
            drive([client], time.monotonic() + 0.5)
        assert client.ended, f"{client} does not come to its end: {client.text[-300:]!r}"
        self.not_cut(client)

    def not_cut(self, client):
        """The log has no cut of the session."""
        if client.session is not None:
            cut = self.daemon.find(self.line(client, r"sshidled: (cut|hung up \S+ of)"))
            assert not cut, f"{client} was in use, and yet: {cut}"

    def ends(self, client, limit=None, used=None, warned=None, others=(), coarse=0):
        """The client is ended one limit after its last use, not before; returns the log line.

        The last use is client.used unless given.  A session with a terminal has been warned.
        `coarse`: so many seconds later is still in time, see TTY_STEP_S.
        """
        self.prove([client, *others])
        limit = limit or self.limit
        used = used or client.used
        self.expect_cut(self.belongs(client))
        late_at = used[1] + limit + 0.9
        self.wait_end(client, used[1] + 2 * limit + self.allowed(limit) + coarse, others, late_at)
        self.on_time(client, used, limit, coarse)
        if self.record_was_lost(client):
            return None
        line = self.cut_line(client)
        pairs = pairs_of(line)
        assert pairs.get("server") == self.server.word, line.text
        assert pairs.get("limit") in (f"{limit}s", span(limit)), line.text
        if warned or (warned is None and client.tty):
            self.was_warned(client, used[0], client.ended_at, min(self.warning, limit / 2))
        return line

    def wait_end(self, client, deadline, others=(), late_at=None):
        """Waits for the end of one client; the others may say what they like."""
        alive = [client, *others]
        while not client.ended:
            now = time.monotonic()
            if late_at and now > late_at and client.why is None:
                client.why = self.explanation(client)
            assert now < deadline, f"{client} is idle and was not ended{self.about(client)}"
            drive(alive, min(deadline, now + 0.3))
            alive = [one for one in alive if not one.ended]

    def explanation(self, client):
        """What Why says, for the message if the session is ended too late."""
        try:
            said = self.daemon.call("io.sshidle.Why", id=self.entry(client)["id"])["explanation"]
        except (AssertionError, OSError, ValueError, VarlinkError) as error:
            return str(error)
        return {key: said[key] for key in ("channels", "facts", "next", "next_in_s", "rule")}

    def on_time(self, client, used, limit, coarse=0):
        """Not early at all, late by what is allowed; keeps the lateness for the summary."""
        early = used[0] + limit - client.ended_at
        late = client.ended_at - used[1] - limit
        assert early <= 0, f"{client} was ended {early:.3f} s early{self.about(client)}"
        if not coarse:
            self.stage.lateness.append((late, self.name))
        assert late <= self.allowed(limit) + coarse, f"{client} was ended {late:.2f} s late" \
                                            f"{self.about(client)}"

    def record_was_lost(self, client):
        """Whether the daemon was killed after the cut and before it could say so: it waits a
        second for what lives on."""
        time.sleep(1.5 if self.stage.restarts else 0)
        killed = [at for at in self.daemon.kills if -0.5 < at - client.ended_at < 1.5]
        return killed and not self.daemon.find(self.line(client, "sshidled: cut"))

    def cut_line(self, client, rule=5):
        """The log line of the cut, with the rule that it must have."""
        line = self.daemon.wait_line(lambda: self.line(client, "sshidled: cut"), 10)
        assert client.user is None or f" of {client.user}: " in line.text, line.text
        assert pairs_of(line).get("rule") == str(rule), line.text
        return line

    def was_warned(self, client, since, end, stood):
        """A warning was given for long enough, in the log and on the terminal."""
        lines = self.daemon.find(self.line(client, "warned"), since)
        lines = [line for line in lines if line.at < end]
        assert lines, f"{client} was ended without a warning{self.about(client)}"
        given = end - lines[-1].at
        assert given >= stood - self.slack(), \
            f"{client}: the warning stood for {given:.2f} s only{self.about(client)}"
        assert pairs_of(lines[-1]).get("rule") == "4", lines[-1].text
        self.sees_warning(client)

    @staticmethod
    def sees_warning(client, seconds=2, since=0):
        """The warning is on the terminal, and says how to stay."""
        client.wait_for(r"(?is)idle.*any key", seconds, since)


def where(error):
    """The lines of our own code that led to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.line}"
                      for frame in frames if "run" != frame.name)


def collect(names):
    """The scenarios of a module."""
    return [value for value in names.values() if isinstance(value, Scenario)]


def is_as(entry, wanted):
    """Whether the description has the wanted values."""
    return all((sorted(entry[key]) if key == "tty" else entry[key]) == value
               for key, value in wanted.items())


def span(seconds):
    """A duration as sshidle prints it."""
    minutes, seconds = divmod(seconds, 60)
    return (f"{minutes}m" if minutes else "") + (f"{seconds}s" if seconds or not minutes else "")


class Stage:
    """What a test module plays: flavours of servers, scenarios, one daemon for all of them."""

    def __init__(self, name, matrix, restarts=False, patience_s=40 * LIMIT_S + 60):
        """matrix: flavour of server -> its scenarios; none of them takes longer than the patience."""
        self.name, self.matrix, self.restarts = name, matrix, restarts
        self.patience_s = patience_s
        self.world = self.daemon = None
        self.plays, self.obstacles, self.ports, self.policies = {}, {}, {}, {}
        self.lock = threading.Lock()
        self.gates, self.threads = {}, []
        self.expected, self.lateness = [], []

    def cases(self):
        """(flavour, scenario) of everything that could be played, also what has an obstacle."""
        return [(flavour, one) for flavour, scenarios in self.matrix.items()
                for one in scenarios if one.restarts or not self.restarts]

    # -- starting ---------------------------------------------------------------------------

    def start(self, world, wanted):
        """Starts servers, daemon and the wanted cases, which are (flavour name, scenario name)."""
        self.world = world
        self.servers = {flavour.name: flavour(world) for flavour in self.matrix}
        for flavour, one in self.cases():
            case, obstacle = (flavour.name, one.name), one.obstacle(flavour)
            if obstacle:
                self.obstacles[case] = obstacle
            elif case in wanted:
                play = Play(self, self.servers[flavour.name], one)
                play.port = self.listener(play, one.name if one.private else "")
                play.inner_port = self.listener(play, one.name + " inner") if one.inner else None
                self.plays[case] = play
        if not PROVE_ONLY and not all(play.scenario.own for play in self.plays.values()):
            self.daemon = Daemon(world, BUILD, self.name)
            self.daemon.configure(self.configuration())
            self.daemon.start()
            self.daemon.watch()
        for play in self.plays.values():
            self.threads.append(threading.Thread(target=play.run, daemon=True))
            self.threads[-1].start()
        if self.restarts and self.daemon:
            threading.Thread(target=self.kill_now_and_then, daemon=True).start()

    def listener(self, play, purpose):
        """The port for a play; one for each policy."""
        one = play.scenario
        key = (play.server.name, one.policy, repr(one.listen), purpose)
        if key not in self.ports:
            self.ports[key] = port = play.server.listen(**one.listen)
            if not one.own:  # the stage's daemon leaves it alone
                self.policies[port] = self.policy_text(one.policy, port)
        return self.ports[key]

    def policy_text(self, policy, port):
        names = {}
        for user in ("alice", "bob", "carol"):
            if "{" + user + "}" in policy:
                names[user] = self.world.user(user).name
        if "{staff}" in policy:
            names["staff"] = self.world.group("staff")
        for times in (2, 3, 10):
            names[f"limit{times}"] = times * LIMIT_S
        return policy.format(port=port, limit=LIMIT_S, warning=WARNING_S, **names)

    def configuration(self):
        return "MaxCuts 1000/1m\n" + "".join(self.policies.values())

    def set_policy(self, port, policy):
        """Changes the policy of one port, of sessions that are open as well."""
        with self.lock:
            self.policies[port] = self.policy_text(policy, port)
            self.daemon.configure(self.configuration())
            done = self.daemon.cli("reload")
            assert done.returncode == 0, f"reload: {done.stderr}"

    def login(self, play):
        """Limits how many log in at once: dropbear takes five of one address.

        Who has a session already does not wait: it would become idle meanwhile.
        """
        if any(not client.ended for client in play.clients):
            return contextlib.nullcontext()
        with self.lock:
            return self.gates.setdefault(play.server.name, threading.Semaphore(3))

    def kill_now_and_then(self):
        """kill -9 in turn, several times within each limit of any session."""
        rounds = [("monitor",), ("engine",), ("monitor", "engine")]
        count = 0
        while any(not play.done.wait(0.7 * LIMIT_S) for play in self.plays.values()):
            try:
                self.daemon.kill_and_restart(*rounds[count % 3])
            except Exception as error:
                self.daemon.troubles.append(f"restart {count}: {error}")
                return
            count += 1

    # -- results ----------------------------------------------------------------------------

    def wait_all(self, seconds=30 * LIMIT_S + 60):
        deadline = time.monotonic() + seconds
        for play in self.plays.values():
            assert play.done.wait(max(0, deadline - time.monotonic())), f"{play.name} hangs"

    def close(self):
        """Ends everything."""
        for play in self.plays.values():
            for client in play.clients:
                client.kill()
        for thread in self.threads:
            thread.join(20)
        if self.daemon:
            self.daemon.stop()
        for server in self.servers.values():
            server.stop()

