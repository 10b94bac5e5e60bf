"""Calls that are banned, and calls that have their place."""

from rule import Plant
from source import sources

BANNED = {
    "strcpy": "text_copy", "strcat": "text_append", "strncpy": "text_copy",
    "strncat": "text_append", "stpcpy": "text_copy", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strsep", "atoi": "text_to_u64",
    "atol": "text_to_u64", "atoll": "text_to_u64", "atof": "text_to_u64", "sscanf": "a parser",
    "system": "no shell", "popen": "no shell", "sleep": "a timer", "usleep": "a timer",
    "nanosleep": "a timer", "clock_nanosleep": "a timer", "alloca": "malloc",
    "mktemp": "mkstemp", "tmpnam": "mkstemp", "rand": "getrandom", "setjmp": "a return value",
    "longjmp": "a return value",
}

CLOCKS = {"clock_gettime", "gettimeofday", "time", "timespec_get", "ftime", "times", "clock",
          "event_base_gettimeofday_cached", "clock_ns"}

EXITS = {"exit", "_exit", "_Exit", "quick_exit", "abort"}

LOOKUPS = {"getpwnam", "getpwuid", "getgrnam", "getgrgid", "getgrouplist", "initgroups", "getpwnam_r", "getpwuid_r",
           "groups_read"}

# These make a descriptor: with which word it is close-on-exec.
DESCRIPTORS = {
    "open": "O_CLOEXEC", "openat": "O_CLOEXEC", "socket": "SOCK_CLOEXEC",
    "socketpair": "SOCK_CLOEXEC", "accept4": "SOCK_CLOEXEC", "pipe2": "O_CLOEXEC",
    "epoll_create1": "EPOLL_CLOEXEC", "eventfd": "EFD_CLOEXEC", "signalfd": "SFD_CLOEXEC",
    "timerfd_create": "TFD_CLOEXEC", "inotify_init1": "IN_CLOEXEC", "memfd_create": "MFD_CLOEXEC",
    "accept": None, "pipe": None, "dup": None, "creat": None, "epoll_create": None,
}


def may_read_clock(source):
    """Everywhere else time is a parameter; src/native waits for servers, a line for syslog has its time."""
    return (source.path in ("src/base/clock.c", "src/base/clock.h", "src/base/log.c", "src/cli/clock.c",
                            "src/daemon/clock.c", "src/keeper/clock.c",
                            "src/native/apply-write.c", "src/native/listener.c")
            or source.layer == "observe" or source.is_proof)


def may_exit(source):
    return source.name == "main.c" or source.name.endswith("-main.c") or source.is_proof


def check(tree):
    problems = []
    for source in sources(tree.root):
        problems += [f"{source.path}:{line}: {text}" for line, name in source.calls()
                     if (text := wrong(source, name))]
        problems += [] if source.is_proof else no_cloexec(source)
    return problems


def wrong(source, name):
    """What is wrong with a call, or None."""
    if name in BANNED:
        return f"{name}() is banned: {BANNED[name]}"
    if name in CLOCKS and not may_read_clock(source):
        return f"{name}() reads a clock: only observe and the clocks may"
    if name == "readdir" and source.path != "src/base/directory.c" and not source.is_proof:
        return "readdir(): directory_next() and pids_next() tell the end from an error"
    if name == "glob" and not source.is_proof:
        return "glob(): files_find() tells half a list from a whole one"
    if name in LOOKUPS and source.layer in ("observe", "act") and not source.is_proof:
        return f"{name}(): a database of users makes calls that the monitor's list has not"
    if name in EXITS and not may_exit(source):
        return f"{name}(): only main.c may exit"
    return None


def no_cloexec(source):
    """Every descriptor is born close-on-exec."""
    tokens, problems = source.tokens(), []
    for at, token in enumerate(tokens[:-1]):
        if token.text not in DESCRIPTORS or tokens[at + 1].text != "(":
            continue
        word, arguments = DESCRIPTORS[token.text], set()
        for after in tokens[at + 1:]:
            if after.text in (";", "{"):
                break
            arguments.add(after.text)
        if word not in arguments:
            problems.append(f"{source.path}:{token.line}: {token.text}() makes a descriptor that is "
                            "not close-on-exec")
    return problems


CLEAN = {
    "src/daemon/clock.c": "int x(void)\n{\n\treturn clock_gettime(1, 0);\n}\n",
    "src/base/directory.c": "void *f(DIR *list)\n{\n\treturn readdir(list);\n}\n",
    "src/daemon/main.c": "int main(void)\n{\n\texit(1);\n}\n",
    "src/core/judge.c": '/* time(NULL) strcpy() */\nconst char *x = "system(1)";\n'
                        "int f(void)\n{\n\treturn open(\"/x\", O_RDONLY | O_CLOEXEC);\n}\n",
}


def planted(call, said, path="src/core/judge.c"):
    return Plant({path: f"void f(void)\n{{\n\t(void){call};\n}}\n"}, said)


PLANTED = [
    planted("strcpy(a, b)", "strcpy() is banned"),
    planted("system(a)", "system() is banned"),
    planted("time(NULL)", "time() reads a clock"),
    planted("clock_ns(CLOCK_MONOTONIC)", "clock_ns() reads a clock"),
    planted("clock_gettime(CLOCK_MONOTONIC, &now)", "clock_gettime() reads", "src/daemon/view.c"),
    planted("exit(1)", "only main.c may exit", "src/daemon/monitor.c"),
    planted("readdir(list)", "tell the end from an error", "src/observe/process.c"),
    planted('getpwnam("sshd")', "the monitor's list has not", "src/observe/finder.c"),
    planted('glob("/etc/*", 0, NULL, &found)', "half a list", "src/native/file.c"),
    planted("open(path, O_RDONLY)", "not close-on-exec"),
    planted("pipe(ends)", "not close-on-exec"),
    planted("socket(AF_UNIX, SOCK_STREAM, 0)", "not close-on-exec"),
]
