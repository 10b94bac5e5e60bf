"""Sessions with a terminal: people who type, people who do not, and programs in between."""

import os
import re
import time

from clients import UP, drive
from stage import TTY_STEP_S, collect, scenario
from world import is_alive, kill, wait_until


@scenario()
def idle_shell(play):
    """A shell at its prompt: warned, explained, ended."""
    term = play.shell()
    play.prove([term])
    play.daemon.wait_line(play.line(term, "warned"), 2 * play.limit, term.used[0])
    if not play.stage.restarts:
        explained = play.daemon.cli_json("why", str(play.entry(term)["id"]))["explanation"]
        assert explained["rule"] == 4, explained
        assert explained["session"]["state"] == "warned", explained
        by_tty = play.daemon.cli_json("why", term.tty)["explanation"]
        assert by_tty["session"]["id"] == explained["session"]["id"], by_tty
    play.ends(term)
    assert term.status() in (1, 255), "the client should tell of the loss: dbclient 1, ssh 255"


@scenario()
def typing(play):
    """Somebody types; when they stop, the limit applies."""
    term = play.shell()
    play.lives([term], act=lambda: term.type("x"), every=0.3)
    play.ends(term)


@scenario()
def slow_typist(play):
    """A key every 0.9 limits, each after the warning was given."""
    term = play.shell()
    play.lives([term], 3 * play.limit, lambda: term.type("y"), 0.9 * play.limit)
    cancelled = play.daemon.find(play.line(term, "cancelled the warning of"),
                                 term.started_at)
    assert len(cancelled) >= 2 or play.stage.restarts, f"{cancelled}{play.about(term)}"
    play.ends(term)


@scenario()
def typing_unread(play):
    """Keys go to a program that never reads them: the terminal's own times show nothing."""
    term = play.shell()
    term.type("echo up-$((40+2)) -; sleep 1003\r", UP)
    play.lives([term], act=lambda: term.type("z"), every=0.5)
    play.ends(term)


@scenario()
def output_only(play):
    """A loop that prints keeps nobody's session."""
    term = play.shell()
    term.type("while :; do date; sleep 0.3; done\r", r"\d\d:\d\d:\d\d")
    play.ends(term)


@scenario()
def top(play):
    """A full-screen program that nobody looks at."""
    term = play.shell()
    term.type("top -d 1\r", "load average")
    play.ends(term)


@scenario()
def client_keepalives(play):
    """The client answers and asks every second, and nobody is there."""
    term = play.shell(keepalive=1)
    play.ends(term)


@scenario(needs=["server-keepalive"],
          listen={"ClientAliveInterval": 1, "ClientAliveCountMax": 1000})
def server_keepalives(play):
    """The server asks every second."""
    term = play.shell()
    play.ends(term)


@scenario(needs=["rekey"], listen={"RekeyLimit": "default 2s"})
def rekeys(play):
    """New keys every two seconds are no use. Where it is not known what the monitor was asked, as in the first
    sample after a restart, two exchanges are taken for one: the second begins up to six seconds after the login."""
    term = play.shell(program="ssh", keepalive=1)
    play.ends(term, used=(term.used[0], term.used[1] + (6 if play.stage.restarts else 0)))


@scenario()
def tmux_survives(play):
    """tmux attached and idle: the session ends, tmux and what runs in it live on."""
    term = play.shell()
    term.type("TMUX_TMPDIR=~ tmux -L e2e new-session -s e2e\r", r"\[e2e\]")
    up = "echo up-$((40+2)) $TMUX $$\r"
    socket, inner = term.type(up, UP)[1].split()
    server = int(socket.split(",")[1])
    play.later(kill, server)
    assert is_alive(server)
    line = play.ends(term, warned=False)
    time.sleep(1)
    assert is_alive(server) and is_alive(int(inner)), f"tmux died{play.about(term)}"
    names_survivors(line, {server: "tmux"})


def names_survivors(line, wanted, but=()):
    """The record of a cut names what lives on (pid -> name), and not the pids in `but`."""
    if line is None or "lives-on=unknown (sshidled was restarted" in line.text:
        return  # lost with the daemon
    text = re.search(r"lives-on=(\S+)", line.text)
    assert text, f"no lives-on in: {line.text}"
    named = {int(pid): name for pid, name in re.findall(r"(\d+)\(([^)]*)\)", text[1])}
    for pid, name in wanted.items():
        assert name in named.get(pid, ""), f"{name} {pid} lives on and is not named: {line.text}"
    assert not set(but) & set(named), line.text
    if not wanted and not but:
        assert text[1] == "none", line.text


