"""The page of what can happen to a booking is the table's own."""

import re

import pytest

import states
from config import ROOT
from domain.transitions import _GUARDS, RULES
from models import Status

PAGE = ROOT / "docs" / "states.md"


def test_the_page_is_as_new_as_the_table(site):
    with site.app_context():
        assert PAGE.read_text() == states.document(), "run `make states`"


def test_the_command_prints_it(site):
    assert site.test_cli_runner().invoke(args=["states"]).output == PAGE.read_text()


def test_the_readme_leads_there():
    assert "(docs/states.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.verb} by {rule.by}")
def test_each_line_of_the_table_is_a_row(rule):
    rows = [row.split(" | ") for row in PAGE.read_text().splitlines() if row.startswith(f"| `{rule.verb}`")]
    assert len([row for row in rows if states.PEOPLE[rule.by] in row[1].split(", ")]) == 1
    # What a guard looks at is said.
    assert rule.verb not in _GUARDS or any(re.search(r"\w", row[4]) for row in rows)


def test_the_diagram_has_every_state_and_every_move():
    diagram = PAGE.read_text().partition("```mermaid")[2].partition("```")[0]
    for status in Status:
        assert f" as {status.value}\n" in diagram
    for rule in RULES:
        for source in rule.sources:
            if rule.target not in (None, source):
                [arrow] = re.findall(rf"    {source.value} --> {rule.target.value}: (.*)", diagram)
                assert rule.verb in arrow.split(", ")
