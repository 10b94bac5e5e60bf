"""How long, how deep and how wide functions and files are."""

from rule import Plant
from source import sources

FUNCTION_LINES = 80
USUAL_LINES, USUAL_SHARE = 60, 0.95
PARAMETERS = 5
NESTING = 4
FILE_LINES = 600

# path or path:function -> why it may be larger.  Ladders and tables, after a review.
EXCEPTIONS = {
    # A callback of libvterm.
    "src/keeper/modes.c:on_csi": "6 parameters",
}


def check(tree):
    problems, used, functions = [], set(), []

    def tell(key, text):
        if key in EXCEPTIONS:
            used.add(key)
        else:
            problems.append(f"{key}: {text}")

    for source in sources(tree.root):
        lines = source.text.count("\n")
        if lines > FILE_LINES:
            tell(source.path, f"{lines} lines, {FILE_LINES} are allowed")
        for function in source.functions():
            functions.append(function)
            for text in over(function):
                tell(f"{source.path}:{function.name}", text)
    usual = sum(function.lines <= USUAL_LINES for function in functions)
    if functions and usual < USUAL_SHARE * len(functions):
        problems.append(f"only {usual} of {len(functions)} functions are within {USUAL_LINES} lines")
    if tree.build:
        problems += [f"{key}: needs no exception any more" for key in EXCEPTIONS if key not in used]
    return problems


def over(function):
    """What is too much about a function."""
    found = []
    if function.lines > FUNCTION_LINES:
        found.append(f"{function.lines} lines, {FUNCTION_LINES} are allowed")
    if function.parameters > PARAMETERS:
        found.append(f"{function.parameters} parameters, {PARAMETERS} are allowed")
    if function.nesting > NESTING:
        found.append(f"nesting {function.nesting}, {NESTING} is allowed")
    return found


def body(*lines):
    return "int f(int a)\n{\n" + "".join(f"{line}\n" for line in lines) + "\treturn a;\n}\n"


DEEP = "if (a) for (;;) while (a) switch (a) { case 1: "

CLEAN = {
    "src/base/a.c": body(*["\ta++;"] * 50, DEEP + "a++; }",
                         "if (a) a++; else if (a > 1) a++; else if (a > 2) a++; else "
                         "if (a > 3) a++; else if (a > 4) a++; else a--;",
                         "int b[] = { 1, 2 }, c = (int){ 3 };"),
    "src/base/b.c": "static const struct x y[] = {\n\t{ F(1), 2 },\n};\nint g(int, int);\n"
                    "__attribute__((format(printf, 1, 2))) int h(void)\n{\n\treturn 0;\n}\n",
}

PLANTED = [
    Plant({"src/base/a.c": body(*["\ta++;"] * 80)}, "84 lines, 80 are allowed"),
    Plant({"src/base/a.c": body(*["\ta++;"] * 60),
           "src/base/c.c": "int c(void)\n{\n\treturn 0;\n}\n"}, "only 2 of 3"),
    Plant({"src/base/a.c": "int f(int a, int b, int c, int d, int e, int (*g)(int, int))\n{\n}\n"},
          "6 parameters"),
    Plant({"src/base/a.c": body(DEEP + "if (a) a++; }")}, "nesting 5"),
    Plant({"src/base/a.c": body(DEEP + "do a++; while (a); }")}, "nesting 5"),
    Plant({"src/base/a.c": body(DEEP + "array_foreach(a, i) a++; }")}, "nesting 5"),
    Plant({"src/base/a.h": "\n" * 601}, "601 lines, 600 are allowed"),
]
