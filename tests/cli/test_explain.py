"""sshidle explain without a daemon and without caring which servers this host has; what its cells
say is compared with real servers in tests/explain."""

import json
import re

from conftest import SSHIDLE, run

SITUATIONS = re.findall(r'\.name = "([a-z-]+)"', open(
    __file__.replace("tests/cli/test_explain.py", "src/core/outcome.c"), encoding="utf-8").read())


def explain(tmp_path, *arguments):
    return run(SSHIDLE, "explain", "-r", str(tmp_path), *arguments)


def test_json_is_whole_without_a_daemon(tmp_path):
    done = explain(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) == {"user", "from", "sshidled", "tmout", "logind", "tcp", "servers", "notes"}
    assert answer["sshidled"]["running"] is answer["sshidled"]["in_force"] is False
    assert answer["tcp"]["retries2"] > 0
    for server in answer["servers"]:
        assert [one["situation"] for one in server["situations"]] == SITUATIONS


def test_text_says_that_nothing_runs(tmp_path):
    done = explain(tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("sshidled does not run: this is what happens without it\n")


def test_a_configuration_that_is_not_in_force(tmp_path):
    config = tmp_path / "conf"
    config.write_text("IdleTimeout 15m\n")
    done = explain(tmp_path, "-f", str(config))
    assert done.stdout.startswith(f"as if sshidled ran with {config} (it does not run)\n")
    answer = json.loads(explain(tmp_path, "-f", str(config), "--json").stdout)
    assert answer["sshidled"]["assumed"] is answer["sshidled"]["in_force"] is True


def test_a_wrong_configuration(tmp_path):
    config = tmp_path / "conf"
    config.write_text("IdleTimeoot 15m\n")
    done = explain(tmp_path, "-f", str(config))
    assert done.returncode == 1
    assert "IdleTimeoot" in done.stderr and done.stdout == ""


def test_servers_that_are_not_there(tmp_path):
    assert explain(tmp_path, "--server", "sendmail").returncode == 2
    done = explain(tmp_path, "--server", "1")
    assert (done.returncode, done.stderr) == (1, "sshidle: there is no such server here: 1\n")


def test_the_daemon_that_runs_is_asked(host):
    done = host.run("explain", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["sshidled"]["running"] is True


def test_the_manual_has_every_situation():
    with open(__file__.replace("tests/cli/test_explain.py", "man/sshidle.1"),
              encoding="utf-8") as file:
        manual = file.read()
    assert len(SITUATIONS) == 18
    for situation in SITUATIONS:
        assert re.search(rf"^\.It Li .*\b{situation}\b", manual, re.M), situation
