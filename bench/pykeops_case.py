"""One case of bench/pykeops.R: folder, N, D, columns, precision, formula. Prints the seconds of the
first call, the best of five more, and the largest difference from the file `expected`."""
import os
import sys
import time

import numpy as np

folder, n, dim, columns, precision, formula = sys.argv[1:]
n, dim, columns = int(float(n)), int(dim), int(columns)
dtype = np.dtype(precision)

import pykeops  # noqa: E402 (its cache folder comes from the environment)
from pykeops.numpy import Genred  # noqa: E402


def load(name, width):
    data = np.fromfile(os.path.join(folder, name))
    return np.ascontiguousarray(data.reshape(-1, width).astype(dtype))


arrays = [load("x", dim), load("y", dim), load("b", columns)]
aliases = [f"x=Vi({dim})", f"y=Vj({dim})", f"b=Vj({columns})"]
name, inside = formula.split("_Reduction(", 1)
inside = inside[: inside.rindex(",")]
options = {"reduction_op": name, "axis": 1}
if name == "ArgKMin":
    inside, k = inside.rsplit(",", 1)
    options["opt_arg"] = int(k)
used = [a for a in range(3) if aliases[a][0] in inside.replace("Exp", "").replace("SqDist", "")]
reduce_all = Genred(inside, [aliases[a] for a in used], **options)


def call():
    start = time.perf_counter()
    result = reduce_all(*[arrays[a] for a in used], backend="CPU")
    return time.perf_counter() - start, np.asarray(result, dtype=float)


first, result = call()
best = min(call()[0] for _ in range(5))
expected = np.fromfile(os.path.join(folder, "expected")).reshape(n, -1)
result = result.reshape(n, -1)
if name == "ArgKMin":
    difference = np.mean(result != expected)
else:
    difference = np.max(np.abs(result - expected)) / np.max(np.abs(expected))
print(first, best, difference)
