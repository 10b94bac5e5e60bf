"""What `sshidle audit` says of real hosts: good ones pass, each flaw is found and is where it is."""

import json
import os
import re
import shutil

import pytest

from conftest import (DROPBEAR, GOOD_SSHD, GOOD_SSHIDLE, LOGIND, ROOT, SSHIDLE, TINYSSHD,
                      command, named)

TMOUT = "/etc/profile.d/tmout.sh"
SSHD = "/etc/ssh/sshd_config"
LOGIND_CONF = "/etc/systemd/logind.conf"

ALWAYS = {"openssh.client-alive-count-plus-1"}  # of any sshd that asks


def test_a_good_host_passes(host):
    profiles = ("default", "pci-dss-4.0", "nist-800-53", "stig-ubuntu2204", "cis-debian12")
    for name, (code, report) in zip(profiles, host.audits(
            *((("--profile", name)) for name in profiles))):
        verdicts = {one["id"]: one["verdict"] for one in report["checks"]}
        assert set(verdicts.values()) == {"pass"}, (name, report["checks"])
        assert (code, report["verdict"], report["profile"]["name"]) == (0, "pass", name)
        assert {one["id"] for one in report["findings"]} <= ALWAYS


def test_without_a_profile_it_is_the_default(host):
    assert host.audit()[1]["profile"]["name"] == "default"


def test_the_profile_of_the_configuration_is_the_default(host):
    host.sshidle("Profile nist-800-53\n" + GOOD_SSHIDLE)
    code, report = host.audit()
    assert (code, report["profile"]["name"]) == (0, "nist-800-53")


def test_rhel_asks_for_the_setting_and_the_effect(host):
    host.file(LOGIND_CONF, LOGIND + "StopIdleSessionSec=10min\n")
    code, report = host.audit("--profile", "stig-rhel9")
    assert {one["verdict"] for one in report["checks"]} == {"pass"}
    assert code == 0, report["findings"]
    assert named(report["findings"], "logind.stop-idle-kills-work")["verdict"] == "remark"


# name -> how the host is changed, the finding, what it says, where
FLAWS = {
    "channel-timeout": (
        lambda host: host.sshd(GOOD_SSHD + "ChannelTimeout session=5m\n"),
        "openssh.channel-timeout-name", "ChannelTimeout session=5m: no channel", (SSHD, 12)),
    "channel-timeout-works": (
        lambda host: host.sshd(GOOD_SSHD + "ChannelTimeout session:*=5m\n"),
        "openssh.channel-timeout-output", "ChannelTimeout session:*=5m", (SSHD, 12)),
    "count-0": (
        lambda host: host.sshd("ClientAliveInterval 300\nClientAliveCountMax 0\n"),
        "openssh.client-alive-count-0", "ClientAliveCountMax 0 with ClientAliveInterval 300",
        (SSHD, 11)),
    "count-plus-1": (
        lambda host: host.sshd("ClientAliveInterval 100\nClientAliveCountMax 3\n"),
        "openssh.client-alive-count-plus-1", "100 x ClientAliveCountMax 3 reads as 5m",
        (SSHD, 10)),
    "while-printing": (
        lambda host: host.sshidle("IdleTimeout 10m\n"),
        "openssh.client-alive-while-printing", "asks nothing while a session prints", (SSHD, 10)),
    "in-a-drop-in": (
        lambda host: host.sshd("").file("/etc/ssh/sshd_config.d/a.conf", "# it\n\n" + GOOD_SSHD),
        "openssh.client-alive-count-plus-1", "60 x ClientAliveCountMax 1",
        ("/etc/ssh/sshd_config.d/a.conf", 3)),
    "tmout-writable": (
        lambda host: host.file(TMOUT, "# hello\nexport TMOUT=600\n"),
        "shell.tmout-not-read-only", "TMOUT 10m, not read-only", (TMOUT, 2)),
    "tmout-taken-back": (
        lambda host: host.file(TMOUT, "TMOUT=600\n").file("/etc/profile.d/zzz.sh", "unset TMOUT\n"),
        "shell.tmout-not-reached", "TMOUT 10m is switched off again in /etc/profile.d/zzz.sh",
        (TMOUT, 1)),
    "smaller-wins": (
        lambda host: host.file(LOGIND_CONF, LOGIND + "StopIdleSessionSec=1h\n"),
        "logind.stop-idle-above-idle-action", "StopIdleSessionSec 1h is more than IdleActionSec "
        "30m", (LOGIND_CONF, 3)),
    "stop-idle": (
        lambda host: host.file(LOGIND_CONF, LOGIND + "StopIdleSessionSec=600\n"),
        "logind.stop-idle-kills-work", "StopIdleSessionSec 10m", (LOGIND_CONF, 3)),
    "dropbear-idle": (
        lambda host: host.server(23, DROPBEAR, "-F", "-R", "-p", "127.0.0.1:23", "-I", "900"),
        "dropbear.idle", "dropbear on port 23: -I 900", None),
}

