"""What sshidle prove says of servers that do what they should, and of a daemon that does not."""

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import subprocess

import pytest

from clients import Terminal, ssh_argv
from conftest import BUILD, LIMIT_S, own_keys, traces
from servers import Dropbear, OpenSSH, OpenSSHIpv6, Tinyssh
from world import children_of, kill, wait_until

LIVE = {"typing into a program that does not read", "sftp busy", "forward busy"}
IDLE = {"idle at a prompt", "idle with client keepalives", "output without input", "sftp idle"}
FROZEN = {"frozen client", "frozen client with output"}


def situations(proof):
    """The only server's, by name."""
    assert proof.report is not None, proof.errors
    server, = proof.report["servers"]
    return {one["situation"]: one for one in server["situations"]}


def verdicts(proof):
    return {name: one["verdict"] for name, one in situations(proof).items()}


def wrong(proof):
    """What is not as promised, for the message of a test that fails."""
    return [one for one in situations(proof).values()
            if one["verdict"] not in ("as promised", "not applicable")]


def name_of(pid):
    """What it runs; None when it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as comm:
        return comm.read().strip()
    return None


@pytest.fixture
def stranger(world, openssh, port):
    """Somebody else at the same server, who does nothing all the time."""
    user = world.user("alice")
    term = Terminal("stranger", ssh_argv(world, openssh, port, user),
                    {"PATH": os.environ["PATH"], "TERM": "dumb"})
    term.type("echo up-$((40+2)) .\r", expect=r"up-42 \.")
    yield term
    term.close()


def test_openssh(host, port, stranger):
    """Every situation; a stranger at the same server is left alone."""
    proof = host.prove("--server", port)
    assert (proof.status, wrong(proof)) == (0, []), proof.errors
    found = situations(proof)
    assert set(found) == LIVE | IDLE | FROZEN
    assert {name for name, one in found.items() if one["ended"]} == IDLE | FROZEN
    for name in IDLE:
        assert found[name]["by_rule"] == 5 and found[name]["after_s"] >= LIMIT_S - 0.1, found[name]
    assert found["frozen client with output"]["by_rule"] == 11
    # The connection ended, the work was kept.
    assert [one["name"] for one in found["idle at a prompt"]["left_alive"]] == ["sleep"]
    assert found["output without input"]["left_alive"] == []
    assert found["idle at a prompt"]["warned_after_s"] < found["idle at a prompt"]["after_s"]
    assert proof.report["nothing_left_behind"] and traces() == [] and host.rules() == []
    stranger.type("echo still-$((40+2))\r", expect="still-42")
    assert all(one["limit_s"] is None for one in host.sessions(of_prove=False))


def test_others(host, world):
    """dropbear and tinysshd, at the same time: runs side by side do not meet."""
    servers = [flavour(world) for flavour in (Dropbear, Tinyssh)]
    missing = [package for server in servers for path, package in server.packages.items()
               if not os.path.exists(path)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    try:
        runs = [host.start("--server", server.listen()) for server in servers]
        proofs = [host.finish(process) for process in runs]
    finally:
        for server in servers:
            server.stop()
    for server, proof in zip(servers, proofs):
        assert (proof.status, wrong(proof)) == (0, []), proof.errors
        assert proof.report["servers"][0]["server"] == server.word
        lacks = {"forward busy"} if "forward" in server.cannot else set()
        assert {name for name, word in verdicts(proof).items() if word == "not applicable"} == lacks
        # Without probes of the server's own nobody can tell a stopped client from a silent one.
        frozen = situations(proof)["frozen client"]
        assert frozen["by_rule"] == 5 and frozen["after_s"] >= 2 * LIMIT_S - 0.1


# -- a daemon that does not keep its promise --------------------------------------------------


def pause(daemon, number):
    for pid in daemon.pids():
        os.kill(pid, number)


def test_daemon_that_stands_still(host, port):
    """What was to end and did not is told, with exit status 1."""
    process = host.start("--server", port)
    wait_until(lambda: len(host.sessions()) >= 9, 30, "all sessions are there")
    pause(host.daemon, signal.SIGSTOP)
    try:
        proof = host.finish(process)
    finally:
        pause(host.daemon, signal.SIGCONT)
    assert proof.status == 1 and proof.report["verdict"] == "not as promised"
    found = situations(proof)
    # One that it was too late to tell prove of is no evidence, and not taken for any.
    for name in LIVE:
        one = found[name]
        assert one["verdict"] == "as promised" or one["happened"] in (
            "sshidled does not see this session", "sshidled did not answer"), one
    late = [one for one in found.values() if one["happened"] == "lived (it was to end)"]
    assert late and all(one["verdict"] == "not as promised" for one in late)
    wait_until(lambda: host.rules() == [], 10, "the rules are taken away")


def test_daemon_that_ends(host, port):
    """Nothing is proved then, and nothing claimed."""
    process = host.in_the_middle("--server", port)
    host.daemon.kill("monitor", "engine")
    proof = host.finish(process)
    assert proof.status == 2 and proof.report["verdict"] == "could not run"
    assert "sshidled ended meanwhile" in {one["happened"] for one in situations(proof).values()}
    assert "as promised" not in verdicts(proof).values()


# -- interrupted ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(host, port, number):
    process = host.in_the_middle("--server", port)
    process.send_signal(number)
    proof = host.finish(process, 20)
    assert (proof.status, proof.report) == (2, None) and "nothing is proved" in proof.errors
    assert traces() == []
    wait_until(lambda: host.rules() == [] and host.sessions() == [], 10, "all of it has gone")


def test_killed(host, port):
    """SIGKILL, and its cleaner does the rest."""
    process = host.in_the_middle("--server", port)
    process.kill()
    process.wait()
    wait_until(lambda: traces() == [], 20, "the cleaner has done its work")
    wait_until(lambda: host.rules() == [] and host.sessions() == [], 10, "all of it has gone")


def test_killed_while_it_makes_a_user(host, port):
    """useradd goes on after SIGKILL of the command: the user that it makes then goes as well."""
    libc = ctypes.CDLL(None)
    assert libc.lckpwdf() == 0  # useradd waits for this
    try:
        process = host.start("--server", port, limit=20)
        wait_until(lambda: "useradd" in map(name_of, children_of(process.pid)), 10, "it runs useradd")
        useradd = next(pid for pid in children_of(process.pid) if name_of(pid) == "useradd")
        process.kill()
        process.wait()
        with pytest.raises(AssertionError):
            wait_until(lambda: traces() == [], 1, "the cleaner does not wait")
    finally:
        libc.ulckpwdf()
    wait_until(lambda: name_of(useradd) is None, 20, "useradd has ended")
    wait_until(lambda: traces() == [], 20, "the cleaner has done its work")


def test_killed_with_its_cleaner(host, port):
    """SIGKILL of both: the next run finds what was left, whatever else it is asked for."""
    process = host.in_the_middle("--server", port)
    cleaner = children_of(process.pid)[0]  # forked before any client
    kill(cleaner)
    process.kill()
    process.wait()
    wait_until(lambda: host.rules() == [], 10, "the rules go by themselves")
    assert traces() != []
    proof = host.prove("--server", "1")
    assert proof.status == 2 and "removed what an earlier run left behind" in proof.errors
    assert traces() == []


# -- what cannot run --------------------------------------------------------------------------


def test_without_a_daemon(host, port):
    host.daemon.stop()
    proof = host.prove("--server", port)
    assert (proof.status, proof.report) == (2, None) and "sshidled is not running" in proof.errors


def test_without_rights(host, port, world):
    user = world.user("alice")
    done = subprocess.run(host.command("--server", port), user=user.uid, group=user.gid, check=False,
                          extra_groups=[], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "only root can do this" in done.stderr


def test_without_a_server(host):
    proof = host.prove("--server", "1")
    assert proof.status == 2 and proof.report["verdict"] == "could not run"
    assert "nothing answers at port 1" in proof.report["servers"][0]["could_not_run"]


@pytest.mark.parametrize("arguments, words", [
    (["--limit", "2s"], "--limit is from 3s to 1h"),
    (["--limit", "soon"], "is no span of time"),
    (["--sign", "key"], "--sign needs a file to sign"),
    (["--server", "telnet"], 'no SSH server "telnet" listens'),
])
def test_wrong_usage(host, arguments, words):
    proof = host.prove(*arguments)
    assert proof.status == 2 and words in proof.errors


@pytest.mark.parametrize("options, words", [
    ({"AllowUsers": "nobody"}, "AllowUsers is nobody"),
    ({"ForceCommand": "/bin/true"}, "ForceCommand is /bin/true"),
    ({"PubkeyAuthentication": "no"}, "PubkeyAuthentication is no"),
])
def test_server_that_lets_nobody_in(host, openssh, options, words):
    proof = host.prove("--server", openssh.listen(**options))
    assert proof.status == 2 and words in proof.report["servers"][0]["could_not_run"]


def test_one_file_of_keys_for_all(host, world):
    server = OpenSSH(world)
    try:
        proof = host.prove("--server", server.listen())
    finally:
        server.stop()
    assert proof.status == 2
    assert "one file for all users" in proof.report["servers"][0]["could_not_run"]


def test_ipv6_only(host, world):
    server = own_keys(OpenSSHIpv6)(world)
    try:
        proof = host.prove("--server", server.listen())
    finally:
        server.stop()
    assert proof.status == 2
    assert "IPv6 addresses only" in proof.report["servers"][0]["could_not_run"]


# -- a user who is there ----------------------------------------------------------------------


def test_user(host, world, port):
    """The user's keys are as they were; what was not there is not there again."""
    for name, has_keys in (("berta", True), ("carl", False)):
        user = world.user(name)
        keys = f"{user.home}/.ssh/authorized_keys"
        if not has_keys:
            for file in os.listdir(f"{user.home}/.ssh"):
                os.unlink(f"{user.home}/.ssh/{file}")
            os.rmdir(f"{user.home}/.ssh")
        before = open(keys, "rb").read() if has_keys else None
        process = host.in_the_middle("--server", port, "--user", user.name)
        line = open(keys, encoding="ascii").read().splitlines()[-1]
        assert line.startswith('from="127.') and os.stat(keys).st_uid == user.uid
        process.send_signal(signal.SIGINT)
        host.finish(process, 20)
        if has_keys:
            assert open(keys, "rb").read() == before
        else:
            assert not os.path.exists(f"{user.home}/.ssh")
        wait_until(lambda: host.sessions() == [], 10, "its sessions have gone")


