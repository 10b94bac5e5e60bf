"""Every header can be included alone."""

import os
import shutil
import subprocess

from rule import Plant, Skip
from source import sources

LIBRARIES = ["libevent", "jansson", "libcap-ng", "libsystemd", "cmocka", "vterm"]


def flags_of_libraries():
    flags = []
    for library in LIBRARIES:
        done = subprocess.run(["pkg-config", "--cflags", library], capture_output=True, text=True,
                              check=False)
        flags += done.stdout.split() if done.returncode == 0 else []
    return flags


def check(tree):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or not shutil.which("pkg-config"):
        raise Skip("cc or pkg-config is missing")
    command = [compiler, "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               "-I", tree.path("src"), *flags_of_libraries()]
    if tree.build:
        command += ["-I", tree.build, "-I", os.path.join(tree.build, "src/daemon")]
    problems = []
    for source in sources(tree.root):
        if source.name.endswith(".h"):
            done = subprocess.run([*command, "-x", "c", "-"], capture_output=True, text=True,
                                  input=f'#include "{source.path.removeprefix("src/")}"\n',
                                  check=False)
            if done.returncode:
                problems.append(f"{source.path}: not self-contained: {done.stderr.strip()}")
    return problems


CLEAN = {"src/base/a.h": "#pragma once\n#include <stdint.h>\nuint32_t a_b(void);\n"}

PLANTED = [Plant({"src/base/a.h": "#pragma once\nuint32_t a_b(void);\n"}, "not self-contained")]