REMARKS = {"channel-timeout-works", "count-plus-1", "while-printing", "in-a-drop-in", "stop-idle",
           "dropbear-idle"}


@pytest.mark.parametrize("name", FLAWS)
def test_each_flaw_is_found(host, name):
    change, finding, text, place = FLAWS[name]
    if name == "dropbear-idle" and not os.path.exists(DROPBEAR):
        pytest.skip(f"{DROPBEAR} is missing: install dropbear-bin")
    change(host)
    code, report = host.audit()
    found = named(report["findings"], finding)
    detail = found["details"][0]
    assert text in detail["text"]
    assert (detail["file"], detail["line"]) == (place or (None, None))
    assert found["verdict"] == ("remark" if name in REMARKS else "fail")
    if name not in REMARKS:
        assert code == 1


def test_logind_kills_what_is_parked(host):
    """Without systemd as the first process there are no scopes; with it there are."""
    host.file(LOGIND_CONF, "[Login]\nKillUserProcesses=yes\n")
    host.sshidle(GOOD_SSHIDLE + "IdleAction park\n")
    killed, scope, spared = host.play(
        command("--json"), ["mkdir", "/run/systemd/system"], command("--json"),
        {"write": LOGIND_CONF, "text": LOGIND}, command("--json"))[::2]
    for result, verdict, text in (
            (killed, "fail", "parked terminals have no scope"),
            (scope, "remark", "parked terminals live on in scopes of their own")):
        finding = named(json.loads(result["out"])["findings"], "logind.kill-ends-parked")
        assert finding["verdict"] == verdict
        (detail,) = finding["details"]
        assert text in detail["text"] and "IdleAction park (/etc/sshidle.conf:6)" in detail["text"]
        assert (detail["file"], detail["line"]) == (LOGIND_CONF, 2)
    assert "logind.kill-ends-parked" not in spared["out"]


def test_idle_sessions_with_tmux(host):
    """What StopIdleSessionSec kills is there."""
    if not shutil.which("tmux"):
        pytest.skip("tmux is missing: install tmux")
    host.file(LOGIND_CONF, LOGIND + "StopIdleSessionSec=600\n")
    _, result = host.play(["tmux", "-S", "/run/tmux", "new-session", "-d", "sleep 600"],
                          command("--json"))
    finding = named(json.loads(result["out"])["findings"], "logind.stop-idle-kills-work")
    assert (result["code"], finding["verdict"]) == (1, "fail")
    assert finding["details"][0]["text"].endswith(", and 1 of tmux and screen run here")


def test_tinysshd_has_its_hour(host, tmp_path):
    if not os.path.exists(TINYSSHD) or not os.path.exists("/usr/bin/tcpserver"):
        pytest.skip("tinysshd or tcpserver is missing: install tinysshd, ucspi-tcp")
    host.server(24, "/bin/sh", "-c", "tinysshd-makekey /run/tinyssh >/dev/null && "
                f"exec tcpserver -HRl0 127.0.0.1 24 {TINYSSHD} /run/tinyssh")
    code, report = host.audit()
    assert named(report["findings"], "tinyssh.hour")["verdict"] == "remark"
    assert code == 0


def test_a_shell_without_tmout(host):
    host.user("dan", "/bin/dash")
    code, report = host.audit("--user", "dan", "--profile", "cis-debian12")
    assert code == 1
    assert named(report["checks"], "5.4.3.2")["verdict"] == "fail"
    assert "is not in force for /bin/dash" in named(
        report["findings"], "shell.tmout-not-reached")["details"][0]["text"]


