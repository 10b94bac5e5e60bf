"""What `sshidle explain` says is what the servers do.

Real servers are set to small values, `sshidle explain --json` is asked about exactly these servers,
the situations are brought about with real clients, side by side, and what happens and when must lie
within the cell.  Needs root and SSHIDLE_BUILD.
"""

import os
import select
import shutil
import sys
import threading
import time
import traceback

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
sys.path.insert(0, os.path.dirname(__file__))

import hosts  # noqa: E402
import servers  # noqa: E402
from daemon import Daemon  # noqa: E402
from situations import BRING  # noqa: E402
from world import World, is_alive  # noqa: E402

BUILD = os.environ.get("SSHIDLE_BUILD")

# What ends is waited for until its latest time and this; what does not end is watched for so long.
SLACK_S = 1.0
WATCH_S = 14

OPENSSH, FAR = servers.OpenSSH, hosts.far(servers.OpenSSH)
DROPBEAR, FAR_DROPBEAR = hosts.Dropbear, hosts.far(hosts.Dropbear)
TINYSSH = hosts.Tinyssh

POLICY = """
Match LocalPort {port}
    IdleTimeout {limit}
    IdleWarning 1s
    ClientAliveInterval {interval}
    ClientAliveCountMax {count}
"""


TOOLS = {"ssh": "openssh-client", "sftp": "openssh-client", "dbclient": "dropbear-bin",
         "/usr/sbin/sshd": "openssh-server", "/usr/sbin/dropbear": "dropbear-bin",
         "/usr/sbin/tinysshd": "tinysshd", "tcpserver": "ucspi-tcp", "tmux": "tmux", "vim": "vim",
         "top": "procps", "ip": "iproute2", "nft": "nftables", "cc": "gcc"}


class Setting:
    """One server with its settings, and whom its cases log in."""

    def __init__(self, name, flavour, listen=None, user=None, policy=None):
        self.name, self.flavour, self.listen = name, flavour, listen or {}
        self.user_name, self.policy = user, policy
        self.host = self.cells = None

    def start(self, world):
        user = world.user(self.user_name) if self.user_name else self.flavour(world).user()
        if self.user_name == "tmout":
            with open(f"{user.home}/.bash_profile", "w", encoding="ascii") as profile:
                profile.write("TMOUT=3\n")
        self.host = hosts.Host(world, BUILD, self.flavour, self.listen, user)


class Case:
    """One situation at one server, and what became of it."""

    def __init__(self, setting, situation, mechanism, *, program="ssh", keepalive=0, spared=False,
                 inner=False, later=None):
        self.setting, self.situation, self.mechanism = setting, situation, mechanism
        self.program, self.keepalive, self.spared = program, keepalive, spared
        self.inner, self.later = inner, later
        self.name = "-".join([setting.name, situation] + ([program] if program != "ssh" else []) +
                             (["keepalive"] if keepalive else []))
        self.sessions, self.failure = [], None
        self.ready_at = self.process_end = self.connection_end = self.others_live = None

    @property
    def session(self):
        return self.sessions[-1]

    def cell(self):
        return self.setting.cells[self.situation]

    def bring(self):
        try:
            BRING[self.situation](self, self.setting.host)
            self.setting.host.established(self.session.port)
            self.ready_at = time.monotonic()
        except Exception:
            self.failure = traceback.format_exc()

    def look(self, connections, span):
        """Notes what has ended, and the span in which it did."""
        if self.connection_end is None and self.session.port not in connections:
            self.connection_end = span
        if self.process_end is None and not self.session.goes_on():
            self.process_end = span


def scaled(setting, seconds):
    """tinysshd's hour is a short one here."""
    if issubclass(setting.flavour, servers.Tinyssh) and seconds >= hosts.HOUR_S:
        return seconds * hosts.SHORT_S / hosts.HOUR_S
    return seconds


