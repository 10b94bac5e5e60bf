"""`sshidle apply`: what it writes holds, what was there comes back, and no session notices.

Needs root and SSHIDLE_BUILD with the build directory.
"""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

from host_stage import BASE, BUILD

INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"
DROP_IN = "/etc/ssh/sshd_config.d/00-sshidle.conf"
CONF = "/etc/sshidle.conf"
# Each socket of it takes a moment to open and to close.
SLOW_SSHD = "env", f"LD_PRELOAD={BUILD}/tests/native/slow.so", "/usr/sbin/sshd"


@pytest.fixture
def drop_ins(stage):
    """A host whose sshd includes drop-ins, and an sshidle.conf; so are the others."""
    stage.listener = stage.sshd(INCLUDE + BASE)
    stage.write(CONF, "ClientAliveInterval 60\n")
    return stage


@pytest.fixture
def plain(stage):
    """A host whose sshd does not, with somebody's Match blocks in its file."""
    stage.listener = stage.sshd(BASE + "# whose\nMatch User bob\n\tClientAliveInterval 5\n"
                                "Match all\n\tX11Forwarding no\n")
    stage.write(CONF, "ClientAliveInterval 60\n")
    return stage


def values(stage, case=""):
    return stage.sshd_says(case), stage.sshd_says(case, "clientalivecountmax")


def promise(stage, case=""):
    """What the installed version makes of its numbers, in seconds."""
    interval, count = map(int, values(stage, case))
    times = 2 if stage.run("/usr/sbin/sshd", "-V").startswith(
        ("OpenSSH_9.2", "OpenSSH_9.3", "OpenSSH_9.4")) else 1
    return times * interval * (count + 1)


def test_it_only_shows(drop_ins):
    before = drop_ins.tree()
    said = drop_ins.apply(status=1)
    assert f"+++ {DROP_IN}" in said and "+ClientAliveInterval" in said
    assert "Nothing was changed" in said
    assert drop_ins.tree() == before
    [site] = drop_ins.sites(status=1)
    assert site["state"] == "differs" and site["ports"] == [22] and site["file"] == DROP_IN
    assert site["client_alive"]["ends_after_s"] == 180


def test_write_again_undo(drop_ins):
    drop_ins.write(CONF, "ClientAliveInterval 60\nClientAliveCountMax 3\n")
    before, session = drop_ins.tree(), drop_ins.log_in()
    drop_ins.apply("--write")
    assert promise(drop_ins) == 180
    assert session.echoes() and drop_ins.log_in().echoes()
    assert drop_ins.pid_of("/run/sshd.pid") == drop_ins.listener
    after = drop_ins.tree()
    inode = drop_ins.run("stat", "-c", "%i %Y", DROP_IN)
    assert "as wanted" in drop_ins.apply("--write") and "as wanted" in drop_ins.apply()
    assert drop_ins.tree() == after and drop_ins.run("stat", "-c", "%i %Y", DROP_IN) == inode
    drop_ins.apply("--undo")
    assert drop_ins.tree() == before and values(drop_ins) == ("0", "3")
    assert session.echoes()
    assert "nothing to do" in drop_ins.apply("--undo")


def test_the_promise_is_kept(drop_ins):
    """A client that is stopped: in force for new connections, at the time that was asked for."""
    drop_ins.write(CONF, "ClientAliveInterval 2\nClientAliveCountMax 3\n")
    drop_ins.apply("--write")
    assert promise(drop_ins) == 6
    session = drop_ins.log_in()
    began = time.monotonic()
    session.signal(signal.SIGSTOP)
    drop_ins.wait(lambda: ":22 " not in drop_ins.run("ss", "-Htn", "state", "established"),
                  "sshd gives it up", 12)
    # 9.2 counts whole seconds, and a late timer takes some of them off; never below I (C + 1).
    assert 3 <= time.monotonic() - began <= 8


def test_a_new_policy_takes_the_place_of_the_old(drop_ins):
    drop_ins.apply("--write")
    drop_ins.write(CONF, "ClientAliveInterval 20\n")
    drop_ins.apply("--write")
    assert promise(drop_ins) == 60
    drop_ins.write(CONF, "ClientAliveInterval 0\n")
    drop_ins.apply("--write")
    assert drop_ins.sshd_says() == "0"
    drop_ins.write(CONF, "IdleTimeout 15m\n")
    drop_ins.apply("--write")
    assert "no such" in drop_ins.run("cat", DROP_IN, status=1).lower()
    assert drop_ins.run("ls", "-A", "/etc/ssh/sshd_config.d") == ""


