"""PyKeOps and dense PyTorch on the cases of bench/gpu.c, called by bench/gpu.sh.

    gpu_peers.py CASES SAMPLES

CASES is what `gpu cases` prints, SAMPLES the folder of the first rows of rkeops' results. Prints
"peers", then for each case, tab-separated: "peer", key, precision, seconds of PyKeOps, seconds of
PyTorch ("~" behind an estimate from a part of the rows), difference. What is not there is empty.
Data lie on the GPU before the clock starts; times are the best of three, by events."""
import math
import os
import sys

import numpy as np
import torch

try:
    import pykeops
    from pykeops.torch import Genred
except Exception as reason:  # not installed, or it finds no compiler
    print(f"no PyKeOps: {reason}", file=sys.stderr)
    pykeops = None

DEVICE = os.environ.get("RKEOPS_PEERS_DEVICE", "cuda")
CHUNK = 1 << 28  # elements of a dense chunk
SECONDS = 3      # a dense product that would take longer is estimated


def numbers(count, which):
    """The hash of number_at() in gpu.c."""
    z = np.arange(count, dtype=np.uint64)
    z += np.uint64((which << 40) + 1)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def array(rows, dim, which, width, dtype):
    data = width * (numbers(rows * dim, which) - 0.5)
    return torch.from_numpy(data.reshape(rows, dim)).to(device=DEVICE, dtype=dtype)


def clock(call):
    """Seconds by events, and the result."""
    if DEVICE == "cpu":
        import time
        start = time.perf_counter()
        result = call()
        return time.perf_counter() - start, result
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    result = call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3, result


def best_of(call, times=3):
    clock(call)
    runs = [clock(call) for _ in range(times)]
    return min(t for t, _ in runs), runs[-1][1]


# ---- PyKeOps ----


def keops(text, x, y, b):
    name, inside = text.split("_Reduction(", 1)
    inside = inside[: inside.rindex(",")]
    options = {"reduction_op": name, "axis": 1}
    if name == "ArgKMin":
        inside, k = inside.rsplit(",", 1)
        options["opt_arg"] = int(k)
    given = {"x": (f"x=Vi({x.shape[1]})", x), "y": (f"y=Vj({y.shape[1]})", y)}
    if "b" in inside:
        given["b"] = (f"b=Vj({b.shape[1]})", b)
    reduce_all = Genred(inside, [alias for alias, _ in given.values()], **options)
    return lambda: reduce_all(*[data for _, data in given.values()],
                              backend="GPU" if DEVICE == "cuda" else "CPU")


# ---- dense PyTorch ----


def dense_rows(text, x, y, b):
    """Some rows of the result, all columns of the distances in memory."""
    d2 = (x * x).sum(1)[:, None] + (y * y).sum(1)[None, :]
    d2.addmm_(x, y.T, alpha=-2).clamp_(min=0)
    if text.startswith("ArgKMin"):
        return torch.topk(d2, 10, dim=1, largest=False).indices
    if text.startswith("LogSumExp"):
        return torch.logsumexp(-d2, dim=1, keepdim=True)
    kernel = torch.exp_(d2.sqrt_().neg_() if "Norm2(" in text.replace("SqNorm2", "") else d2.neg_())
    if "(x-y)*b" in text:
        return -2 * (x * (kernel @ b) - kernel @ (y * b))
    return kernel @ b


def dense(text, x, y, b):
    """Seconds, whether they are estimated, and the first chunk of the result."""
    rows = max(1, min(len(x), CHUNK // len(y)))
    chunks = math.ceil(len(x) / rows)
    clock(lambda: dense_rows(text, x[:rows], y, b))
    one, first = clock(lambda: dense_rows(text, x[:rows], y, b))
    if chunks == 1 or one * chunks > SECONDS:
        return one * len(x) / rows, chunks > 1, first

    def call():
        for k in range(chunks):
            dense_rows(text, x[k * rows:(k + 1) * rows], y, b)
    return min(clock(call)[0] for _ in range(3)), False, first


# ---- all ----


def difference(path, result, is_position):
    expected = np.fromfile(path)
    got = np.asarray(result[:16].cpu(), dtype=float).reshape(-1)
    if is_position:
        return np.mean(got != expected)
    return np.max(np.abs(got - expected)) / np.max(np.abs(expected))


def measure(line, samples):
    key, precision, n, dim, columns, _, text = line.rstrip("\n").split("\t")
    n, dim, columns = int(n), int(dim), int(columns)
    if n == 0:
        return
    dtype = getattr(torch, precision)
    width = 3 / math.sqrt(dim / 3)
    x, y = (array(n, dim, which, width, dtype) for which in (0, 1))
    b = array(n, columns, 2, 2, dtype)
    by_keops = by_torch = None
    seconds = ["", ""]
    if pykeops:
        try:
            best, by_keops = best_of(keops(text, x, y, b))
            seconds[0] = f"{best:.9g}"
        except Exception as reason:
            print(f"{key} {precision}, PyKeOps: {reason}", file=sys.stderr)
    try:
        best, estimated, by_torch = dense(text, x, y, b)
        seconds[1] = f"{best:.9g}{'~' if estimated else ''}"
    except Exception as reason:
        print(f"{key} {precision}, PyTorch: {reason}", file=sys.stderr)
    result = by_torch if by_keops is None else by_keops
    path = os.path.join(samples, f"{key}-{precision}")
    apart = ""
    if result is not None and os.path.exists(path):
        apart = f"{difference(path, result, text.startswith('Arg')):.1e}"
    print("peer", key, precision, *seconds, apart, sep="\t", flush=True)


def main(cases, samples):
    if DEVICE == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    torch.set_float32_matmul_precision("highest")
    names = [f"PyTorch {torch.__version__}"]
    if pykeops:
        names.insert(0, f"PyKeOps {pykeops.__version__}")
    print("peers", ", ".join(names), sep="\t", flush=True)
    with open(cases) as lines:
        for line in lines:
            measure(line, samples)


main(*sys.argv[1:])
