"""--sarif: valid SARIF 2.1.0, and the same that --json says."""

import copy
import json

import pytest

from conftest import command, named
from sarif import problems

VALID = {
    "$schema": "https://example.org/sarif.json", "version": "2.1.0",
    "runs": [{
        "tool": {"driver": {"name": "x", "rules": [{"id": "r"}]}},
        "results": [{"ruleId": "r", "ruleIndex": 0, "kind": "pass", "level": "none",
                     "message": {"text": "m"},
                     "locations": [{"physicalLocation": {"artifactLocation": {"uri": "file:///a%20b"},
                                                         "region": {"startLine": 1}}}]}],
    }],
}


@pytest.mark.parametrize("path, value", [
    (("version",), "2.0"),
    (("runs",), {}),
    (("more",), 1),
    (("runs", 0, "tool", "driver", "name"), ""),
    (("runs", 0, "results", 0, "kind"), "passed"),
    (("runs", 0, "results", 0, "level"), "error"),
    (("runs", 0, "results", 0, "message"), "m"),
    (("runs", 0, "results", 0, "ruleId"), "s"),
    (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
    (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "artifactLocation", "uri"),
     "/a b"),
])
def test_the_test_finds_what_is_wrong(path, value):
    assert problems(VALID) == []
    wrong = copy.deepcopy(VALID)
    at = wrong
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert problems(wrong)


def audited(host, *arguments):
    sarif, plain = host.play(command(*arguments, "--sarif"), command(*arguments, "--json"))
    assert sarif["code"] == plain["code"]
    return json.loads(sarif["out"]), json.loads(plain["out"])


PROFILES = ("default", "pci-dss-4.0", "nist-800-53", "stig-rhel9", "stig-ubuntu2204",
            "cis-debian12")


def test_it_is_valid(host):
    host.sshd("ClientAliveInterval 300\nClientAliveCountMax 0\nChannelTimeout session=5m\n")
    steps = host.play(*(command("--profile", name, "--sarif") for name in PROFILES))
    for step in steps:
        assert problems(json.loads(step["out"])) == []


def test_it_says_what_json_says(host):
    host.sshd("ClientAliveInterval 300\nClientAliveCountMax 0\n")
    host.file("/etc/profile.d/tmout.sh", "export TMOUT=300\n")
    sarif, report = audited(host, "--profile", "stig-rhel9")
    run = sarif["runs"][0]
    results = {one["ruleId"]: one for one in run["results"]}
    levels = {"fail": "error", "pass": "none", "not-applicable": "none", "unknown": "none"}
    assert run["tool"]["driver"]["version"] == report["version"]
    assert len(results) == len(report["checks"]) + len(report["findings"])
    for check in report["checks"]:
        result = results[f"stig-rhel9/{check['id']}"]
        assert result["level"] == levels[check["verdict"]]
        for detail in check["details"]:
            assert detail["text"] in result["message"]["text"]
    for finding in report["findings"]:
        level = {"fail": "warning", "remark": "note"}[finding["verdict"]]
        assert results[finding["id"]]["level"] == level
    count = results["openssh.client-alive-count-0"]["locations"]
    assert count == [{"physicalLocation": {
        "artifactLocation": {"uri": "file:///etc/ssh/sshd_config"}, "region": {"startLine": 11}}}]
    assert named(report["findings"], "openssh.client-alive-count-0")["details"][0]["line"] == 11


def test_rules_explain_themselves(host):
    sarif, report = audited(host, "--profile", "pci-dss-4.0")
    rule = sarif["runs"][0]["tool"]["driver"]["rules"][0]
    check = report["checks"][0]
    assert rule["id"] == "pci-dss-4.0/8.2.8"
    assert rule["shortDescription"]["text"] == check["requirement"]
    assert rule["help"]["text"] == check["fix"]
    assert check["commonly"]["but"] in rule["fullDescription"]["text"]
