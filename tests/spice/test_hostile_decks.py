"""Decks that try to do more than simulate: the check refuses each, and a deck that passes writes no file.

The first test shows that the constructs are real: ngspice, without the gate, runs them and the file appears.
"""

import random
import string
from pathlib import Path

import pytest

from analogrnn.errors import DeckError, SpiceError
from analogrnn.spice.engine import check_deck, find_ngspice, run_deck, run_process

RC = "V1 in1 0 PULSE(0 1 0 1n 1n 1 2)\nR1 in1 out 1k\nC1 out 0 1n\n.tran 100n 1u\n"
CONTROL = ".control\nshell touch ran\n.endc"

# what ngspice 39 runs with `-n -b -r`, found by trying every leading character (`*#` lines are folded to lower case)
EXECUTED = {
    "control": CONTROL,
    "control in capitals": CONTROL.upper().replace("SHELL TOUCH RAN", "shell touch ran"),
    "control, indented": f" \t{CONTROL}",
    "control with a longer name": CONTROL.replace(".control", ".controlling"),
    "control that never ends": ".control\nshell touch ran",
    "control after the end": f".end\n{CONTROL}",
    "control under a condition": f".if (1)\n{CONTROL}\n.endif",
    "control with carriage returns": CONTROL.replace("\n", "\r\n"),
    "a command in a comment": "*# shell touch ran",
    "a command in an indented comment": " *# shell touch ran",
} | {f"a command after {c!r}": f"{c}# shell touch ran" for c in '\f!"$%&()*,:;=?[]'}

# what ngspice 39 does not run, or only in other set-ups; refused as well
REFUSED = {
    "control after a plus": f"+{CONTROL}",
    "control split over lines": ".con\n+trol\nshell touch ran\n.endc",
    "control in an element": f"R2 out 0 1k {CONTROL}",
    "control after a backslash": f"R2 out 0 1k \\\n{CONTROL}",
    "carriage return alone": "* note\r*# shell touch ran",
    "NUL": "* note\0\n*# shell touch ran",
    "vertical tab": "\v*# shell touch ran",
    "no-break space": "\xa0.control",
    "next line": "\x85*# shell touch ran",
    "line separator": "\u2028*# shell touch ran",
    "a homoglyph": ".c\u043entrol",
    "backquotes": ".param a=`touch ran`",
    "csparam": ".csparam a={1}",
    "exec": ".exec shell touch ran",
    "hdl": '.hdl "x.va"',
    "meas": ".meas tran m max v(out)",
    "print": ".print tran v(out) > ran",
    "plot": ".plot tran v(out)",
    "shell": "shell touch ran",
    "codemodel": "codemodel x.cm",
    "write": "write ran all",
    "wrdata": "WRDATA ran v(out)",
    "save to a file": ".save v(out) > ran",
    "save with a quote": ".save 'v(out)'",
    "XSPICE file source": "a1 %v([z]) src",
    "CIDER": ".model dm numd level=1",
    "CIDER on a second line": ".model dm\n+ numd level=1",
    "comment with a hash": "# note",
}

# file names: `mine.inc` was given in `files`
REFERENCES = [
    ".include /etc/passwd",
    ".inc /etc/passwd",
    ".INCLUDE '/etc/passwd'",
    '.include "/etc/passwd"',
    ".include ../mine.inc",
    ".include ./mine.inc",
    ".include ~/mine.inc",
    ".include mine.inc x",
    ".include mine.inc ; x",
    ".include\n+ mine.inc",
    ".lib mine.inc\n+ typical",
    ".lib\n+ mine",
    ".include mine\n+.inc",
    ".include 'mine.inc",
    ".include'mine.inc'",
    ".include",
    ".incl mine.inc",
    ".includes mine.inc",
    ".include MINE.inc",
    ".include out.raw",
    ".include deck.cir",
    ".include $HOME/mine.inc",
    ".include mine.inc\\",
    ".lib /etc/passwd x",
    ".lib '/etc/passwd' x",
    ".lib other.lib x",
    ".lib mine.inc",
    ".lib mine.inc x y",
    ".library mine.inc x",
]


def unguarded(text: str, folder: Path, **files: str) -> set[str]:
    """Run `text` without the check; return the names of the files that appeared."""
    (folder / "deck.cir").write_bytes(text.encode("latin-1"))
    for name, content in files.items():
        (folder / name).write_text(content)
    argv = [str(find_ngspice().executable), "-n", "-b", "-r", "out.raw", "deck.cir"]
    run_process(argv, folder, timeout=60)
    return {path.name for path in folder.iterdir()} - {"deck.cir", "out.raw", *files}


