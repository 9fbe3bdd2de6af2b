"""PyKeOps and dense PyTorch on the cases of bench/gpu.c, called by bench/gpu.sh.

    gpu_peers.py SAMPLES

SAMPLES is the folder of the first rows of rkeops' results. Prints "peers"; then, for each line of
`gpu cases` that it reads, tab-separated: "peer", key, precision, seconds of PyKeOps, of PyTorch
("~" behind an estimate from a part of the rows), of a search that selects as FAISS does,
difference; and "end". What is not there is empty. Data lie on the GPU before the clock starts;
times are the best of up to three, by events."""
import faulthandler
import math
import os
import signal
import sys
import time

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
BLOCK = 64       # columns of which the nearest is looked for first
LIMIT = 90       # seconds of a case
SECONDS = 1      # of repetitions; a dense product that would take three times that is estimated


# ---- data ----


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


class Case:
    def __init__(self, line):
        self.key, self.precision, m, n, dim, columns, self.text = line.rstrip("\n").split("\t")
        m, n, dim, columns = int(m), int(n), int(dim), int(columns)
        dtype = getattr(torch, self.precision)
        width = 3 / math.sqrt(dim / 3)
        self.is_gradient = self.text.startswith("Grad(")
        self.is_nearest = self.text.startswith("ArgKMin")
        self.x = array(m, dim, 0, width, dtype)
        self.y = array(n, dim, 1, width, dtype)
        self.b = array(n, columns, 2, 2, dtype)
        self.e = array(m, columns, 3, 2, dtype) if self.is_gradient else None


# ---- time ----


def clock(call):
    """Seconds by events, and the result."""
    if DEVICE == "cpu":
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


def best_of(call):
    """After one more call, which may compile: the best of three, of fewer if they take long."""
    clock(call)
    seconds, result = clock(call)
    total = seconds
    for _ in range(2):
        if total < SECONDS:
            again, result = clock(call)
            total += again
            seconds = min(seconds, again)
    return seconds, result


# ---- PyKeOps ----


def keops(case):
    """The call; for a gradient PyKeOps' own, by automatic differentiation, without the product."""
    text = case.text[len("Grad("):] if case.is_gradient else case.text
    name, inside = text.split("_Reduction(", 1)
    inside = inside[: inside.index(", j)")]
    options = {"reduction_op": name, "axis": 1}
    if name == "ArgKMin":
        inside, k = inside.rsplit(",", 1)
        options["opt_arg"] = int(k)
    x = case.x.requires_grad_(case.is_gradient)
    given = {f"x=Vi({x.shape[1]})": x, f"y=Vj({case.y.shape[1]})": case.y}
    if "b" in inside:
        given[f"b=Vj({case.b.shape[1]})"] = case.b
    reduce_all = Genred(inside, list(given), **options)

    def product():
        return reduce_all(*given.values(), backend="GPU" if DEVICE == "cuda" else "CPU")
    if not case.is_gradient:
        return product
    value = product()
    return lambda: torch.autograd.grad(value, x, case.e, retain_graph=True)[0]


# ---- dense PyTorch ----


def squared(x, y):
    d2 = (x * x).sum(1)[:, None] + (y * y).sum(1)[None, :]
    return d2.addmm_(x, y.T, alpha=-2).clamp_(min=0)


def dense_rows(case, rows):
    """Some rows of the result, all columns of the distances in memory."""
    x, y, b, text = case.x[rows], case.y, case.b, case.text
    d2 = squared(x, y)
    if text.startswith("LogSumExp"):
        return torch.logsumexp(-d2, dim=1, keepdim=True)
    if "IntCst(1)+" in text:
        return d2.add_(1).reciprocal_() @ b
    kernel = torch.exp_((d2.sqrt_() if "(-Norm2(" in text else d2).neg_())
    if case.is_gradient:
        return -2 * case.e[rows] * (x * (kernel @ b) - kernel @ (y * b))
    return kernel @ b


