"""Who holds what, for how long, and how it ends."""

import fcntl
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
from conftest import Client
from panes import environment, is_alive, strip, wait_for

TIOCGEXCL = 0x80045440


def bash(host, **options):
    return host.start("bash", "--norc", "-i", **options)


def test_held_resumed_and_ended(host):
    parked = bash(host)
    parked.read_until(b"$ ")
    parked.park()
    info = parked.info()
    assert info["tty"].startswith("pts/") and info["program"] == "bash"
    assert info["from"] == "192.0.2.7" and info["server"] == "openssh"
    assert (info["rows"], info["cols"]) == (24, 80)
    assert info["attached"] is False and info["ended"] is False and info["expires_in_s"] is None
    client = host.resume()
    client.expect("$ ")
    client.write("echo o$((1 + 1))k\r")
    client.expect("o2k")
    assert parked.info()["attached"] is True
    client.write("exit 3\r")
    parked.status()
    assert client.wait() == 3
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert host.parked() == [] and not parked.socket.exists()
    assert "ended with status 3" in parked.said()


def test_ended_by_a_signal(host):
    parked = bash(host).park()
    client = host.resume()
    client.expect("$ ")
    client.write("kill -9 $$\r")
    parked.status()
    assert client.wait() == 128 + 9


def test_ended_while_nobody_looked(host):
    """The last screen and the status are still there, once."""
    parked = host.start("sh", "-c", "read x; echo last words; exit 5", lifetime_ms=60000)
    parked.write("\r")
    parked.park()
    parked.status()
    wait_for(lambda: parked.info()["ended"], "the end")
    client = host.resume("1")
    client.expect("last words")
    assert client.wait() == 5
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert os.listdir(parked.socket.parent) == []


def test_what_has_ended_stays(host):
    """The terminal is seen closed before its shell is seen dead, or the other way round."""
    ended = [host.start("cat", lifetime_ms=60000) for _ in range(8)]
    for one in ended:
        one.park()
        os.kill(one.command_pid, signal.SIGKILL)
        one.status()
    wait_for(lambda: all(one["ended"] for one in host.parked()), "their ends")
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert len(host.parked()) == len(ended)


def test_without_a_leader_the_status_is_not_known(host):
    parked = bash(host, leader=0).park()
    client = host.resume()
    client.expect("$ ")
    client.write("exit 3\r")
    parked.status()
    client.expect("has ended")
    assert client.wait() == 0


def test_let_go_and_come_back(host):
    parked = bash(host).park()
    for _ in range(3):
        client = host.resume("1")
        client.expect("$ ")
        client.write("\r")
        client.expect("$ ")
        client.write("~")
        client.write(".")
        client.expect("it stays parked: sshidle resume 1")
        assert client.wait() == 0
        assert client.modes() == client.first_modes
        assert wait_for(lambda: parked.info())["attached"] is False
    assert parked.alive()


def test_escape_characters(host):
    parked = host.start("cat").park()
    client = host.resume("--escape", "none")
    client.expect("\x1b[H")
    client.write("~")
    client.write(".")
    client.write("\r")
    client.expect("~.")
    client.close()
    host.closing.remove(client)
    client = host.resume("--escape", "^B", "--steal")
    client.expect("^B. lets go.")
    client.expect("~.")
    client.expect("\x1b[")
    client.write("\r~")
    client.write(".\r")
    client.expect("~.")
    client.write("\x02")
    client.write("?")
    client.expect("^B^B  send the escape character")
    client.write("\r")
    client.write("\x02")
    client.write(".")
    assert client.wait() == 0
    assert parked.alive()
    assert host.run("resume", "--escape", "ab").returncode == 2


def test_second_client_and_steal(host):
    parked = bash(host).park()
    first = host.resume()
    first.expect("$ ")
    second = host.resume()
    second.expect("is attached to it; --steal takes over")
    assert second.wait() == 1
    before = first.modes()
    third = host.resume("--steal")
    third.expect("$ ")
    first.expect("taken over by")
    assert first.wait() == 1
    assert before != first.modes()  # raw then, in order now
    third.write("echo t$((2 + 2))d\r")
    third.expect("t4d")
    assert parked.alive()


