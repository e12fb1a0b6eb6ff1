"""`analogrnn doctor`: what is installed, what is missing, and how to install it."""

import platform
from importlib import metadata

import pytest

from analogrnn import library
from analogrnn.errors import MissingDependencyError

REQUIRED = {
    "python",
    "numpy",
    "scipy",
    "numba",
    "matplotlib",
    "safetensors",
    "xarray",
    "ngspice",
    "GF180MCU models",
    "spoken digits",
    "technologies",
    "networks",
}


def named(checks):
    return {check["name"]: check for check in checks}


def test_the_exit_code_says_whether_everything_is_installed(call):
    said = call("doctor", "--json")
    assert set(said.json) == {"required", "optional"}
    required = named(said.json["required"])
    assert set(required) == REQUIRED
    data = {"japanese_vowels", "digit_rows", "mnist_rows"}
    assert set(named(said.json["optional"])) == {"PySpice", "torch", "kernel cache"} | data
    assert said.code == (0 if all(check["found"] for check in required.values()) else 3)
    assert required["python"]["detail"] == platform.python_version()
    assert required["numpy"]["detail"] == metadata.version("numpy")
    for name in library.shipped("networks", ".safetensors"):
        assert name in required["networks"]["detail"]
    assert "gf180mcu" in required["technologies"]["detail"]


@pytest.mark.ngspice
def test_the_simulator_is_shown_with_its_version_and_path(call):
    detail = named(call("doctor", "--json").json["required"])["ngspice"]["detail"]
    assert detail[0].isdigit()
    assert " at /" in detail


def test_a_missing_simulator_is_exit_code_3_and_the_rest_is_still_shown(call, no_simulator):
    said = call("doctor", "--json")
    assert said.code == 3
    required = named(said.json["required"])
    assert required["ngspice"]["found"] is False
    assert "apt-get install ngspice" in required["ngspice"]["detail"]
    assert required["networks"]["found"] is True
    shown = call("doctor")
    assert shown.code == 3
    assert shown.err == ""
    assert "MISSING" in next(line for line in shown.out.splitlines() if line.startswith("ngspice"))


@pytest.mark.parametrize(
    ("target", "name", "help_"),
    [
        ("analogrnn.cli.doctor.find_pdk", "GF180MCU models", "get the models"),
        ("analogrnn.datasets.count_spoken_digits", "spoken digits", "get the data"),
    ],
)
def test_missing_models_and_missing_data_are_exit_code_3(call, monkeypatch, target, name, help_):
    def missing(*_):
        raise MissingDependencyError(help_)

    monkeypatch.setattr(target, missing)
    said = call("doctor", "--json")
    assert said.code == 3
    assert named(said.json["required"])[name] == {"name": name, "found": False, "detail": help_}


def test_a_missing_package_is_reported_and_an_optional_one_changes_no_exit_code(call, monkeypatch):
    code = call("doctor").code
    version = metadata.version

    def without(*names):
        def find(name):
            if name in names:
                raise metadata.PackageNotFoundError(name)
            return version(name)

        monkeypatch.setattr("analogrnn.cli.doctor.metadata.version", find)

    without("torch", "PySpice")
    said = call("doctor")
    assert said.code == code
    assert "not there" in said.out
    assert "pip install PySpice" in said.out
    without("aeon")
    detail = named(call("doctor", "--json").json["optional"])["japanese_vowels"]["detail"]
    assert detail == "pip install --no-deps aeon==1.6.0"
    without("numba")
    said = call("doctor", "--json")
    assert said.code == 3
    assert named(said.json["required"])["numba"]["detail"] == "pip install numba"