def nearest_of(case, select):
    """Nearest of chunks of columns, merged. select(d2): values and positions of 10 of its columns."""
    width = max(10, min(len(case.y), CHUNK // min(len(case.x), 10000)))
    width -= width % BLOCK if width < len(case.y) else 0

    def rows_of(rows):
        values = positions = None
        for first in range(0, len(case.y), width):
            v, p = select(squared(case.x[rows], case.y[first:first + width]))
            p = p + first
            if values is not None:
                v, p = torch.cat([values, v], 1), torch.cat([positions, p], 1)
                v, best = torch.topk(v, 10, dim=1, largest=False)
                p = p.gather(1, best)
            values, positions = v, p
        return positions
    return rows_of


def select_plain(d2):
    return torch.topk(d2, min(10, d2.shape[1]), dim=1, largest=False)


def select_by_blocks(d2):
    """First the 10 blocks of columns with the smallest minima: the 10 smallest lie in them."""
    rows, columns = d2.shape
    blocks = columns // BLOCK
    if blocks < 20 or columns % BLOCK:
        return select_plain(d2)
    parts = d2.view(rows, blocks, BLOCK)
    chosen = torch.topk(parts.amin(2), 10, dim=1, largest=False).indices
    inside = parts.gather(1, chosen[:, :, None].expand(-1, -1, BLOCK)).view(rows, -1)
    values, best = torch.topk(inside, 10, dim=1, largest=False)
    return values, chosen.gather(1, best // BLOCK) * BLOCK + best % BLOCK


def by_rows(case, some_rows, rows):
    """Seconds, whether they are estimated, and the first chunk of the result."""
    chunks = math.ceil(len(case.x) / rows)
    clock(lambda: some_rows(slice(0, rows)))
    one, first = clock(lambda: some_rows(slice(0, rows)))
    if chunks == 1 or one * chunks > 3 * SECONDS:
        return one * len(case.x) / min(rows, len(case.x)), chunks > 1, first

    def call():
        for k in range(chunks):
            some_rows(slice(k * rows, (k + 1) * rows))
    return best_of(call)[0], False, first


def dense(case):
    if case.is_nearest:
        return by_rows(case, nearest_of(case, select_plain), 10000)
    return by_rows(case, lambda rows: dense_rows(case, rows), max(1, CHUNK // len(case.y)))


# ---- all ----


def difference(path, result, is_position):
    expected = np.fromfile(path)
    got = np.asarray(result[:16].detach().cpu(), dtype=float).reshape(-1)
    if is_position:
        return np.mean(got != expected)
    return np.max(np.abs(got - expected)) / np.max(np.abs(expected))


def attempt(case, who, call):
    """What call() gives, or None, which is explained."""
    try:
        return call()
    except Exception as reason:
        print(f"{case.key} {case.precision}, {who}: {str(reason)[:300]}", file=sys.stderr)
    finally:
        if DEVICE == "cuda":
            torch.cuda.empty_cache()


def measure(case, samples):
    fields = ["", "", ""]
    result = None
    if pykeops:
        found = attempt(case, "PyKeOps", lambda: best_of(keops(case)))
        if found:
            fields[0] = f"{found[0]:.9g}"
            result = found[1]
    case.x = case.x.detach()
    found = attempt(case, "PyTorch", lambda: dense(case))
    if found:
        fields[1] = f"{found[0]:.9g}{'~' if found[1] else ''}"
        result = found[2] if result is None else result
    if case.key == "nearest-D100":
        found = attempt(case, "PyTorch by blocks", lambda: by_rows(
            case, nearest_of(case, select_by_blocks), 10000))
        if found:
            fields[2] = f"{found[0]:.9g}{'~' if found[1] else ''}"
    path = os.path.join(samples, f"{case.key}-{case.precision}")
    apart = ""
    if result is not None and os.path.exists(path):
        apart = f"{difference(path, result, case.is_nearest):.1e}"
    print("peer", case.key, case.precision, *fields, apart, sep="\t")


def stop(number, frame):
    raise TimeoutError(f"stopped after {LIMIT} s")


def main(samples):
    signal.signal(signal.SIGALRM, stop)
    if DEVICE == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    torch.set_float32_matmul_precision("highest")
    names = [f"PyTorch {torch.__version__}"]
    names.insert(0, f"PyKeOps {pykeops.__version__}" if pykeops else "no PyKeOps")
    print("peers", ", ".join(names), sep="\t", flush=True)
    while line := sys.stdin.readline():
        signal.alarm(LIMIT)
        faulthandler.dump_traceback_later(LIMIT + 30, exit=True)  # stuck outside Python
        try:
            measure(Case(line), samples)
        except Exception as reason:
            print(f"{line.rstrip()}: {reason}", file=sys.stderr)
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
        print("end", flush=True)


main(*sys.argv[1:])