@pytest.fixture
def slow(stage):
    """A host whose sshd takes its time; it has opened one of its two sockets."""
    stage.write("/etc/ssh/sshd_config", INCLUDE + BASE + "ListenAddress 127.0.0.2\n")
    stage.run(*SLOW_SSHD, "-E", "/run/log")
    stage.wait(lambda: ":22 " in stage.listeners(), "the first socket")
    stage.write(CONF, "ClientAliveInterval 60\n")
    return stage


def check_in_force(stage, said, reloads):
    """At once, not in a moment: it listens everywhere, and has read the file that often."""
    listeners = stage.listeners()
    assert "in force for new connections" in said
    assert "127.0.0.1:22 " in listeners and "127.0.0.2:22 " in listeners, listeners
    assert stage.read("/run/log").count("Received SIGHUP") == reloads


def test_a_server_that_takes_its_time(slow):
    """Told while it starts, and again as soon as apply has ended."""
    check_in_force(slow, slow.apply("--write"), 1)
    slow.write(CONF, "ClientAliveInterval 20\n")
    check_in_force(slow, slow.apply("--write"), 2)
    assert promise(slow) == 60


def test_a_reload_of_others_is_under_way(slow):
    """It has the old file, and is not there to be found."""
    slow.pid_of("/run/sshd.pid")
    slow.run("sh", "-c", 'kill -HUP "$(cat /run/sshd.pid)"')
    slow.wait(lambda: ":22 " not in slow.listeners(), "its sockets are closed")
    check_in_force(slow, slow.apply("--write"), 2)
    assert promise(slow) == 180


def test_match_blocks(drop_ins):
    drop_ins.write(CONF, "ClientAliveInterval 60\n"
                   "Match User alice,b* Address 10.0.0.0/8\n ClientAliveInterval 20\n"
                   "Match LocalPort 22,2022\n ClientAliveInterval 30\n"
                   "Match Server dropbear\n ClientAliveInterval 1\n"
                   "Match Kind sftp\n ClientAliveInterval 40\n")
    drop_ins.apply("--write")
    assert promise(drop_ins) == 180
    assert promise(drop_ins, ",user=bob,addr=10.1.1.1") == 60
    assert promise(drop_ins, ",user=root,addr=10.1.1.1") == 180
    assert promise(drop_ins, ",user=root,lport=2022") == 90
    assert "not carried over" in drop_ins.read(DROP_IN)


def test_unused_connections(drop_ins):
    drop_ins.write(CONF, "IdleTimeout none=5m forward=5m\nKeepMax 0\n")
    drop_ins.apply("--write")
    assert drop_ins.sshd_says(keyword="unusedconnectiontimeout") == "301"
    assert "no ChannelTimeout" in drop_ins.read(DROP_IN)


def test_one_channel(drop_ins):
    """Where nothing else can be open, sshd's own limit is the same as IdleTimeout; it is kept."""
    drop_ins.append("/etc/ssh/sshd_config", "MaxSessions 1\nDisableForwarding yes\n")
    drop_ins.write(CONF, "IdleTimeout 4s\nIdleWarning 0\nKeepMax 0\nAfterCut leave\n"
                   "CountsAsUse shell=input,output exec=input,output\n")
    drop_ins.apply("--write")
    session = drop_ins.log_in()
    began = time.monotonic()
    session.process.wait(15)
    assert 4 <= time.monotonic() - began <= 8


def test_a_file_without_drop_ins(plain):
    plain.write(CONF, "ClientAliveInterval 60\nMatch User alice\n ClientAliveInterval 20\n")
    plain.run("chmod", "600", "/etc/ssh/sshd_config")
    plain.run("chgrp", "bob", "/etc/ssh/sshd_config")
    plain.run("sh", "-c", "setfattr -n user.test -v x /etc/ssh/sshd_config 2>/dev/null || :")
    before, session = plain.tree(), plain.log_in()
    said = plain.apply("--write")
    assert "clientaliveinterval goes on to hold within its Match" in said
    assert promise(plain) == 180 and promise(plain, ",user=alice") == 60
    assert plain.sshd_says(",user=bob") == "5"
    assert plain.sshd_says(",user=alice", "x11forwarding") == "no"
    assert plain.run("stat", "-c", "%a %G", "/etc/ssh/sshd_config").split() == ["600", "bob"]
    assert "as wanted" in plain.apply("--write")
    kept = plain.read("/etc/ssh/sshd_config.sshidle-old")
    plain.apply("--undo")
    assert plain.tree() == before and plain.read("/etc/ssh/sshd_config") == kept
    assert session.echoes()


