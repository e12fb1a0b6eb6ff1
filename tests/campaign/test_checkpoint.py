"""Files of a checkpoint are complete and of this campaign, or refused by name; errors of full disks and other runs."""

import json
import os
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from analogrnn.campaign import Checkpoint, Chunk, Options, fingerprint, run_campaign, write_whole
from analogrnn.campaign.chunks import MAGIC, decode, encode, read_chunk
from analogrnn.errors import CheckpointError, OutputError, ParameterError

from .work import plain, rows, same, series


@pytest.fixture
def finished(tmp_path):
    """A folder that holds a campaign of 40 items in ten chunks."""
    with Checkpoint(tmp_path / "c") as checkpoint:
        run_campaign([series(40)], Options(checkpoint=checkpoint, chunk=4))
    return tmp_path / "c"


def resumed(folder):
    with Checkpoint(folder, resume=True) as checkpoint:
        return run_campaign([series(40)], Options(checkpoint=checkpoint))


# ------------------------------------------------------------------ damage


def test_a_chunk_is_read_as_it_was_written():
    chunk = Chunk(np.arange(3), rows(np.arange(3)))
    found, owner = decode(encode(chunk, "abc"), "path")
    assert owner == "abc"
    for name in chunk.arrays:
        assert_array_equal(found.arrays[name], chunk.arrays[name])
        assert found.arrays[name].dtype == chunk.arrays[name].dtype


def test_every_byte_counts(tmp_path):
    """Each byte of a chunk file in turn, changed in one bit; and the file cut at every length."""
    whole = encode(Chunk(np.arange(2), {"x": np.array([1, 2], np.int8)}), "f" * 64)
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(CheckpointError, match=r"^checkpoint .*name\.chunk is damaged: .*; delete that file"):
            decode(bytes(flipped), tmp_path / "name.chunk")
        with pytest.raises(CheckpointError, match=r"name\.chunk is damaged"):
            decode(whole[:at], tmp_path / "name.chunk")
    with pytest.raises(CheckpointError, match=r"name\.chunk is damaged: its checksum is wrong"):
        decode(whole + b"\0", tmp_path / "name.chunk")


@settings(max_examples=40)
@given(data=st.data())
def test_any_damage_to_any_file_is_named_or_harmless(tmp_path_factory, data):
    """Harmless: the result is bit-identical. Only the manifest has such bytes, in its text for readers."""
    folder = tmp_path_factory.mktemp("damage")
    with Checkpoint(folder) as checkpoint:
        expected = run_campaign([series(40)], Options(checkpoint=checkpoint, chunk=13))
    path = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "lock")))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        same(resumed(folder), expected)
        assert path.name == "campaign.json"
    except CheckpointError as error:
        assert str(path if path.suffix == ".chunk" else path.parent) in str(error)  # noqa: PT017 (either may happen)


def test_all_damaged_files_are_named_at_once_and_deleting_them_repairs_it(finished):
    bad = sorted(finished.glob("one/*.chunk"))[2:4]
    for path in bad:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError) as caught:
        resumed(finished)
    assert all(str(path) in str(caught.value) for path in bad)
    for path in bad:
        path.unlink()
    found = resumed(finished)
    assert found[0].restored == 32
    same(found, plain(series(40)))


def test_a_chunk_of_another_campaign_is_named(finished, tmp_path):
    with Checkpoint(tmp_path / "d") as checkpoint:
        run_campaign([series(4, depends_on={"seed": 2})], Options(checkpoint=checkpoint))
    stray = next((tmp_path / "d" / "one").glob("*.chunk"))
    stray.rename(finished / "one" / "stray.chunk")
    with pytest.raises(CheckpointError, match=r"stray\.chunk belongs to another campaign \(\w{12}, this one"):
        resumed(finished)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"fingerprint": "x", "depends_on": 3}'])