@pytest.mark.ngspice
@pytest.mark.parametrize("name", EXECUTED)
def test_ngspice_runs_it_and_the_check_refuses_it(name, tmp_path):
    deck = f"title\n{RC}{EXECUTED[name]}\n.end\n"
    assert unguarded(deck, tmp_path) == {"ran"}
    with pytest.raises(DeckError, match=r"deck line \d+: "):
        check_deck(deck)


@pytest.mark.parametrize("name", EXECUTED | REFUSED)
@pytest.mark.parametrize("place", ["deck", "file"])
def test_no_run_starts_and_no_file_appears(name, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = (EXECUTED | REFUSED)[name]
    deck = f"title\n{RC}{hostile if place == 'deck' else '.include mine.inc'}\n.end\n"
    owner = "deck line" if place == "deck" else r"mine\.inc line"
    with pytest.raises(DeckError, match=rf"^{owner} \d+: .*[.;:]"):
        run_deck(deck, stop_time=1e-6, files={"mine.inc": f"{hostile}\n"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ngspice
@pytest.mark.parametrize("include", [".include mine.inc", ".incfoo mine.inc", ".lib mine.inc x"])
def test_included_text_is_as_dangerous_as_the_deck(include, tmp_path):
    """The reason for checking each file: included text runs too."""
    content = (
        "* library\n.lib x\n*# shell touch ran\n.endl x\n" if ".lib" in include else "* text\n*# shell touch ran\n"
    )
    assert unguarded(f"title\n{RC}{include}\n.end\n", tmp_path, **{"mine.inc": content}) == {"ran"}


@pytest.mark.ngspice
@pytest.mark.parametrize("deck", ["*ng_script\nshell touch ran\nquit\n", f".include mine.inc\n{RC}.end\n"])
def test_the_title_line_can_execute_and_is_checked(deck, tmp_path):
    assert unguarded(deck, tmp_path, **{"mine.inc": "* text\n*# shell touch ran\n"}) == {"ran"}
    with pytest.raises(DeckError, match="deck line 1: "):
        check_deck(deck, files={"mine.inc"})


@pytest.mark.parametrize("line", REFERENCES)
def test_a_reference_must_name_a_given_file_exactly(line):
    with pytest.raises(DeckError, match=r"deck line \d+: "):
        check_deck(f"title\n{RC}{line}\n.end\n", files={"mine.inc"})


@pytest.mark.parametrize(
    "line",
    [
        ".include mine.inc",
        ".inc 'mine.inc'",
        ' .INCLUDE  "mine.inc" ',
        ".lib mine.inc typical",
        ".lib 'mine.inc' ss",
        ".include /opt/pdk/a b.lib",
        ".lib '/opt/pdk/a b.lib' typical",
        ".include 'a b.lib'",
    ],
)
def test_files_and_allowed_paths_may_be_named(line):
    check_deck(f"title\n{RC}{line}\n.end\n", files={"mine.inc"}, allowed_paths={Path("/opt/pdk/a b.lib")})


@pytest.mark.parametrize("line", ["*# shell touch ran", "  .control", ".CONTROLX", "*ng_script"])
def test_a_model_file_that_holds_commands_is_refused_before_anything_runs(tmp_path, monkeypatch, line):
    """A process design kit is read in place and not copied: it is checked like the given files."""
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models.lib"
    models.write_text(f".lib typical\n.param a=1\n{line}\nshell touch ran\n.endl typical\n")
    with pytest.raises(DeckError, match=r"models\.lib line 3: .* makes ngspice run commands; use a clean copy"):
        run_deck(f"title\n{RC}.lib models.lib typical\n.end\n", stop_time=1e-6, allowed_paths=frozenset({models}))
    assert [path.name for path in tmp_path.iterdir()] == ["models.lib"]


def test_a_missing_model_file_is_refused(tmp_path):
    with pytest.raises(SpiceError, match=r"gone\.lib can't be read: No such file or directory; correct the path"):
        run_deck(
            f"title\n{RC}.lib gone.lib x\n.end\n", stop_time=1e-6, allowed_paths=frozenset({tmp_path / "gone.lib"})
        )


def test_an_allowed_path_allows_nothing_beside_it():
    with pytest.raises(DeckError, match=r"'\.include /opt/pdk/b' may not be read; allowed: \['/opt/pdk/a', 'a'\]"):
        check_deck("title\n.include /opt/pdk/b\n", allowed_paths={Path("/opt/pdk/a")})


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "/etc/x",
        ".spiceinit",
        "deck.cir",
        "out.raw",
        "a b",
        "a\n",
        "a\0",
        "-r",
        "x" * 65,
        "é",
        "$x",
    ],
)
def test_a_file_to_write_has_a_plain_name(name):
    with pytest.raises(DeckError, match="is taken or is not a plain file name; use letters, digits"):
        run_deck(f"title\n{RC}", stop_time=1e-6, files={name: "* text\n"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("*# x", r"deck line 2: '\*#' makes ngspice run commands; remove it and measure in Python"),
        ("$ note", r"deck line 2: no element starts with '\$'; write comments with `\*`"),
        ("R1 a 0 1\t\x07", r"deck line 2: '\\x07' may not enter; use printable ASCII without backquotes"),
        ("R1 a 0 1 \\", "deck line 2: a backslash ends it; continue a line with `[+]`"),
        ("source x", "deck line 2: 'source' is a command, not an element"),
        ("A1 [a] b g", "deck line 2: 'a1' is an XSPICE device, which may read files; use a B source"),
        (".Print tran v(a)", r"deck line 2: \.print may not enter a deck; allowed: \.tran \.op"),
        (".model d numd", "deck line 2: CIDER models may write files; use a compact model"),
        (".save v(a)>x", r"deck line 2: '>' may not enter \.save; list signals such as v\(out\)"),
        (".include x", r"deck line 2: '\.include x' may not be read; allowed: no files"),
        (".Noise v(a) V1 dec 5 1 10", r"deck line 2: \.noise gives two plots, and a run has one; use \.ac"),
    ],
)
def test_the_message_names_the_line_and_a_way_out(line, message):
    with pytest.raises(DeckError, match=message):
        check_deck(f"title\n{line}\n")


def test_only_a_caller_that_reads_two_plots_runs_a_noise_analysis():
    """The calibration of the cell's noise does."""
    check_deck("title\n.noise v(a) V1 dec 5 1 10\n", noise=True)
    with pytest.raises(DeckError, match=r"\.noise\.x|\.noisex"):
        check_deck("title\n.noisex v(a) V1 dec 5 1 10\n", noise=True)


@pytest.mark.parametrize("title", ["$ cheap", "(draft)", "+ more", ".tran 1n 1u", '"quoted"'])
def test_a_title_starts_with_a_letter_or_a_star(title):
    with pytest.raises(DeckError, match=r"deck line 1: a title may not start with .*; start it with a letter or `\*`"):
        check_deck(f"{title}\n{RC}")


def test_harmless_decks_pass():
    check_deck(
        "analog ladder: 4 stages (draft #2)\n* a comment; with $ signs, (brackets) and # marks\n\n"
        + RC
        + "B1 z 0 V=(v(out)>0.5 && v(in1)<2) ? 1 : -v(out)**2\n+ + 1\nX1 z 0 load r={2*r0} ; a note $ and another\n"
        ".subckt load a b r=1k\nR1 a b {r}\n.ends load\n.param r0 = 1e3\n.func f(x) {x*x}\n.model d1 d(is=1e-14)\n"
        ".options reltol=1e-4\n.ic v(out)=0\n.nodeset v(out)=0\n.temp 27\n.global vdd\n"
        ".save v(out) i(v1) @r1[i] all\n.if (r0 > 1)\nR9 z 0 1\n.else\nR9 z 0 2\n.endif\n.end\n"
    )


def test_a_library_may_hold_sections_and_references():
    text = "* first line is no title here\n.lib typical\n.param r=1k\n.lib 'mine.inc' more\n.endl typical\n"
    check_deck(text, files={"mine.inc"}, title=False)
    with pytest.raises(DeckError, match="part line 1: 'a1' is an XSPICE device"):
        check_deck("a1 z y x\n", owner="part", title=False)


@pytest.mark.ngspice
def test_random_decks_that_pass_write_no_file(tmp_path, monkeypatch):
    """200 decks of dangerous pieces that pass the check; each runs, and the folder is unchanged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rng = random.Random(20_260_101)  # noqa: S311 (fuzzing, not secrets)
    pieces = [
        *string.punctuation,
        *" \t\n\n\n\n",
        "\n+",
        "\n*",
        "\n.",
        ".control",
        ".endc",
        ".con",
        "trol",
        "*#",
        ".include",
    ]
    pieces += ["mine.inc", "/etc/passwd", "shell touch ran", "write ran", "> ran", ".param", "a=1", ".options", ".save"]
    pieces += [
        "v(out)",
        "R9 out 0 1k",
        "B9 z 0 V=",
        ".model",
        "d",
        ".if",
        "(1)",
        ".endif",
        ".end",
        ".lib",
        "*ng_script",
    ]
    passed = 0
    while passed < 200:
        deck = f"title\n{RC}" + "".join(rng.choice(pieces) for _ in range(rng.randint(2, 8))) + "\n.end\n"
        try:
            check_deck(deck, files={"mine.inc"})
        except DeckError:
            continue
        passed += 1
        log = ""
        try:
            run_deck(deck, stop_time=1e-6, files={"mine.inc": "R8 out 0 1k\n"})
        except SpiceError as error:
            log = error.log
        assert "root:" not in log, deck
        assert list(tmp_path.iterdir()) == [], deck