def test_client_killed(host):
    parked = bash(host).park()
    client = host.resume()
    client.expect("$ ")
    client.process.kill()
    client.wait()
    wait_for(lambda: not parked.info()["attached"], "the keeper")
    again = host.resume()
    again.write("echo a$((3 + 3))n\r")
    again.expect("a6n")


def test_client_whose_terminal_hangs_up(host):
    """Its own connection is lost."""
    parked = bash(host).park()
    client = host.resume()
    client.expect("$ ")
    client.process.send_signal(signal.SIGHUP)
    assert client.wait() == 128 + signal.SIGHUP
    wait_for(lambda: not parked.info()["attached"], "the keeper")


def test_keeper_killed(host):
    """The shell gets the hang-up, the client is told and its terminal is in order."""
    parked = bash(host).park()
    client = host.resume()
    client.expect("$ ")
    assert client.modes() != client.first_modes
    os.kill(parked.keeper_pid, signal.SIGKILL)
    assert client.wait() == 1
    assert "is gone" in strip(client.got)
    assert client.modes() == client.first_modes
    wait_for(lambda: not parked.alive(), "the hang-up")
    assert parked.socket.exists()
    assert host.parked() == []
    assert not parked.socket.exists()


def test_drop(host):
    parked = host.start("sh", "-c", "trap 'echo hung > %s; exit' HUP; while :; do sleep 0.1; done"
                        % (host.runtime / "hung")).park()
    client = host.resume()
    wait_for(lambda: parked.info()["attached"], "the client")
    done = host.run("drop", "1")
    assert done.returncode == 0 and "gets a hang-up" in done.stdout
    client.expect("dropped by")
    assert client.wait() == 1
    wait_for(lambda: (host.runtime / "hung").exists(), "the hang-up")
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert "dropped by" in parked.said() and not parked.socket.exists()
    assert host.run("drop", "1").returncode == 1


def test_lifetime(host):
    parked = bash(host, lifetime_ms=1500).park()
    assert parked.info()["expires_in_s"] in (0, 1)
    client = host.resume()
    client.expect("$ ")
    # In use it does not expire; afterwards the time begins anew.
    assert parked.info()["expires_in_s"] is None
    began = time.monotonic()
    client.write("sleep 2; echo u$((4 + 4))p\r")
    client.expect("u8p")
    assert time.monotonic() - began > 1.5
    client.write("~")
    client.write(".")
    assert client.wait() == 0
    wait_for(lambda: not parked.alive(), "the hang-up")
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert "it was parked for 1.5s (ParkLifetime)" in parked.said()


def test_told_to_end(host):
    parked = bash(host).park()
    os.kill(parked.keeper_pid, signal.SIGTERM)
    wait_for(lambda: not parked.alive(), "the hang-up")
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert not parked.socket.exists()


# -- The hand-over ----------------------------------------------------------------------------


def test_cancelled(host):
    """The user is back: the server goes on reading, also one that waits for output."""
    parked = bash(host)
    parked.read_until(b"$ ")
    before = parked.master_flags()
    parked.say("start")
    parked.keeper_pid = parked.expect("held")
    parked.write("echo s$((5 + 5))e\r")
    parked.say("cancel")
    wait_for(lambda: not is_alive(parked.keeper_pid), "its end")
    assert not parked.socket.exists()
    assert parked.master_flags() == before
    assert b"s10e" in parked.read_until(b"s10e")


def is_exclusive(parked):
    fd = os.open(f"/proc/{parked.command_pid}/fd/0", os.O_PATH)
    try:
        slave = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_NOCTTY)
    finally:
        os.close(fd)
    try:
        return bool(struct.unpack("i", fcntl.ioctl(slave, TIOCGEXCL, bytes(4)))[0])
    finally:
        os.close(slave)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look at an exclusive terminal")
