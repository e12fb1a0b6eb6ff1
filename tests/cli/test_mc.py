"""`analogrnn mc`: accuracy over chips, one size or several."""

import json
import sys
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
import xarray as xr
from campaign.clusters import dask

from analogrnn.cli import mc
from analogrnn.statistics import proportion_interval

from .conftest import NETWORK

PICTURES = {"accuracy_over_chips.png", "yield.png", "accuracy_over_mismatch.png"}

STATISTICS = {"mean", "std", "min", "p05", "median", "chips", "worst_chip", "accuracy", "yield", "worst_chips"}


def campaign(call, *words):
    return call("mc", NETWORK, "--clips", "30", "--json", *words).json


def test_the_statistics_are_those_of_the_listed_accuracies(call):
    answer = campaign(call, "--chips", 5)
    assert set(answer) == {"network", "clips", "seed", "accuracy_digital", "sizes"}
    assert (answer["network"], answer["clips"]) == (NETWORK, 30)
    found = answer["sizes"]["10um"]
    assert set(found) == STATISTICS | {"classes", "failures"}
    accuracy = np.array(found["accuracy"])
    assert len(accuracy) == found["chips"] == 5
    assert found["mean"] == accuracy.mean()
    assert found["std"] == accuracy.std(ddof=1)
    assert found["min"] == accuracy[found["worst_chip"]] == accuracy.min()


def test_a_chip_does_not_depend_on_how_many_follow_it(call):
    few, many = (campaign(call, "--chips", n)["sizes"]["10um"]["accuracy"] for n in (2, 4))
    assert many[:2] == few


def test_the_seed_makes_the_chips(call):
    first = campaign(call, "--chips", 4, "--cell-size", "2um")
    assert first == campaign(call, "--chips", 4, "--cell-size", "2um", "--seed", 1)
    assert first != campaign(call, "--chips", 4, "--cell-size", "2um", "--seed", 2)


def test_without_mismatch_and_noise_every_chip_is_the_digital_network(call):
    answer = campaign(call, "--chips", 3, "--mismatch", "off", "--noise", "off")
    assert answer["sizes"]["10um"]["accuracy"] == [answer["accuracy_digital"]] * 3


def test_several_sizes_are_compared_on_the_same_chips(call):
    answer = campaign(call, "--chips", 2, "--sizes", "4um,2umx10um")
    assert list(answer["sizes"]) == ["4um", "2umx10um"]
    assert answer["sizes"]["4um"] == campaign(call, "--chips", 2, "--cell-size", "4um")["sizes"]["4um"]


def test_a_person_reads_a_row_for_each_size(call):
    said = call("mc", NETWORK, "--clips", "30", "--chips", 2, "--sizes", "4um,10um")
    assert said.code == 0
    assert said.err == ""
    assert "2 chips, mismatch on, noise on, 30 clips, digital" in said.out
    first = [line.split()[0] for line in said.out.splitlines() if line.strip()]
    assert first.count("4um") == first.count("10um") == 2  # accuracy, and the class that loses most


def test_yield_and_its_interval_are_those_of_the_listed_accuracies(call):
    accuracy = campaign(call, "--chips", 12, "--cell-size", "2um")["sizes"]["2um"]["accuracy"]
    threshold = sorted(accuracy)[-4]
    found = campaign(call, "--chips", 12, "--cell-size", "2um", "--threshold", threshold)["sizes"]["2um"]
    good = sum(a >= threshold for a in accuracy)
    assert 4 <= good < 12
    assert (found["yield"]["good"], found["yield"]["chips"], found["yield"]["share"]) == (good, 12, good / 12)
    assert (found["yield"]["low"], found["yield"]["high"]) == proportion_interval(good, 12)
    order = sorted(range(12), key=lambda chip: (found["accuracy"][chip], chip))
    assert [worst["chip"] for worst in found["worst_chips"]] == order[:5]
    assert campaign(call, "--chips", 2, "--threshold", "0")["sizes"]["10um"]["yield"]["share"] == 1.0


def test_each_class_says_what_it_loses_and_to_whom(call):
    answer = campaign(call, "--chips", 6, "--cell-size", "2um")
    effects = answer["sizes"]["2um"]["classes"]
    weights = np.array([effect["clips"] for effect in effects])
    assert weights.sum() == 30
    # the mean over all clips, class by class: sums of at most 180 thousandths
    for key, whole in (("digital", answer["accuracy_digital"]), ("mean", answer["sizes"]["2um"]["mean"])):
        parts = np.array([effect[key] for effect in effects])
        assert parts @ weights / 30 == pytest.approx(whole, abs=1e-12)
    for effect in effects:
        assert effect["taken_for"] != effect["label"]
        assert 0.0 <= effect["taken"] <= 1.0 - effect["mean"] + 1e-12


