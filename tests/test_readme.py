"""What the README shows runs as shown, and what the documents link to is there."""

import ast
import contextlib
import io
import re
import runpy
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from analogrnn.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)|<(?:img|a|source)\b[^>]*?(?:src|href|srcset)=\"([^\"]+)\"|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE
)


def blocks(text, language, start=""):
    """(line number, code) of the fenced blocks in `language` that begin with `start`."""
    found = [(text.count("\n", 0, block.start()) + 2, block[1], block[2]) for block in FENCE.finditer(text)]
    return [(line, code) for line, kind, code in found if kind == language and code.startswith(start)]


def commands(code):
    """The words of each line that calls analogrnn, and the file it is redirected to, if any."""
    for line in code.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        if words[:1] != ["analogrnn"]:
            continue
        words, _, target = (list(part) for part in _split(words[1:], ">"))
        words = words[: words.index("|")] if "|" in words else words
        yield words, target[0] if target else None


def _split(words, at):
    i = words.index(at) if at in words else len(words)
    return words[:i], words[i : i + 1], words[i + 1 :]


def links(text):
    """The targets of links and images that are files here."""
    prose = re.sub(r"`[^`\n]+`", "", FENCE.sub("", text))
    for match in LINK.finditer(prose):
        target = next(group for group in match.groups() if group)
        if not re.match(r"[a-z][a-z+.-]*:|#", target):
            yield unquote(target.split("#")[0])


TEXT = README.read_text(encoding="utf-8")
PYTHON, SHELL = blocks(TEXT, "python"), blocks(TEXT, "sh", "analogrnn")


def test_the_readme_shows_how_to_call_it_from_python_and_from_the_shell():
    assert PYTHON
    assert SHELL


EXAMPLES = {f"README.md, line {line}": code for line, code in PYTHON} | {
    path.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("examples/*.py"))
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_imports_the_front_door_and_nothing_else_of_ours(name):
    tree = ast.parse(EXAMPLES[name])
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert [module for module in modules if str(module).startswith("analogrnn")] == []
    assert [(alias.name, alias.asname) for alias in names if alias.name.startswith("analogrnn")] == [
        ("analogrnn", "ar")
    ]


def test_the_readme_is_short_and_gives_the_two_commands():
    assert TEXT.count("\n") < 150
    assert "    ./run demo " in TEXT
    assert "    ./run test " in TEXT


@pytest.mark.ngspice
@pytest.mark.parametrize(("line", "code"), PYTHON, ids=[f"line {line}" for line, _ in PYTHON])
def test_a_python_block_runs_by_itself(line, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # as many empty lines before it as in the README: a traceback then shows the line there
    (tmp_path / "README_block.py").write_text("\n" * (line - 1) + code, encoding="utf-8")
    runpy.run_path("README_block.py", run_name="__main__")


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize(("line", "code"), SHELL, ids=[f"line {line}" for line, _ in SHELL])
def test_a_shell_block_runs_line_by_line(line, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, target in commands(code):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert main(words) == 0, f"README.md, block at line {line}: analogrnn {shlex.join(words)}"
        assert out.getvalue()
        if target:
            Path(target).write_text(out.getvalue(), encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_every_file_that_a_document_links_to_is_there(document):
    missing = [
        target for target in links(document.read_text(encoding="utf-8")) if not (document.parent / target).exists()
    ]
    assert missing == []


# ---------------------------------------------------------------- the reader of README.md itself


SAMPLE = """Text [one](docs/a.md), ![two](<figures/b%20c.png>), [web](https://x.org/a.md), [here](#there), `[no](c.md)`
<img src="figures/d.png" width="9"> [five](docs/e.md#part)

```sh
analogrnn map NET --cell-size 4um  # a comment
analogrnn export NET \\
    --steps 3 > net.spice
ngspice -b net.spice
analogrnn doctor | head
```

```sh
./run demo [not](linked.md)
```

```python
x = 1
```

[ref]: docs/f.md
"""


def test_blocks_and_links_are_found_as_a_reader_would():
    assert blocks(SAMPLE, "python") == [(17, "x = 1\n")]
    [(line, code)] = blocks(SAMPLE, "sh", "analogrnn")
    assert line == 5
    assert list(commands(code)) == [
        (["map", "NET", "--cell-size", "4um"], None),
        (["export", "NET", "--steps", "3"], "net.spice"),
        (["doctor"], None),
    ]
    assert list(links(SAMPLE)) == ["docs/a.md", "figures/b c.png", "figures/d.png", "docs/e.md", "docs/f.md"]
