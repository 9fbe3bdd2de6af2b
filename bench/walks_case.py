"""One case of bench/walks.R: folder, "ranges" or "batches", their number and size, precision. Prints
the best of ten calls in seconds, and the largest difference from the file `expected`."""
import os
import sys
import time

import numpy as np

folder, kind, count, size, precision = sys.argv[1:]
count, size = int(count), int(size)

from pykeops.numpy import Genred  # noqa: E402 (its cache folder comes from the environment)


def load(name, width):
    data = np.fromfile(os.path.join(folder, name)).astype(precision)
    shape = (count, size, width) if kind == "batches" else (count * size, width)
    return np.ascontiguousarray(data.reshape(shape))


arrays = [load("x", 3), load("y", 3), load("b", 1)]
options = {}
if kind == "ranges":
    ends = np.arange(1, count + 1, dtype="int32") * size
    own = np.stack([ends - size, ends], axis=1)
    slices = np.arange(1, count + 1, dtype="int32")
    options["ranges"] = (own, slices, own, own, slices, own)
product = Genred("Exp(-SqDist(x,y))*b", ["x=Vi(3)", "y=Vj(3)", "b=Vj(1)"], reduction_op="Sum", axis=1)


def call():
    start = time.perf_counter()
    result = product(*arrays, backend="CPU", **options)
    return time.perf_counter() - start, np.asarray(result, dtype=float).ravel()


result = call()[1]
expected = np.fromfile(os.path.join(folder, "expected"))
difference = np.max(np.abs(result - expected)) / np.max(np.abs(expected))
print(min(call()[0] for _ in range(10)), difference)
