"""All commands: help, exit codes, start-up, and networks that are missing or hostile."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from analogrnn import __version__, cli, library
from analogrnn.cli.analyze import ANALYSES
from analogrnn.cli.main import VERBS, main
from analogrnn.spice.engine import check_deck

from .conftest import NETWORK

TAKES_A_NETWORK = ("map", "simulate", "mc", "export", "agree")
verbs = pytest.mark.parametrize("verb", TAKES_A_NETWORK)


def python(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    root = str(Path(cli.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=60, env=environment, check=False, **options
    )


def program(*words: object, stdout: Any, close: int | None = None) -> subprocess.CompletedProcess[bytes]:
    """`analogrnn WORDS` as a process of its own, its standard output where the test says; `close` closes one first."""
    root = str(Path(cli.__file__).parents[2])
    line = [sys.executable, "-m", "analogrnn", *map(str, words)]
    if close is not None:
        line = ["/bin/sh", "-c", f'exec "$@" {close}>&-', "sh", *line]
    return subprocess.run(
        line, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False, env=os.environ | {"PYTHONPATH": root}
    )


# ---------------------------------------------------------------- help and usage


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            ("map", NETWORK, "--settle", "4_5"),
            "argument --settle: '4_5' is not a number; write it with a decimal point",
        ),
        (("map", NETWORK, "--settle", "0,5"), "argument --settle: '0,5' is not a number"),
        (("map", NETWORK, "--settle", "nan"), "argument --settle: 'nan' is not a number"),
        (("mc", NETWORK, "--chips", "1_0"), "argument --chips: '1_0' is not a whole number; write digits only"),
        (("mc", NETWORK, "--seed", "\u0663"), "argument --seed: '\u0663' is not a whole number"),
        (("export", NETWORK, "--temperature", "2_7"), "argument --temperature: '2_7' is not a number"),
        (("trim", NETWORK, "--least-yield", "nan"), "argument --least-yield: 'nan' is not a number"),
        (("size", "--yield", "0,99"), "argument --yield: '0,99' is not a number"),
    ],
)
def test_a_bare_number_is_read_whole_or_refused_with_its_flag(call, words, named):
    """Python's own int and float read 4_5 as 45."""
    said = call(*words)
    assert said.code == 2
    assert named in said.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("map", NETWORK, "--unit-current", "0,5nA"), "--unit-current = '0,5nA' is not a quantity in A"),
        (("map", NETWORK, "--cell-size", "4,5um"), "--cell-size = '4,5um' is not a quantity in m"),
        (("map", NETWORK, "--cell-size", "4umx1_0um"), "--cell-size = '1_0um' is not a quantity in m"),
        (("map", NETWORK, "--period", "1.000,5ms"), "--period = '1.000,5ms' is not a quantity in s"),
        (("map", NETWORK, "--c-dpi", "0,5pF"), "--c-dpi = '0,5pF' is not a quantity in F"),
        (("size", "--supply", "1,8V"), "--supply = '1,8V' is not a quantity in V"),
        (("simulate", NETWORK, "--clips", "1_0"), "--clips = '1_0': give a number of clips"),
        (
            ("analyze", "bits", NETWORK, "--word-lengths", "all=\u00b2"),
            "--word-lengths = 'all=\u00b2': write group=bits",
        ),
        (("analyze", "power", NETWORK, "--budget", "0,5uW"), "--budget = '0,5uW' is not a quantity in W"),
        (("analyze", "power", NETWORK, "--scaling", "4_0"), "--scaling = '4_0' is not a whole number"),
        (("analyze", "noise", NETWORK, "--sigmas", "0.1_5"), "--sigmas = '0.1_5': write numbers in beta"),
        (("analyze", "fixed-points", NETWORK, "--eps", "0_1"), "--eps = '0_1' is not a number"),
    ],
)
def test_a_quantity_with_a_comma_or_a_separator_is_refused_with_its_flag(call, inputs, words, named):
    takes_inputs = words[0] == "simulate" or words[:2] in (("analyze", "bits"), ("analyze", "noise"))
    call(*words, *(("--inputs", inputs) if takes_inputs else ())).refused(2, named)


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_lists_its_arguments(call, verb):
    said = call(verb, "--help")
    assert said.code == 0
    assert said.err == ""
    assert said.out.startswith(f"usage: analogrnn {verb}")
    assert "--json" in said.out
    assert " ".join(VERBS[verb].split()) in " ".join(said.out.split())


def test_there_is_a_module_for_every_verb_and_no_other_verb():
    helpers = {"__init__", "main", "arguments", "conditions", "conversions", "data", "flags", "hybrids"}
    helpers |= {"numbers", "ui"}
    folder = Path(cli.__file__).parent
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(VERBS) == ({path.stem for path in folder.glob("*.py")} | packages) - helpers


