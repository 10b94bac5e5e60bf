"""What the rules have in common: a rule reads a tree and tells its problems.

A rule module has check(tree), which returns a list of problems, and PLANTED: what to plant into an
otherwise clean tree, and what the rule must then say.  A rule that overlooks what was planted, or
complains about CLEAN, is itself the failure.
"""

import collections
import os
import shutil
import subprocess
import tempfile

# files: path -> text; said: a part of the problem that must be found.
Plant = collections.namedtuple("Plant", "files said")


class Skip(Exception):
    """The rule cannot be checked here; says why."""


class Tree:
    """Where the sources are, and the build directory (None for a planted tree)."""

    def __init__(self, root, build=None):
        self.root, self.build = root, build

    def path(self, *names):
        return os.path.join(self.root, *names)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def files(self):
        """Paths of what belongs to the project: tracked, or new and not ignored."""
        if not os.path.exists(self.path(".git")) or not shutil.which("git"):
            return self.walk()
        done = subprocess.run(["git", "-c", "safe.directory=*", "-C", self.root, "ls-files", "-z",
                               "--cached", "--others", "--exclude-standard"],
                              capture_output=True, text=True, check=True)
        return sorted(path for path in set(done.stdout.split("\0"))
                      if path and os.path.isfile(self.path(path)))

    def walk(self):
        found = []
        for directory, names, files in os.walk(self.root):
            names[:] = [name for name in names if not name.startswith(("build", "."))]
            found += [os.path.relpath(os.path.join(directory, name), self.root) for name in files]
        return sorted(found)


def plant(module, files):
    """The problems that the rule finds in a tree of these files."""
    with tempfile.TemporaryDirectory(prefix="sshidle-check-") as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return module.check(Tree(root))


def self_test(module):
    """What is wrong with the rule itself."""
    wrong = []
    said = plant(module, module.CLEAN)
    if said:
        wrong.append(f"complains about a clean tree: {said}")
    for one in module.PLANTED:
        said = plant(module, {**module.CLEAN, **one.files})
        if not any(one.said in problem for problem in said):
            wrong.append(f"overlooks {one.said!r} in {sorted(one.files)}: {said}")
    if not module.PLANTED:
        wrong.append("nothing is planted")
    return wrong
