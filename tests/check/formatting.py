"""Formatting is what clang-format makes of .clang-format, version 14 of it; not discussed."""

import shutil
import subprocess

from rule import Plant, Skip


def tool():
    """clang-format of version 14: others format differently."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path and " version 14." in subprocess.run([path, "--version"], capture_output=True,
                                                     text=True, check=True).stdout:
            return path
    raise Skip("clang-format 14 is missing: install clang-format-14")


def check(tree):
    files = [path for path in tree.files() if path.endswith((".c", ".h"))]
    if not files:
        return []
    done = subprocess.run([tool(), "--style=file", "--dry-run", "-Werror", *files], cwd=tree.root,
                          capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "error:" in line]
    return sorted({line.split(":")[0] + ": make format" for line in lines}) or (
        [done.stderr] if done.returncode else [])


STYLE = "BasedOnStyle: LLVM\nIndentWidth: 8\nTabWidth: 8\nUseTab: Always\n"

CLEAN = {".clang-format": STYLE, "src/base/a.c": "int a;\n"}

PLANTED = [Plant({"src/base/a.c": "int   a ;\n"}, "src/base/a.c: make format")]
