"""Faulty simulators."""

from pathlib import Path

import pytest

from analogrnn.spice.engine import Ngspice


@pytest.fixture
def fake(tmp_path: Path):
    """Return a function that makes a simulator from a shell script, in which `$raw` is the path of the raw file."""

    def make(body: str) -> Ngspice:
        script = tmp_path / "ngspice"
        script.write_text(f"#!/bin/sh\nraw=$4\n{body}\n")
        script.chmod(0o755)
        return Ngspice(script, "39")

    return make