ALIVE = {"ClientAliveInterval": 1, "ClientAliveCountMax": 3}
PLAIN = Setting("plain", OPENSSH)
SSHD_ALIVE = Setting("alive", OPENSSH, ALIVE, "albert")
SSHD_SLOWER = Setting("alive-2", OPENSSH, {"ClientAliveInterval": 2, "ClientAliveCountMax": 1},
                      "albert")
COUNT_0 = Setting("count-0", OPENSSH, {**ALIVE, "ClientAliveCountMax": 0}, "albert")
CHANNEL = Setting("channel", OPENSSH, {"ChannelTimeout": "session:*=4"}, "carl")
USELESS = Setting("session", OPENSSH, {"ChannelTimeout": "session=4"}, "carl")
TUNNEL = Setting("tunnel", OPENSSH, {"ChannelTimeout": "direct-tcpip=3",
                                     "UnusedConnectionTimeout": "4"}, "frank")
TMOUT = Setting("tmout", OPENSSH, {}, "tmout")
DROPBEAR_I = Setting("dropbear-I", DROPBEAR, {"arguments": ["-I", 4]})
DROPBEAR_K = Setting("dropbear-K", DROPBEAR, {"arguments": ["-K", 3]})
HOUR = Setting("tinyssh", TINYSSH)
FAR_PLAIN = Setting("far", FAR, {}, "felix")
FAR_ALIVE = Setting("far-alive", FAR, ALIVE, "felix")
FAR_COUNT_0 = Setting("far-count-0", FAR, {**ALIVE, "ClientAliveCountMax": 0}, "felix")
FAR_NO_KEEPALIVE = Setting("far-no-tcp", FAR, {"TCPKeepAlive": "no"}, "felix")
FAR_TMOUT = Setting("far-tmout", FAR, {}, "tmout")
FAR_CHANNEL = Setting("far-channel", FAR, {"ChannelTimeout": "session:*=3",
                                           "UnusedConnectionTimeout": "3"}, "felix")
FAR_K = Setting("far-dropbear-K", FAR_DROPBEAR, {"arguments": ["-K", 3]}, "fedor")

# It brought ChannelTimeout, and sends no probe while the session prints.
SINCE_9_2 = servers.sshd_version() >= (9, 2)

IDLE = {"limit": 4, "interval": 0, "count": 3}
GONE = {"limit": "none", "interval": 1, "count": 4}
OWN = Setting("sshidle", OPENSSH, {}, "ingrid", IDLE)
OWN_DROPBEAR = Setting("sshidle-dropbear", DROPBEAR, {}, "ines", IDLE)
OWN_TINYSSH = Setting("sshidle-tinyssh", TINYSSH, {}, "ilse", {**IDLE, "limit": 3})
OWN_FAR = Setting("sshidle-far", FAR, {}, "igor", GONE)
OWN_FAR_DROPBEAR = Setting("sshidle-far-dropbear", FAR_DROPBEAR, {}, "ivan", GONE)
OWN_PROBES = Setting("sshidle-probes", OPENSSH, {**ALIVE, "ClientAliveCountMax": 20}, "iris",
                     GONE)
OWN_NO_PROBES = Setting("sshidle-no-probes", OPENSSH, {}, "ida", GONE)

