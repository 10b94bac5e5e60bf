"""Without CAP_CHOWN, as the unit for systemd has it: what is a user's is made as that user.

Here nobody can be asked to give files away either; tests/system/test_park.py has a systemd.
"""

import grp
import os
import stat
import time

from bench import KEEPER, LIMIT_S, lives
from servers import Dropbear, OpenSSH
from test_handover import ended
from test_hole import Attack, UnprivilegedDropbear, can_open, is_given_back, node
from world import wait_until

# Also where this host was booted with systemd.
NO_CHOWN = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            '{ [ ! -d /run/systemd ] || mount -t tmpfs none /run/systemd; } && exec "$@"', "sh",
            "setpriv", "--bounding-set=-chown"]

MISSING = "CAP_CHOWN is missing: a terminal that dropbear leaves to root"


def whose(path):
    status = os.lstat(path)
    return status.st_uid, status.st_gid, stat.filemode(status.st_mode)


def parked_of(bench):
    return f"{bench.daemon.runtime}/parked/{bench.user.uid}"


def has_only_what_it_needs(starter):
    with open(f"/proc/{starter}/status", encoding="ascii", errors="replace") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    wanted = sum(1 << number for number in (1, 6, 7, 19))
    return (status["Uid"].split() == status["Gid"].split() == ["0"] * 4 and
            all(int(status[name], 16) == wanted for name in ("CapEff", "CapPrm", "CapBnd")))


def test_directories_are_their_users(make_bench, world):
    bench = make_bench(OpenSSH, KEEPER, wrap=NO_CHOWN)
    bench.daemon.accepted = "was left to everybody"  # that of another test
    assert has_only_what_it_needs(bench.daemon.starter())
    engine = world.engine_user()
    assert whose(f"{bench.daemon.runtime}/state") == (engine.uid, engine.gid, "drwx------")
    client = bench.shell()
    assert ended(client, LIMIT_S + 10)
    assert lives(client.shell_pid) and bench.parked()
    assert whose(parked_of(bench)) == (bench.user.uid, bench.user.gid, "drwx------")
    assert bench.daemon.find(MISSING) and not bench.daemon.complaints()


def test_an_empty_directory_of_roots_is_made_anew(make_bench):
    """As a daemon of before has left it that was killed between two steps."""
    bench = make_bench(OpenSSH, KEEPER, wrap=NO_CHOWN)
    os.mkdir(parked_of(bench), 0o700)
    client = bench.shell()
    assert ended(client, LIMIT_S + 10)
    assert lives(client.shell_pid) and bench.parked()
    assert whose(parked_of(bench)) == (bench.user.uid, bench.user.gid, "drwx------")


def test_one_with_something_in_it_is_not_touched(make_bench):
    bench = make_bench(OpenSSH, KEEPER, wrap=NO_CHOWN)
    os.mkdir(parked_of(bench), 0o700)
    with open(f"{parked_of(bench)}/something", "wb"):
        pass
    bench.shell()
    bench.daemon.wait_line(rf"error: \S*/parked/{bench.user.uid} is not uid {bench.user.uid}'s and is not empty: "
                           "remove it", LIMIT_S + 10)
    assert os.listdir(parked_of(bench)) == ["something"]
    assert whose(parked_of(bench))[0] == 0


def test_state_of_another_user_is_made_anew(make_bench, world):
    """-u has changed; what was saved was closed to the new one before."""
    bench = make_bench(OpenSSH, KEEPER, wrap=NO_CHOWN)
    bench.daemon.stop()
    state, other, engine = f"{bench.daemon.runtime}/state", world.user("mallory"), world.engine_user()
    for path in (f"{state}/state.json", f"{state}/state.json.new", state):
        if path != state:
            with open(path, "w", encoding="ascii") as file:
                file.write("{}")
        os.chown(path, other.uid, other.gid)
    bench.daemon.start()
    assert whose(state) == (engine.uid, engine.gid, "drwx------")
    bench.daemon.stop()
    assert whose(f"{state}/state.json")[0] == engine.uid


def test_state_that_an_administrator_has_put_elsewhere(make_bench, world, tmp_path):
    """By a link; and a directory of somebody else's, with something of theirs in it, where it can be given away."""
    bench = make_bench(OpenSSH, KEEPER)
    bench.daemon.stop()
    state, elsewhere, engine = f"{bench.daemon.runtime}/state", tmp_path / "state", world.engine_user()
    tmp_path.chmod(0o755)
    elsewhere.mkdir()
    (elsewhere / "something").touch()
    os.rename(f"{state}/state.json", elsewhere / "state.json")
    os.rmdir(state)
    os.rename(elsewhere, state)
    bench.daemon.start()
    assert whose(state)[0] == engine.uid and os.path.exists(f"{state}/something")
    bench.daemon.stop()
    os.rename(state, elsewhere)
    os.symlink(elsewhere, state)
    for path in (*tmp_path.parents, tmp_path):
        if path.is_relative_to("/tmp/"):
            path.chmod(path.stat().st_mode | 0o011)
    bench.daemon.start()
    assert os.path.islink(state) and os.path.exists(f"{state}/state.json")


def test_a_terminal_that_stays_its_users_is_closed(make_bench, world):
    bench = make_bench(UnprivilegedDropbear, KEEPER, wrap=NO_CHOWN)
    client = bench.shell()
    before, attack = node(client), Attack(world, client.tty)
    try:
        assert ended(client, LIMIT_S + 10)
        assert bench.parked() and node(client) == before
        time.sleep(0.3)
    finally:
        said = attack.end()
    assert said == "", "somebody else has opened it"
    wait_until(lambda: can_open(client, bench.user), 10, "it is exclusive no more")
    assert not bench.daemon.find("not given back")
    # It was the user for a moment.
    assert has_only_what_it_needs(bench.daemon.starter())


def test_roots_terminal_is_closed_until_somebody_can_give_it_away(make_bench, world):
    bench = make_bench(Dropbear, KEEPER, wrap=NO_CHOWN)
    client = bench.shell()
    before, attack = node(client), Attack(world, client.tty)
    try:
        # Now: any daemon that starts on this host mends it, also that of another test.
        wait_until(lambda: node(client)[::2] == (0, stat.S_IFCHR), LIMIT_S + 10, "it is closed to everybody", pause=0.001)
        assert ended(client, 10)
        bench.daemon.wait_line(r"alert: parked session .* was not given back to its user and cannot be opened until "
                               r"sshidled is restarted: Operation not permitted", 12)
        assert lives(client.shell_pid) and not can_open(client, world.user("mallory"))
        assert bench.daemon.keepers(), "its screen can be had all the same"
        bench.daemon.stop()
        bench.daemon.wrap = []
        bench.daemon.start()
        wait_until(lambda: is_given_back(client, before), 10, "it is given back")
        wait_until(lambda: can_open(client, bench.user), 10, "it is exclusive no more")
        time.sleep(0.3)
    finally:
        said = attack.end()
    assert said == "", "somebody else has opened it"
    assert lives(client.shell_pid) and node(client)[1] in (before[1], grp.getgrnam("tty").gr_gid)