def test_nobody_watches(host):
    code, report = host.without_daemon().audit()
    assert (code, report["verdict"]) == (1, "fail")
    assert named(report["checks"], "daemon")["verdict"] == "fail"
    assert named(report["checks"], "idle-shell")["details"][0]["text"] == (
        "sshidled does not run: nothing is ended")
    # Where the server does it, that counts.
    assert named(report["checks"], "unresponsive")["verdict"] == "pass"


def test_a_change_that_was_not_read(host):
    steps = host.play(
        command("--json"),
        {"write": "/etc/sshidle.conf", "text": GOOD_SSHIDLE + "# new\n"},
        command("--json"),
        command("-f", "/etc/ssh/ssh_config", "--json"),
    )
    assert [step["code"] for step in steps if step] == [0, 1, 2]
    assert "sshidle reload" in steps[2]["out"]


def test_a_match_block_counts_for_whom_it_fits(host):
    host.sshidle(GOOD_SSHIDLE + "Match User bob\n    IdleTimeout 8h\n")
    profile = ("--profile", "pci-dss-4.0")
    (everybody, report), (alice, _), (bob, of_bob) = host.audits(
        profile, (*profile, "--user", "alice"), (*profile, "--user", "bob"))
    assert (everybody, alice, bob) == (1, 0, 1)
    for one in (report, of_bob):
        failed = [detail for detail in named(one["checks"], "8.2.8")["details"]
                  if detail["verdict"] == "fail"]
        assert {detail["line"] for detail in failed} == {7}
        assert failed[0]["text"] == "IdleTimeout shell=8h, more than 15m"


def test_an_address(host):
    host.sshidle(GOOD_SSHIDLE + "Match Address 10.0.0.0/8\n    IdleTimeout none\n")
    assert [code for code, _ in host.audits(("--from", "10.1.2.3"), ("--from", "192.0.2.1"))] == [1,
                                                                                              0]


def test_clientalive_is_no_idle_limit(host):
    """What is commonly set, and commonly taken for enough."""
    host.sshd("ClientAliveInterval 300\nClientAliveCountMax 3\n").without_daemon()
    code, report = host.audit("--profile", "pci-dss-4.0")
    check = named(report["checks"], "8.2.8")
    assert (code, check["verdict"]) == (1, "fail")
    assert "ClientAlive" in check["commonly"]["looks_at"]
    assert "answers, so nobody is ever asked" in check["commonly"]["but"]


def test_the_values_of_the_stig_take_twice_its_time(host):
    host.sshd("ClientAliveInterval 600\nClientAliveCountMax 1\n").without_daemon()
    _, report = host.audit("--profile", "stig-rhel9")
    check = named(report["checks"], "RHEL-09-255100")
    assert check["verdict"] == "fail"
    texts = [detail["text"] for detail in check["details"]]
    assert "openssh on port 22: ClientAliveInterval 600" in texts
    assert any("gives up a client that stopped answering after" in text and "more than 10m" in text
               for text in texts)


def test_a_server_that_cannot_be_asked(host):
    """The file is broken behind the back of the listener: not known, which is no pass."""
    _, cis, default = host.play({"write": SSHD, "text": "Nonsense yes\n"},
                                command("--profile", "cis-debian12", "--json"), command("--json"))
    assert (cis["code"], default["code"]) == (2, 2)
    assert "its settings cannot be read" in named(
        json.loads(cis["out"])["checks"], "5.1.7")["details"][0]["text"]
    # Its own checks pass, as sshidle ends those clients; what sshd is set to is not known.
    report = json.loads(default["out"])
    assert {one["verdict"] for one in report["checks"]} == {"pass"}
    assert named(report["findings"], "server.not-read")["verdict"] == "unknown"