CASES = [
    # Nothing is set.
    Case(PLAIN, "away-at-prompt", None), Case(PLAIN, "client-stopped", None),
    Case(FAR_NO_KEEPALIVE, "network-gone", None),

    Case(SSHD_ALIVE, "client-stopped", "sshd-client-alive"),
    Case(SSHD_ALIVE, "client-stopped-flood", "sshd-client-alive"),
    Case(SSHD_ALIVE, "away-at-prompt", None), Case(SSHD_ALIVE, "away-in-top", None),
    Case(SSHD_SLOWER, "client-stopped", "sshd-client-alive"),
    Case(SSHD_SLOWER, "client-stopped-printing", None if SINCE_9_2 else "sshd-client-alive"),
    Case(COUNT_0, "client-stopped", None),
    Case(FAR_ALIVE, "lid-closed", "sshd-client-alive"),
    Case(FAR_ALIVE, "network-gone", "sshd-client-alive"),

    Case(CHANNEL, "away-at-prompt", "sshd-channel-timeout"),
    Case(CHANNEL, "away-in-top", None), Case(CHANNEL, "away-in-vim", "sshd-channel-timeout"),
    Case(CHANNEL, "away-in-tmux", "sshd-channel-timeout"),
    Case(CHANNEL, "multiplexed", "sshd-channel-timeout"),
    Case(CHANNEL, "sftp-idle", "sshd-channel-timeout"),
    Case(CHANNEL, "command-works", "sshd-channel-timeout"),
    Case(CHANNEL, "job-in-shell", "sshd-channel-timeout"),
    Case(CHANNEL, "client-stopped", "sshd-channel-timeout"),
    Case(CHANNEL, "client-stopped-printing", None),
    Case(USELESS, "away-at-prompt", None),
    Case(TUNNEL, "forward-unused", "sshd-unused-connection-timeout"),
    Case(TUNNEL, "forward-idle", "sshd-channel-timeout", later="sshd-unused-connection-timeout"),
    Case(FAR_CHANNEL, "lid-closed", "sshd-channel-timeout",
         later="sshd-unused-connection-timeout"),
    Case(TUNNEL, "forward-busy", None),
    Case(TUNNEL, "away-at-prompt", None),

    Case(TMOUT, "away-at-prompt", "tmout"), Case(TMOUT, "away-in-vim", None),
    Case(TMOUT, "away-in-top", None), Case(TMOUT, "away-in-tmux", "tmout", inner=True),
    Case(FAR_TMOUT, "lid-closed", "tmout", later="tcp-retransmission"),
    Case(TMOUT, "multiplexed", "tmout"), Case(TMOUT, "job-in-shell", None),

    Case(DROPBEAR_I, "away-at-prompt", "dropbear-idle"),
    Case(DROPBEAR_I, "away-at-prompt", "dropbear-idle", keepalive=1),
    Case(DROPBEAR_I, "away-at-prompt", "dropbear-idle", program="dbclient", keepalive=1,
         spared=True),
    Case(DROPBEAR_I, "away-in-top", None), Case(DROPBEAR_I, "away-in-vim", "dropbear-idle"),
    Case(DROPBEAR_I, "sftp-idle", "dropbear-idle"), Case(DROPBEAR_I, "multiplexed", None),
    Case(DROPBEAR_I, "forward-unused", "dropbear-idle"),
    Case(DROPBEAR_I, "forward-idle", "dropbear-idle"), Case(DROPBEAR_I, "forward-busy", None),
    Case(DROPBEAR_I, "client-stopped", "dropbear-idle"),
    Case(DROPBEAR_K, "client-stopped", "dropbear-keepalive"),
    Case(DROPBEAR_K, "client-stopped-printing", "dropbear-keepalive"),
    Case(DROPBEAR_K, "away-at-prompt", None),
    Case(FAR_K, "network-gone-printing", "dropbear-keepalive"),
    Case(FAR_K, "lid-closed", "dropbear-keepalive"),

    Case(HOUR, "away-at-prompt", "tinyssh-hour"), Case(HOUR, "sftp-idle", "tinyssh-hour"),
    Case(HOUR, "client-stopped-printing", "tinyssh-hour"),
    Case(HOUR, "command-waits", "tinyssh-hour"),
    Case(HOUR, "away-at-prompt", "tinyssh-hour", keepalive=1, spared=True),

    Case(FAR_PLAIN, "network-gone", "tcp-keepalive"),
    Case(FAR_PLAIN, "network-gone-printing", "tcp-retransmission"),
    Case(FAR_COUNT_0, "network-gone", "tcp-retransmission"),

    Case(OWN, "away-at-prompt", "sshidle-idle"), Case(OWN, "away-in-top", "sshidle-idle"),
    Case(OWN, "away-in-vim", "sshidle-idle"), Case(OWN, "away-in-tmux", "sshidle-idle"),
    Case(OWN, "multiplexed", "sshidle-idle"), Case(OWN, "sftp-idle", "sshidle-idle"),
    Case(OWN, "command-waits", "sshidle-idle"), Case(OWN, "job-in-shell", "sshidle-idle"),
    Case(OWN, "forward-idle", "sshidle-idle"), Case(OWN, "forward-busy", None),
    Case(OWN_DROPBEAR, "away-in-top", "sshidle-idle"),
    Case(OWN_DROPBEAR, "forward-busy", None),
    Case(OWN_TINYSSH, "away-at-prompt", "sshidle-idle"),
    Case(OWN_FAR, "lid-closed", "sshidle-unresponsive-host"),
    Case(OWN_FAR, "network-gone-printing", "sshidle-unresponsive-host"),
    Case(OWN_FAR_DROPBEAR, "network-gone", "sshidle-unresponsive-host"),
    Case(OWN_PROBES, "client-stopped", "sshidle-unresponsive-program"),
    Case(OWN_PROBES, "away-at-prompt", None),
    Case(OWN_NO_PROBES, "client-stopped", None),
    Case(OWN_PROBES, "client-stopped-flood", "sshidle-unresponsive-program"),
]

