"""What the configuration says for whom, and what happens when it changes.  None of it depends on
the server."""

import time

from clients import drive
from stage import LIMIT_S, collect, scenario
from world import kill

BY_USER = """
Match LocalPort {port} User {alice}
    IdleTimeout {limit}s
Match LocalPort {port}
    IdleTimeout {limit2}s
    IdleWarning {warning}s
"""


@scenario(policy=BY_USER)
def match_user(play):
    """The first value that fits decides: alice has a shorter limit than the rest."""
    alice = play.shell(name="alice")
    bob = play.shell(user=play.world.user("bob"), name="bob", limit=2 * LIMIT_S)
    play.ends(alice, others=[bob])
    play.ends(bob, limit=2 * LIMIT_S)


BY_GROUP = """
Match LocalPort {port} Group {staff}
    IdleTimeout none
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning {warning}s
"""


@scenario(policy=BY_GROUP)
def match_group(play):
    """A member of a group has no limit."""
    member = play.world.user("stella", [play.world.group("staff")])
    stella = play.shell(user=member, name="stella", limit=None)
    alice = play.shell(name="alice")
    play.ends(alice, others=[stella])
    play.lives([stella], play.limit)
    entry = play.entry(stella)
    assert (entry["state"], entry["rule"]) == ("unlimited", 2), entry


BY_ADDRESS = """
Match LocalPort {port} Address 127.0.0.2/32
    IdleTimeout {limit2}s
Match LocalPort {port} Address 127.0.0.0/8,::1
    IdleTimeout {limit}s
Match LocalPort {port}
    IdleWarning {warning}s
"""


@scenario(policy=BY_ADDRESS)
def match_address(play):
    """Where somebody comes from decides."""
    other = play.shell(name="other", bind="127.0.0.2", limit=2 * LIMIT_S)
    usual = play.shell(name="usual")
    play.ends(usual, others=[other])
    play.ends(other, limit=2 * LIMIT_S)


BY_KIND = """
Match LocalPort {port}
    IdleTimeout {limit}s sftp={limit2}s exec=none none={limit}s
    IdleWarning {warning}s
"""


@scenario(policy=BY_KIND)
def limit_by_kind(play):
    """A limit for shells, a longer one for sftp, none for commands."""
    command = play.command("echo up-$((40+2)) $$; sleep 1007", limit=None)
    play.later(kill, int(command.up))
    play.limit = 2 * LIMIT_S
    files = play.sftp()
    play.limit = LIMIT_S
    term = play.shell()
    play.ends(term, others=[command, files])
    play.ends(files, limit=2 * LIMIT_S, others=[command])
    play.lives([command], play.limit)


BY_MATCH_KIND = """
Match LocalPort {port} Kind exec Command *1008*
    IdleTimeout none
Match LocalPort {port} Kind exec
    IdleTimeout {limit}s
Match LocalPort {port} Server openssh Kind shell
    IdleTimeout {limit}s
    IdleWarning {warning}s
"""


@scenario(policy=BY_MATCH_KIND)
def match_kind_and_command(play):
    """Match Kind, Command and Server."""
    spared = play.command("echo up-$((40+2)) $$; exec sleep 1008", limit=None, name="spared")
    play.later(kill, int(spared.up))
    other = play.command("echo up-$((40+2)) $$; exec sleep 1009", name="other")
    play.later(kill, int(other.up))
    term = play.shell()
    play.ends(other, others=[term, spared])
    play.ends(term, others=[spared])
    play.lives([spared], play.limit)


COUNTED = """
Match LocalPort {port} User {bob}
    CountsAsUse shell=input,output
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning {warning}s
"""


@scenario(policy=COUNTED)
def counts_as_use(play):
    """Output counts for those whose configuration says so."""
    bob = play.shell(user=play.world.user("bob"), name="bob")
    alice = play.shell(name="alice")
    for term in (bob, alice):
        term.type("while :; do date; sleep 0.5; done\r", r"\d\d:\d\d:\d\d")
    play.ends(alice, others=[bob])
    play.lives([bob], play.limit)


REPORTED = """
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning {warning}s
    IdleAction report
"""


@scenario(policy=REPORTED)
def report_only(play):
    """IdleAction report: said once, nothing done; after a use it is said again."""
    term = play.shell()
    play.prove([term])

    def said():
        return play.line(term, "would cut")

    line = play.daemon.wait_line(said, play.limit + play.allowed(play.limit) + 2)
    assert "rule=6" in line.text, line.text
    assert line.at >= term.used[0] + play.limit, f"said early{play.about(term)}"
    drive([term], line.at + 2 * play.limit)
    assert not term.ended, f"it was only to be reported{play.about(term)}"
    entry = play.entry(term)
    assert (entry["state"], entry["rule"]) == ("reported", 6), entry
    if not play.stage.restarts:
        assert len(play.daemon.find(said())) == 1, f"said more than once{play.about(term)}"
    term.type("r")
    again = play.daemon.wait_line(said, play.limit + play.allowed(play.limit) + 2,
                                  time.monotonic())
    assert again.at >= term.used[0] + play.limit


LONG = """
Match LocalPort {port}
    IdleTimeout {limit10}s
    IdleWarning {warning}s
    # the one that becomes shorter
"""

SHORT = LONG.replace("{limit10}", "{limit}")


@scenario(policy=LONG)
def reload_shortens(play):
    """A limit that is passed already when it comes into force: warned first, then ended."""
    term = play.shell(limit=10 * LIMIT_S)
    play.prove([term])
    drive([term], term.used[1] + 1.5 * play.limit)
    assert not term.ended, f"it was ended before the reload{play.about(term)}"
    before = time.monotonic()
    play.stage.set_policy(play.port, SHORT)
    after = time.monotonic()
    shift = play.warning - play.limit
    play.ends(term, used=(before + shift - 0.3, after + shift))


LENGTHENED = """
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning {warning}s
    # the one that becomes longer
"""


@scenario(policy=LENGTHENED)
def reload_lengthens(play):
    """A longer limit holds for sessions that are open, also for one that has been warned."""
    term = play.shell()
    play.prove([term])
    play.sees_warning(term, 2 * play.limit)
    play.stage.set_policy(play.port, LENGTHENED.replace("{limit}", "{limit3}"))
    play.ends(term, limit=3 * LIMIT_S)


NO_WARNING = """
Match LocalPort {port}
    IdleTimeout {limit}s
    IdleWarning 0
"""


@scenario(policy=NO_WARNING)
def no_warning(play):
    """IdleWarning 0: ended in time, without a word before."""
    term = play.shell()
    play.ends(term, warned=False)
    assert not play.daemon.find(play.line(term, "warned")), play.about(term)


WORKED = """
Match LocalPort {port}
    IdleTimeout exec={limit}s
    WorkMax {limit2}s
"""


@scenario(policy=WORKED)
def work_max(play):
    """Work alone keeps a command for WorkMax, no longer."""
    client = play.command("echo up-$((40+2)) $$; exec nice -n 19 bash -c 'while :; do :; done'")
    play.later(kill, int(client.up))
    play.prove([client])
    drive([client], client.used[0] + 1.8 * play.limit)
    assert not client.ended, f"ended though it works{play.about(client)}"
    play.expect_cut(play.belongs(client))
    play.wait_end(client, client.used[1] + 3 * play.limit + play.allowed(play.limit))
    play.cut_line(client)


ALL = collect(globals())