def test_what_could_not_be_looked_at(host, tmp_path):
    wrong = "/etc/wrong.json"
    host.file(wrong, '{"profile": "p", "title": "t", "document": "d",\n "checks": [{"id": 1}]}')
    host.file("/etc/broken.json", "{\n  oops\n}")
    results = host.play(
        command("--profile", "no-such"),
        command("--profile", wrong),
        command("--profile", "/etc/broken.json"),
        command("--user", "nobody-at-all"),
        command("--from", "nowhere"),
        command("--json", "--sarif"),
        command("-f", "/etc/no-such.conf"),
    )
    assert [result["code"] for result in results] == [2] * 7
    assert all(not result["out"] or number == 6 for number, result in enumerate(results))
    said = [result["err"] for result in results]
    assert re.search(r"/no-such\.json: cannot read it: No such file", said[0])
    assert "/etc/wrong.json: checks[0].id: is not a text" in said[1]
    assert "/etc/broken.json:2:" in said[2]
    assert 'there is no user "nobody-at-all"' in said[3]
    assert '"nowhere" is not an address' in said[4]
    assert "--json and --sarif exclude each other" in said[5]
    assert "/etc/no-such.conf: cannot read it" in said[6]


def test_a_profile_of_ones_own(host):
    host.file("/etc/my.json", """{
        "profile": "house", "title": "ours", "document": "the rules of the house",
        "checks": [{"id": "1", "requirement": "quick", "fix": "be quick",
                    "conditions": [{"fact": "idle-limit", "kinds": ["shell"], "at-most": "5m"}]}]
    }""")
    code, report = host.audit("--profile", "/etc/my.json")
    assert (code, report["checks"][0]["verdict"]) == (1, "fail")
    assert report["checks"][0]["details"][0] == {
        "verdict": "fail", "text": "IdleTimeout shell=10m, more than 5m",
        "file": "/etc/sshidle.conf", "line": 1}


def test_the_text(host):
    host.sshd("ClientAliveInterval 300\nClientAliveCountMax 0\n").file(TMOUT, "TMOUT=900\n")
    plain, terminal, colourless = host.play(
        command(),
        ["script", "-qec", f"stty cols 60; TERM=xterm {SSHIDLE} -r /run/sshidle audit", "/dev/null"],
        ["script", "-qec", f"NO_COLOR=1 TERM=xterm {SSHIDLE} -r /run/sshidle audit", "/dev/null"],
    )
    assert plain["code"] == 1
    assert max(map(len, plain["out"].splitlines())) <= 80
    assert "\033" not in plain["out"] and "\033" not in colourless["out"]
    assert "\033[1;31mSettings that do not do what they are set for\033[0m" in terminal["out"]
    stripped = re.sub(r"\033\[[0-9;]*m|\r", "", terminal["out"])
    assert 50 < max(map(len, stripped.splitlines())) <= 60
    assert f"({SSHD}:11)" in plain["out"] and f"({TMOUT}:1)" in plain["out"]
    assert re.search(r"\n0 failed, 0 not known, 6 passed; 2 settings without effect, 0 remarks\n$",
                     plain["out"])


def test_the_record_of_a_cut_names_the_control(host):
    host.sshidle("Profile pci-dss-4.0\nIdleTimeout 3\nIdleWarning 1\n")
    result = host.play({"login": "root"}, {"log": "cut session"})[1]
    assert re.search(r" rule=5 .* control=pci-dss-4\.0:8\.2\.8( |$)", result["line"])


def test_a_wrong_profile_is_a_wrong_configuration(host):
    host.without_daemon().sshidle("Profile no-such\n")
    result = host.play([host.spec["sshidled"], "-t", "-f", "/etc/sshidle.conf"])[0]
    assert result["code"] != 0
    assert re.search(r"/etc/sshidle\.conf:1: Profile: \S+/no-such\.json: cannot read it",
                     result["err"] + result["out"])


def test_the_excerpt_in_the_readme_is_real(host):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.partition("    # sshidle audit --profile pci-dss-4.0\n")[2].partition("\n\n")[0]
    host.sshd("ClientAliveInterval 300\nClientAliveCountMax 0\n")
    host.file(TMOUT, "export TMOUT=900\n")
    host.sshidle("IdleTimeout 15m\nMatch User bob\n    IdleTimeout 8h\n")
    said = host.play(command("--profile", "pci-dss-4.0"))[0]["out"].splitlines()
    assert len(block.splitlines()) > 10
    for line in block.splitlines():
        assert line.removeprefix("    ") in said, line