# Works for as long as WorkMax allows, which the configuration of the test sets to a day.
CASES.append(Case(OWN, "command-works", "sshidle-idle", spared=True))


class Stage:
    """All cases side by side, in waves that two processors can log in at once."""

    WAVES = 2

    def __init__(self, world):
        self.world = world
        self.daemon = None
        self.settings = []

    def play(self, cases):
        self.settings = list({id(case.setting): case.setting for case in cases}.values())
        for setting in self.settings:
            setting.start(self.world)
        self.tune()
        self.start_daemon()
        own = self.daemon.runtime if self.daemon else None
        nowhere = self.world.path("no-daemon", "run")
        for setting in self.settings:
            setting.cells = setting.host.explain(own if setting.policy else nowhere)
        for number in range(self.WAVES):
            self.play_wave(cases[number::self.WAVES])

    def tune(self):
        """Kernel times that a test can wait for, on the servers' side of the network."""
        if "network" in self.world.made:
            self.world.made["network"].sysctl(tcp_keepalive_time=3, tcp_keepalive_intvl=1,
                                              tcp_keepalive_probes=3, tcp_retries2=3)

    def start_daemon(self):
        watched = [setting for setting in self.settings if setting.policy]
        if not watched:
            return
        self.daemon = Daemon(self.world, BUILD, "explain")
        self.daemon.configure("MaxCuts 1000/1m\nWorkMax 1d\nIdleTimeout none\n" + "".join(
            POLICY.format(port=one.host.port, **one.policy) for one in watched))
        self.daemon.start()

    def play_wave(self, cases):
        threads = [threading.Thread(target=case.bring, daemon=True) for case in cases]
        looking = threading.Event()
        watcher = threading.Thread(target=self.watch, args=(cases, looking), daemon=True)
        for thread in threads:
            thread.start()
        watcher.start()
        for thread in threads:
            thread.join(60)
        looking.set()
        watcher.join()
        for case in cases:
            case.others_live = bool(case.sessions) and all(map(is_alive,
                                                               case.session.alive_too))
        for case in cases:
            for session in case.sessions:
                session.close()

    def watch(self, cases, all_there):
        """Reads all clients and notes what ends, until everything has had its time."""
        until, last = None, time.monotonic()
        while until is None or time.monotonic() < until:
            if all_there.is_set() and until is None:
                until = max([case.ready_at for case in cases if case.ready_at], default=0) + WATCH_S
            there = [case for case in cases if case.ready_at and not case.failure]
            began = time.monotonic()
            connections = {id(one): one.connections() for one in
                           {case.setting.host for case in there}}
            for case in there:
                case.look(connections[id(case.setting.host)], (last, time.monotonic()))
            last = began
            self.read(there)
            time.sleep(0.05)

    @staticmethod
    def read(cases):
        """Takes in what the clients print: one that nobody reads is a stopped one."""
        clients = [client for case in cases for client in case.session.clients if not client.ended]
        ready, _, _ = select.select([client.fd for client in clients], [], [], 0)
        for client in clients:
            if client.fd in ready:
                client.read()

    def close(self):
        for setting in self.settings:
            if setting.host:
                setting.host.server.stop()
        if self.daemon:
            self.daemon.stop()


