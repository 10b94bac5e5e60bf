"""Sections of docs/BENCHMARKS.md, each rewritten by the script that measures it.

A section stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; what stands outside of the
marks is written by hand.  A name that the file does not have yet is added at its end.
"""

import datetime
import os
import pathlib
import platform
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "BENCHMARKS.md"


def marks(name):
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


def replaced(document, name, text):
    """The document with that text in the section."""
    begin, end = marks(name)
    if (document.count(begin), document.count(end)) == (0, 0):
        return f"{document.rstrip()}\n\n{begin}{text.strip()}\n{end}"
    before, found, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or document.count(begin) > 1 or document.count(end) > 1:
        raise ValueError(f"the marks of {name} do not stand once, one behind the other")
    return f"{before}{begin}{text.strip()}\n{end}{after}"


def write(name, text, path=PATH):
    document = path.read_text(encoding="utf-8")
    path.write_text(replaced(document, name, text), encoding="utf-8")


def first_match(path, pattern):
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8"), re.M)
    except OSError:
        return None
    return found[1].strip() if found else None


def machine():
    """One line on what it was measured on, and how busy that was."""
    cpu = first_match("/proc/cpuinfo", r"^model name\s*:(.*)$") or platform.machine()
    system = first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"$') or "an unknown system"
    kib = int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0)
    return (f"{cpu}, {len(os.sched_getaffinity(0))} cores, {kib / (1 << 20):.0f} GiB; {system}, Linux "
            f"{platform.release().partition('-')[0]}; load {os.getloadavg()[0]:.1f} at the start; "
            f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}")


def version(*command):
    """The first line that a program says of its version, on either output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def spread(values, form):
    """The median, and from where to where: `12.3 (11.9 to 12.8)`."""
    return (f"{form.format(statistics.median(values))} ({form.format(min(values))} to "
            f"{form.format(max(values))})")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
