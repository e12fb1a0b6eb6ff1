"""--data, --encode-from and --metric: raw sequences, data sets by name, real targets; and what is refused."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from analogrnn import datasets
from analogrnn.chip import nominal_chip
from analogrnn.mapping import map_network
from analogrnn.network import InputEncoding, Network, Pooling, load_network, save_network
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology
from tests.helpers import cmru, linear

from .conftest import NETWORK

RNG = np.random.default_rng(5)
LENGTHS = np.array([9, 14, 7, 20, 11])
FEATURES = RNG.normal(0.0, 10.0, (int(LENGTHS.sum()), 13))


@pytest.fixture
def raw(tmp_path):
    """A file of five raw sequences of thirteen features, with more arrays."""

    def write(name="raw.npz", **arrays):
        np.savez(tmp_path / name, **({"features": FEATURES, "lengths": LENGTHS} | arrays))
        return tmp_path / name

    return write


@pytest.fixture
def small(tmp_path):
    """A network of three inputs and `outputs` outputs in a file, pooled or not."""

    def write(*, pooled=True, outputs=2, width=3, **metadata):
        layers = [cmru("cell", 4, width), linear("out", outputs, 4)]
        if pooled:
            layers.insert(1, Pooling("pool"))
        path = tmp_path / f"net{pooled}{outputs}.safetensors"
        save_network(Network(tuple(layers), metadata={"name": "small", **metadata}), path)
        return path

    return write


def test_raw_sequences_are_encoded_by_the_network(call, raw):
    labels = np.array([0, 3, 1, 9, 2])
    answer = call("simulate", NETWORK, "--data", raw(labels=labels), "--json").json
    network = load_network(NETWORK)
    x = network.encode(np.split(FEATURES, np.cumsum(LENGTHS)[:-1]))
    run = simulate(nominal_chip(map_network(network, load_technology())), x)
    assert answer["classes"] == run.classes.tolist()
    assert answer["accuracy"] == float(np.mean(run.classes == labels))
    np.savez(raw().with_name("x.npz"), x=x, labels=labels)
    assert call("simulate", NETWORK, "--data", raw().with_name("x.npz"), "--json").json == answer


def test_the_test_clips_by_name_are_those_of_the_network_s_task(call):
    words = ("simulate", NETWORK, "--clips", "4", "--json")
    assert call(*words, "--data", "spoken_digits").json == call(*words).json
    other = call(*words, "--data", "spoken_digits:validation").json
    assert other["clips"] == [0, 99, 199, 299]
    assert other["classes"] != call(*words).json["classes"]


def test_an_encoding_is_fitted_to_the_training_sequences(call, raw):
    train = FEATURES[::-1] * 2.0 + 1.0
    words = ("--data", raw(), "--encode-from", raw("train.npz", features=train), "--frames", 12, "--clip-at", 2)
    answer = call("simulate", NETWORK, *words, "--json").json
    encoding = InputEncoding(train.mean(axis=0), train.std(axis=0), 2.0, 12)
    network = replace(load_network(NETWORK), encoding=encoding)
    x = encoding(np.split(FEATURES, np.cumsum(LENGTHS)[:-1]))
    assert answer["classes"] == simulate(nominal_chip(map_network(network, load_technology())), x).classes.tolist()


def test_a_fitted_encoding_leaves_a_constant_feature_unscaled():
    frames = np.column_stack([np.full(30, 0.1), RNG.normal(size=30)])
    found = InputEncoding.fitted([frames[:10], frames[10:]], ramp=False)
    assert found.scale[0] == 1.0
    np.testing.assert_allclose(found.scale[1], frames[:, 1].std(), rtol=1e-14)
    assert np.abs(found([frames])[..., 0]).max() < 1e-15


def test_japanese_vowels_run_by_name_with_an_encoding_fitted_to_their_training_part(call, small):
    net = small(outputs=9, width=13)
    words = ("--data", "japanese_vowels:test", "--encode-from", "japanese_vowels", "--frames", 16, "--clips", 20)
    answer = call("simulate", net, *words, "--json").json
    assert len(answer["classes"]) == 20
    assert answer["accuracy"] == answer["accuracy_digital"]


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize("pooled", [True, False])
def test_a_regression_is_scored_on_a_chip_and_over_chips(call, small, tmp_path, monkeypatch, pooled):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    targets = RNG.normal(size=(6, 5, 2) if not pooled else (5, 2))
    np.savez(tmp_path / "d.npz", x=RNG.uniform(-2, 2, (6, 5, 3)), targets=targets)
    words = (small(pooled=pooled), "--data", tmp_path / "d.npz", "--input-bound", 3)
    one = call("simulate", *words, "--json").json
    assert one["mae"] == pytest.approx(one["mae_digital"], rel=1e-9)
    assert not {"classes", "note"} & set(one)
    assert "mae" in call("simulate", *words).out
    out = tmp_path / "out"
    many = call(
        "mc", *words, "--chips", 8, "--metric", "mse", "--sweep", 2, "--sizes", "3um,10um", "--out", out, "--json"
    )
    answer = many.json
    assert answer["metric"] == "mse"
    sizes = answer["sizes"]
    assert sizes["3um"]["mean"] > 0.0
    assert sizes["3um"]["yield"]["threshold"] == 1.5 * answer["mse_digital"]
    errors = np.array(sizes["3um"]["mse"])
    assert sizes["3um"]["yield"]["good"] == int((errors <= 1.5 * answer["mse_digital"]).sum())
    assert sizes["3um"]["worst_chips"][0] == {"chip": int(errors.argmax()), "mse": errors.max()}
    with xr.open_dataset(out / "monte_carlo.nc", engine="scipy") as data:
        assert data.attrs["metric"] == "mse"
        np.testing.assert_array_equal(data["score"][0], errors)
        np.testing.assert_allclose(data["clip_score"].mean("sample"), data["score"], rtol=1e-14)
        assert "predicted" not in data
    for name in ("accuracy_over_chips.png", "yield.png", "accuracy_over_mismatch.png"):
        assert (out / name).stat().st_size > 10_000


def test_levels_of_a_regression_are_compared_by_their_outputs(call, small, tmp_path):
    np.savez(tmp_path / "d.npz", x=RNG.uniform(-2, 2, (6, 5, 3)), targets=np.zeros((5, 2)))
    words = ("agree", small(), "--data", tmp_path / "d.npz", "--input-bound", 3, "--level", "step")
    answer = call(*words, "--json").json
    assert answer["mae"] == pytest.approx(answer["mae_reference"], rel=1e-9)
    said = call(*words).out
    assert "mean absolute error" in said
    assert "same class" not in said


def test_labels_per_step_are_scored_per_step_and_a_vote_takes_labels_per_clip(call, small, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    x = RNG.uniform(-2, 2, (6, 5, 3))
    np.savez(tmp_path / "steps.npz", x=x, labels=RNG.integers(0, 2, (6, 5)))
    np.savez(tmp_path / "clips.npz", x=x, labels=RNG.integers(0, 2, 5))
    net = small(pooled=False)
    steps = call("mc", net, "--data", tmp_path / "steps.npz", "--input-bound", 3, "--chips", 3, "--json").json
    assert steps["metric"] == "step_accuracy"
    assert 0.0 <= steps["sizes"]["10um"]["min"] <= 1.0
    words = (net, "--data", tmp_path / "clips.npz", "--input-bound", 3, "--metric", "vote", "--json")
    vote = call("mc", *words, "--chips", 3).json
    assert vote["metric"] == "vote"
    assert len(vote["sizes"]["10um"]["classes"]) > 0
    assert call("simulate", *words).json["vote"] == vote["accuracy_digital"]


def test_the_counting_task_runs_by_name(call, small):
    net = small(pooled=False, outputs=9, width=1, task="counting@20")
    answer = call("simulate", net, "--clips", 30, "--input-bound", 3, "--json").json
    assert 0.0 < answer["step_accuracy"] < 1.0
    clips = datasets.load("counting", "test", steps=20).clips()
    assert clips.labels.shape == (20, 500)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arrays", "words", "message"),
    [
        ({"lengths": LENGTHS[:-1]}, (), "lengths adds up to 50 frames, but features has 61"),
        ({"features": FEATURES * np.nan}, (), "features[0, 0] = nan is not finite (sequence 0)"),
        ({"features": FEATURES[:, :12]}, (), "sequence 0 has shape (9, 12)"),
        ({"labels": [0, 1, 2, 3, 10]}, (), "labels[4] = 10 is not a class (0 to 9)"),
        ({"labels": np.zeros(5), "targets": np.zeros(5)}, (), "the file has labels and targets"),
        ({"targets": np.zeros((5, 3))}, (), "targets has shape (5, 3), but x holds 5 clips"),
        ({"targets": np.zeros((61, 10))}, (), "a value per step, but the network pools its outputs"),
        ({"labels": np.zeros(61)}, (), "step_accuracy needs outputs at every step"),
        ({"labels": np.zeros(5)}, ("--metric", "mae"), "there are labels, but --metric mae needs targets"),
        ({"targets": np.zeros((5, 10))}, ("--metric", "vote"), "there are targets, but --metric vote needs labels"),
        ({}, ("--metric", "accuracy"), "--metric accuracy: --data has no labels and no targets"),
        ({}, ("--frames", "8"), "--frames belongs to --encode-from; give both, or neither"),
        (
            {},
            ("--encode-from", "digit_rows"),
            "the encoding gives 9 inputs, 8 features and a ramp, but digits_d16_k2 takes",
        ),
        ({}, ("--encode-from", "vowels"), "--encode-from vowels: there is no data set 'vowels'; known: spoken_digits"),
        ({}, ("--encode-from", "spoken_digits", "--frames", "1"), "encoding.frames = 1 is outside [2, 1e+06]"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_computed(call, raw, monkeypatch, arrays, words, message):
    def computed(*_, **__):
        raise AssertionError("computed")

    # by its module: `analogrnn.simulate` is also the name of the function
    monkeypatch.setattr(importlib.import_module("analogrnn.simulate.steps"), "run_ladder", computed)
    call("simulate", NETWORK, "--data", raw(**arrays), *words).refused(2, message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "vowels"), "--data vowels: there is no data set 'vowels'; known: spoken_digits,"),
        (("--data", "spoken_digits:dev"), "spoken_digits has no part 'dev'"),
        (("--data", "spoken_digits@9"), "spoken_digits is recorded"),
        (("--data", "absent.npz"), "--data absent.npz: [Errno 2]"),
        (("--data", "counting"), "--data counting: sequence 0 has shape (100, 1)"),
    ],
)
def test_a_source_that_is_not_there_or_of_another_task_is_refused(call, words, message):
    call("simulate", NETWORK, *words).refused(2, message)


def test_encoded_clips_are_nothing_to_fit_an_encoding_to(call, inputs):
    call("simulate", NETWORK, "--encode-from", inputs).refused(2, "x is encoded; give raw sequences")


def test_sequences_of_different_lengths_need_an_encoding(call, small, tmp_path):
    np.savez(tmp_path / "d.npz", features=FEATURES[:, :3], lengths=LENGTHS)
    call("simulate", small(), "--data", tmp_path / "d.npz", "--input-bound", 3).refused(
        2, "--data", "sequences of 7 to 20 frames, and the network has no encoding"
    )


def test_two_sources_exclude_each_other(call, inputs):
    said = call("simulate", NETWORK, "--inputs", inputs, "--data", "spoken_digits")
    assert said.code == 2
    assert "not allowed with argument" in said.err


@pytest.mark.parametrize(("threshold", "metric"), [("-1", "mae"), ("1.5", None)])
def test_a_threshold_outside_the_range_of_the_metric_is_refused(call, small, tmp_path, threshold, metric):
    truth = {"targets": np.zeros((5, 2))} if metric else {"labels": np.zeros(5)}
    np.savez(tmp_path / "d.npz", x=RNG.uniform(-2, 2, (6, 5, 3)), **truth)
    words = (small(), "--data", tmp_path / "d.npz", "--input-bound", 3, f"--threshold={threshold}")
    call("mc", *words).refused(2, "--threshold = ", "is outside")