@pytest.mark.parametrize("mode", [0, 0o666])
def test_exclusive_until_it_is_the_users_alone(host, mode):
    """Closed to its user as well it is on its way back, open to everybody it has yet to be closed."""
    parked = bash(host)
    parked.read_until(b"$ ")
    path = os.readlink(f"/proc/{parked.command_pid}/fd/0")
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(fd, termios.TIOCEXCL)
    os.close(fd)
    parked.say("start")
    parked.keeper_pid = parked.expect("held")
    os.chmod(path, mode)
    parked.say("gone")
    parked.expect("parked")
    wait_for(parked.info, "the keeper")
    # It looks five times a second.
    time.sleep(0.6)
    assert is_exclusive(parked)
    os.chmod(path, 0o620)
    wait_for(lambda: not is_exclusive(parked), "it is the user's alone")


def test_reads_nothing_before_the_server_is_gone(host):
    parked = bash(host)
    parked.read_until(b"$ ")
    parked.say("start")
    parked.keeper_pid = parked.expect("held")
    parked.say("commit")
    client = host.command("parked")
    waiting = subprocess.Popen(client, stdout=subprocess.PIPE, env=environment(), text=True)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=0.5)
    parked.say("gone")
    parked.expect("parked")
    assert "bash" in waiting.communicate(timeout=20)[0]


def test_a_socket_left_behind_is_replaced(host):
    first = bash(host).park()
    os.kill(first.keeper_pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(first.keeper_pid), "its end")
    assert first.socket.exists()
    host.numbers = 0
    assert bash(host).park().info()


def test_a_socket_in_use_is_not(host):
    first = bash(host).park()
    host.numbers = 0
    second = bash(host)
    second.say("start")
    assert second.process.stdout.readline().startswith("failed keeper: Address already in use")
    assert first.info()


def test_started_by_hand_it_says_what_it_is(tmp_path):
    from conftest import KEEPER
    assert "sshidled" in subprocess.run([KEEPER, "-h"], capture_output=True, text=True,
                                        check=True).stdout
    done = subprocess.run([KEEPER, "-d"], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=20)
    assert done.returncode == 1 and "sshidled starts it" in done.stderr


# -- Who may ------------------------------------------------------------------------------------