@pytest.fixture(scope="session")
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes users, network namespaces and SSH servers")
    if not BUILD:
        pytest.fail("SSHIDLE_BUILD does not name the build directory")
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        pytest.skip("not installed: " + ", ".join(sorted(set(missing))))
    own = World()
    yield own
    own.close()


@pytest.fixture(scope="session")
def stage(request, world):
    own = Stage(world)
    wanted = [item.callspec.params["case"] for item in request.session.items
              if hasattr(item, "callspec") and "case" in item.callspec.params
              and not item.get_closest_marker("skip")]
    try:
        own.play(wanted)
        yield own
    finally:
        own.close()


def parameter(case):
    needs_newer = "ChannelTimeout" in case.setting.listen and not SINCE_9_2
    skip = pytest.mark.skip(reason="sshd before 9.2 has no ChannelTimeout")
    return pytest.param(case, id=case.name, marks=[skip] if needs_newer else [])


@pytest.mark.parametrize("case", map(parameter, CASES))
def test_cell(stage, case):
    assert not case.failure, case.failure
    cell = case.cell()
    first = cell["first"]
    assert (first["because"]["mechanism"] if first else None) == case.mechanism, cell
    if first is None or case.spared:
        assert case.spared or cell["what"] == "nothing"
        if case.spared:
            assert first["unless"] or first["latest_s"] > WATCH_S
        assert case.connection_end is None and case.process_end is None, said(case)
        return
    end, other = ends_of(case, cell["what"])
    # Another setting that may come first is in the cell as well.
    earliest = min(scaled(case.setting, one["earliest_s"]) for one in (first, *cell["also"]))
    check_time(stage, case, end, earliest, scaled(case.setting, first["latest_s"]))
    assert other, (f"{said(case)}; typed beside it with pauses of {case.session.typing_pause_s:.2f} s at most, in vain: "
                   f"{case.session.typed_in_vain!r}")
    assert case.inner or case.others_live, f"{said(case)}: more has ended than should"
    if case.later:
        effect, = [one for one in cell["also"] if one["because"]["mechanism"] == case.later]
        assert effect["what"] == "connection-ended"
        check_time(stage, case, case.connection_end, effect["earliest_s"], effect["latest_s"])


def check_time(stage, case, end, earliest, latest):
    """Whether the end lies in the bounds, by what is known of its time."""
    assert end is not None, f"{said(case)}: it has not happened"
    before, after = case.session.used
    allowed = SLACK_S + stage.world.hiccups.allowance()
    assert end[1] - before >= earliest, f"{said(case)}: not before {earliest:g} s"
    assert end[0] - after <= latest + allowed, (
        f"{said(case)}: at most {latest:g} s and {allowed:.1f} s")


def ends_of(case, what):
    """(the end that `what` names, whether the rest is as it should be)"""
    if what == "connection-ended":
        return case.connection_end, True
    if what in ("channel-closed", "logged-out", "terminal-hung-up"):
        stays = case.situation == "multiplexed" and case.connection_end is not None
        if case.situation == "sftp-idle":
            # sftp itself reads its standard input, and does not notice before the next command.
            return case.connection_end, True
        return case.process_end, not stays
    raise AssertionError(f"nobody knows how to look for {what}")


def said(case):
    """The times of a case, for messages."""
    used = case.session.used[1]
    times = [None if one is None else round(one[1] - used, 2)
             for one in (case.process_end, case.connection_end)]
    return f"{case.name}: process ended after {times[0]}, connection after {times[1]}"
