"""PyKeOps' solver on a case of bench/solve.R: folder, rows, columns, width, ridge, tolerance, precision.
Prints the median of three calls in seconds, and the true relative residual."""
import os
import sys
import time

import numpy as np

folder, rows, columns, width, alpha, tol, precision = sys.argv[1:]
rows, columns = int(rows), int(columns)

from pykeops.numpy import Genred  # noqa: E402 (its cache folder comes from the environment)
from pykeops.numpy.operations import KernelSolve  # noqa: E402


def load(name, width):
    data = np.fromfile(os.path.join(folder, name)).astype(precision)
    return np.ascontiguousarray(data.reshape(rows, width))


x, b = load("x", 3), load("b", columns)
formula = "Exp(-g*SqDist(x,y))*b"
aliases = ["x=Vi(3)", "y=Vj(3)", f"b=Vj({columns})", "g=Pm(1)"]
g = np.array([1 / (2 * float(width) ** 2)], dtype=precision)
solve = KernelSolve(formula, aliases, "b", axis=1)
product = Genred(formula, aliases, reduction_op="Sum", axis=1)


def call():
    start = time.perf_counter()
    # its tolerance is one of the residual itself
    out = solve(x, x, b, g, alpha=float(alpha), eps=float(tol) * np.linalg.norm(b), backend="CPU")
    return time.perf_counter() - start, out


seconds, solution = call()
times = [call()[0] for _ in range(1 if seconds > 30 else 3)]
residual = b - product(x, x, solution, g, backend="CPU") - float(alpha) * solution
print(np.median(times), np.linalg.norm(residual) / np.linalg.norm(b))
