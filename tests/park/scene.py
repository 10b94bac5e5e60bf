"""One server and many programs, all parked at the same moment, each beside its like in a session that
is never parked.

Both are panes of tmux (tests/keeper/panes.py) that logged in over the same server; it listens on a
second port that no rule is about.  There people come back, too.
"""

import json
import os
import re

from bench import BUILD, KEEPER, Bench
from clients import PROGRAMS
from panes import Tmux, same, settled, wait_for
from world import wait_until

SSHIDLE = f"{BUILD}/src/cli/sshidle"

# Long enough to begin in, on any host.
BEGIN_S = 600

# A shell's exit status can be had when its parent has waited for it.  That is init, once the server is
# gone; what stands for it in a container may take seconds.
REAPER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
child = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
while os.wait()[0] != child:
    pass
"""

class Scene:
    def __init__(self, world, server_class, name):
        self.world, self.tmux = world, Tmux()
        self.bench = Bench(world, server_class, name, KEEPER)
        self.server, self.user = self.bench.server, self.bench.user
        self.home = world.path("scenes", name, "home", "x")[:-2]
        os.chown(self.home, self.user.uid, self.user.gid)
        self.extra = "ParkMax 200"
        self.server.in_namespace = lambda argv: ["/usr/bin/python3", "-c", REAPER, *argv]
        try:
            self.free_port = self.server.listen()
            self.bench.start(self.extra, BEGIN_S)
        finally:
            del self.server.in_namespace
        self.seats, self.ttys = {}, []

    def close(self):
        try:
            self.bench.close()
        finally:
            self.tmux.close()

    def login(self, port=None, user=None, options=(), **size):
        """A shell in a pane; on the free port unless another one is named."""
        program = "ssh" if options else self.server.program
        argv = PROGRAMS[program](self.world, self.server, port or self.free_port,
                                 user or self.user, options=options)
        return Login(self, ["env", f"HOME={self.world.path('home', 'client', '')}", *argv], **size)

    def path(self, *names):
        """A path below the scene's home, in a directory that is the user's."""
        path = os.path.join(self.home, *names)
        directory = os.path.dirname(path)
        if not os.path.exists(directory):
            os.mkdir(directory)
            os.chown(directory, self.user.uid, self.user.gid)
        return path

    def write(self, text, *names):
        path = self.path(*names)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        os.chown(path, self.user.uid, self.user.gid)
        return path

    def park(self, limit=1):
        """From now on the limit is short; waits until all have been parked."""
        wanted = {one.tty for one in self.logins()} | set(self.ttys)
        self.bench.limit(limit, self.extra)
        try:
            wait_until(lambda: wanted <= set(self.terminals()), 40, "all are parked")
        except AssertionError as error:
            left = {one.name: one.parked.tty for one in self.seats.values()
                    if one.parked.tty not in self.terminals()}
            said = [line.text for line in self.bench.daemon.find("parked session|be parked|cut ")]
            raise AssertionError(f"{error}; left are {left}, {self.ttys}; {said}") from None
        ids = self.terminals()
        for one in self.logins():
            one.id = ids[one.tty]

    def logins(self):
        return [one.parked for one in self.seats.values()]

    def terminals(self):
        """tty -> id of what is parked."""
        return {one["tty"]: number for number, one in self.listed().items()}

    def listed(self):
        """id -> what `sshidle parked` says of it, to root."""
        done = self.bench.daemon.cli("parked", "--json")
        assert done.returncode == 0, done.stderr
        return {one["id"]: one for one in json.loads(done.stdout)["parked"]}

    def resume(self, number, *arguments, rows=24, columns=80):
        """A new login that comes back to it and shows it."""
        login = self.login(rows=rows, columns=columns)
        login.resume(number, *arguments)
        wait_for(lambda: self.listed()[number]["attached"], "the client")
        settled(self.tmux, login.pane)
        return login


class Login:
    """A shell over the server, in a pane."""

    def __init__(self, scene, argv, rows=24, columns=80):
        self.scene, self.tmux = scene, scene.tmux
        self.pane = self.tmux.start(argv, rows, columns)
        wait_for(lambda: self.text().rstrip().endswith(("$", "#")), f"a prompt of {argv}")
        self.line("stty sane; PS1='$ ' LC_ALL=C.UTF-8; export LC_ALL; unset HISTFILE; "
                  "echo tty=$(tty) pid=$$=")
        found = wait_for(lambda: re.search(r"tty=/dev/(\S+) pid=(\d+)=", self.text()), "its shell")
        self.tty, self.shell_pid, self.id = found[1], int(found[2]), None
        self.line("clear")
        wait_for(lambda: self.text().strip() == "$", "an empty screen")

    def text(self):
        return self.tmux.text(self.pane)

    def keys(self, *keys):
        self.tmux.keys(self.pane, *keys)

    def literal(self, text):
        self.tmux.literal(self.pane, text)

    def line(self, text):
        self.literal(text)
        self.keys("Enter")

    def resume(self, *arguments):
        self.line(f"{SSHIDLE} resume -r {self.scene.bench.daemon.runtime} "
                  + " ".join(str(one) for one in arguments))

    def wait(self, text):
        try:
            return wait_for(lambda: re.search(text, self.text()))
        except AssertionError:
            size = self.tmux.call("display", "-p", "-t", self.pane, "#{pane_height}x#{pane_width}")
            raise AssertionError(f"{self.pane} ({self.tty}, {size.strip()}) does not show "
                                 f"{text!r}:\n{self.text()}") from None

    def answers(self):
        """The shell answers."""
        self.line("echo back-$$-")
        self.wait(rf"back-{self.shell_pid}-")

    def has_ended(self):
        return self.tmux.call("display", "-p", "-t", self.pane, "#{pane_dead}").strip() == "1"

    def status(self):
        wait_for(self.has_ended, "the end of the client")
        return int(self.tmux.call("display", "-p", "-t", self.pane, "#{pane_dead_status}"))


class Seat:
    """The same twice: in a session that will be parked, and in one that is not."""

    def __init__(self, scene, name, reference=True, options=()):
        self.scene, self.name, self.tmux = scene, name, scene.tmux
        self.parked = scene.login(scene.bench.port, options=options)
        self.reference = scene.login() if reference else None
        self.back = None
        for side, login in self.sides().items():
            login.line(f"cd {os.path.dirname(scene.path(f'{name}-{side}', 'x'))}; clear")
        scene.seats[name] = self

    def sides(self):
        return {side: one for side, one in (("parked", self.parked), ("reference", self.reference))
                if one}

    def path(self, side, *names):
        return self.scene.path(f"{self.name}-{side}", *names)

    def both(self, text, until):
        """Typed into both, as long as neither is parked."""
        for login in self.sides().values():
            login.literal(text)
        for login in self.sides().values():
            login.wait(until)

    def write(self, text, name):
        for side in self.sides():
            self.scene.write(text, f"{self.name}-{side}", name)

    def resume(self, rows=24, columns=80):
        if self.reference:
            self.tmux.size(self.reference.pane, rows, columns)
        self.back = self.scene.resume(self.parked.id, rows=rows, columns=columns)
        return self.back

    def size(self, rows, columns):
        for login in (self.back, self.reference):
            self.tmux.size(login.pane, rows, columns)

    def type(self, *keys, until=""):
        for login in (self.back, self.reference):
            login.keys(*keys)
        for login in (self.back, self.reference):
            login.wait(until)

    def seen(self):
        """(cells, state) of the resumed one and of the other."""
        return settled(self.tmux, self.back.pane), settled(self.tmux, self.reference.pane)

    def check(self, last=None):
        """All cells, cursor and modes are the same; or only the last lines."""
        ours, theirs = self.seen()
        if last:
            ours, theirs = (([line for line in cells if line][-last:], "")
                            for cells, _ in (ours, theirs))
        same(ours, theirs)

    def leave(self):
        """Lets go of it."""
        self.tmux.call("kill-session", "-t", self.back.pane)
        wait_for(lambda: not self.scene.listed()[self.parked.id]["attached"], "its end")
