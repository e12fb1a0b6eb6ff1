"""The class that a linear readout gives to the levels of a ladder layer.

Model   logit k = b[k] + sum_i w[k, i] output[i, level of cell i]; the class is the largest
Valid   sums in another order than a matrix product, so classes whose logits nearly tie are reported
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.lanes import load, store


@compiled(nogil=True, _nrt=False)
def readout_classes(level, output, weight, bias, tie, table, logits, classes, doubtful):
    """Fill the classes of many chips.

    level     (C, S, d)      int16
    output    (C, d, N + 1)  float64  of each level
    weight    (C, K, d)      float64  or (1, K, d); bias (C, K) or (1, K)
    tie       float64                 logits closer than this part of what they sum are doubtful
    table     (d, N + 1, K') float64  scratch, K' >= K a multiple of 8; so is logits (K',)
    classes   (C, S)         int64
    doubtful  (C,)           bool     set, never cleared
    """
    chips, samples, cells = level.shape
    count, width = weight.shape[1], len(logits)
    for r in range(chips):
        own, row, size = r if len(weight) > 1 else 0, r if len(output) > 1 else 0, 0.0
        for k in range(count):
            magnitude = abs(bias[own, k])
            for i in range(cells):
                largest = 0.0
                for n in range(output.shape[2]):
                    product = weight[own, k, i] * output[row, i, n]
                    table[i, n, k] = product
                    largest = max(largest, abs(product))
                magnitude += largest
            size = max(size, magnitude)
        for s in range(samples):
            for k in range(0, width, 8):
                total = load(table, (0, level[r, s, 0], k))
                for i in range(1, cells):
                    total += load(table, (i, level[r, s, i], k))
                store(logits, k, total)
            best, second, found = -np.inf, -np.inf, 0
            for k in range(count):
                logit = logits[k] + bias[own, k]
                found = k if logit > best else found
                second = max(second, min(logit, best))
                best = max(best, logit)
            classes[r, s] = found
            if best - second <= tie * size:
                doubtful[r] = True