def test_other_users_are_kept_out(host, other_users):
    owner, other = other_users
    parked = host.start("cat", user=owner).park()
    assert os.stat(parked.socket).st_mode & 0o777 == 0o600
    script = f"""
import ctypes, os, socket, sys
s = socket.socket(socket.AF_UNIX)
for what in (lambda: s.connect({str(parked.socket)!r}),
             lambda: os.listdir('/proc/{parked.keeper_pid}/fd'),
             lambda: open('/proc/{parked.keeper_pid}/mem', 'rb'),
             lambda: os.readlink('/proc/{parked.keeper_pid}/exe')):
    try:
        what()
        sys.exit('reached it')
    except PermissionError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, {parked.keeper_pid}, 0, 0) == 0:
    sys.exit('traced it')
"""
    for user in (other, owner):
        # The owner may connect, but not look into the process.
        mine = script.replace("(lambda: s.connect", "(*[][:0], lambda: s.connect") if user == other \
            else script.replace(f"lambda: s.connect({str(parked.socket)!r}),", "")
        done = subprocess.run(["/usr/bin/python3", "-c", mine], user=user, capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, (user, done.stderr)
    assert host.run("parked", user=other).stdout == "nothing is parked\n"
    assert host.run("drop", "1", user=other).returncode == 1
    assert "cat" in host.run("parked", user=owner).stdout


def test_root_lists_and_drops(host, other_users):
    parked = host.start("cat", user=other_users[0]).park()
    assert "cat" in host.run("parked").stdout
    client = host.resume()
    client.expect("not allowed: root may list and drop")
    assert client.wait() == 1
    assert host.run("drop", "1").returncode == 0
    wait_for(lambda: not parked.alive(), "the hang-up")


def test_root_attaches_where_the_policy_allows(host, other_users):
    host.start("cat", user=other_users[0], flags=2).park()
    client = host.resume()
    client.write("hello\r")
    client.expect("hello")


def test_owner_resumes(host, other_users):
    parked = host.start("bash", "--norc", "-i", user=other_users[0]).park()
    client = host.resume(user=other_users[0])
    client.expect("$ ")
    client.write("id -un\r")
    client.expect(other_users[0])
    assert parked.alive()


def test_a_socket_that_is_not_of_a_keeper_of_that_user(host, other_users):
    """The directory is the user's: what listens there may be anything."""
    account = pwd.getpwnam(other_users[0])
    host.directory_of(account)
    path = host.runtime / "parked" / str(account.pw_uid) / "9.sock"
    with socket.socket(socket.AF_UNIX) as fake:
        fake.bind(str(path))
        fake.listen()
        assert host.parked() == []


# A program of the user's that stands in a keeper's place.
FAKE = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print("ready", flush=True)
while True:
    c = s.accept()[0]
    {what}
"""
DRIPS = """try:
        while True:
            time.sleep(0.5)
            c.send(b" ")
    except OSError:
        pass"""
LIES = """c.recv(1000)
    c.send(b'{"parameters":{"id":7,"user":"root","since":"now"}}\\0')"""


class Fake:
    def __init__(self, host, user, number, what):
        account = pwd.getpwnam(user)
        host.directory_of(account)
        path = host.runtime / "parked" / str(account.pw_uid) / f"{number}.sock"
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", FAKE.replace("{what}", what), path],
                                        user=user, stdout=subprocess.PIPE, text=True)
        host.closing.append(self)
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        self.process.kill()
        self.process.communicate()


def test_nobody_keeps_root_waiting(host, other_users):
    """One who sends byte by byte is waited for a while; at a login nobody else's matters at all."""
    parked = host.start("cat", user=other_users[1]).park()
    Fake(host, other_users[0], 9, DRIPS)
    began = time.monotonic()
    assert [one["id"] for one in host.parked()] == [parked.number]
    assert time.monotonic() - began < 10
    began = time.monotonic()
    assert host.run("parked", "--notice").stdout == ""
    assert time.monotonic() - began < 1


def test_nobody_is_taken_for_another(host, other_users):
    """What a fake keeper says of its number and its user is not believed."""
    parked = host.start("cat", user=other_users[1]).park()
    Fake(host, other_users[0], parked.number, LIES)
    Fake(host, other_users[0], 9, LIES)
    assert sorted((one["id"], one["user"]) for one in host.parked()) == [
        (1, other_users[1]), (1, other_users[0]), (9, other_users[0])]
    done = host.run("drop", "1")
    assert done.returncode == 1 and "is there twice" in done.stderr
    assert parked.alive()
    assert host.run("drop", f"{parked.uid}/1").returncode == 0
    wait_for(lambda: not parked.alive(), "the hang-up")


def test_a_client_that_breaks_the_rules_and_never_reads(host):
    """It is gone within seconds, also from who is attached, so that the lifetime goes on."""
    parked = host.start("sh", "-c", "read x; seq 1 200000; exec cat", lifetime_ms=600000).park()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(parked.socket))
        client.sendall(b'{"method":"io.sshidle.keeper.Attach","parameters":{"rows":24,"cols":80}}\0')
        wait_for(lambda: parked.info()["attached"], "the client")
        # More than the socket holds waits for it; then a frame that is longer than any.
        client.sendall(b"\x10\x01\0\0\r")
        wait_for(lambda: parked.info()["bytes_kept"] > 1 << 20, "the output")
        assert parked.info()["expires_in_s"] is None
        client.sendall(b"\x10\xff\xff\xff")
        wait_for(lambda: parked.info()["expires_in_s"], "the end of the client", within=5)
        assert "let go by its client" in parked.said()