def test_the_help_lists_every_verb_with_its_purpose(call):
    said = call("--help")
    assert said.code == 0
    for verb, text in VERBS.items():
        assert f"{verb} " in said.out.replace("\n", " ")
        assert " ".join(text.split()) in " ".join(said.out.split())


def test_the_version_is_that_of_the_package(call):
    said = call("--version")
    assert (said.code, said.out) == (0, f"analogrnn {__version__}\n")


def test_no_verb_is_bad_input(call):
    said = call()
    assert said.code == 2
    assert said.err.splitlines()[-1] == "analogrnn: error: the following arguments are required: VERB"


def test_an_unknown_verb_is_bad_input_and_the_known_ones_are_listed(call):
    said = call("simulte")
    assert said.code == 2
    assert all(f"{verb}" in said.err.splitlines()[-1] for verb in VERBS)


@verbs
def test_a_verb_without_its_network_is_bad_input(call, verb):
    said = call(verb)
    assert said.code == 2
    assert said.out == ""
    assert said.err.splitlines()[-1].endswith("the following arguments are required: network")


def test_the_words_come_from_the_command_line_when_none_are_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["analogrnn", "--version"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert capsys.readouterr().out == f"analogrnn {__version__}\n"


# ---------------------------------------------------------------- the process


def test_the_module_runs_as_a_program():
    done = python("-m", "analogrnn", "map", "nowhere")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


HEAVY = {"numba", "matplotlib", "xarray", "torch", "scipy"}


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], HEAVY | {"numpy", "rich"}),
        (["doctor"], HEAVY | {"analogrnn.design", "analogrnn.agreement"}),
        (["map", NETWORK], HEAVY),
        (["mc", NETWORK, "--chips", "2"], HEAVY | {"scipy", "numba", "analogrnn.spice.engine"}),
    ],
)
def test_starting_imports_nothing_slow(words, absent):
    """Compilers, plots and tensors are imported where they are used."""
    code = (
        "import sys\n"
        "from analogrnn.cli.main import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        f"print('loaded', *sorted({absent} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_help_of_every_verb_and_analysis_imports_nothing_slow():
    """Help must answer at once. One process for all of them: the first that imports something slow is named."""
    code = (
        "import contextlib, io, sys\n"
        "from analogrnn.cli.analyze import ANALYSES\n"
        "from analogrnn.cli.main import VERBS, main\n"
        "for words in (*([verb] for verb in VERBS), *(['analyze', name] for name in ANALYSES)):\n"
        "    said = io.StringIO()\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said): main([*words, '--help'])\n"
        f"    print(*words, *sorted({HEAVY | {'PySpice', 'dask'}} & set(sys.modules)), said.getvalue().split()[0])"
    )
    done = python("-c", code)
    asked = [*VERBS, *(f"analyze {name}" for name in ANALYSES)]
    assert done.stdout.splitlines() == [f"{words} usage:" for words in asked], done.stderr


def test_a_reader_that_stops_early_gives_no_traceback():
    """`analogrnn export ... | head -1`: exit code 128 + SIGPIPE, as the shell's own tools."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = program("export", NETWORK, "--stimulus", "random", "--steps", "2", stdout=write)
    finally:
        os.close(write)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.parametrize(
    "words", [["map", NETWORK], ["map", NETWORK, "--json"], ["export", NETWORK, "--stimulus", "random", "--steps", "2"]]
)
def test_a_full_disk_under_standard_output_is_one_line_and_exit_code_5(words):
    with open("/dev/full", "w") as full:
        done = program(*words, stdout=full)
    assert done.stderr == b"analogrnn: can't write to standard output: No space left on device; free the disk.\n"
    assert done.returncode == 5


def test_a_closed_standard_output_is_no_error_and_files_are_written_all_the_same(tmp_path):
    """`analogrnn map NET --out parts.csv >&-`, as a daemon may start it."""
    for words in (["map", NETWORK], ["map", NETWORK, "--json"], ["map", NETWORK, "--out", tmp_path / "parts.csv"]):
        done = program(*words, stdout=None, close=1)
        assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "parts.csv").stat().st_size > 0


def test_an_interruption_is_one_line_and_exit_code_130(call, monkeypatch):
    def interrupt(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "network_path", interrupt)
    said = call("map", NETWORK)
    said.refused(130, "interrupted")


# ---------------------------------------------------------------- networks


@verbs
def test_an_unknown_network_lists_the_shipped_ones(call, verb):
    said = call(verb, "digits_d99")
    said.refused(2, "digits_d99", *library.shipped("networks", ".safetensors"))
    assert said.out == ""


@pytest.mark.parametrize("name", ["../networks/digits_d16_k2", "/dev/zero", ".", "networks/digits_d16_k2", ""])
def test_a_name_can_not_leave_the_library(call, name):
    call("map", name).refused(2, "networks/ holds no", NETWORK)


def test_an_unknown_technology_lists_the_shipped_ones(call):
    call("map", NETWORK, "--technology", "sky130").refused(2, "sky130", "gf180mcu")


def test_a_network_file_is_the_same_as_its_name(call):
    path = library.network_path(NETWORK)
    assert call("map", path, "--json").json == call("map", NETWORK, "--json").json


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.safetensors", None, "can't read"),
        ("empty.safetensors", b"", "damaged or not a network file"),
        ("huge_header.safetensors", b"\xff" * 7 + b"\x7f{}", "damaged or not a network file"),
        ("text.safetensors", b"weights = [1, 2]", "damaged or not a network file"),
        ("pickle.npz", b"\x80\x04\x95\x10\x00\x00\x00", "damaged or not a network file"),
        ("not_a_zip.npz", b"PK\x03\x04 and no more", "damaged or not a network file"),
    ],
)
def test_a_file_that_is_no_network_is_refused_in_one_line(call, tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = call("map", tmp_path / name)
    said.refused(2, name, reason)
    assert said.out == ""


def test_a_folder_is_no_network(call, tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    call("map", tmp_path / "folder.safetensors").refused(2, "is not a file")


def tampered(target: Path, version: str = "1", *, levels: tuple[int, int] | None = None, **changes: str | None) -> Path:
    """Write the shipped network with entries of its metadata changed, or dropped if None.

    `layer` renames the first layer, `levels` are its k_min and k_max.
    """
    with safe_open(library.network_path(NETWORK), framework="np") as file:
        text, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    body = json.loads(text["network"])
    if levels is not None:
        body["layers"][0]["k_min"], body["layers"][0]["k_max"] = levels
    if layer := changes.pop("layer", None):
        was, body["layers"][0]["name"] = body["layers"][0]["name"], layer
        tensors = {name.replace(f"{was}.", f"{layer}."): value for name, value in tensors.items()}
    body["metadata"] = {key: value for key, value in (body["metadata"] | changes).items() if value is not None}
    save_file(tensors, target, metadata=text | {"version": version, "network": json.dumps(body)})
    return target


def test_a_network_of_a_later_format_is_refused(call, tmp_path):
    path = tampered(tmp_path / "later.safetensors", version="3")
    call("map", path).refused(2, "format version '3' is unknown", "update analogrnn")


@pytest.mark.parametrize("name", ["x\n.control\nshell id\n.endc", "x\n.include /etc/passwd", "../../x", "a" * 65])
def test_the_name_of_a_network_can_not_enter_a_deck(call, tmp_path, name):
    path = tampered(tmp_path / "hostile.safetensors", name=name)
    hostile = call("export", path, "--stimulus", "random")
    assert (hostile.code, hostile.err) == (0, "")
    check_deck(hostile.out)
    title, rest = hostile.out.split("\n", 1)
    assert title.startswith("* network: 64 memory stages")
    assert rest == call("export", NETWORK, "--stimulus", "random").out.split("\n", 1)[1]


@pytest.mark.parametrize("name", ["x\n.control\nshell id\n.endc", "x y", "1x", "x;y", "a" * 65])
def test_the_name_of_a_layer_can_not_enter_a_deck(call, tmp_path, name):
    path = tampered(tmp_path / "hostile.safetensors", layer=name)
    call("map", path).refused(2, "hostile.safetensors", "is not a name: use 1 to 64 letters")


@pytest.mark.parametrize(
    "name", ["x\n\x1b[2J\x1b]0;owned\x07", "x\r\x9b31m", "x\u2028y\u202e", "x\nanalogrnn: all is well\n"]
)
def test_a_hostile_name_reaches_the_terminal_as_one_line_without_control_characters(call, tmp_path, name):
    said = call("map", tampered(tmp_path / "hostile.safetensors", layer=name))
    said.refused(2, "hostile.safetensors", "is not a name: use 1 to 64 letters")
    assert said.err.removesuffix("\n").isprintable()
    assert said.out == ""


@pytest.mark.parametrize("k_max", [10**9, 10_001])
def test_a_ladder_of_absurd_length_is_refused_before_it_is_built(call, tmp_path, k_max):
    path = tampered(tmp_path / "tall.safetensors", levels=(-2, k_max))
    call("map", path).refused(2, "tall.safetensors", "cell.k_max = ", "is outside [-10000, 10000]")


def test_a_ladder_longer_than_any_chip_is_refused_before_it_is_built(call, tmp_path):
    path = tampered(tmp_path / "tall.safetensors", levels=(-10_000, 10_000))
    call("map", path).refused(2, "cell has 20000 stages, above 1000; train with fewer levels")


# ---------------------------------------------------------------- arguments that verbs share


@pytest.mark.parametrize("verb", ["simulate", "mc", "export"])
def test_a_negative_seed_is_refused(call, inputs, verb):
    more = {"simulate": ["--noise", "on"], "mc": ["--chips", "1"], "export": ["--stimulus", "random"]}[verb]
    call(verb, NETWORK, "--inputs", inputs, "--seed", "-1", *more).refused(2, "seed = -1")


@pytest.mark.parametrize("clips", ["0", "-1", "7,", "-1,0", "500,1", "", ",", "1.5", "some", "0x1"])
@pytest.mark.parametrize("verb", ["simulate", "agree"])
def test_clips_that_are_not_there_are_refused(call, inputs, verb, clips):
    call(verb, NETWORK, "--inputs", inputs, f"--clips={clips}").refused(2, f"--clips = {clips!r}")


def test_a_network_without_a_task_asks_for_inputs(call, tmp_path):
    path = tampered(tmp_path / "taskless.safetensors", task=None)
    call("simulate", path).refused(2, "names no task", "--inputs FILE.npz")


@pytest.mark.parametrize("verb", ["simulate", "mc", "export", "agree", "demo"])
def test_a_missing_data_set_is_exit_code_3_with_the_way_to_install_it(call, tmp_path, monkeypatch, verb):
    monkeypatch.setattr("importlib.metadata.files", lambda _name: [])
    words = ["--network", NETWORK, "--out", tmp_path] if verb == "demo" else [NETWORK]
    call(verb, *words).refused(3, "digits.npz", "pip install")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"y": np.zeros((3, 2, 14))}, "x is not a file in the archive"),
        ({"x": np.zeros((3, 14))}, "x has shape (3, 14); expected (T, S, D)"),
        ({"x": np.zeros((3, 2, 13))}, "x has shape (3, 2, 13)"),
        ({"x": np.full((3, 2, 14), np.nan)}, "not finite"),
        ({"x": np.zeros((0, 2, 14))}, "x has no steps"),
        ({"x": np.zeros((3, 0, 14))}, "x holds no clip; give at least one"),
        ({"x": np.ones((3, 2, 14), complex)}, "x is not an array of numbers"),
        ({"x": np.full((3, 2, 14), "text")}, "not an array of numbers"),
        ({"x": np.full((3, 2, 14), -50.0)}, "its current would be negative"),
        ({"x": np.zeros((3, 2, 14)), "labels": np.zeros(5)}, "labels has shape (5,), but x holds 2 clips"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(call, tmp_path, arrays, reason):
    np.savez(tmp_path / "wrong.npz", **arrays)
    call("simulate", NETWORK, "--inputs", tmp_path / "wrong.npz").refused(2, reason)


def test_inputs_are_never_unpickled(call, tmp_path):
    np.savez(tmp_path / "object.npz", x=np.full((3, 2, 14), object()), allow_pickle=True)
    call("simulate", NETWORK, "--inputs", tmp_path / "object.npz").refused(2, "Object arrays cannot be loaded")


@pytest.mark.parametrize("member", ["x", "labels"])
def test_a_member_that_is_no_array_is_refused(call, tmp_path, member):
    """numpy hands over the bytes of a member that has no header of its own."""
    np.savez(tmp_path / "a.npz", **({"x": np.zeros((3, 2, 14))} if member == "labels" else {}))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr(f"{member}.npy", b"not an array")
    call("simulate", NETWORK, "--inputs", tmp_path / "a.npz").refused(2, "--inputs", "x or labels is no array")


@pytest.mark.parametrize("name", ["absent.npz", "text.npz", "empty.npz", "short.npz", "array.npy", ""])
def test_inputs_that_can_not_be_read_are_refused(call, tmp_path, name):
    (tmp_path / "text.npz").write_text("x = 1")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "short.npz").write_bytes(b"PK")
    np.save(tmp_path / "array.npy", np.zeros((3, 2, 14)))
    call("simulate", NETWORK, "--inputs", tmp_path / name).refused(2, "--inputs", "give an .npz file")


def test_inputs_that_only_begin_as_a_zip_file_are_refused(tmp_path):
    """In a process of its own: numpy, which is given the path, leaves such a file open for the collector."""
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04 and no more")
    done = program("simulate", NETWORK, "--inputs", tmp_path / "zip.npz", stdout=subprocess.PIPE)
    assert done.stderr.startswith(b"analogrnn: --inputs ")
    assert done.stderr.endswith(b"File is not a zip file; give an .npz file with an array x (T, S, D).\n")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
