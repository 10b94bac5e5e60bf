"""Include lines: what each layer may use, how they are written, and in which order."""

from rule import Plant
from source import sources

# The picture in docs/ARCHITECTURE.md.  Beside itself a layer uses these and nothing else.
LAYERS = {
    "base": set(),
    "core": {"base"},
    "text": {"base", "core"},
    "server": {"base", "core"},
    "observe": {"base", "core", "text", "server"},
    "act": {"base", "core", "observe", "keeper"},
    "sandbox": {"base"},
    "keeper": {"base", "text", "sandbox"},
    "daemon": {"base", "core", "text", "server", "observe", "act", "sandbox", "keeper"},
    "native": {"base", "core", "text", "server", "observe"},
    "audit": {"base", "core", "text", "server"},
    "cli": {"base", "core", "text", "server", "native", "audit"},
}

# Made by the build: names, paths and version of this installation.
GENERATED = {"config.h": {"daemon", "cli", "sandbox", "keeper", "native", "audit"}}


def check(tree):
    problems = []
    for source in sources(tree.root):
        includes = source.includes()
        problems += [f"{source.path}:{one.line}: {text}" for one in includes
                     if (text := wrong(source, one))]
        problems += order(source, includes)
        if source.name.endswith(".h") and "\n#pragma once\n" not in "\n" + source.text:
            problems.append(f"{source.path}: has no #pragma once")
    return problems


def wrong(source, include):
    """What is wrong with one line, or None."""
    if source.layer not in LAYERS:
        return f"{source.layer} is in no row of the table of layers"
    if "<" in include.text:
        return None
    if include.path in GENERATED:
        if source.layer in GENERATED[include.path]:
            return None
        return f"{source.layer} must not use {include.path}"
    layer, slash, _ = include.path.partition("/")
    if not slash:
        return f"{include.text}: not by its path from src/"
    if layer != source.layer and layer not in LAYERS[source.layer]:
        return f"{source.layer} must not use {layer}: {include.text}"
    return None


def order(source, includes):
    """Own header, then <...>, then "...", each group sorted."""
    keys = [(one.block, 0, "") if one.own else
            (one.block, 1 if "<" in one.text else 2, one.path) for one in includes]
    # cmocka wants these three before itself, and says so in its manual.
    if any(one.path == "cmocka.h" for one in includes):
        keys = [key for key in keys
                if key[2] not in ("setjmp.h", "stdarg.h", "stddef.h", "stdint.h", "cmocka.h")]
    for before, after in zip(keys, keys[1:]):
        if before > after:
            return [f"{source.path}: {after[2] or 'its own header'} stands behind {before[2]}: own "
                    'header, <...>, "...", each sorted']
    return []


CLEAN = {
    "src/base/text.h": "#pragma once\n",
    "src/core/judge.h": "#pragma once\n#include <stdint.h>\n",
    "src/core/judge.c": '#include "core/judge.h"\n\n#include <a.h>\n#include <b.h>\n\n'
                        '#include "base/text.h"\n#include "core/facts.h"\n',
    "src/cli/main.c": '#include "config.h"\n\n#if HAVE_X\n#include <x.h>\n#endif\n',
    "src/core/judge-more.c": '#include "core/judge.h"\n\n#include <a.h>\n',
    "src/core/test-judge.c": '#include "core/judge.h"\n\n#include <a.h>\n',
    "src/core/prop-judge.c": "#include <stdarg.h>\n#include <stddef.h>\n#include <setjmp.h>\n"
                             '#include <cmocka.h>\n',
}

PLANTED = [
    Plant({"src/core/judge.c": '#include "observe/watch.h"\n'}, "core must not use observe"),
    Plant({"src/cli/main.c": '#include "daemon/clock.h"\n'}, "cli must not use daemon"),
    Plant({"src/core/judge.c": '#include "config.h"\n'}, "core must not use config.h"),
    Plant({"src/core/judge.c": '#include "facts.h"\n'}, "not by its path"),
    Plant({"src/core/judge.c": '#include <b.h>\n#include <a.h>\n'}, "a.h stands behind b.h"),
    Plant({"src/core/judge.c": '#include "base/text.h"\n#include <a.h>\n'}, "stands behind"),
    Plant({"src/core/judge.c": '#include "core/facts.h"\n#include <a.h>\n'}, "stands behind"),
    Plant({"src/core/judge.h": "#ifndef JUDGE_H\n#endif\n"}, "no #pragma once"),
    Plant({"src/fleet/main.c": '#include "base/text.h"\n'}, "in no row of the table"),
    Plant({"src/keeper/main.c": '#include "core/facts.h"\n'}, "keeper must not use core"),
]