# -- The command ---------------------------------------------------------------------------------


def test_what_is_said_of_nothing_one_and_many(host):
    assert host.run("parked").stdout == "nothing is parked\n"
    assert host.run("parked", "--notice").stdout == ""
    nothing = host.resume()
    nothing.expect("nothing is parked")
    assert nothing.wait() == 1
    host.start("cat").park()
    notice = host.run("parked", "--notice").stdout
    assert notice.count("\n") == 1 and "sshidle resume" in notice
    host.start("cat").park()
    assert host.run("parked", "--notice").stdout.startswith("2 sessions")
    lines = host.run("parked").stdout.splitlines()
    assert lines[0].split()[:2] == ["ID", "USER"] and len(lines) == 3
    many = host.resume()
    many.expect("2 are parked: name one by its ID")
    assert many.wait() == 1
    for wrong in ("7", "x"):
        client = host.resume(wrong)
        assert client.wait() == 1
    assert host.run("resume", "1").stderr == "sshidle: resume needs a terminal on standard input and output\n"


def test_a_terminal_is_not_shown_on_itself(host):
    parked = bash(host)
    parked.read_until(b"$ ")
    parked.park()
    client = host.resume()
    client.expect("$ ")
    client.write(" ".join(host.command("resume", "1", "--steal")) + "\r")
    client.expect("this very terminal")
    assert parked.alive()


def test_a_terminal_is_not_shown_within_itself(host):
    """Its tmux shows the pane that would show it; one that shows it no more may, and another one's may."""
    name = f"inside-{os.getpid()}"
    tmux = ["tmux", "-L", name, "-f", "/dev/null"]

    def pane():
        return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False).stdout

    def typed(*arguments):
        subprocess.run([*tmux, "send-keys", " ".join(host.command("resume", *arguments)), "Enter"], check=True)

    parked = host.start("sh", "-c", f"{' '.join(tmux)} new-session 'bash --norc'; exec cat", columns=200)
    try:
        wait_for(lambda: re.search(r"[#$]", pane()), "the shell of its pane")
        parked.park()
        typed("1")
        wait_for(lambda: re.search(r"1 shows tmux: server \(pid \d+\), and this runs inside", pane()), "the refusal")
        assert not parked.info()["attached"]
        subprocess.run([*tmux, "detach-client"], check=True)
        wait_for(lambda: parked.info()["program"] == "cat", "its end")
        typed("1")
        wait_for(lambda: parked.info()["attached"], "the client")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def test_a_terminal_is_not_shown_within_itself_by_script(host):
    """Who looks at it is inside of whatever makes a terminal there."""
    bash(host).park()
    client = host.resume(columns=200)
    client.expect("$ ")
    client.write("PS1=; exec script -q /dev/null\r")
    client.expect("$ ")
    client.write(" ".join(host.command("resume", "1", "--steal")) + "\r")
    client.expect("1 shows script (pid ")


def test_size_follows(host):
    parked = bash(host).park()
    client = host.resume(rows=30, columns=100, pixels=(900, 600))
    client.expect("$ ")
    client.write("stty size\r")
    client.expect("30 100")
    assert parked.size() == (30, 100, 900, 600)
    client.resized(20, 60, (540, 400))
    client.write("stty size\r")
    client.expect("20 60")
    assert parked.size() == (20, 60, 540, 400)
    # Another font.
    client.resized(20, 60, (480, 320))
    wait_for(lambda: parked.size() == (20, 60, 480, 320), "the size")


def test_stopped_and_continued(host):
    bash(host).park()
    client = host.resume()
    client.expect("$ ")
    client.process.send_signal(signal.SIGSTOP)
    # Of this only what is in the foreground is told.
    client.size(20, 60)
    client.process.send_signal(signal.SIGCONT)
    client.write("echo c$((6 + 6))t; stty size\r")
    client.expect("c12t")
    client.expect("20 60")


