"""docs/PROFILES.md says what the source does."""

import re

from conftest import PROFILES, ROOT

TEXT = (ROOT / "docs" / "PROFILES.md").read_text(encoding="utf-8")
PARSER = (ROOT / "src" / "text" / "profile.c").read_text(encoding="utf-8")
FINDER = (ROOT / "src" / "audit" / "audit-find.c").read_text(encoding="utf-8")


def test_every_fact_has_its_row_with_its_keys():
    names = dict(re.findall(r"\[(KEY_\w+)\] = \"([a-z-]+)\"", PARSER))
    rows = re.findall(r"\[FACT_\w+\]\s*=\s*\{ \"([a-z.-]+)\",\s*([^,}]+),\s*([^}]+?)\s*\},", PARSER)
    assert len(rows) == 10
    for fact, must, may in rows:
        if fact == "any-of":
            continue
        row = re.search(rf"^\| `{re.escape(fact)}` \| ([^|]*)\| ([^|]*)\|", TEXT, re.M)
        assert row, fact
        for keys, cell in ((must, row[1]), (may, row[2])):
            assert set(re.findall(r"`([a-z-]+)`", cell)) == {
                names[key] for key in re.findall(r"KEY_BIT\((\w+)\)", keys)}, fact


def test_every_finding_has_its_row():
    assert set(re.findall(r"\.id = \"([a-z0-9.-]+)\"", FINDER)) == set(
        re.findall(r"^\| `((?:openssh|dropbear|tinyssh|server|shell|logind)\.[a-z0-9-]+)` (?:\* )?\| [^|]*\|$", TEXT,
                   re.M))


def test_every_profile_has_its_row():
    table = TEXT.partition("| profile |")[2].partition("\n\n")[0]
    assert {path.stem for path in PROFILES.glob("*.json")} == set(
        re.findall(r"^\| `([a-z0-9.-]+)` \|", table, re.M))
