"""Hosts with the settings of a case: real servers on loopback, in namespaces of their own."""

import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = os.environ.get("SSHIDLE_BUILD", str(ROOT / "build"))
SSHIDLE = f"{BUILD}/src/cli/sshidle"
PROFILES = ROOT / "packaging" / "profiles"

SSHD = "/usr/sbin/sshd"
DROPBEAR = "/usr/sbin/dropbear"
TINYSSHD = "/usr/sbin/tinysshd"

# Line 1 is the Include, line 10 the first of the settings.
SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
Port 22
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/test-keys
StrictModes no
UsePAM no
PermitRootLogin yes

{settings}"""

GOOD_SSHD = "ClientAliveInterval 60\nClientAliveCountMax 1\n"
GOOD_SSHIDLE = """\
IdleTimeout 10m
IdleWarning 60s
KeepMax 10m
ClientAliveInterval 60
ClientAliveCountMax 3
"""
GOOD_TMOUT = "TMOUT=600\nreadonly TMOUT\nexport TMOUT\n"
LOGIND = "[Login]\nKillUserProcesses=no\n"


def missing():
    if os.geteuid() != 0:
        return "not root"
    for tool in ("unshare", SSHD, "ssh", "ip"):
        if not shutil.which(tool):
            return f"{tool} is missing"
    return None


class Host:
    """A host that is as it should be, until something is changed."""

    def __init__(self):
        self.spec = {
            "files": {
                "/etc/ssh/sshd_config": SSHD_CONFIG.format(settings=GOOD_SSHD),
                "/etc/sshidle.conf": GOOD_SSHIDLE,
                "/etc/profile.d/tmout.sh": GOOD_TMOUT,
                "/etc/systemd/logind.conf": LOGIND,
            },
            "users": {"sshidle": "/usr/sbin/nologin", "alice": "/bin/bash", "bob": "/bin/bash"},
            "servers": [[22, [SSHD, "-D", "-f", "/etc/ssh/sshd_config"]]],
            "daemon": True,
            "sshidle": SSHIDLE, "sshidled": f"{BUILD}/src/daemon/sshidled",
            "profiles": str(PROFILES), "steps": [],
        }

    def sshd(self, settings):
        self.spec["files"]["/etc/ssh/sshd_config"] = SSHD_CONFIG.format(settings=settings)
        return self

    def file(self, path, text):
        self.spec["files"][path] = text
        return self

    def sshidle(self, text):
        return self.file("/etc/sshidle.conf", text)

    def without_daemon(self):
        self.spec["daemon"] = False
        return self

    def server(self, port, *argv):
        self.spec["servers"].append([port, list(argv)])
        return self

    def user(self, name, shell):
        self.spec["users"][name] = shell
        return self

    def play(self, *steps):
        """What became of each step."""
        spec = copy.deepcopy(self.spec)
        spec["steps"] = list(steps)
        done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
                               "--mount-proc", sys.executable, str(HERE / "inside.py")],
                              input=json.dumps(spec), capture_output=True, text=True, check=False,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def audits(self, *calls):
        """One audit for each list of arguments: (exit code, report)."""
        results = self.play(*(command(*arguments, "--json") for arguments in calls))
        return [(result["code"], json.loads(result["out"])) for result in results]

    def audit(self, *arguments):
        return self.audits(arguments)[0]


def command(*arguments):
    return [SSHIDLE, "-r", "/run/sshidle", "audit", *arguments]


def named(results, name):
    """The one with that id."""
    found = [one for one in results if one["id"] == name]
    assert len(found) == 1, [one["id"] for one in results]
    return found[0]


@pytest.fixture
def host():
    reason = missing()
    if reason:
        pytest.skip(reason)
    return Host()