def test_what_others_write_meanwhile_stays(plain):
    plain.apply("--write")
    plain.append("/etc/ssh/sshd_config", "Match User root\n\tBanner none\n")
    plain.apply("--undo")
    text = plain.read("/etc/ssh/sshd_config")
    assert "sshidle" not in text and text.endswith("Match User root\n\tBanner none\n")


def test_a_link_stays_one(stage):
    stage.write("/etc/test/real", BASE)
    stage.run("ln", "-sf", "/etc/test/real", "/etc/ssh/sshd_config")
    stage.sshd()
    stage.write(CONF, "ClientAliveInterval 60\n")
    stage.apply("--write")
    assert stage.run("readlink", "/etc/ssh/sshd_config").strip() == "/etc/test/real"
    assert "ClientAliveInterval" in stage.read("/etc/test/real")


@pytest.mark.parametrize("where, text, said", [
    (DROP_IN.replace("00-sshidle", "99-other"), "Nonsense 1\n", "wrong already"),
    (DROP_IN.replace("00-sshidle", "00-other"), "ClientAliveInterval 9\n", "00-other.conf:1"),
])
def test_drop_ins_of_others(drop_ins, where, text, said):
    drop_ins.write(where, text)
    before, session = drop_ins.tree(), drop_ins.log_in() if "Nonsense" not in text else None
    assert said in drop_ins.apply("--write", status=1)
    assert drop_ins.tree() == before and drop_ins.lives(drop_ins.listener)
    assert session is None or session.echoes()


def test_drop_ins_that_come_later(drop_ins):
    drop_ins.write(DROP_IN.replace("00-sshidle", "50-other"), "ClientAliveInterval 9\n"
                   "Match User bob\n\tClientAliveCountMax 7\n")
    assert "50-other.conf:3: clientalivecountmax goes on" in drop_ins.apply("--write")
    assert promise(drop_ins) == 180


def test_a_value_before_the_include(stage):
    stage.sshd("ClientAliveCountMax 8\n" + INCLUDE + BASE)
    stage.write(CONF, "ClientAliveInterval 60\n")
    assert "sshd_config:1: clientalivecountmax stands before" in stage.apply("--write", status=1)


def test_a_value_on_the_command_line(stage):
    stage.sshd(INCLUDE + BASE, ["-o", "ClientAliveInterval=3"])
    stage.write(CONF, "ClientAliveInterval 60\n")
    assert "-o ClientAliveInterval=3" in stage.apply("--write", status=1)


def test_a_value_that_nobody_saw_coming(stage):
    """Hidden in an included file: sshd -T tells in the end, and all is put back."""
    stage.write("/etc/ssh/deep", "ClientAliveInterval 3\n")
    stage.sshd("Include /etc/ssh/deep\n" + INCLUDE + BASE)
    stage.write(CONF, "ClientAliveInterval 60\n")
    before, session = stage.tree(), stage.log_in()
    said = stage.apply("--write", status=1)
    assert "sshd -T shows ClientAliveInterval 3" in said and "everything was put back" in said
    assert stage.tree() == before and session.echoes() and stage.log_in().echoes()


SCRIPT = """\
#!/bin/sh
# Once sshd has been told of the new file, it does not come back.
case $1 in
reload) [ ! -e %s ] || { kill "$(cat /run/sshd.pid)"; exit 0; }; kill -HUP "$(cat /run/sshd.pid)" ;;
start) /usr/sbin/sshd ;;
*) exit 3 ;;
esac
""" % DROP_IN


def test_a_listener_that_does_not_come_back(drop_ins):
    drop_ins.write("/etc/init.d/ssh", SCRIPT, "755")
    # One that listens on the same port of another address does not stand in for it.
    drop_ins.write("/etc/test/other", BASE.replace("127.0.0.1", "127.0.0.2") + "PidFile none\n")
    drop_ins.run("/usr/sbin/sshd", "-f", "/etc/test/other", "-o", "ClientAliveInterval=3")
    drop_ins.wait_port(22, "127.0.0.2")
    before, session = drop_ins.tree(), drop_ins.log_in()
    said = drop_ins.apply("--write", status=1)
    assert "did not come back on its port; everything was put back" in said
    assert drop_ins.tree() == before and session.echoes()
    assert drop_ins.log_in().echoes() and not drop_ins.lives(drop_ins.listener)


def test_a_reload_that_fails(drop_ins):
    drop_ins.write("/etc/init.d/ssh", "#!/bin/sh\n[ $1 = start ] && exit 0\necho no >&2\nexit 4\n",
                   "755")
    before = drop_ins.tree()
    said = drop_ins.apply("--write", status=1)
    assert "/etc/init.d/ssh reload: no" in said
    assert drop_ins.tree() == before and drop_ins.lives(drop_ins.listener)
    assert drop_ins.log_in().echoes()


