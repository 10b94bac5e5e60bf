"""A file exports only its noun: every global function of src/x/noun.c is noun_something.

The words of a longer name are nouns too: engine-table.c may have table_find().
"""

import re

from rule import Plant
from source import sources

# path -> another noun that it may export, and why.
EXCEPTIONS = {
    # host_read() alone would not say of what.
    "src/native/host.c": ("native",),
    # The sanitizers' own names.
    "src/base/sanitizers.c": ("__asan", "__ubsan"),
}


def check(tree):
    problems, by_path = [], {source.path: source for source in sources(tree.root)}
    for path, source in by_path.items():
        if not path.endswith(".c") or source.is_proof or source.name == "main.c":
            continue
        nouns = [*source.name.removesuffix(".c").split("-"), *EXCEPTIONS.get(path, ())]
        for function in source.functions():
            if is_global(source, function) and not any(
                    function.name == noun or function.name.startswith(noun + "_")
                    or function.name.startswith(noun.removesuffix("s") + "_") for noun in nouns):
                problems.append(f"{path}:{function.line}: exports {function.name}(), which is not "
                                f"{nouns[0]}_...")
    return problems


def is_global(source, function):
    head = source.text.splitlines()[function.line - 1]
    return not re.search(r"\bstatic\b", head)


CLEAN = {"src/base/text-more.c": "static int helper(void)\n{\n\treturn 0;\n}\n\n"
                                 "int text_copy(void)\n{\n\treturn helper();\n}\n"}

PLANTED = [Plant({"src/base/text.c": "int copy_text(void)\n{\n\treturn 0;\n}\n"},
                 "exports copy_text()")]
