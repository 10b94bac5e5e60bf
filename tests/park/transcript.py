"""usage: transcript.py BUILD-DIRECTORY LIMIT-SECONDS WARNING-SECONDS

Plays what README.md tells of park and resume, on a host of its own, and prints all that was seen:
alice's terminal, the commands of root, and the log.  Runs as the first process of namespaces of its
own (mounts, pids, network):

    unshare --mount --pid --net --fork --kill-child --mount-proc transcript.py build 60 20
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WITHIN_S = 20
TMUX = ["tmux", "-S", "/run/tmux"]

SSH_CONFIG = """\
Host server
    HostName 10.0.0.1
    User alice
    BindAddress 10.0.0.7
    IdentityFile /run/key
    UserKnownHostsFile /run/known_hosts
"""

SSHD_CONFIG = """\
ListenAddress 10.0.0.1
HostKey /run/host-key
AuthorizedKeysFile /run/key.pub
StrictModes no
UsePAM no
PrintMotd no
PrintLastLog no
PidFile none
"""

JOB = """\
#!/bin/sh
n=0
while sleep 1; do
	n=$((n + 1))
	echo "test $n passed"
	echo $n >counted
done
"""


def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def wait_until(condition, what, within_s=WITHIN_S):
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within_s} s: {what}\n{screen()}\n{log()}")
        time.sleep(0.05)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def private_root(build, limit_s, warning_s):
    run("mount", "--make-rprivate", "/")
    for path in ("/run", "/home", "/usr/local/bin"):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", "/dev/pts")
    run("mount", "--bind", "/dev/pts/ptmx", "/dev/ptmx")
    os.makedirs("/run/etc")
    # Others may add users meanwhile: lock files that are gone are not missed.
    subprocess.run(["cp", "-a", "/etc/.", "/run/etc/"], capture_output=True, check=False)
    run("mount", "--bind", "/run/etc", "/etc")
    shutil.rmtree("/etc/profile.d")
    for name, uid, shell in (("sshidle", 7000, "/usr/sbin/nologin"), ("alice", 7001, "/bin/bash")):
        with open("/etc/passwd", "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{uid}:{uid}::/home/{name}:{shell}\n")
        with open("/etc/shadow", "a", encoding="utf-8") as file:
            file.write(f"{name}:*:19000:0:99999:7:::\n")
        with open("/etc/group", "a", encoding="utf-8") as file:
            file.write(f"{name}:x:{uid}:\n")
    for program in ("src/cli/sshidle", "src/daemon/sshidled", "src/keeper/sshidle-keeper"):
        shutil.copy(f"{build}/{program}", "/usr/local/bin")
    snippet = (ROOT / "packaging" / "sshidle-parked.sh").read_text(encoding="utf-8")
    write("/etc/profile.d/sshidle-parked.sh", snippet.replace("@RUNTIMEDIR@", "/run/sshidle")
          .replace("@BINDIR@", "/usr/local/bin"))
    write("/etc/sshidle.conf", f"IdleTimeout {limit_s}\nIdleWarning {warning_s}\nIdleAction park\n")
    write("/home/alice/.bash_profile", "PS1='alice@server:\\w$ '\nunset HISTFILE\n")
    write("/home/alice/nightly-tests", JOB, 0o755)
    os.chown("/home/alice", 7001, 7001)


def network():
    run("ip", "link", "set", "lo", "up")
    for address in ("10.0.0.1", "10.0.0.7"):
        run("ip", "address", "add", f"{address}/32", "dev", "lo")


def start_server():
    os.makedirs("/run/sshd")
    for name in ("host-key", "key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", f"/run/{name}")
    write("/run/known_hosts", "10.0.0.1 " + pathlib.Path("/run/host-key.pub").read_text(encoding="ascii"))
    write("/etc/ssh/ssh_config", SSH_CONFIG)
    write("/run/sshd_config", SSHD_CONFIG)
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", "/run/sshd_config"], stdin=subprocess.DEVNULL,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open("/run/log", "wb") as out:
        subprocess.Popen(["/usr/local/bin/sshidled", "-d", "-f", "/etc/sshidle.conf", "-r", "/run/sshidle",
                          "-k", "/usr/local/bin/sshidle-keeper"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    wait_until(lambda: os.path.exists("/run/sshidle/io.sshidle"), "sshidled answers")


def log():
    return pathlib.Path("/run/log").read_text(encoding="utf-8", errors="replace")


def screen():
    """Alice's terminal from its beginning, wrapped lines joined."""
    done = subprocess.run([*TMUX, "capture-pane", "-p", "-J", "-S", "-"], capture_output=True, text=True,
                          check=False)
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def wait_for(pattern, within_s=WITHIN_S, times=1):
    wait_until(lambda: len(re.findall(pattern, screen(), re.M)) >= times, pattern, within_s)


def tests():
    """How many the job has counted."""
    return int(pathlib.Path("/home/alice/counted").read_text(encoding="ascii") or 0)


def type_in(text):
    run(*TMUX, "send-keys", "-l", text)
    run(*TMUX, "send-keys", "Enter")


def root(command):
    print(f"# {command}")
    print(run(*command.split()), flush=True)


def play(limit_s, warning_s):
    run(*TMUX, "-f", "/dev/null", "new-session", "-d", "-x", "118", "-y", "30", "env", "PS1=laptop$ ",
        "bash", "--norc")
    wait_for(r"laptop\$")
    type_in("ssh server")
    wait_for(r"server:~\$")
    type_in("./nightly-tests")
    wait_for(rf"^test {max(1, (limit_s - warning_s) // 2)} passed", limit_s)
    root("sshidle why 1")
    wait_for("session parked: ", limit_s + 10)
    wait_for(r"laptop\$ *\Z")
    counted = tests()
    wait_until(lambda: tests() > counted + warning_s, "the job goes on alone", warning_s + WITHIN_S)
    type_in("ssh server")
    wait_for(r"server:~\$ *\Z")
    type_in("sshidle parked")
    wait_for(r"EXPIRES-IN.*\n.*\n.*\$ *\Z")
    type_in("sshidle resume")
    wait_for(r"not kept\.\](?s:.*)test \d+ passed(?s:.*)test \d+ passed")
    type_in("")
    run(*TMUX, "send-keys", "-l", "~~.")
    wait_for(r"it stays parked.*\n.*\$ *\Z")
    type_in("sshidle drop 1")
    wait_for(r"gets a hang-up\n.*\$ *\Z")
    type_in("exit")
    wait_for(r"laptop\$", times=3)


def main():
    build, limit_s, warning_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    os.environ.update(LC_ALL="C.UTF-8", TERM="xterm-256color")
    os.environ.pop("TMUX", None)
    private_root(build, limit_s, warning_s)
    network()
    start_server()
    play(limit_s, warning_s)
    print("-- alice's terminal\n" + screen() + "\n-- the log\n" + log())


if __name__ == "__main__":
    main()
