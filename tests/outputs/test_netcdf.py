"""The result of a run as a labelled dataset, written to a netCDF file and read back."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from analogrnn.errors import OutputError
from analogrnn.outputs.netcdf import save_dataset, step_dataset
from analogrnn.streams import stream

STEPS, SAMPLES, PERIOD = 5, 3, 0.3e-3
WIDTHS = {"first": 4, "second": 2}


def dataset(attributes=None):
    draw = stream(1, "test")
    levels = {name: draw.integers(-2, 3, (STEPS, SAMPLES, d)).astype(float) for name, d in WIDTHS.items()}
    candidates = {name: draw.normal(size=(STEPS, SAMPLES, d)) for name, d in WIDTHS.items()}
    logits = draw.normal(size=(SAMPLES, 10))
    return step_dataset(levels, candidates, logits, PERIOD, attributes or {}), levels, candidates, logits


def test_every_axis_has_a_name_and_every_quantity_a_unit():
    data, levels, candidates, logits = dataset()
    assert dict(data.sizes) == {"step": STEPS, "sample": SAMPLES, "cell_first": 4, "cell_second": 2, "class": 10}
    for name in WIDTHS:
        assert data[f"level_{name}"].dims == data[f"candidate_{name}"].dims == ("step", "sample", f"cell_{name}")
        assert_array_equal(data[f"level_{name}"], levels[name])
        assert_array_equal(data[f"candidate_{name}"], candidates[name])
    assert data["logits"].dims == ("sample", "class")
    assert_array_equal(data["logits"], logits)
    units = {name: variable.attrs["units"] for name, variable in data.variables.items()}
    assert units == {
        "level_first": "1",
        "level_second": "1",
        "candidate_first": "unit_current",
        "candidate_second": "unit_current",
        "logits": "unit_current",
        "time": "s",
    }
    assert all(variable.attrs["long_name"] for variable in data.variables.values())


def test_time_counts_periods_from_the_first_step():
    data = dataset()[0]
    assert data["time"].dims == ("step",)
    assert_array_equal(data["time"], PERIOD * np.arange(STEPS))
    assert float(data["time"].isel(step=2)) == 2 * PERIOD


def test_a_run_without_cells_has_no_steps():
    data = step_dataset({}, {}, np.zeros((2, 3)), PERIOD, {})
    assert set(data.variables) == {"logits", "time"}
    assert data.sizes["step"] == 0


def test_the_attributes_are_a_copy():
    mine = {"seed": 1}
    data = dataset(mine)[0]
    mine["seed"] = 2
    assert data.attrs == {"seed": 1}


def test_a_saved_run_comes_back_to_the_last_bit(tmp_path):
    attributes = {"network": "demo", "technology": "gf180mcu", "note": "ü *#\n.control", "seed": 7, "sigma": 0.1}
    data = dataset(attributes)[0]
    path = tmp_path / "my run.nc"
    save_dataset(data, path)
    with xr.open_dataset(path, engine="scipy") as back:
        xr.testing.assert_identical(back.load().drop_attrs(), data.drop_attrs())
        assert dict(back.attrs) == attributes
        for name, variable in data.variables.items():
            assert dict(back[name].attrs) == variable.attrs


def test_integer_levels_come_back_with_their_values(tmp_path):
    levels = {"cell": np.array([[[-4, 0, 4]]])}
    save_dataset(step_dataset(levels, {"cell": np.zeros((1, 1, 3))}, np.zeros((1, 2)), PERIOD, {}), tmp_path / "r.nc")
    with xr.open_dataset(tmp_path / "r.nc", engine="scipy") as back:
        assert_array_equal(back["level_cell"], levels["cell"])


@pytest.mark.parametrize("seed", [2**31, 2**40, -(2**31) - 1, 2**64])
def test_an_attribute_too_long_for_the_format_is_kept_as_text(tmp_path, seed):
    """An integer of netCDF-3 has 32 bits."""
    data = dataset({"seed": seed, "chip": 2**31 - 1})[0]
    save_dataset(data, tmp_path / "r.nc")
    with xr.open_dataset(tmp_path / "r.nc", engine="scipy") as back:
        assert dict(back.attrs) == {"seed": str(seed), "chip": 2**31 - 1}
    assert data.attrs["seed"] == seed, "the caller's dataset was changed"


def test_a_run_that_can_not_be_written_is_an_output_error(tmp_path):
    data = dataset()[0]
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.nc").mkdir()
    for path, reason in (
        ("nowhere/r.nc", "No such file or directory"),
        ("file/r.nc", "Not a directory"),
        ("folder.nc", "Is a directory"),
    ):
        with pytest.raises(OutputError, match=rf"^can't write .*{path}: {reason}; choose another place\."):
            save_dataset(data, tmp_path / path)
