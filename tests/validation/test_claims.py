"""The claims in the code, the committed rows and the page that is written from them."""

import json
import re

import numpy as np
import pytest

from validation.__main__ import main
from validation.bounds import Bound
from validation.claims import RESULTS, Claim, Measured, Topic, load, merge, save, shortfalls
from validation.page import PAGE, page
from validation.topics import TOPICS, topic

ROWS = [row for name in TOPICS for row in load(name)]
CLAIMS = {identifier: entry.claim for name in TOPICS for identifier, entry in topic(name).entries.items()}
# what the vocabulary of the project replaces by the field's terms
HOMELY = (
    r"tells?|told|as told|held against|fast model|twins?|laws?|noise cuts?|hastened|hears?|what is left|"
    r"first miss(?:es)?|railed|pinned|goes on|nobody|very class|(?:a|the) (?:step|stage|chip|ladder|DAC) each"
)


@pytest.mark.parametrize("identifier", CLAIMS)
def test_a_claim_is_one_sentence_under_two_hundred_characters(identifier):
    claim = CLAIMS[identifier]
    assert len(claim) < 200
    assert claim.endswith(".")
    assert not re.search(r"[.;] +[A-Z]", claim), "more than one sentence"


@pytest.mark.parametrize("identifier", CLAIMS)
def test_a_claim_uses_the_terms_of_the_field(identifier):
    assert not re.search(rf"\b(?:{HOMELY})\b", CLAIMS[identifier], re.IGNORECASE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_names_of_figures_and_conditions_use_the_terms_of_the_field(row):
    texts = [*row.figures, *row.also, *(value for value in row.figures.values() if isinstance(value, str))]
    assert not re.search(rf"\b(?:{HOMELY})\b", " ".join(texts), re.IGNORECASE)


def test_the_committed_rows_are_those_of_the_code_with_its_claims():
    assert {row.id: row.claim for row in ROWS} == CLAIMS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_committed_row_is_complete_and_its_verdict_is_that_of_its_bound(row):
    measured = Measured(row.value, row.unit, row.bound, row.figures, row.also)
    assert row.holds is measured.holds
    assert all(isinstance(value, int | float | str) for value in row.figures.values())
    assert row.unit
    assert row.seconds >= 0.0
    assert row.command == f"./run validate {next(n for n in TOPICS if row.id.startswith(f'{n}-'))}"


def test_the_page_is_the_one_that_the_committed_results_give():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_has_a_line_per_claim_and_six_cells_per_line():
    lines = [line for line in page().splitlines() if line.endswith(("| yes |", "| **no** |", "| - |"))]
    assert len(lines) == len(ROWS)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.claims.RESULTS", tmp_path)
    return tmp_path


def a_row(identifier: str, holds: bool | None) -> Claim:
    bound = Bound() if holds is None else Bound.equals(1.0)
    return Claim(identifier, "A claim.", {"chips": 3}, float(holds or 0), "1", bound, {}, holds, "./run", 0.1)


def test_rows_are_read_as_they_were_saved(results):
    rows = [a_row("x-a", True), a_row("x-b", None)]
    save("x", rows)
    assert load("x") == rows
    assert list(json.loads((results / "x.json").read_text())[0]) == [
        "id",
        "claim",
        "figures",
        "value",
        "unit",
        "bound",
        "also",
        "holds",
        "command",
        "seconds",
    ]


def test_numbers_of_numpy_are_written_as_plain_numbers(results):
    one = Topic("x")
    figures = {"chips": np.int64(3), "margin": np.float32(0.5)}
    one.measure("a", "A claim.")(lambda quick: Measured(np.int64(2), "codes", Bound.at_most(np.float64(2)), figures))
    save("x", one.run(quick=True, report=lambda row: None))
    (row,) = load("x")
    assert (row.value, row.bound.limit, row.figures) == (2, 2.0, {"chips": 3, "margin": 0.5})


def test_only_a_row_that_fails_its_bound_is_a_shortfall(results):
    save("x", [a_row("x-good", True), a_row("x-bad", False), a_row("x-reported", None)])
    assert shortfalls("x") == {"x-bad"}
    assert shortfalls("none") == set()


def test_a_row_measured_anew_replaces_its_older_self(results):
    save("x", [a_row("x-a", False), a_row("x-b", True)])
    merged = merge("x", [a_row("x-a", True), a_row("x-c", None)])
    assert [(row.id, row.holds) for row in merged] == [("x-a", True), ("x-b", True), ("x-c", None)]


@pytest.mark.parametrize(("value", "committed", "code"), [(1.0, True, 0), (0.0, True, 1), (0.0, False, 0)])
def test_a_quick_run_fails_on_a_claim_only_if_the_committed_one_holds(results, monkeypatch, value, committed, code):
    one = Topic("contract")
    one.measure("a", "A claim.")(lambda quick: Measured(value, "1", Bound.equals(1.0)))
    one.measure("b", "A value.")(lambda quick: Measured(value, "1"))
    monkeypatch.setattr("validation.__main__.topic", lambda name: one)
    monkeypatch.setattr("sys.argv", ["validation", "contract", "--quick"])
    save("contract", [a_row("contract-a", committed), a_row("contract-b", None)])
    assert main() == code


def test_a_printed_line_has_id_value_bound_verdict_seconds_and_claim(monkeypatch, capsys, results):
    one = Topic("contract")
    one.measure("a", "A claim.")(lambda quick: Measured(0.5, "of steps", Bound.at_least(0.9)))
    one.measure("b", "A value.")(lambda quick: Measured(2.0, "nW"))
    monkeypatch.setattr("validation.__main__.topic", lambda name: one)
    monkeypatch.setattr("sys.argv", ["validation", "contract", "--quick"])
    assert main() == 1
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"contract-a +50 % of steps +>= 90 % +DOES NOT HOLD +0\.0 s  A claim\.", first)
    assert re.fullmatch(r"contract-b +2 nW +reported +- +0\.0 s  A value\.", second)


def test_the_results_of_every_topic_are_committed():
    assert all((RESULTS / f"{name}.json").is_file() for name in TOPICS)
