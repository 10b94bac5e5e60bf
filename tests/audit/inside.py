"""Makes a host: runs as the first process of namespaces of its own (mounts, pids, network).

Reads what is wanted as JSON from standard input, writes what came of it as JSON to standard output.
Everything that it starts ends with it, and what it mounts is seen by nobody else.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

WITHIN_S = 20
KEYS = "/etc/ssh/test-keys"


def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")


def wait_until(condition, what, log=os.devnull):
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{what}: not within {WITHIN_S} s: {file.read()}")
        time.sleep(0.05)


def mount_tmpfs(path):
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)


def private_etc():
    """A copy of /etc in its place.

    Others may add users meanwhile: what is gone before it is copied (their lock files) is not missed.
    """
    os.makedirs("/run/etc")
    copied = subprocess.run(["cp", "-a", "/etc/.", "/run/etc/"], capture_output=True, text=True,
                            check=False, env={**os.environ, "LC_ALL": "C"})
    lost = [line for line in copied.stderr.splitlines() if "No such file" not in line]
    if lost or not os.path.exists("/run/etc/passwd"):
        raise RuntimeError(f"copy of /etc: {copied.stderr}")
    run("mount", "--bind", "/run/etc", "/etc")
    shutil.rmtree("/etc/sshidle.conf.d", ignore_errors=True)
    for path in ("/etc/sshidle.conf", "/etc/ssh/sshd_config"):
        if os.path.exists(path):
            os.unlink(path)
    shutil.rmtree("/etc/ssh/sshd_config.d", ignore_errors=True)
    run("ssh-keygen", "-A")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/run/key")
    shutil.copy("/run/key.pub", KEYS)


def private_root(spec):
    run("mount", "--make-rprivate", "/")
    mount_tmpfs("/run")
    for path in ("/run/sshd", "/run/systemd/seats"):
        os.makedirs(path)
    private_etc()
    for path, text in spec["files"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    for number, (name, shell) in enumerate(spec["users"].items(), 7000):
        with open("/etc/passwd", "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{number}:{number}::/:{shell}\n")
        with open("/etc/group", "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{number}:\n")
    run("ip", "link", "set", "lo", "up")


def install_profiles(spec):
    """Where the command looks for them, which it says itself."""
    said = subprocess.run([spec["sshidle"], "audit", "-f", "/dev/null", "--profile", "no-such"],
                          capture_output=True, text=True, check=False).stderr
    directory = os.path.dirname(said.partition("sshidle: ")[2].partition(": ")[0])
    there = directory
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    mount_tmpfs(there)
    shutil.copytree(spec["profiles"], directory, dirs_exist_ok=True)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_servers(spec):
    for port, argv in spec["servers"]:
        with open("/run/servers.log", "w+b") as log:
            subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda port=port: answers(port), " ".join(argv), "/run/servers.log")


def start_daemon(spec):
    with open("/run/log", "wb") as log:
        subprocess.Popen([spec["sshidled"], "-d", "-f", "/etc/sshidle.conf", "-r", "/run/sshidle",
                          "-u", "sshidle"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: subprocess.run([spec["sshidle"], "-r", "/run/sshidle", "status"],
                                      capture_output=True, check=False).returncode == 0,
               "sshidled answers")


def perform(step):
    """A command; or a log line that is waited for, a file that is written, a login that stays."""
    if isinstance(step, list):
        done = subprocess.run(step, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    if "write" in step:
        with open(step["write"], "w", encoding="utf-8") as file:
            file.write(step["text"])
        later = time.time() + 5
        os.utime(step["write"], (later, later))
        return None
    if "login" in step:
        subprocess.Popen(["ssh", "-tt", "-i", "/run/key", "-o", "StrictHostKeyChecking=no", "-o",
                          "UserKnownHostsFile=/dev/null", f"{step['login']}@127.0.0.1"],
                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        return None
    found = []

    def in_log():
        with open("/run/log", encoding="utf-8", errors="replace") as log:
            found[:] = [line.rstrip("\n") for line in log if step["log"] in line]
        return bool(found)
    wait_until(in_log, f"{step['log']!r} in the log")
    return {"line": found[0]}


def main():
    spec = json.load(sys.stdin)
    private_root(spec)
    install_profiles(spec)
    start_servers(spec)
    if spec["daemon"]:
        start_daemon(spec)
    json.dump([perform(step) for step in spec["steps"]], sys.stdout)


main()