def test_nothing_manages_it(stage):
    """SIGHUP to the listener; one whose addresses have gone meanwhile is started again as it was."""
    def addresses(what):
        for address in ("10.99.0.1/32", "10.99.0.2/32"):
            stage.run("ip", "address", what, address, "dev", "lo")

    addresses("add")
    stage.write("/etc/test/config", BASE.replace("127.0.0.1", "10.99.0.1") +
                "ListenAddress 10.99.0.2\nPidFile /run/own\n")
    stage.run(*SLOW_SSHD, "-f", "/etc/test/config", "-o", "MaxStartups=77")
    stage.wait_port(22, "10.99.0.1")
    stage.write(CONF, "ClientAliveInterval 60\n")
    listener = stage.pid_of("/run/own")
    stage.apply("--write")
    assert stage.pid_of("/run/own") == listener and stage.answers(22, "10.99.0.1")
    assert "ClientAliveInterval" in stage.read("/etc/test/config")

    session = stage.log_in(address="10.99.0.1")
    addresses("del")

    def bring_back():
        stage.wait(lambda: not stage.lives(listener), "the listener has gone")
        addresses("add")

    helper = threading.Thread(target=bring_back)
    helper.start()
    said = stage.apply("--undo", status=1)
    helper.join()
    assert "everything was put back" in said
    assert "ClientAliveInterval" in stage.read("/etc/test/config")
    again = stage.pid_of("/run/own")
    assert again != listener and stage.answers(22, "10.99.0.1")
    assert "MaxStartups=77" in stage.run("cat", f"/proc/{again}/cmdline")
    assert session.echoes()


def test_nine_listeners_of_one_file(drop_ins):
    ports, last = range(2022, 2040), [option for port in range(2029, 2040) for option in ("-p", str(port))]
    for options in [["-p", str(port)] for port in ports[:7]] + [last]:
        drop_ins.run("/usr/sbin/sshd", *options, "-o", "PidFile=none", "-E", f"/run/log.{options[1]}")
    drop_ins.wait(lambda: all(f":{port} " in drop_ins.listeners() for port in ports), "they listen")
    [site] = drop_ins.sites("--write")
    assert sorted(site["ports"]) == [22, *ports] and site["state"] == "written"
    assert drop_ins.run("sh", "-c", "cat /run/log.*").count("Received SIGHUP") == 8
    assert drop_ins.log_in(port=2022).echoes()


# -- when it is cut off, or not alone ---------------------------------------------------------

# What /run/reload says happens instead of a reload, once.
RELOAD = """\
#!/bin/sh
[ "$1" = reload ] || exit 0
[ ! -e /run/reload ] || { . /run/reload; exit; }
kill -HUP "$(cat /run/sshd.pid)"
"""


@pytest.fixture
def reloads(stage):
    """A host whose sshd is told by a script, and says in /run/log what it does."""
    stage.listener = stage.sshd(INCLUDE + BASE, ["-E", "/run/log"])
    stage.write("/etc/init.d/ssh", RELOAD, "755")
    stage.write(CONF, "ClientAliveInterval 60\n")
    return stage


def cut_off(stage, *options):
    """apply is killed when the new file is there and nobody has read it."""
    stage.write("/run/reload", "rm /run/reload; kill -9 $PPID\n")
    stage.apply(*options, status=-9)
    assert stage.run("/usr/sbin/sshd", "-t") == ""
    assert "cut off before its servers had read the file" in stage.apply(status=1)


def test_what_was_cut_off_is_taken_up(reloads):
    before = reloads.tree()
    cut_off(reloads, "--write")
    assert "Received SIGHUP" not in reloads.read("/run/log") and promise(reloads) == 180
    assert "in force" in reloads.apply("--write")
    assert reloads.read("/run/log").count("Received SIGHUP") == 1
    assert "as wanted" in reloads.apply("--write") and "sshidle-" not in reloads.tree()
    cut_off(reloads, "--undo")
    assert "taken away" in reloads.apply("--undo") and reloads.tree() == before
    assert reloads.read("/run/log").count("Received SIGHUP") == 2


def test_put_back_on_a_full_disk(reloads):
    """Also what was there before another one was cut off; with owner and mode."""
    reloads.write("/etc/ssh/sshd_config", BASE, "640")
    before = reloads.tree()
    cut_off(reloads, "--write")
    reloads.write("/run/reload", "mount -o remount,nr_inodes=$(df --output=iused /etc | tr -cd 0-9) /etc\n"
                  "touch /etc/full 2>/dev/null || echo full >&2; exit 4\n")
    said = reloads.apply("--write", status=1)
    assert "reload: full; everything was put back" in said
    reloads.run("mount", "-o", "remount,nr_inodes=0", "/etc")
    assert reloads.tree() == before and reloads.lives(reloads.listener)


