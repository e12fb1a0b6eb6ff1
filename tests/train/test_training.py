"""Training for hardware: it learns on chips, a kill loses at most an epoch, and what is wrong is said by name."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import cmru, mapped, network
from numpy.testing import assert_array_equal

from analogrnn import train
from analogrnn.datasets import Clips, LabelledClips, TargetClips, parse_name
from analogrnn.errors import CheckpointError, MappingError, ParameterError
from analogrnn.network import InputEncoding
from analogrnn.streams import stream

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
ENCODING = InputEncoding(np.zeros(3), np.ones(3), 2.0, 16)
SHORT = train.Recipe(epochs=6, rate=2e-2, chips=32, select_chips=4, select_every=2, select_from=0.3, stretch=0.05)
SMALL = train.Hardware.of("4um")


def clips(samples, seed):
    """Which of three inputs is high on average; the last input is the ramp."""
    draw = stream(seed, "toy")
    y = np.arange(samples) % 3
    x = draw.uniform(-1.0, 1.0, (16, samples, 4))
    x[:, np.arange(samples), y] += 0.7
    x[:, :, -1] = np.linspace(-1.0, 1.0, 16)[:, None]
    return LabelledClips(x, y)


def task():
    return train.Task(ENCODING, clips(256, 1), clips(60, 2))


def training(recipe=SHORT, **options):
    given = task()
    model = train.model_for(given, train.ModelShape(8, 2), recipe.seed)
    return train.Training(model, given, SMALL, recipe, **options)


def test_training_lowers_the_loss_and_keeps_the_network_with_the_best_score_on_chips():
    job = training()
    result = job.run()
    losses = [epoch.loss for epoch in result.epochs]
    assert losses[-1] < 0.6 * losses[0]
    scores = [epoch.chips for epoch in result.epochs]
    assert result.score == np.nanmax(scores)
    assert result.score == scores[result.epoch - 1]
    assert result.score > 0.7
    assert result.epochs[0].mismatch == 0.0
    assert result.epochs[-1].mismatch == 1.0
    # the selected network is the one that was scored
    assert job.scores(result.network, 4).mean() == result.score


def test_a_training_continues_from_its_checkpoint_as_if_nothing_had_happened(tmp_path):
    whole = training().run()

    class KillError(Exception):
        pass

    def kill(epoch):
        if epoch.number == 4:
            raise KillError

    with pytest.raises(KillError):
        training(checkpoint=tmp_path / "c").run(kill)
    later = training(checkpoint=tmp_path / "c")
    assert len(later.epochs) == 4
    result = later.run()
    assert [e.loss for e in result.epochs] == [e.loss for e in whole.epochs]
    for one, other in zip(result.network.layers, whole.network.layers, strict=True):
        if hasattr(one, "weight"):
            assert_array_equal(one.weight, other.weight)


def test_the_checkpoint_of_another_plan_is_refused(tmp_path):
    training(replace(SHORT, epochs=1), checkpoint=tmp_path / "c").run()
    with pytest.raises(CheckpointError, match=r"c is the checkpoint of another training: its network, data, hardware"):
        training(replace(SHORT, epochs=2), checkpoint=tmp_path / "c")
    (tmp_path / "c").write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"c is no checkpoint of a training \(\w+\); remove it to start anew"):
        training(checkpoint=tmp_path / "c")
    torch.save({"plan": "x"}, tmp_path / "c")
    with pytest.raises(CheckpointError, match=r"c is no checkpoint of a training; remove it to start anew"):
        training(checkpoint=tmp_path / "c")


def test_a_loss_that_is_no_number_stops_the_training(tmp_path):
    job = training(checkpoint=tmp_path / "c")
    job.model.readout.bias.data[0] = float("nan")
    with pytest.raises(
        ParameterError, match=r"the loss is no number after epoch 1; lower Recipe\.rate, now 0\.02, and"
    ):
        job.run()


def test_a_size_that_stops_mapping_is_named_and_the_last_chips_stay():
    job = training(replace(SHORT, epochs=4, clean=0.0, refresh=1, select_every=1))

    def spoil(epoch):
        if epoch.number == 2:
            job.model.cell.threshold.data[0] = 1e-5
            job.model.keep_in_range = lambda *_: None

    notes = [epoch.note for epoch in job.run(spoil).epochs]
    assert notes[:2] == ["", ""]
    assert "the network does not map, so the chips are those of an earlier epoch: cell.threshold[0]" in notes[2]


def test_a_network_that_never_maps_is_an_error():
    job = training(replace(SHORT, clean=0.0))
    job.model.cell.threshold.data[:] = 1e-5
    with pytest.raises(MappingError, match=r"cell\.threshold\[0\]"):
        job.run()


def test_tuning_starts_from_a_trained_network():
    first = training().run()
    model = train.from_network(first.network).float()
    recipe = replace(SHORT, epochs=2, rate=2e-3, clean=0.0, full=0.1)
    result = train.Training(model, task(), SMALL, recipe).run()
    assert result.epochs[0].loss < 0.5 * first.epochs[0].loss


def test_targets_are_learned_as_a_regression():
    draw = stream(1, "targets")

    def part(samples):
        x = draw.uniform(-1.0, 1.0, (8, samples, 4))
        return TargetClips(x, x.mean(axis=0)[:, :1])

    given = train.Task(ENCODING, part(256), part(60))
    model = train.model_for(given, train.ModelShape(8, 2), 0)
    result = train.Training(model, given, SMALL, replace(SHORT, stretch=0.0, input_noise=0.0)).run()
    assert given.metric.name == "mae"
    assert result.epochs[-1].loss < result.epochs[0].loss
    assert result.score == np.nanmin([epoch.chips for epoch in result.epochs])


def test_what_can_t_be_learned_is_refused():
    one = LabelledClips(np.zeros((4, 3, 4)), np.zeros(3, dtype=int))
    with pytest.raises(ParameterError, match=r"the train clips have one class, 0: every network is right on them"):
        train.Task(ENCODING, one, one)
    with pytest.raises(ParameterError, match=r"the train clips have no labels and no targets"):
        train.Task(ENCODING, Clips(np.zeros((4, 3, 4))), one)
    with pytest.raises(ParameterError, match=r"the train and the validation clips differ in their labels, targets or"):
        train.Task(ENCODING, clips(6, 1), TargetClips(np.zeros((4, 3, 4)), np.zeros((3, 1))))
    with pytest.raises(ParameterError, match=r"Recipe\.rate = 2 is outside"):
        train.Recipe(rate=2.0)
    with pytest.raises(ParameterError, match=r"Recipe\.seed = -1 is below zero"):
        train.Recipe(seed=-1)
    with pytest.raises(ParameterError, match=r"ModelShape\.start = 'top' is neither 'off' nor 'middle'"):
        train.ModelShape(start="top")


def test_a_generated_task_keeps_its_steps_and_is_bounded_by_the_clip():
    given = train.task_of(parse_name("counting@20"))
    assert given.train.x.shape[0] == 20
    assert np.abs(given.train.x).max() <= given.encoding.clip
    assert given.per_step
    assert given.outputs == 9
    assert "pool" not in train.model_for(given, train.ModelShape(4, 2), 0).layers


def test_presets_name_a_stage_or_a_size_and_print_every_spread_with_its_source():
    assert train.Hardware.of("gf180mcu/standard").options == train.Hardware.of("standard").options
    assert train.Hardware.of("4um").options.cell_w == train.Hardware.of("gf180mcu/4um").options.cell_l == 4e-6
    assert train.Hardware.of("2umx18um").options.cell_l == 18e-6
    rows = {row.name: row for row in SMALL.spreads()}
    assert "a_vt_n (foundry): " in rows["cell nfet, 4 x 4 um: V_th"].source
    assert rows["cell nfet, 4 x 4 um: V_th"].value.endswith("mV")
    # a spread of the thresholds of 0.34 to 0.40 beta at 4 um
    assert 30 < float(rows["up threshold of a stage"].value.split()[0]) < 45


def test_hardware_is_read_from_a_file_or_from_a_design(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('stage = "standard"\ncell_w = "3um"\nshift_ratio = 2.0\n', encoding="utf-8")
    own = train.Hardware.of(path)
    assert (own.name, own.options.cell_w, own.options.cell_l) == ("gf180mcu/own", 3e-6, 18e-6)
    net = network(cmru())
    design = mapped(net, cell_w=4e-6, cell_l=5e-6, base_ratio=1.7)
    again = train.Hardware.of(design).map(net)
    for name in ("i_th", "i_hyst", "i_base", "i_shift", "i_alpha"):
        np.testing.assert_allclose(getattr(again.ladders[0], name), getattr(design.ladders[0], name), rtol=1e-12)
    assert again.sizing == design.sizing
    assert again.timing.period == pytest.approx(design.timing.period, rel=1e-12)
    for text, message in (
        ("cells = 3", r"own\.toml: 'cells' is no field of MappingOptions"),
        ("cell_w = [1]", r"own\.toml: cell_w = \[1\] is not a number"),
        ("cell_w = ", r"own\.toml can't be read as TOML"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ParameterError, match=message):
            train.Hardware.of(str(path))
    with pytest.raises(ParameterError, match=r"hardware 'tiny' is unknown: give a stage \(default, standard, large\)"):
        train.Hardware.of("tiny")
    with pytest.raises(ParameterError, match=r"hardware '1umx2umx3um' is no size of a device"):
        train.Hardware.of("1umx2umx3um")
