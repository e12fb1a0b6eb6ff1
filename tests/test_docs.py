"""The documentation names only what exists: files, modules, validation topics; and its Python is Python."""

import ast
import contextlib
import fnmatch
import functools
import importlib
import io
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_readme import blocks, links

from analogrnn import design
from analogrnn.cli.main import VERBS, main
from validation.__main__ import TOPICS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "circuits", "netlists", "calibration", "networks")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md"))),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
ROOMS = [path.stem for path in (ROOT / "analogrnn").iterdir() if not path.name.startswith("_")]
FILES = (".py", ".md", ".json", ".ngspice", ".cir")
MODULE = re.compile(r"`(analogrnn(?:\.\w+)+)")
IN_PACKAGE = re.compile(
    rf"`((?:{'|'.join(ROOMS)})(?:\.[A-Za-z]\w*)+)(?=[`(])"
)  # named from the package: `network.forward`
SOURCE = re.compile(r"`([\w/]+\.py)\b")
TOPIC = re.compile(r"(?:\./run validate|python -m validation) ([a-z][a-z-]*)")
COMMAND = re.compile(rf"\banalogrnn +({'|'.join(VERBS)})\b([^`#\n]*)")
ROW = re.compile(rf"`((?:{'|'.join(TOPICS)})-[a-z0-9*][\w*-]*)`")
FIELD = re.compile(r"`(Ladder|Timing|Sizing|Design|Synapses|Technology)\.(\w+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def exists(path: str) -> bool:
    """Whether a dotted path leads to a module, or to a name that a module defines or exports."""
    parts = path.split(".")
    module = "analogrnn"
    for part in parts[1:]:
        spec = find_spec(module)
        if spec is None:
            return False
        if spec.submodule_search_locations is not None and find_spec(f"{module}.{part}") is not None:
            module = f"{module}.{part}"
            continue
        return part in defined(module) or hasattr(importlib.import_module(module), part)
    return find_spec(module) is not None


def defined(module: str) -> set[str]:
    """The functions and classes of a module, found without importing it: some need an optional package."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return set()
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_relative_link_and_image_of_a_page_leads_to_a_file(page):
    missing = [target for target in links(page.read_text(encoding="utf-8")) if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    named = MODULE.findall(text) + [
        f"analogrnn.{path}" for path in IN_PACKAGE.findall(text) if not path.endswith(FILES)
    ]
    assert [path for path in named if not exists(path)] == []
    # a source file is named from the root of the tree or from the package
    missing = [
        path for path in SOURCE.findall(text) if not any((ROOT / at / path).is_file() for at in (".", "analogrnn"))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_validation_topic_that_a_page_names_exists(page):
    assert set(TOPIC.findall(page.read_text(encoding="utf-8"))) <= set(TOPICS)


def test_every_validation_row_that_a_page_names_is_in_the_results():
    results = [json.loads(path.read_text()) for path in (ROOT / "validation" / "results").glob("*.json")]
    ids = [row["id"] for rows in results if isinstance(rows, list) for row in rows if "id" in row]
    named = {row for page in PAGES for row in ROW.findall(page.read_text(encoding="utf-8"))}
    assert {row for row in named if not fnmatch.filter(ids, row)} == set()
    assert len(named) > 10  # the pattern still finds them


def test_the_glossary_names_fields_of_the_records_and_nodes_of_the_subcircuits():
    glossary = (ROOT / "docs" / "README.md").read_text(encoding="utf-8").split("## Glossary")[1].split("\n## ")[0]
    fields = FIELD.findall(glossary)
    assert len(fields) > 15
    for record, name in fields:
        kind = getattr(design, record)
        assert name in kind.__dataclass_fields__ or hasattr(kind, name), f"{record}.{name}"
    circuits = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "circuits" / "gf180mcu").glob("*.spice"))
    in_schematic = [row.split("|")[4] for row in glossary.splitlines() if row.startswith("| ") and row.count("|") == 5]
    for name in re.findall(r"`([a-z]+\d?)`", "".join(in_schematic[1:])):
        if name not in ("a1", "a"):  # a node of the deck: one for each stage
            assert re.search(rf"\b{name}\b|\bX{name}\b", circuits), name


@functools.cache
def flags(*verb: str) -> frozenset[str]:
    """The flags that the help of `analogrnn VERB` lists."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        main([*verb, "--help"])
    return frozenset(FLAG.findall(text.getvalue()))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_flag_of_a_command_that_a_page_shows_exists(page):
    for verb, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        question = rest.split()[:1] if verb == "analyze" else []
        if question and not re.fullmatch("[a-z-]+", question[0]):
            continue  # the command in general
        assert set(FLAG.findall(rest)) <= flags(verb, *question), f"analogrnn {verb}{rest}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_python_block_of_a_page_compiles_and_imports_what_exists(page):
    for line, code in blocks(page.read_text(encoding="utf-8"), "python"):
        compile("\n" * (line - 1) + code, page.name, "exec")
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "analogrnn":
                for alias in node.names:
                    assert exists(f"{node.module}.{alias.name}"), f"{page.name}, block at line {line}: {alias.name}"


def test_the_index_links_to_every_page():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(links(index)) == set()


def test_the_index_places_every_room_of_the_package():
    rooms = (ROOT / "docs" / "README.md").read_text(encoding="utf-8").split("## Where things are")[1]
    names = {
        path.name + "/" * path.is_dir() for path in (ROOT / "analogrnn").iterdir() if not path.name.startswith("_")
    }
    missing = {name for name in names if name.endswith((".py", "/")) and f"`{name}`" not in rooms}
    assert missing - {"analysis/"} == set(), "add a line for it to the table in docs/README.md"
    folders = {path.name for path in (ROOT / "analogrnn" / "analysis").iterdir() if not path.name.startswith("_")}
    assert {name for name in folders if f"`analysis/{name}/`" not in rooms} == set()


def test_a_name_that_does_not_exist_is_noticed():
    assert COMMAND.findall("use `analogrnn mc NET --chips 3`, then") == [("mc", " NET --chips 3")]
    assert FLAG.findall("[--chips 3] --no-such") == ["--chips", "--no-such"]
    assert "--chips" in flags("mc")
    assert "--no-such" not in flags("mc")
    assert exists("analogrnn.spice.engine.run_deck")
    assert exists("analogrnn.analysis.bits")
    assert not exists("analogrnn.spice.engine.no_such_name")
    assert not exists("analogrnn.no_such_module.run")
    assert TOPIC.findall("run `./run validate circuits --quick` or ./run validate no-topic") == ["circuits", "no-topic"]
