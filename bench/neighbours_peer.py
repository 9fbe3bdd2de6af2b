"""A peer of bench/neighbours.R: name and port. It connects to that port of this machine and obeys lines:

    load FOLDER D N M precision   columns of x (N rows, which are searched) and of q (M rows), files of
                                  doubles; M = 0: q is x
    run K threads rows            finds the K nearest of the first rows of q, index and all; answers
                                  with the seconds
    save FILE                     writes the positions found last, from 0, row by row as 32-bit integers
"""
import os
import socket
import sys
import time

import numpy as np

name, port = sys.argv[1:]


def nanoflann(x, q, K, threads):
    import pynanoflann

    tree = pynanoflann.KDTree(n_neighbors=K, metric="l2", leaf_size=10)
    tree.fit(x)
    return tree.kneighbors(q, n_jobs=threads)[1]


def scipy(x, q, K, threads):
    from scipy.spatial import cKDTree

    return cKDTree(x).query(q, K, workers=threads)[1]


def sklearn(x, q, K, threads):
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=K, algorithm="kd_tree", n_jobs=threads)
    return tree.fit(x).kneighbors(q)[1]


def faiss(x, q, K, threads):
    import faiss as library

    library.omp_set_num_threads(threads)
    index = library.IndexFlatL2(x.shape[1])
    index.add(x)
    return index.search(q, K)[1]


def pykeops(x, q, K, threads):
    from pykeops.numpy import Genred

    args = [f"x=Vi({x.shape[1]})", f"y=Vj({x.shape[1]})"]
    find = Genred("SqDist(x,y)", args, reduction_op="ArgKMin", axis=1, opt_arg=K)
    return find(q, x, backend="CPU")


find = globals()[name]


def load(folder, dim, n, m, precision):
    def matrix(file, rows):
        data = np.fromfile(os.path.join(folder, file)).reshape(dim, rows).T
        return np.ascontiguousarray(data.astype(precision))

    x = matrix("x", n)
    return x, matrix("q", m) if m else x


connection = socket.create_connection(("127.0.0.1", int(port))).makefile("rw")
for line in connection:
    word, *rest = line.split()
    answer = "done"
    if word == "load":
        x, q = load(rest[0], *map(int, rest[1:4]), rest[4])
    elif word == "run":
        K, threads, rows = map(int, rest)
        start = time.perf_counter()
        found = find(x, q[:rows], K, threads)
        answer = str(time.perf_counter() - start)
    else:
        np.asarray(found).astype(np.int32).ravel().tofile(rest[0])
    connection.write(answer + "\n")
    connection.flush()
