"""What is read of a host: servers and how they are started, shells, logind, the kernel.

Needs root and SSHIDLE_BUILD with the build directory.
"""

import json
import subprocess

from host_stage import BASE, BUILD

S = 1_000_000_000


def only(servers, name):
    found = [server for server in servers if server["server"] == name]
    assert len(found) == 1, servers
    return found[0]


def test_no_server(stage):
    facts = stage.host()
    assert facts["servers"] == []
    assert facts["tcp"]["probes"] > 0
    assert not facts["logind"]["running"]


def test_sshd_with_its_own_arguments(stage):
    stage.write("/etc/a b/config", BASE + "Port 2022\nClientAliveCountMax 9\n"
                "Match User bob Address 10.0.0.0/8 LocalPort 2022\n\tClientAliveInterval 7\n"
                "ClientAliveCountMax 4\n")
    stage.run("/usr/sbin/sshd", "-f", "/etc/a b/config", "-o", "ClientAliveInterval=30", "-o",
              "ChannelTimeout session:*=5m direct-tcpip=1h", "-o", "UnusedConnectionTimeout=90")
    stage.wait_port(2022)
    server = only(stage.host()["servers"], "openssh")
    settings = server["openssh"]
    assert server["ports"] == [2022] and server["trouble"] == ""
    assert (settings["major"], settings["minor"]) >= (9, 2)
    assert settings["source"] == "/etc/a b/config" and not settings["reads_drop_ins"]
    assert settings["interval"] == 30 * S and settings["count"] == 9
    assert settings["channel_timeouts"] == {"session:*": 300 * S, "direct-tcpip": 3600 * S}
    assert settings["unused"] == 90 * S
    # The command line wins over Match too, the file's count does not.
    settings = only(stage.host("bob", "10.1.2.3")["servers"], "openssh")["openssh"]
    assert settings["count"] == 4


def test_a_case(stage):
    stage.sshd(BASE + "Match User bob\n\tClientAliveInterval 7\n"
               "Match Address 10.0.0.0/8\n\tClientAliveInterval 8\n"
               "Match LocalPort 2022\n\tClientAliveInterval 9\n")
    def interval(*case):
        return only(stage.host(*case)["servers"], "openssh")["openssh"]["interval"]
    assert interval() == -1
    assert interval("bob") == 7 * S
    assert interval("alice", "10.0.0.1") == 8 * S
    assert interval("alice", "11.0.0.1", "2022") == 9 * S
    server = only(stage.host("a,b")["servers"], "openssh")
    assert "comma" in server["trouble"] and server["openssh"]["interval"] == -2


def test_a_session_that_listens_is_no_server(stage):
    stage.sshd(BASE)
    forward = stage.log_in()
    stage.forward("root", 22, 2999)
    assert only(stage.host()["servers"], "openssh")["ports"] == [22]
    assert forward.echoes()


def test_sshd_whose_errors_go_to_a_connection(stage):
    stage.run("sh", "-c", "exec tcpserver -HRl0 127.0.0.1 2500 cat >/dev/null 2>&1 &")
    stage.wait(lambda: ":2500 " in stage.listeners(), "somebody reads them")
    stage.write("/etc/ssh/sshd_config", BASE)
    stage.run("bash", "-c", "exec /usr/sbin/sshd -D -e </dev/null >/dev/null "
              "2>/dev/tcp/127.0.0.1/2500 &")
    stage.wait_port(22)
    assert only(stage.settled()["servers"], "openssh")["ports"] == [22]


def test_sshd_that_listens_elsewhere(stage):
    stage.write("/etc/ssh/sshd_config", BASE)
    stage.run("env", f"LD_PRELOAD={BUILD}/tests/native/elsewhere.so", "/usr/sbin/sshd", "-E", "/run/log")
    stage.wait(lambda: "listening" in stage.run("cat", "/run/log").lower(), "it listens")
    assert stage.listeners() == ""
    server = only(stage.settled()["servers"], "openssh")
    assert server["ports"] == [] and server["trouble"] == "" and server["openssh"]["interval"] == -1
    stage.write("/etc/sshidle/sshidle.conf", "ClientAliveInterval 15\n")
    [site] = stage.sites("--write", "-f", "/etc/sshidle/sshidle.conf")
    assert site["state"] == "written" and stage.read("/run/log").count("Received SIGHUP") == 1


CONNECT = """\
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
listener, ends = socket.create_server(("127.0.0.1", 0)), []
for _ in range(3600):
    ends += [socket.create_connection(listener.getsockname()), listener.accept()[0]]
print("connected", flush=True)
sys.stdin.read()
"""


