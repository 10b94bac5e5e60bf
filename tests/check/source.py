"""C files as the checks see them: tokens with their lines, functions, include lines."""

import collections
import os
import re

Token = collections.namedtuple("Token", "line text")
Function = collections.namedtuple("Function", "name line lines parameters nesting body")
Include = collections.namedtuple("Include", "line text path own block")

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
  | (?P<string>"(?:[^"\\\n]|\\.|\\\n)*")
  | (?P<char>'(?:[^'\\\n]|\\.)*')
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9](?:[eEpP][+-]|[A-Za-z0-9_.])*)
  | (?P<mark>->|\+\+|--|<<|>>|[<>=!]=|&&|\|\||[^\sA-Za-z0-9_])
""", re.X | re.M | re.S)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)

PROOF = re.compile(r"^(test|prop|fuzz|fake)-")


class Source:
    """One C file below src/."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.layer = path.split("/")[1]
        self.name = os.path.basename(path)
        self.is_proof = bool(PROOF.match(self.name))

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def tokens(self):
        """Everything but comments and directives; strings and characters lose their content."""
        found, line, at = [], 1, 0
        for match in TOKEN.finditer(self.text):
            line += self.text.count("\n", at, match.start())
            at = match.start()
            if match.lastgroup in ("comment", "directive"):
                continue
            text = {"string": '""', "char": "''"}.get(match.lastgroup, match[0])
            found.append(Token(line, text))
        return found

    def includes(self):
        """Include lines; `block` counts the conditionals before one."""
        found = []
        for match in INCLUDE.finditer(self.text):
            own = not found and match[1] == '"' and self.owns(match[2])
            block = len(re.findall(r"^#[ \t]*(?:if|endif)", self.text[:match.start()], re.M))
            line = self.line_of(match.start())
            found.append(Include(line, match[0].strip(), match[2], own, block))
        return found

    def owns(self, header):
        """x.c, x-more.c and test-x.c own x.h; all of a layer own the header with its name."""
        layer, _, name = header.removesuffix(".h").rpartition("/")
        file = self.name.removesuffix(".c")
        stem = PROOF.sub("", file)
        return layer == self.layer and (name in (layer, file, stem)
                                        or stem.split("-")[0] == name.split("-")[0])

    def calls(self):
        """(line, name) of every call of a function by its name."""
        tokens = self.tokens()
        return [(token.line, token.text)
                for before, token, after in zip([Token(0, "")] + tokens, tokens, tokens[1:])
                if after.text == "(" and token.text.isidentifier()
                and before.text not in (".", "->")]

    def functions(self):
        return list(find_functions(self.tokens()))


def sources(root):
    """All C files below src/, sorted."""
    found = []
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in names:
            if name.endswith((".c", ".h")):
                found.append(os.path.relpath(os.path.join(directory, name), root))
    return [Source(root, path) for path in sorted(found)]


# -- functions ------------------------------------------------------------------------------

PAIRS = {"(": ")", "{": "}", "[": "]"}


def closing(tokens, at):
    """Index of the bracket that closes the one at `at`."""
    wanted, depth = PAIRS[tokens[at].text], 0
    for index in range(at, len(tokens)):
        if tokens[index].text == tokens[at].text:
            depth += 1
        elif tokens[index].text == wanted:
            depth -= 1
            if depth == 0:
                return index
    return len(tokens) - 1


def find_functions(tokens):
    """Definitions at the outermost level: words, a parenthesis, a brace."""
    at, begin = 0, 0
    while at < len(tokens):
        text = tokens[at].text
        if text in (";", "}"):
            at += 1
            begin = at
        elif text == "(":
            end = closing(tokens, at)
            after = tokens[end + 1].text if end + 1 < len(tokens) else ""
            if after == "{" and at > begin and tokens[at - 1].text.isidentifier():
                last = closing(tokens, end + 1)
                yield Function(tokens[at - 1].text, tokens[begin].line,
                               tokens[last].line - tokens[begin].line + 1,
                               count_parameters(tokens[at + 1:end]),
                               nesting(tokens[end + 2:last]), tokens[end + 2:last])
                at = begin = last + 1
            else:
                at = end + 1
        elif text in PAIRS:
            at = closing(tokens, at) + 1
        else:
            at += 1


def count_parameters(tokens):
    if not tokens or [token.text for token in tokens] == ["void"]:
        return 0
    depth, count = 0, 1
    for token in tokens:
        depth += (token.text in "([{") - (token.text in ")]}")
        count += token.text == "," and depth == 0
    return count


def nesting(tokens):
    """How deep control statements lie in each other."""
    deepest, at = 0, 0
    while at < len(tokens):
        at, depth = statement(tokens, at)
        deepest = max(deepest, depth)
    return deepest


def is_control(text):
    return text in ("if", "for", "while", "switch") or text.lower().endswith("foreach")


def statement(tokens, at):
    """Reads one statement; returns (index behind it, its depth)."""
    if at >= len(tokens):
        return at, 0
    text = tokens[at].text
    if text == "{":
        end = closing(tokens, at)
        return end + 1, nesting(tokens[at + 1:end])
    if text == "do":
        at, depth = statement(tokens, at + 1)
        while at < len(tokens) and tokens[at].text != ";":
            at += 1
        return at + 1, depth + 1
    if is_control(text) and at + 1 < len(tokens) and tokens[at + 1].text == "(":
        return control(tokens, at)
    while at < len(tokens) and tokens[at].text != ";":
        if tokens[at].text == ":" and text in ("case", "default"):
            return at + 1, 0
        at = closing(tokens, at) + 1 if tokens[at].text in PAIRS else at + 1
    return at + 1, 0


def control(tokens, at):
    """if, with its chain of else if as one level; for, while, switch."""
    at, depth = statement(tokens, closing(tokens, at + 1) + 1)
    depth += 1
    if at < len(tokens) and tokens[at].text == "else":
        chain = at + 1 < len(tokens) and tokens[at + 1].text == "if"
        at, other = statement(tokens, at + 1)
        depth = max(depth, other if chain else other + 1)
    return at, depth