def test_two_at_the_same_time(reloads):
    reloads.run("mkfifo", "/run/wait")
    reloads.write("/run/reload", "rm /run/reload; echo >/run/wait; kill -HUP $(cat /run/sshd.pid)\n")
    with subprocess.Popen(reloads.inside(f"{BUILD}/src/cli/sshidle", "apply", "--write"), text=True,
                          stdout=subprocess.PIPE) as first:
        reloads.wait(lambda: "00-sshidle" in reloads.run("ls", "/etc/ssh/sshd_config.d", status=None) and
                     "reload" not in reloads.run("ls", "/run").split(), "it tells sshd")
        assert "another sshidle apply is under way" in reloads.apply("--undo", status=1)
        assert "is under way, or was cut off" in reloads.apply(status=1)
        reloads.run("cat", "/run/wait")
        assert "in force" in first.communicate()[0] and first.returncode == 0
    assert "as wanted" in reloads.apply("--write")


# sshd, but when it is asked about a new file it does something first.
ASKED = """\
#!/bin/sh
case "$*" in *sshidle-new*) [ -e %s ] || { . /run/asked; } ;; esac
exec /usr/sbin/sshd.real "$@"
""" % DROP_IN


def test_nothing_is_changed_before_sshd_was_asked(reloads):
    reloads.run("sh", "-c", "cp /usr/sbin/sshd /usr/sbin/sshd.real; rm /usr/sbin/sshd")
    reloads.write("/usr/sbin/sshd", ASKED, "755")
    before = reloads.tree()
    reloads.write("/run/asked", "echo refused >&2; exit 1\n")
    assert "sshd -t: refused" in reloads.apply("--write", status=1) and reloads.tree() == before
    # And what somebody else writes at that moment is not lost.
    reloads.write("/run/asked", f"echo '# theirs' >{DROP_IN}\n")
    assert "somebody else has just changed it" in reloads.apply("--write", status=1)
    assert reloads.read(DROP_IN) == "# theirs\n" and "sshidle-" not in reloads.tree()
    # Nor what was kept before.
    reloads.run("rm", DROP_IN)
    reloads.write("/etc/ssh/sshd_config", BASE)
    reloads.write("/etc/ssh/sshd_config.sshidle-old", "# kept\n")
    reloads.write("/run/asked", "echo '# theirs' >>/etc/ssh/sshd_config\n")
    assert "somebody else has just changed it" in reloads.apply("--write", status=1)
    assert reloads.read("/etc/ssh/sshd_config.sshidle-old") == "# kept\n"
    assert "Received SIGHUP" not in reloads.read("/run/log")


def test_not_root(drop_ins):
    before = drop_ins.tree()
    as_alice = ["setpriv", "--reuid=61801", "--clear-groups", f"{BUILD}/src/cli/sshidle", "apply"]
    assert "+ClientAliveInterval" in drop_ins.run(*as_alice, status=1)
    assert "only root may" in drop_ins.run(*as_alice, "--write", status=1)
    assert drop_ins.tree() == before


def test_no_server(stage):
    stage.write(CONF, "ClientAliveInterval 60\n")
    assert "No SSH server" in stage.apply("--write")
    assert stage.sites() == []


def test_wrong_use(stage):
    stage.write(CONF, "ClientAliveIntervall 60\n")
    assert "ClientAliveIntervall" in stage.apply(status=1)
    assert "exclude each other" in stage.apply("--write", "--undo", status=2)
    assert "cannot read" in stage.apply("-f", "/nowhere", status=1)


# -- dropbear ---------------------------------------------------------------------------------

# In the shape of Debian's, which is taken where the package is installed.
DROPBEAR_SCRIPT = """\
#!/bin/sh
DROPBEAR_PORT=22
DROPBEAR_EXTRA_ARGS=""
test ! -r /etc/default/dropbear || . /etc/default/dropbear
start() {
	start-stop-daemon --start --quiet --pidfile /run/dropbear.pid --exec /usr/sbin/dropbear -- \\
		-p "$DROPBEAR_PORT" -P /run/dropbear.pid $DROPBEAR_EXTRA_ARGS
}
case $1 in
start) start ;;
restart) start-stop-daemon --stop --retry 5 --quiet --oknodo --pidfile /run/dropbear.pid; start ;;
*) exit 1 ;;
esac
"""
DEFAULT = 'DROPBEAR_PORT=2001\nDROPBEAR_EXTRA_ARGS="-w -r /etc/test/dropbear-key -K 99 -I 77"\n'


