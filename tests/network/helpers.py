"""Networks of every kind, and network files made by hand, also wrong ones."""

import io
import json
import struct
import zipfile
from dataclasses import fields

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, InputEncoding, Linear, Network, Pooling, ReLU

SUFFIXES = [".safetensors", ".npz"]
suffixes = pytest.mark.parametrize("suffix", SUFFIXES)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)

# ---------------------------------------------------------------- networks


@st.composite
def layers(draw, name, inputs):
    """Any layer that takes `inputs`, and its width."""

    def values(*shape, elements=FINITE):
        return draw(arrays(np.float64, shape, elements=elements))

    kind, d = draw(st.sampled_from(["linear", "relu", "cmru", "first_quadrant", "alpha"])), draw(st.integers(1, 3))
    eps = draw(st.floats(0.0, 1.0))
    match kind:
        case "relu":
            return ReLU(name), inputs
        case "linear":
            return Linear(name, values(d, inputs), values(d)), d
        case "first_quadrant":
            window = st.floats(1e-300, 1e6), st.floats(2e6, 1e300)
            levels = (values(d, elements=window[0]), values(d, elements=window[1]))
            initial = draw(st.none() | st.just(np.ones(d)))
            return FirstQuadrantBmru(name, values(d, inputs), values(d), *levels, values(d), initial), d
        case "alpha":
            given_ = (values(d, inputs), values(d), values(d), values(d, inputs), values(d))
            return AlphaCmru(name, *given_, eps=eps), d
    k_min, k_max = draw(st.sampled_from([(None, None), (-4, 4), (-1, None), (None, 1), (-(10**4), 10**4)]))
    initial = draw(st.none() | st.just(np.full(d, -1.0)))
    follow = draw(st.none() | st.just((d, inputs)))
    weight = None if follow is None else values(*follow)
    if eps == 0.0:
        k_min, k_max = -1, 1
    return Cmru(name, values(d, inputs), values(d), values(d), values(d), eps, k_min, k_max, initial, weight), d


@st.composite
def networks(draw):
    encoding, width = None, draw(st.integers(1, 3))
    if draw(st.booleans()):
        mean = draw(arrays(np.float64, width, elements=FINITE))
        scale = draw(arrays(np.float64, width, elements=st.floats(1e-300, 1e300)))
        encoding = InputEncoding(
            mean, scale, draw(st.floats(1.0, 100.0)), draw(st.integers(2, 10**6)), draw(st.booleans())
        )
        width = encoding.width
    chain = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower)):
        layer, width = draw(layers(name, width))
        chain.append(layer)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    metadata = draw(st.dictionaries(text, text | st.integers() | FINITE | st.booleans(), max_size=4))
    return Network(tuple(chain), encoding, metadata)


def assert_same_record(one, other):
    assert type(one) is type(other)
    for item in fields(one):
        a, b = getattr(one, item.name), getattr(other, item.name)
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()), item.name
        else:
            assert (type(a), a) == (type(b), b), item.name


def assert_same_network(one, other):
    assert len(one.layers) == len(other.layers)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert_same_record(a, b)
    assert (one.encoding is None) == (other.encoding is None)
    if one.encoding is not None:
        assert_same_record(one.encoding, other.encoding)
    assert one.metadata == other.metadata
    assert [type(v) for v in one.metadata.values()] == [type(v) for v in other.metadata.values()]


def small():
    """One layer of every kind, an encoding, metadata: everything that a file can hold."""
    one, w = np.ones(2), np.arange(4.0).reshape(2, 2) / 3
    chain = (
        Linear("fc", np.arange(6.0).reshape(2, 3) / 7, np.array([-0.0, 5e-324])),
        ReLU("relu"),
        Cmru("cell", w, one, one, one, 0.5, -4, 4, one, w),
        FirstQuadrantBmru("first", w, one, one, 2 * one, one),
        AlphaCmru("second", w, one, one, w, one, 0.25),
        Pooling("pool", "mean"),
        Linear("readout", w, one),
    )
    encoding = InputEncoding(np.array([0.1, 0.2]), np.array([0.3, 0.4]), 2.5, 17, True)
    metadata = {"name": "demo", "note": "two words\n*# .control ü", "accuracy": 0.1, "seed": 2**53 + 1, "ok": True}
    return Network(chain, encoding, metadata)


# ---------------------------------------------------------------- files made by hand

BODY = {"layers": [{"kind": "linear", "name": "fc"}], "encoding": None, "metadata": {}}
TENSORS = {"fc.weight": np.array([[1.0, 2.0]]), "fc.bias": np.array([3.0])}


def text_of(body=BODY, **changed):
    entries = {"format": "analogrnn-network", "version": "1"}
    entries["network"] = body if isinstance(body, str) else json.dumps(body)
    return {key: value for key, value in (entries | changed).items() if value is not None}


def write_safetensors(path, tensors=TENSORS, text=None):
    """The format's own layout: length of the header, header, data."""
    kinds = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "bool": "BOOL", "uint8": "U8"}
    header, data = {"__metadata__": text_of() if text is None else text}, b""
    for name, array in tensors.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": kinds[array.dtype.name], "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    body = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(body)) + body + data)


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def write_npz(path, tensors=TENSORS, text=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__metadata__.npy", npy(np.array(json.dumps(text_of() if text is None else text))))
        for name, array in tensors.items():
            archive.writestr(f"{name}.npy", npy(array))


def write(path, tensors=TENSORS, text=None):
    (write_npz if path.suffix == ".npz" else write_safetensors)(path, tensors, text)
    return path