@scenario()
def nohup_survives(play):
    """A nohup job lives on and is named; a plain background job gets the hang-up."""
    term = play.shell()
    nohup = int(term.type("nohup sleep 1001 </dev/null >/dev/null 2>&1 & echo up-$((40+2)) $!\r",
                          UP)[1])
    plain = int(term.type("sleep 1002 & echo up-$((40+2)) $!\r", UP)[1])
    play.later(kill, nohup)
    assert is_alive(nohup) and is_alive(plain)
    line = play.ends(term)
    wait_until(lambda: not is_alive(plain), 10, "the plain background job got the hang-up")
    assert is_alive(nohup), f"the nohup job died{play.about(term)}"
    names_survivors(line, {nohup: "sleep"}, but=[plain])


@scenario(needs=["agent"])
def agent_idle(play):
    """A forwarded agent that nobody asks; the server takes its socket away, as after any lost line."""
    term = play.shell(agent=True)
    term.type("ssh-add -l\r", "SHA256:")
    path = term.type("echo up-$((40+2)) $SSH_AUTH_SOCK\r", UP)[1]
    assert os.path.exists(path)
    play.ends(term)
    wait_until(lambda: not os.path.exists(path), 10, f"{path} is gone")


def asks_an_agent(play, agent):
    term, file = play.shell(agent=agent), f"~/asked-{agent}"
    term.type(f"(while ssh-add -l; do sleep 0.5; done) >{file} 2>&1 & echo up-$((40+2)) -\r", UP)
    term.type(f"sleep 1; grep -c SHA256 {file}\r", r"[\r\n][1-9]\d*[\r\n]")
    play.ends(term, coarse=TTY_STEP_S)


@scenario(needs=["agent"])
def agent_asked_by_script(play):
    """A script asks the agent twice a second: its answers come in like keys, and are none."""
    asks_an_agent(play, True)


@scenario(needs=["agent"])
def agent_far_away(play):
    """Nor are they where a look may come between a question and its answer."""
    asks_an_agent(play, "far")


@scenario()
def paste(play):
    """64 KiB at once, then nothing: all of it arrives, then the limit runs."""
    term = play.shell()
    term.type("echo up-$((40+2)) -; cat >~/pasted; wc -c ~/pasted\r", UP)
    lines = "".join(f"{number:07d} {'p' * 55}\n" for number in range(1024))
    assert len(lines) == 65536
    term.send(lines)
    term.type("\x04", r"65536 ", 60)
    play.ends(term)


def inner_ssh(play, user):
    """The command for an ssh from a session to the second port; says inner-42 when it is up."""
    return (f"ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=no "
            f"-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o EscapeChar=none -i {user.key} "
            f"-o PermitLocalCommand=yes -o LocalCommand='echo inner-$((6*7))' "
            f"-p {play.inner_port} {user.name}@{play.server.address}\r")


def log_in_again(play):
    """Two sessions, one inside the other; returns the terminal and a test for the inner one."""
    term = play.shell()
    outer = term.tty
    with play.stage.login(play):
        term.type(inner_ssh(play, play.user), r"inner-42\s")
        term.wait_for(r"inner-42\s(?s:.*)[$#] ")
        play.ask_up(term)
    assert term.tty != outer
    inner, term.tty = term.tty, outer
    if not play.judged:
        return term
    play.daemon.wait_session(
        lambda one: one["local_port"] == play.inner_port and one["tty"] == [inner],
        1 + play.slack(), f"the inner session on {inner}")
    return term


def inner_ended(play, term):
    """The inner session ends as well: for its own idleness, or with the outer one if that was
    first."""
    def ended():
        ids = {one["id"] for _, one in
               play.daemon.seen(lambda one: one["local_port"] == play.inner_port)}
        return rf"(cut session ({'|'.join(map(str, ids))})|session ({'|'.join(map(str, ids))}) .*" \
               r"ended by itself)\b"

    line = play.daemon.wait_line(ended, 3, term.used[0])
    assert line.at >= term.used[0] + play.limit, f"the inner session was ended early: {line.text}"


@scenario(inner=True)
def ssh_in_ssh(play):
    """Both are idle, both end."""
    term = log_in_again(play)
    play.expect_cut(lambda one: one["local_port"] == play.inner_port)
    play.ends(term)
    inner_ended(play, term)


@scenario(inner=True)
def ssh_in_ssh_typing(play):
    """Typing in the inner session keeps the outer one."""
    term = log_in_again(play)
    play.expect_cut(lambda one: one["local_port"] == play.inner_port)
    play.lives([term], act=lambda: term.type("i"), every=0.4)
    play.ends(term)
    inner_ended(play, term)