@pytest.fixture
def dropbear(stage):
    if not os.path.exists("/etc/init.d/dropbear"):
        stage.write("/etc/init.d/dropbear", DROPBEAR_SCRIPT, "755")
    stage.write("/etc/default/dropbear", DEFAULT)
    stage.run("dropbearkey", "-t", "ed25519", "-f", "/etc/test/dropbear-key")
    # dropbear takes keys from the home only; root's is not writable for others.
    stage.run("mkdir", "-p", "-m", "700", "/etc/home/.ssh")
    stage.run("usermod", "-d", "/etc/home", "alice")
    stage.run("cp", "/etc/test/key.pub", "/etc/home/.ssh/authorized_keys")
    stage.run("chown", "-R", "alice:", "/etc/home")
    stage.run("/etc/init.d/dropbear", "start")
    stage.wait_port(2001)
    return stage


def dropbear_settings(stage):
    [server] = [server for server in stage.host()["servers"] if server["server"] == "dropbear"]
    return [server["dropbear"][name] // 10**9 for name in ("keepalive", "idle")]


def test_dropbear_of_debian(dropbear):
    dropbear.write(CONF, "ClientAliveInterval 60\nMatch User bob\n ClientAliveInterval 90\n"
                   "Match Server openssh\n ClientAliveInterval 0\n")
    before, session = dropbear.tree(), dropbear.log_in("alice", 2001)
    assert dropbear_settings(dropbear) == [99, 77]
    assert "the longest; dropbear has no Match" in dropbear.apply(status=1)
    dropbear.apply("--write")
    assert dropbear_settings(dropbear) == [90, 77]
    assert session.echoes() and dropbear.log_in("alice", 2001).echoes()
    assert "as wanted" in dropbear.apply("--write")
    dropbear.apply("--undo")
    assert dropbear_settings(dropbear) == [99, 77]
    assert dropbear.tree() == before and session.echoes()


def test_dropbear_with_the_words_of_a_shell(dropbear):
    dropbear.append("/etc/default/dropbear", 'DROPBEAR_EXTRA_ARGS="$DROPBEAR_EXTRA_ARGS -s"\n')
    dropbear.write(CONF, "ClientAliveInterval 60\n")
    before = dropbear.tree()
    assert "put together by the shell" in dropbear.apply("--write", status=1)
    assert dropbear.tree() == before


def test_dropbear_that_does_not_start(dropbear):
    """A script that ends well and starts nothing, as long as our block is there."""
    dropbear.write("/etc/init.d/dropbear", DROPBEAR_SCRIPT.replace(
        "start() {", "start() {\n\tgrep -q BEGIN /etc/default/dropbear && exit 0"), "755")
    dropbear.write(CONF, "ClientAliveInterval 60\n")
    before, session = dropbear.tree(), dropbear.log_in("alice", 2001)
    said = dropbear.apply("--write", status=1)
    assert "did not come back on its port; everything was put back" in said
    assert dropbear.tree() == before and session.echoes()
    assert dropbear.log_in("alice", 2001).echoes()


def test_apply_is_killed_while_dropbear_restarts(dropbear):
    """The script has stopped it, and has something to say before it starts it again."""
    dropbear.write("/etc/init.d/dropbear", DROPBEAR_SCRIPT.replace("#!/bin/sh", "#!/bin/sh -e").replace(
        "dropbear.pid; start ;;", "dropbear.pid; kill -9 $PPID; echo Starting dropbear; start ;;"), "755")
    dropbear.write(CONF, "ClientAliveInterval 60\n")
    dropbear.apply("--write", status=-9)
    dropbear.wait_port(2001)
    dropbear.wait(lambda: dropbear_settings(dropbear) == [60, 77], "it runs with the new file")


def test_a_session_that_listens_when_the_listener_has_gone(dropbear):
    dropbear.forward("alice", 2001, 2999)
    dropbear.run("sh", "-c", 'kill "$(cat /run/dropbear.pid)"')
    dropbear.wait(lambda: ":2001" not in dropbear.listeners(), "the listener has gone")
    assert ":2999 " in dropbear.listeners() and dropbear.settled()["servers"] == []
    # Also one that has a connection through the forward.
    dropbear.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2999; exec sleep 1000 >/dev/null 2>&1 &")
    dropbear.run("/etc/init.d/dropbear", "start")
    dropbear.wait_port(2001)
    [server] = dropbear.settled()["servers"]
    assert server["ports"] == [2001]


def test_a_script_that_would_end_sessions(dropbear):
    dropbear.write("/etc/init.d/dropbear", DROPBEAR_SCRIPT + "stop() { killall dropbear; }\n", "755")
    dropbear.write(CONF, "ClientAliveInterval 60\n")
    before, session = dropbear.tree(), dropbear.log_in("alice", 2001)
    assert "may end sessions" in dropbear.apply("--write", status=1)
    assert dropbear.tree() == before and session.echoes()


def test_dropbear_by_hand(stage):
    stage.run("dropbearkey", "-t", "ed25519", "-f", "/etc/test/dropbear-key")
    stage.run("/usr/sbin/dropbear", "-r", "/etc/test/dropbear-key", "-p", "2001", "-P", "/run/x")
    stage.wait_port(2001)
    stage.write(CONF, "ClientAliveInterval 60\n")
    assert "start it with -K 60" in stage.apply("--write", status=1)
    stage.write(CONF, "IdleTimeout 15m\n")
    assert "nothing to do" in stage.apply("--write")


UCI = """\
config dropbear main
\toption enable '1'
\toption PasswordAuth 'on'
\toption Port '2001'
"""

# OpenWrt's script with its rc.common and procd, as far as it matters here: an instance for each section; reload has
# those started anew, in a moment, that would have other arguments, and leaves the others; `info` tells at once what
# they shall have.
UCI_SCRIPT = """\
#!/bin/sh
get() { sed -n "/^config dropbear $1/,/^$/s/.*option $2 '\\(.*\\)'/\\1/p" /etc/config/dropbear; }
pid() { cat /var/run/dropbear.$1.pid 2>/dev/null; }
begin() {
	start-stop-daemon --stop --oknodo --retry 5 --pidfile /var/run/dropbear.$1.pid
	/usr/sbin/dropbear $(cat /run/arguments.$1)
}
instance() {
	keep=$(get $1 SSHKeepAlive); keep=${keep:-300}; [ $keep -ne 0 ] || keep=
	echo -P /var/run/dropbear.$1.pid -p "$(get $1 Port)" -r /etc/test/dropbear-key ${keep:+-K $keep} >/run/wanted
	cmp -s /run/wanted /run/arguments.$1 && kill -0 $(pid $1) && return
	mv /run/wanted /run/arguments.$1
	begin $1 </dev/null >/dev/null 2>&1 &
}
info() {
	printf '"%s": {"pid": %d, "command": ["/usr/sbin/dropbear"' $1 $(pid $1)
	printf ', "%s"' $(cat /run/arguments.$1)
	echo ']}'
}
names=$(sed -n 's/^config dropbear //p' /etc/config/dropbear)
case $1 in
start|reload) for name in $names; do instance $name; done ;;
info)
	comma='{"dropbear": {"instances": {'
	for name in $names; do echo "$comma"; info $name; comma=,; done
	echo '}}}' ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def openwrt(dropbear):
    """Starts what the file says in place of Debian's."""
    def start(text):
        dropbear.write("/etc/config/dropbear", text)
        dropbear.run("/etc/init.d/dropbear", "start")
        for port in re.findall("Port '(.*)'", text):
            dropbear.wait_port(int(port))
        return dropbear

    dropbear.run("sh", "-c", 'kill "$(cat /run/dropbear.pid)"; rm -f /etc/default/dropbear')
    dropbear.write("/usr/sbin/procd", "", "755")
    dropbear.write("/etc/init.d/dropbear", UCI_SCRIPT, "755")
    dropbear.wait(lambda: ":2001" not in dropbear.listeners(), "the other one has gone")
    return start


def test_dropbear_of_openwrt(openwrt):
    stage = openwrt(UCI)
    stage.write(CONF, "ClientAliveInterval 15\n")
    before, session = stage.tree(), stage.log_in("alice", 2001)
    assert dropbear_settings(stage)[0] == 300
    stage.apply("--write")
    assert "\toption SSHKeepAlive '15'\n" in stage.read("/etc/config/dropbear")
    assert dropbear_settings(stage)[0] == 15 and session.echoes()
    assert "as wanted" in stage.apply("--write")
    stage.write(CONF, "ClientAliveInterval 0\n")
    stage.apply("--write")
    assert dropbear_settings(stage)[0] == -1
    stage.append("/etc/config/dropbear", "\toption mdns '0'\n")
    stage.apply("--undo")
    assert stage.read("/etc/config/dropbear") == UCI + "\toption mdns '0'\n"
    stage.write("/etc/config/dropbear", UCI)
    stage.write(CONF, "ClientAliveInterval 15\n")
    assert stage.tree() == before and session.echoes()


UCI_TWO = """\
config dropbear main
\toption Port '2001'

config dropbear cfg014dd4
\toption Port '2004'
"""


@pytest.mark.parametrize("text", [UCI_TWO, UCI_TWO.replace("'2001'\n", "'2001'\n\toption SSHKeepAlive '15'\n")],
                         ids=["both", "one"])
def test_two_dropbears_of_openwrt(openwrt, text):
    """The first one that is told has both started anew, and the second one does not leave off once more; one that
    has the arguments already does not leave off at all."""
    stage = openwrt(text)
    stage.write(CONF, "ClientAliveInterval 15\n")
    began = time.monotonic()
    stage.apply("--write")
    assert stage.read("/etc/config/dropbear").count("\toption SSHKeepAlive '15'\n") == 2
    assert "as wanted" in stage.apply("--write")
    stage.apply("--undo")
    assert stage.read("/etc/config/dropbear") == text
    assert time.monotonic() - began < 12  # nothing was waited for in vain, which takes 15 s


# OpenWrt's script of OpenSSH: reload is procd_send_signal.
SSHD_SCRIPT = """\
#!/bin/sh
case $1 in
start) ;;
reload) kill -HUP $(cat /run/sshd.pid) ;;
info)
	printf '{"sshd": {"instances": {"instance1": {"pid": %d, ' $(cat /run/sshd.pid)
	echo '"command": ["/usr/sbin/sshd", "-E", "/run/log"]}}}}' ;;
*) exit 1 ;;
esac
"""


def test_sshd_of_openwrt(slow):
    """It has the arguments that it shall have, and reads its file anew all the same."""
    slow.write("/usr/sbin/procd", "", "755")
    slow.run("rm", "-f", "/etc/init.d/ssh")
    slow.write("/etc/init.d/sshd", SSHD_SCRIPT, "755")
    slow.pid_of("/run/sshd.pid")
    check_in_force(slow, slow.apply("--write"), 1)


def test_what_openwrt_starts_it_with_anyway(openwrt):
    """Another file and the same arguments: procd has nothing to start."""
    stage = openwrt(UCI)
    stage.write(CONF, "ClientAliveInterval 300\n")
    listener = stage.pid_of("/var/run/dropbear.main.pid")
    began = time.monotonic()
    assert "in force" in stage.apply("--write")
    assert "\toption SSHKeepAlive '300'\n" in stage.read("/etc/config/dropbear")
    stage.apply("--undo")
    assert stage.read("/etc/config/dropbear") == UCI and time.monotonic() - began < 12
    assert stage.pid_of("/var/run/dropbear.main.pid") == listener


def test_changes_that_nobody_has_committed(openwrt):
    """`uci set` has noted another port, which the next reload would bring into force."""
    stage = openwrt(UCI)
    stage.write(CONF, "ClientAliveInterval 15\n")
    before = stage.tree()
    stage.run("mkdir", "/run/upper", "/run/work")
    stage.run("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/tmp,upperdir=/run/upper,workdir=/run/work", "/tmp")
    stage.write("/tmp/.uci/dropbear", "dropbear.main.Port='2222'\n")
    assert "uci changes dropbear" in stage.apply("--write", status=1)
    assert stage.tree() == before
    stage.write("/tmp/.uci/dropbear", "")  # as `uci revert` leaves it
    assert "in force" in stage.apply("--write")


def test_tinysshd_is_left_alone(stage):
    stage.run("sh", "-c", "tinysshd-makekey -q /etc/test/tiny; exec tcpserver -HRl0 127.0.0.1 2003 "
              "/usr/sbin/tinysshd /etc/test/tiny >/dev/null 2>&1 &")
    stage.wait_port(2003)
    stage.write(CONF, "ClientAliveInterval 60\n")
    assert "takes no settings" in stage.apply("--write")


def test_a_container_is_left_alone(drop_ins):
    """Another mount namespace with files of its own."""
    drop_ins.run("unshare", "--mount", "sh", "-c",
                 "mount -t tmpfs tmpfs /etc && mkdir /etc/ssh && "
                 "printf '%s\\nPort 2022\\nHostKey /run/key' \"$1\" >/etc/ssh/sshd_config && "
                 "echo 'sshd:x:100:100::/run/sshd:/x\nroot:x:0:0::/:/bin/sh' >/etc/passwd && "
                 "ssh-keygen -q -t ed25519 -N '' -f /run/key && "
                 "/usr/sbin/sshd -o PidFile=none", "-", "UsePAM no")
    drop_ins.wait_port(2022)
    sites = {tuple(site["ports"]): site["state"] for site in drop_ins.sites("--write")}
    assert sites == {(22,): "written", (2022,): "none"}