def test_the_folder_holds_the_answer_and_a_picture(call, tmp_path):
    folder = tmp_path / "new" / "folder"
    answer = campaign(call, "--chips", 5, "--sizes", "4um,10um", "--sweep", 2, "--out", folder)
    assert json.loads((folder / "monte_carlo.json").read_text()) == answer
    for name in PICTURES:
        picture = matplotlib.image.imread(folder / name)
        assert min(picture.shape[:2]) > 300
        assert picture[..., :3].std() > 0.01
    with xr.open_dataset(folder / "monte_carlo.nc") as data:
        assert data.accuracy.sel(device_size="4um").values.tolist() == answer["sizes"]["4um"]["accuracy"]
        assert (data.attrs["network"], data.attrs["seed"], data.attrs["noise"]) == (NETWORK, "1", "on")


def test_without_a_sweep_there_is_no_picture_of_it(call, inputs, tmp_path):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 2, "--sweep", 0, "--out", tmp_path / "o")
    assert {path.name for path in (tmp_path / "o").glob("*.png")} == PICTURES - {"accuracy_over_mismatch.png"}


# ------------------------------------------------------------------ reproduced, kept, resumed


@pytest.mark.parametrize("words", [("--noise", "on"), ("--noise", "off", "--seed", 5)])
def test_a_chip_of_a_campaign_is_simulated_again_exactly(call, tmp_path, words):
    some = ("--clips", "40", "--cell-size", "2um", *words)
    call("mc", NETWORK, *some, "--chips", 20, "--sweep", 0, "--out", tmp_path)
    with xr.open_dataset(tmp_path / "monte_carlo.nc") as data:
        for chip in (0, 13, 19):
            alone = call("simulate", NETWORK, *some, "--chip", chip, "--json").json
            assert alone["classes"] == data.predicted.sel(device_size="2um", chip=chip).values.tolist()
            assert alone["accuracy"] == data.accuracy.sel(device_size="2um", chip=chip).item()


def stop_after(monkeypatch, count):
    """The Ctrl-C of a person who has seen so many chips done."""
    real = mc.run_studies

    def interrupted(studies, options):
        def report(done, of):
            if done >= count:
                raise KeyboardInterrupt

        return real(studies, replace(options, progress=report, chunk=2))

    monkeypatch.setattr(mc, "run_studies", interrupted)


@pytest.mark.parametrize("words", [(), ("--out",)])
def test_ctrl_c_says_in_one_line_how_to_go_on_and_going_on_gives_the_same(call, inputs, tmp_path, monkeypatch, words):
    base = ("mc", NETWORK, "--inputs", inputs, "--chips", 12, "--seed", 77, "--json")
    kept = (*base, *((*words, tmp_path / "kept") if words else ()))
    whole = call(*base).json
    with monkeypatch.context() as patch:
        stop_after(patch, 6)
        call(*kept).refused(130, "interrupted; what is finished is kept in ", "--resume goes on")
    call(*kept).refused(2, "holds 3 finished chunks of an earlier run", "(--resume goes on, --fresh starts over)")
    with monkeypatch.context() as patch:
        stop_after(patch, 10)
        call(*kept, "--resume").refused(130)
    assert call(*kept, "--resume").json == whole


def test_a_full_disk_is_exit_code_5_and_says_how_to_go_on(call, inputs, tmp_path):
    (tmp_path / "checkpoint" / "10um").mkdir(parents=True)
    (tmp_path / "monte_carlo.nc.new").symlink_to("/dev/full")
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 2, "--sweep", 0, "--out", tmp_path)
    call(*words).refused(5, "monte_carlo.nc: No space left on device", "--resume goes on")
    assert call(*words, "--resume").code == 0


def test_fresh_forgets_what_was_finished(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 2, "--sweep", 0, "--out", tmp_path, "--json")
    first = call(*words).json
    assert call(*words, "--fresh").json == first
    assert call(*words, "--fresh", "--seed", 2).code == 0