@scenario()
def log_in_again_after_cut(play):
    """The session after a cut is a new one with a whole limit of its own."""
    first = play.shell(name="first")
    play.ends(first)
    second = play.shell(name="second")
    assert second.session != first.session
    play.ends(second)


@scenario()
def warning_cancelled(play):
    """A key after the warning: one whole limit more."""
    term = play.shell()
    play.prove([term])
    play.sees_warning(term, 2 * play.limit)
    since = time.monotonic()
    assert since >= term.used[0] + play.limit - play.warning, "warned early"
    seen = len(term.text)
    term.type("w")
    if not play.stage.restarts:
        play.daemon.wait_line(play.line(term, "cancelled the warning of"), 3, since)
    play.ends(term)
    play.sees_warning(term, 1, seen)


@scenario()
def keep(play):
    """Kept for a while: not ended before that, then warned and ended."""
    term = play.shell()
    play.prove([term])
    asked = time.monotonic()
    play.command_about(term, "keep", f"{2 * play.limit}s")
    drive([term], asked + 1.5 * play.limit)
    assert not term.ended, f"it was kept and ended{play.about(term)}"
    entry = play.entry(term)
    assert (entry["state"], entry["rule"]) == ("kept", 1) and entry["kept_until"], entry
    until = (asked + play.limit, time.monotonic() + 0.5 * play.limit + play.warning)
    play.ends(term, used=until)


@scenario()
def keep_taken_back(play):
    """keep 0 takes it back; the idle time was not lost, but a warning stands first."""
    term = play.shell()
    play.prove([term])
    play.command_about(term, "keep", "1h")
    drive([term], term.used[1] + 1.5 * play.limit)
    assert not term.ended, f"it was kept and ended{play.about(term)}"
    before = time.monotonic()
    play.command_about(term, "keep", "0")
    play.ends(term, used=(before - play.limit + play.warning - 0.3,
                          time.monotonic() - play.limit + play.warning))


@scenario()
def cut_by_command(play):
    """`sshidle cut -m`: the message is seen, the session ends at once."""
    term = play.shell()
    play.prove([term])
    play.expect_cut(play.belongs(term))
    before = time.monotonic()
    play.command_about(term, "cut", "-m", "The machine moves in 10 minutes \x1b[2J")
    play.wait_end(term, before + 3 + play.slack())
    line = play.cut_line(term, rule=0)
    assert "asked by root" in line.text, line.text
    assert "minutes \x1b[2J" not in term.text, "the message was not escaped"
    assert r"The machine moves in 10 minutes \x1b[2J" in term.text, term.text


@scenario()
def stopped_terminal(play):
    """^S stops one terminal: it is ended in time, and others are warned in time."""
    stopped, other = play.shell(name="stopped"), play.shell(name="other")
    before = time.monotonic()
    stopped.send("\x13")
    stopped.send("echo hidden\r")
    stopped.used = (before, time.monotonic() + 0.3)
    drive([stopped, other], time.monotonic() + 0.5)
    assert "hidden" not in stopped.text
    play.ends(other, others=[stopped])
    play.ends(stopped, warned=False)


@scenario()
def mesg_n(play):
    """`mesg n` does not keep the warning away: the daemon may write where wall may."""
    term = play.shell()
    term.type("mesg n; echo up-$((40+2)) -\r", UP)
    play.ends(term)


@scenario()
def hangup_ignored(play):
    """A shell that ignores the hang-up does not keep its session."""
    term = play.shell()
    term.type("trap '' HUP; echo up-$((40+2)) $$\r", UP)
    play.later(kill, term.shell_pid)
    play.ends(term)


@scenario()
def cut_while_printing(play):
    """A terminal whose output never stops is warned and ended like any other."""
    term = play.shell()
    term.type("while :; do seq 200; sleep 0.1; done\r", r"[\r\n]200[\r\n]")
    play.ends(term, warned=False)


@scenario(needs=["password"], private=True)
def before_authentication(play):
    """Who has not authenticated is none of our business, however long it takes."""
    silent = play.server.connect(play.port)
    play.later(silent.close)
    waiting = play.password_prompt()
    play.prove([waiting])
    ports = {silent.getsockname()[1], waiting.from_port}
    drive([waiting], time.monotonic() + 2 * play.limit)
    assert not waiting.ended, f"the login was ended: {waiting.text}"
    listed = play.daemon.seen(lambda one: one["local_port"] == play.port
                              and one["from_port"] in ports)
    assert not listed, f"listed before authentication: {listed[0]}"
    if not play.stage.restarts:
        everything = play.daemon.cli_json("list", "--all")["sessions"]
        assert not [one for one in everything if one["local_port"] == play.port], everything


ALL = collect(globals())