# -- evidence ---------------------------------------------------------------------------------


def test_evidence(host, port, tmp_path):
    """A table for people; what an auditor gets can be verified, and breaks when it is changed."""
    key, evidence = tmp_path / "key", tmp_path / "proof.json"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    command = host.command("--server", port, "--evidence", evidence, "--sign", key)
    done = subprocess.run([word for word in command if word != "--json"], capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"openssh on port {port} (SSH-2.0-OpenSSH" in done.stdout
    assert all(f"\n{name} " in done.stdout for name in LIVE | IDLE | FROZEN)
    assert "\nas promised: limit 3s, throwaway user sshidle-prove-" in done.stdout
    text = evidence.read_bytes()
    found = json.loads(text)
    assert found["type"] == "sshidle-evidence" and found["verdict"] == "as promised"
    in_force = subprocess.run([f"{BUILD}/src/daemon/sshidled", "-T", "-f",
                               host.daemon.config_path], capture_output=True, check=True).stdout
    assert found["configuration"]["sha256"] == hashlib.sha256(in_force).hexdigest()
    assert found["host"]["kernel"] == os.uname().release and found["signed_off_by"]["name"]
    assert found["servers"][0]["banner"].startswith("SSH-2.0-OpenSSH")
    assert found["began"] < found["ended"] and "Match Address 127." in str(found["servers"])
    signers = tmp_path / "signers"
    signers.write_text("ops@example.org " + (tmp_path / "key.pub").read_text())
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "ops@example.org", "-n",
              "sshidle-evidence", "-s", f"{evidence}.sig"]
    assert subprocess.run(verify, input=text, capture_output=True, check=False).returncode == 0
    changed = text.replace(b"as promised", b"As promised", 1)
    assert subprocess.run(verify, input=changed, capture_output=True, check=False).returncode != 0