def test_a_busy_host(stage):
    """The tables of sockets have more than a megabyte."""
    stage.sshd(BASE)
    with subprocess.Popen(stage.inside("python3", "-c", CONNECT), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as others:
        assert others.stdout.readline() == "connected\n"
        assert only(stage.host()["servers"], "openssh")["ports"] == [22]
        others.stdin.close()


def test_broken_files(stage):
    stage.sshd(BASE)
    stage.append("/etc/ssh/sshd_config", "Nonsense yes\n")
    server = only(stage.host()["servers"], "openssh")
    assert "Bad configuration option: Nonsense" in server["trouble"]
    assert server["openssh"]["interval"] == -2


def test_other_servers(stage):
    stage.run("dropbearkey", "-t", "ed25519", "-f", "/etc/test/dropbear-key")
    stage.run("/usr/sbin/dropbear", "-r", "/etc/test/dropbear-key", "-p", "127.0.0.1:2001", "-K",
              "15", "-I300")
    stage.run("sh", "-c", "exec tcpserver -HRl0 127.0.0.1 2002 /usr/sbin/dropbear -iK 20 -r "
              "/etc/test/dropbear-key >/dev/null 2>&1 &")
    stage.run("sh", "-c", "tinysshd-makekey -q /etc/test/tiny; exec tcpserver -HRl0 127.0.0.1 2003 "
              "/usr/sbin/tinysshd /etc/test/tiny >/dev/null 2>&1 &")
    stage.run("sh", "-c", "exec tcpserver -HRl0 127.0.0.1 2004 /usr/sbin/sshd -i -o "
              "ClientAliveInterval=11 >/dev/null 2>&1 &")
    for port in (2001, 2002, 2003):
        stage.wait_port(port)
    stage.wait(lambda: ":2004" in stage.listeners(), "tcpserver listens")
    by_port = {tuple(server["ports"]): server for server in stage.host()["servers"]}
    assert by_port[(2001,)]["server"] == "dropbear"
    assert by_port[(2001,)]["dropbear"] == {"keepalive": 15 * S, "idle": 300 * S}
    assert by_port[(2002,)]["dropbear"] == {"keepalive": 20 * S, "idle": -1}
    assert by_port[(2002,)]["manager"] == "started for each connection"
    assert by_port[(2003,)]["server"] == "tinyssh" and by_port[(2003,)]["pid"] == 0
    assert by_port[(2004,)]["openssh"]["interval"] == 11 * S
    assert len(by_port) == 4


LISTEN = """\
use Socket;
socket(S, PF_INET, SOCK_STREAM, 0) && bind(S, sockaddr_in(2222, INADDR_LOOPBACK)) or die;
listen(S, 5);
sleep 1000;
"""

RAN = "#!/bin/sh\nid -u >/etc/test/bob/ran\n"


def start_as_bob(stage, *argv):
    stage.run("sh", "-c", 'setpriv --reuid=61802 --regid=61802 --clear-groups -- "$@" '
              ">/dev/null 2>&1 &", "-", *argv)


def test_nothing_of_a_user_is_run(stage):
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.write("/etc/test/bob/listen", LISTEN)
    stage.run("cp", "/usr/bin/perl", "/etc/test/bob/sshd")
    start_as_bob(stage, "/etc/test/bob/sshd", "/etc/test/bob/listen")
    stage.wait(lambda: ":2222" in stage.listeners(), "it listens")
    # What was started is gone, and the kernel says where it was.
    stage.run("rm", "/etc/test/bob/sshd")
    stage.write("/etc/test/bob/sshd", RAN, "755")
    server = only(stage.host()["servers"], "openssh")
    assert server["executable"] == "/etc/test/bob/sshd" and server["ports"] == [2222]
    assert server["trouble"] == "a user runs it, with files of their own"
    assert stage.sites("--undo")[0]["state"] == "none"
    stage.run(f"{BUILD}/src/cli/sshidle", "explain", status=None)
    assert "ran" not in stage.run("ls", "/etc/test/bob").split()


# A server without sockets, with something open whose name is too long for the kernel to tell.
DEEP = """\
import os
os.chdir("/etc/test/bob")
for _ in range(30):
    os.mkdir("x" * 200)
    os.chdir("x" * 200)
os.set_inheritable(os.open(".", os.O_RDONLY), True)
os.execv("/etc/test/bob/sshd", ["/etc/test/bob/sshd", "1000"])
"""


def test_nobody_waits_for_a_user_s_program(stage):
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.run("cp", "/bin/sleep", "/etc/test/bob/sshd")
    start_as_bob(stage, "/usr/bin/python3", "-c", DEEP)
    stage.wait(lambda: "/etc/test/bob/sshd" in stage.run("ps", "-eo", "args"), "it sleeps")
    assert stage.settled()["servers"] == []


MANY = LISTEN.replace("2222", "$port").replace("sleep 1000;\n", """
fork or do { sleep 1000; exit } for 1 .. 127;
open(F, ">", "/etc/test/bob/all");
sleep 1000;
""").replace("use Socket;\n", "use Socket;\n$port = 2222;\n")


def test_more_servers_than_there_is_room_for(stage):
    """What others run takes no room from what apply must find."""
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.write("/etc/test/bob/listen", MANY)
    stage.run("cp", "/usr/bin/perl", "/etc/test/bob/sshd")
    start_as_bob(stage, "/etc/test/bob/sshd", "/etc/test/bob/listen")
    stage.wait(lambda: stage.run("ls", "/etc/test/bob").startswith("all"), "there are 128")
    stage.sshd(BASE)
    stage.write("/etc/sshidle/sshidle.conf", "ClientAliveInterval 15\n")
    said = stage.apply("-f", "/etc/sshidle/sshidle.conf", status=1)
    assert said.count("openssh, port 2222: a user runs it") == 127 and "openssh, port 22: /" in said
    assert "129 servers are here, and only 128 of them" in said


def test_nothing_of_a_user_is_run_for_a_superserver(stage):
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.write("/etc/test/bob/sshd", RAN, "755")
    start_as_bob(stage, "tcpserver", "-HRl0", "127.0.0.1", "2222", "/etc/test/bob/sshd", "-i")
    stage.wait(lambda: ":2222" in stage.listeners(), "tcpserver listens")
    assert stage.host()["servers"] == []
    assert "ran" not in stage.run("ls", "/etc/test/bob").split()


def test_nothing_is_run_that_others_may_replace(stage):
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.run("cp", "/usr/sbin/sshd", "/etc/test/bob/sshd")
    stage.write("/etc/ssh/sshd_config", BASE)
    stage.run("/etc/test/bob/sshd")
    stage.wait_port(22)
    server = only(stage.host()["servers"], "openssh")
    assert server["trouble"] == "others may replace its executable"
    stage.run("chown", "root", "/etc/test/bob")
    assert only(stage.host()["servers"], "openssh")["trouble"] == ""
    stage.run("chmod", "666", "/etc/test/bob/sshd")
    assert only(stage.host()["servers"], "openssh")["trouble"] != ""


def test_a_user_s_own_configuration_is_not_written(stage):
    """The real executable, but files that the user names."""
    stage.run("install", "-d", "-o", "bob", "/etc/test/bob")
    stage.run("setpriv", "--reuid=61802", "--clear-groups", "ssh-keygen", "-q", "-t", "ed25519", "-N",
              "", "-f", "/etc/test/bob/key")
    stage.write("/etc/test/bob/config", "Port 2222\nListenAddress 127.0.0.1\n"
                "HostKey /etc/test/bob/key\nPidFile none\nUsePAM no\n")
    start_as_bob(stage, "/usr/sbin/sshd", "-D", "-f", "/etc/test/bob/config")
    stage.wait_port(2222)
    stage.write("/etc/sshidle/sshidle.conf", "ClientAliveInterval 15\n")
    before = stage.tree()
    assert stage.sites("--write", "-f", "/etc/sshidle/sshidle.conf")[0]["state"] == "none"
    assert stage.tree() == before


def test_inetd_conf(stage):
    stage.write("/etc/inetd.conf", "# x\nssh stream tcp nowait root /usr/sbin/sshd sshd -i\n"
                "#ssh stream tcp nowait root /usr/sbin/dropbear dropbear -i\n")
    server = only(stage.host()["servers"], "openssh")
    assert server["unit"] == "inetd" and server["openssh"]["interval"] == -1


def test_who_runs_it(stage):
    pid = stage.sshd(BASE)
    assert only(stage.host()["servers"], "openssh")["manager"] == "init script"
    stage.write("/run/sshd.pid", f"{pid + 1}\n")
    assert only(stage.host()["servers"], "openssh")["manager"] == "nothing that is known"


def test_not_root(stage):
    stage.sshd(BASE)
    said = stage.run("setpriv", "--reuid=61801", "--clear-groups", f"{BUILD}/tests/native/host")
    server = only(json.loads(said)["servers"], "openssh")
    assert server["ports"] == [] and server["openssh"]["source"] == "/etc/ssh/sshd_config"
    # From 9.3 on sshd tells without its host keys.
    if (server["openssh"]["major"], server["openssh"]["minor"]) < (9, 3):
        assert "host-key" in server["trouble"] and server["openssh"]["interval"] == -2


def places(facts):
    return [(place["file"], place["after"] // S if place["after"] > 0 else place["after"])
            for place in facts["shell"]["places"]]


def test_shells(stage):
    stage.write("/etc/environment", "TMOUT=100\n")
    stage.write("/etc/profile", "if true; then . /etc/bash.bashrc; fi\n"
                "for i in /etc/profile.d/*.sh; do . $i; done\n")
    stage.write("/etc/bash.bashrc", "TMOUT=200\n")
    stage.run("sh", "-c", "rm -f /etc/profile.d/*")
    stage.write("/etc/profile.d/b.sh", "readonly TMOUT=400\n")
    stage.write("/etc/profile.d/a.sh", "[ -z $X ] || TMOUT=300\n")
    stage.write("/etc/profile.d/c.txt", "TMOUT=1\n")
    facts = stage.host("bob")
    assert places(facts) == [("/etc/environment", 100), ("/etc/bash.bashrc", 200),
                             ("/etc/profile.d/a.sh", 300), ("/etc/profile.d/b.sh", 400)]
    assert facts["shell"]["shell"] == "/bin/bash" and facts["shell"]["effective"] == 3
    assert [place["conditional"] for place in facts["shell"]["places"]] == [False, False, True,
                                                                            False]
    assert facts["shell"]["places"][3]["read_only"]
    # dash has no TMOUT, and does not source what bash does.
    assert stage.host("alice")["shell"]["effective"] == -1
    assert stage.host("nobody-of-that-name")["shell"]["places"] == []


def test_a_home(stage):
    stage.write("/etc/profile", "TMOUT=5\n")
    stage.run("mkdir", "-p", "/etc/home")
    stage.run("usermod", "-d", "/etc/home", "bob")
    stage.write("/etc/home/.bashrc", "TMOUT=7\n")
    stage.write("/etc/home/.profile", "unset TMOUT\n. ~/.bashrc\n")
    assert places(stage.host("bob"))[-2:] == [("/etc/home/.profile", -1), ("/etc/home/.bashrc", 7)]
    stage.write("/etc/home/.bash_profile", "TMOUT=9\n")
    assert places(stage.host("bob"))[-1] == ("/etc/home/.bash_profile", 9)


def test_what_is_no_file_is_not_opened(stage):
    """A home may lead to a device, and opening some of them does something (tapes, watchdogs)."""
    pipe = "/etc/home/pipe"
    stage.run("mkdir", "-p", "/etc/home")
    stage.run("usermod", "-d", "/etc/home", "bob")
    stage.run("mkfifo", pipe)
    stage.run("ln", "-s", pipe, "/etc/home/.bash_profile")
    stage.write("/etc/home/.profile", "TMOUT=7\n")
    stage.run("sh", "-c", f"(echo waited >{pipe}) >/dev/null 2>&1 &")
    assert places(stage.host("bob"))[-1] == ("/etc/home/.profile", 7)
    # Whoever writes into it has waited for the first to open it: for this one.
    assert stage.run("timeout", "20", "cat", pipe) == "waited\n"


def test_logind(stage):
    stage.write("/etc/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n"
                "StopIdleSessionSec=15min\n")
    stage.write("/run/systemd/logind.conf.d/50-x.conf", "[Login]\nStopIdleSessionSec=1h\n")
    stage.write("/etc/systemd/logind.conf.d/40-y.conf", "[Login]\nStopIdleSessionSec=5\n"
                "KillExcludeUsers=alice\n")
    logind = stage.host()["logind"]
    assert logind["stop_idle"] == 3600 * S and logind["kill"]
    assert logind["source"] == "/run/systemd/logind.conf.d/50-x.conf"
    assert logind["exclude"] == "alice" and not logind["linger_known"]
    # One in /etc hides the one of its name elsewhere.
    stage.write("/etc/systemd/logind.conf.d/50-x.conf", "[Login]\nKillUserProcesses=no\n")
    stage.run("mkdir", "-p", "/run/systemd/seats")
    logind = stage.host("bob")["logind"]
    assert logind["stop_idle"] == 5 * S and not logind["kill"]
    assert logind["running"] and logind["linger_known"] and not logind["linger"]
