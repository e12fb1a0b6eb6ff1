"""The readout kernel classifies as a matrix product does, and reports what nearly ties."""

import numpy as np
from numpy.testing import assert_array_equal

from analogrnn.kernels.readout import readout_classes
from analogrnn.kernels.simd.lanes import aligned
from analogrnn.streams import stream


def case(chips=3, samples=40, cells=5, stages=4, classes=10):
    draw = stream(1, "test", "readout")
    return (
        draw.integers(0, stages + 1, (chips, samples, cells)).astype(np.int16),
        draw.normal(size=(chips, cells, stages + 1)),
        draw.normal(size=(chips, classes, cells)),
        draw.normal(size=(chips, classes)),
    )


def classify(level, output, weight, bias):
    chips, samples, _ = level.shape
    width = -(-weight.shape[1] // 8) * 8
    classes, doubtful = np.empty((chips, samples), dtype=np.int64), np.zeros(chips, dtype=np.bool_)
    readout_classes(
        level,
        output,
        weight,
        bias,
        1e-11,
        aligned((*output.shape[1:], width), np.float64),
        np.zeros(width),
        classes,
        doubtful,
    )
    return classes, doubtful


def test_the_class_is_the_largest_logit_of_each_chip():
    level, output, weight, bias = case()
    value = np.take_along_axis(output[:, None], level[..., None].astype(int), axis=3)[..., 0]
    logits = value @ weight.transpose(0, 2, 1) + bias[:, None]
    classes, doubtful = classify(level, output, weight, bias)
    assert_array_equal(classes, logits.argmax(axis=2))
    assert not doubtful.any()


def test_a_readout_that_all_chips_share_is_each_one_s():
    level, output, weight, bias = case()
    own = classify(level, output, np.repeat(weight[:1], 3, axis=0), np.repeat(bias[:1], 3, axis=0))
    assert_array_equal(classify(level, output, weight[:1], bias[:1])[0], own[0])


def test_two_classes_alike_are_reported_for_their_chip_alone():
    level, output, weight, bias = case()
    weight[1, 7], bias[1, 7] = weight[1, 2], bias[1, 2] + 1e-13
    bias[1, [2, 7]] += 100.0  # they win everywhere
    assert_array_equal(classify(level, output, weight, bias)[1], [False, True, False])
