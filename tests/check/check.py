"""usage: check.py RULE SOURCE-DIRECTORY BUILD-DIRECTORY

Proves that the rule finds what it is there for, then looks at the tree.
"""

import importlib
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from rule import Skip, Tree, self_test  # noqa: E402

SKIPPED = 77


def main():
    name, root, build = sys.argv[1:]
    module = importlib.import_module(name)
    try:
        problems = [f"the rule {name} {text}" for text in self_test(module)]
        problems += module.check(Tree(os.path.abspath(root), os.path.abspath(build)))
    except Skip as reason:
        print(reason)
        return SKIPPED
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