def test_more_chips_are_added_to_those_there_are(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--sweep", 0, "--out", tmp_path, "--json")
    call(*words, "--chips", 3)
    more = call(*words, "--chips", 9, "--resume").json
    assert more == call("mc", NETWORK, "--inputs", inputs, "--chips", 9, "--json").json


def test_other_options_than_those_of_the_checkpoint_are_refused(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 2, "--sweep", 0, "--out", tmp_path)
    assert call(*words).code == 0
    call(*words, "--resume", "--seed", 2).refused(2, "belongs to another campaign; it differs in seed (1, now 2)")


def test_a_damaged_checkpoint_is_named(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 2, "--sweep", 0, "--out", tmp_path)
    assert call(*words).code == 0
    chunk = next((tmp_path / "checkpoint" / "10um").glob("*.chunk"))
    chunk.write_bytes(chunk.read_bytes()[:-1])
    call(*words, "--resume").refused(2, f"checkpoint {chunk} is damaged", "delete that file and resume")


def test_worker_processes_change_no_bit_of_the_file(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 20, "--sizes", "2um,4um", "--sweep", 2, "--out")
    assert call(*words, tmp_path / "a").code == 0
    assert call(*words, tmp_path / "b", "--workers", 2).code == 0
    files = [(tmp_path / folder / "monte_carlo.nc").read_bytes() for folder in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--resume", "--fresh"), "--resume and --fresh exclude each other"),
        (("--workers", 2, "--dask", "tcp://127.0.0.1:1"), "--workers and --dask exclude each other"),
        (("--workers", 0), "workers = 0 is outside [1, 1024]: give the number of processes"),
        (("--threshold", "90"), "--threshold = 90 is outside [0, 1]: an accuracy such as 0.9"),
        (("--sweep", "-1"), "--sweep = -1 is outside"),
    ],
)
def test_options_that_make_no_sense_are_refused(call, inputs, words, reason):
    call("mc", NETWORK, "--inputs", inputs, *words).refused(2, reason)


def test_a_cluster_without_the_extra_says_which_one(call, inputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    call("mc", NETWORK, "--inputs", inputs, "--dask", "tcp://127.0.0.1:1").refused(3, "analogrnn[cluster]")


@pytest.mark.cluster
def test_a_cluster_changes_no_bit_of_the_file(call, inputs, tmp_path):
    words = ("mc", NETWORK, "--inputs", inputs, "--chips", 20, "--sweep", 0, "--out")
    assert call(*words, tmp_path / "a").code == 0
    with dask(tmp_path) as cluster:
        cluster.worker()
        assert call(*words, tmp_path / "b", "--dask", cluster.address).code == 0
    files = [(tmp_path / folder / "monte_carlo.nc").read_bytes() for folder in "ab"]
    assert files[0] == files[1]


@pytest.mark.parametrize("chips", ["0", "-3"])
def test_no_chip_at_all_is_refused(call, inputs, chips):
    call("mc", NETWORK, "--inputs", inputs, f"--chips={chips}").refused(2, f"--chips = {chips} is outside [1, ")


def test_inputs_without_labels_have_no_accuracy(call, tmp_path):
    np.savez(tmp_path / "unlabelled.npz", x=np.zeros((3, 2, 14)))
    call("mc", NETWORK, "--inputs", tmp_path / "unlabelled.npz").refused(2, "no labels", "add an array labels (S,)")


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ("4V", "'4V' is in V, not in m"),
        ("4um,ten", "'ten' is not a quantity in m"),
        ("10um,2umx3umx4um", "write W or WxL, as in 4um or 2umx10um"),
        ("1nm", "--sizes = 1e-09 m is outside"),
        (",", "--sizes = ',' names no device size; write them as in 4um,10um"),
        (" , ", "names no device size"),
    ],
)
def test_a_size_that_is_none_is_refused(call, inputs, sizes, reason):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--sizes", sizes).refused(2, reason)


def test_a_size_that_is_typed_twice_is_run_once(call, inputs):
    answer = call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--sizes", "4um,, 4um,", "--json").json
    assert list(answer["sizes"]) == ["4um"]


def test_one_chip_has_no_spread_and_raises_no_warning(call, inputs):
    said = call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--json")
    assert said.code == 0
    assert said.json["sizes"]["10um"]["std"] == 0.0


@pytest.mark.parametrize("path", ["/dev/full", "/proc/folder"])
def test_a_folder_that_can_not_be_made_is_exit_code_5(call, inputs, path):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--out", path).refused(5, path, "choose another one")


def test_a_path_under_a_file_is_exit_code_5(call, inputs, blocked):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--out", blocked).refused(5, "Not a directory")