def test_a_hundred(host):
    parked = [host.start("cat") for _ in range(100)]
    for one in parked:
        one.say("park")
    for one in parked:
        one.keeper_pid = one.expect("held")
        one.expect("parked")
    assert len(wait_for(lambda: (all_ := host.parked()) and len(all_) == 100 and all_)) == 100
    for number in (1, 50, 100):
        client = Client(host.command("resume", str(number)))
        client.write(f"this is {number}\r")
        client.expect(f"this is {number}")
        client.close()


def sweep(path, done):
    """What the starter and `sshidle parked` do, without a pause."""
    while not done.is_set():
        with socket.socket(socket.AF_UNIX) as link:
            link.setblocking(False)
            try:
                link.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            except OSError:
                pass


def test_started_while_somebody_looks(host):
    """Who takes away what dead keepers left must not take it from one that begins."""
    for _ in range(40):
        parked, done = host.start("cat"), threading.Event()
        sweeper = threading.Thread(target=sweep, args=(str(parked.socket), done))
        sweeper.start()
        parked.say("start")
        said = parked.process.stdout.readline()
        done.set()
        sweeper.join()
        assert said.startswith("held") and parked.socket.exists(), said
        parked.keeper_pid = int(said.split()[1])
        os.kill(parked.keeper_pid, signal.SIGKILL)
        os.kill(parked.command_pid, signal.SIGKILL)


@pytest.fixture
def snippet(host, tmp_path):
    """packaging/sshidle-parked.sh with its places filled in; the command is found in PATH as well."""
    root = pathlib.Path(__file__).resolve().parents[2]
    text = (root / "packaging" / "sshidle-parked.sh").read_text()
    for name, place in (("@RUNTIMEDIR@", host.runtime), ("@BINDIR@", tmp_path / "bin")):
        text = text.replace(name, str(place))
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "sshidle"
    script.write_text(f"#!/bin/sh\nexec {' '.join(host.command())} \"$@\"\n")
    script.chmod(0o755)
    path = tmp_path / "snippet.sh"
    path.write_text(text)
    return path


def test_line_at_login(host, snippet):
    """One line for an interactive shell if something is parked."""
    def login(*options, **more):
        return subprocess.run(["sh", *options, "-c", f". {snippet}"], env=environment(**more), text=True,
                              capture_output=True, check=True, timeout=20).stdout

    assert login("-i") == ""
    bash(host).park()
    assert "sshidle resume brings it back" in login("-i") and login("-i").count("\n") == 1
    assert login() == "" and login("-i", SSHIDLE_QUIET="1") == ""


# What sshidle(1) has their users write, and where.
OTHER_SHELLS = {
    "zsh": (".zprofile", ". {snippet}\n"),
    "fish": (".config/fish/config.fish", "status is-login; and status is-interactive; and sshidle parked --notice\n"),
}


@pytest.mark.parametrize("shell", OTHER_SHELLS)
def test_line_at_login_of_other_shells(host, snippet, shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is missing: install {shell}")
    home = snippet.parent / "home"
    place, line = OTHER_SHELLS[shell]
    (home / place).parent.mkdir(parents=True)
    (home / place).write_text(line.replace("{snippet}", str(snippet)))
    command = ["env", f"HOME={home}", f"PATH={snippet.parent / 'bin'}:{os.environ['PATH']}", shell]

    def shown(*options):
        """Whether the line comes before the first answer."""
        client = Client([*command, *options], columns=200)
        host.closing.append(client)
        client.write("echo here; exit\r")
        client.wait()
        assert b"here" in client.got
        return client.got.count(b"sshidle resume brings it back")

    assert shown("-l") == 0
    bash(host).park()
    assert shown("-l") == 1 and shown() == 0
    # A command, as of scp(1).
    done = subprocess.run([*command, "-l", "-c", "echo here"], text=True, capture_output=True, check=True,
                          timeout=20, env=environment())
    assert done.stdout == "here\n" and done.stderr == ""
