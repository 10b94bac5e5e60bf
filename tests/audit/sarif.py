"""What the SARIF 2.1.0 schema demands of the objects that we write, as far as they are used.

For each object: the properties that it may have and what each is; those with `!` must be there.
Anything else is an error, as in the schema ("additionalProperties": false).
"""

import re

KINDS = {"notApplicable", "pass", "fail", "review", "open", "informational"}
LEVELS = {"none", "note", "warning", "error"}


def text(value):
    return isinstance(value, str) and value != ""


def uri(value):
    return isinstance(value, str) and re.fullmatch(
        r"[a-z][a-z0-9+.-]*:([A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-F]{2})*", value) is not None


def at_least(least):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def one_of(words):
    return lambda value: value in words


OBJECTS = {
    "log": {"$schema": uri, "version!": one_of({"2.1.0"}), "runs!": ["run"]},
    "run": {"tool!": "tool", "invocations": ["invocation"], "results": ["result"]},
    "tool": {"driver!": "component"},
    "component": {"name!": text, "version": text, "rules": ["rule"]},
    "rule": {"id!": text, "shortDescription": "message", "fullDescription": "message",
             "help": "message"},
    "message": {"text!": text},
    "invocation": {"executionSuccessful!": one_of({True, False})},
    "result": {"ruleId": text, "ruleIndex": at_least(-1), "kind": one_of(KINDS),
               "level": one_of(LEVELS), "message!": "message", "locations": ["location"]},
    "location": {"physicalLocation": "physical"},
    "physical": {"artifactLocation": "artifact", "region": "region"},
    "artifact": {"uri": uri},
    "region": {"startLine": at_least(1)},
}


def problems(value, kind="log", place="$"):
    """What is wrong with one object and all within it."""
    if not isinstance(value, dict):
        return [f"{place} is no object"]
    known = {name.rstrip("!"): what for name, what in OBJECTS[kind].items()}
    found = [f"{place}.{name} is missing" for name in OBJECTS[kind]
             if name.endswith("!") and name[:-1] not in value]
    for name, member in value.items():
        where, what = f"{place}.{name}", known.get(name)
        if what is None:
            found.append(f"{where} is not known")
        elif isinstance(what, str):
            found += problems(member, what, where)
        elif isinstance(what, list):
            found += problems_of_array(member, what[0], where)
        elif not what(member):
            found.append(f"{where} is {member!r}")
    return found + rules_of(value, kind, place)


def problems_of_array(value, kind, place):
    if not isinstance(value, list):
        return [f"{place} is no array"]
    found = [f"{place} has the same entry twice"] if kind in ("rule", "location") and any(
        value.count(one) > 1 for one in value) else []
    for number, one in enumerate(value):
        found += problems(one, kind, f"{place}[{number}]")
    return found


def rules_of(value, kind, place):
    """What the text of the standard demands beyond the schema."""
    found = []
    if kind == "result" and value.get("kind", "fail") != "fail" and value.get("level") != "none":
        found.append(f"{place}.level must be none with this kind (3.27.10)")
    if kind == "run":
        rules = value["tool"]["driver"]["rules"]
        names = [rule["id"] for rule in rules]
        if len(set(names)) != len(names):
            found.append(f"{place}: ids of rules are not unique")
        found += [f"{place}: {one['ruleId']} is not the rule {one['ruleIndex']}"
                  for one in value["results"] if names[one["ruleIndex"]] != one["ruleId"]]
    return found
