"""One round of a peer of bench/kmeans.R: name, folder of the data, D, precision, file for the
positions. Prints the best of five calls after a first one, in seconds."""
import os
import sys
import time

import numpy as np

name, folder, dim, precision, out = sys.argv[1:]
dim = int(dim)


def load(file):
    data = np.fromfile(os.path.join(folder, file))
    return np.ascontiguousarray(data.reshape(-1, dim).astype(precision))


x, centres = load("x"), load("centres")
if name == "faiss":
    import faiss

    faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def call():
        index = faiss.IndexFlatL2(dim)
        index.add(centres)
        return index.search(x, 1)[1]
else:
    from pykeops.numpy import Genred

    reduce_all = Genred("SqDist(x,y)", [f"x=Vi({dim})", f"y=Vj({dim})"],
                        reduction_op="ArgMin", axis=1)

    def call():
        return reduce_all(x, centres, backend="CPU")


def timed():
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


np.asarray(call()).astype(np.int32).ravel().tofile(out)
print(min(timed() for _ in range(5)))