def test_a_damaged_manifest_is_named_and_deleting_it_repairs_it(finished, text):
    (finished / "one" / "campaign.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"campaign\.json is damaged: .*; delete that file and resume"):
        resumed(finished)
    (finished / "one" / "campaign.json").unlink()
    same(resumed(finished), plain(series(40)))


def test_a_changed_fingerprint_is_damage_and_not_another_campaign(finished):
    path = finished / "one" / "campaign.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "0" * 64}))
    with pytest.raises(CheckpointError, match=r"campaign\.json is damaged: its fingerprint does not match the cond"):
        resumed(finished)


def test_a_file_that_can_not_be_read_is_named(finished):
    (finished / "one" / "folder.chunk").mkdir()
    with pytest.raises(CheckpointError, match=r"^can't read checkpoint .*folder\.chunk: Is a directory\."):
        resumed(finished)


@pytest.mark.parametrize(
    "header",
    [
        '{"campaign": "x"}',
        '{"campaign": "x", "arrays": [["items", "O", [1]]]}',
        "[]",
        "no",
        '{"campaign": "x", "arrays": [["items", "<i8", [9]]]}',
        '{"campaign": "x", "arrays": []}',
        pytest.param("[" * 100_000, id="nested"),
        '{"campaign": "x", "arrays": [["items", "<i8,(", [1]]]}',
        '{"campaign": "x", "arrays": [["items", 8, [1]]]}',
    ],
)
def test_a_whole_file_that_is_no_chunk_is_refused(tmp_path, header):
    import hashlib

    body = header.encode() + b"\n" + bytes(8)
    (tmp_path / "a.chunk").write_bytes(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.raises(CheckpointError, match=r"a\.chunk is damaged: its header can't be read"):
        read_chunk(tmp_path / "a.chunk", "x")


# ------------------------------------------------------------------ the folder


def test_finished_chunks_are_not_overwritten_by_mistake(finished):
    with pytest.raises(CheckpointError, match=r"holds 10 finished chunks of an earlier run: resume it, start again"):
        Checkpoint(finished).__enter__()
    with Checkpoint(finished, resume=True) as checkpoint:
        checkpoint.clear()
    assert [path.name for path in finished.iterdir()] == ["lock"]
    with Checkpoint(finished):
        pass


def test_clearing_deletes_nothing_of_the_users(finished):
    (finished / "one" / "notes.txt").write_text("mine")
    (finished / "thesis.tex").write_text("mine")
    with Checkpoint(finished, resume=True) as checkpoint:
        checkpoint.clear()
    assert {path.name for path in finished.rglob("*")} == {"lock", "one", "notes.txt", "thesis.tex"}


def test_two_runs_can_not_hold_one_folder(tmp_path):
    busy = rf"is in use by another run \(process {os.getpid()}\): wait for it"
    with Checkpoint(tmp_path), pytest.raises(CheckpointError, match=busy):
        Checkpoint(tmp_path, resume=True).__enter__()
    with Checkpoint(tmp_path, resume=True):
        pass


def test_a_file_that_a_kill_left_incomplete_is_deleted(finished):
    left = finished / "one" / "000000040-4-00000000.chunk.new"
    left.write_bytes(b"half")
    same(resumed(finished), plain(series(40)))
    assert not left.exists()


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^can't make the folder .*file/c: Not a directory; choose another one\."):
        Checkpoint(tmp_path / "file" / "c").__enter__()


def test_a_lock_that_can_not_be_written_is_an_error(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(OutputError, match=r"^can't write .*lock: Is a directory; choose another folder\."):
        Checkpoint(tmp_path).__enter__()


def test_on_a_full_disk_finished_chunks_are_kept_and_the_run_resumes_later(tmp_path):
    """The kernel itself says ENOSPC: the third chunk is written to /dev/full."""
    third = []

    def until_full(items):
        if items[0] == 8:
            chunk = encode(Chunk(items, rows(items)), "")
            assert len(chunk) > 0
            name = f"000000008-4-{_tail(items)}.chunk.new"
            os.symlink("/dev/full", tmp_path / "one" / name)
            third.append(name)
        return rows(items)

    with (
        Checkpoint(tmp_path) as checkpoint,
        pytest.raises(OutputError, match=r"can't write .*000000008-4-.*: No space left on device; free the"),
    ):
        run_campaign([series(40, until_full)], Options(checkpoint=checkpoint, chunk=4))
    assert not (tmp_path / "one" / third[0]).is_symlink()
    found = resumed(tmp_path)
    assert found[0].restored == 8
    same(found, plain(series(40)))


def _tail(items):
    import hashlib

    return hashlib.sha256(items.tobytes()).hexdigest()[:8]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_whole(tmp_path / "x", b"old")
    os.symlink("/dev/full", tmp_path / "x.new")
    with pytest.raises(OutputError, match=r"can't write .*x: No space left on device"):
        write_whole(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


# ------------------------------------------------------------------ fingerprints


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Record:
    a: object
    b: object = None


VALUES = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    (1,),
    (1, 2),
    ((1,), 2),
    {"a": 1},
    {"a": 2},
    {"b": 1},
    Record(1),
    Record(1, 2),
    Record(None, 1),
    np.arange(3),
    np.arange(3.0),
    np.arange(3)[None],
    np.float64(1.0),
    0.1,
    0.1 + 1e-17 + 1e-16,
    Colour.RED,
    "",
    (),
    ("", ""),
    frozenset({1, 2}),
]


def test_different_values_have_different_fingerprints():
    assert len({fingerprint(value) for value in VALUES}) == len(VALUES)


def test_equal_content_has_one_fingerprint():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(np.arange(4.0)) == fingerprint(np.arange(8.0)[:4]) == fingerprint(np.arange(4, dtype=">f8"))
    assert fingerprint(Record(np.zeros((2, 3)).T)) == fingerprint(Record(np.zeros((3, 2))))
    # of this very content, for ever: else an older checkpoint would not be recognised
    assert fingerprint({"a": (1, 0.5, None)}) == "3e81467d903cfacec9844ad85d292e36364fd1aced59db1a6bbca1ea3e8f4ec9"


@pytest.mark.parametrize("value", [object(), lambda: 1, np.array([None])])
def test_values_without_content_are_refused(value):
    with pytest.raises(ParameterError, match=r"fingerprint: an? .* has no content to digest; use"):
        fingerprint((1, value))
