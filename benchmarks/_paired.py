"""Compare models on the same rows and folds, with an interval for their differences."""

import json
import time

import numpy as np
from scipy import stats


def difference(scores, others, n_folds):
    """Return the mean of the paired differences, and half the width of its 95 % interval.

    The training rows of folds overlap, so that their scores are not independent: the variance is that of Nadeau and
    Bengio (Inference for the Generalization Error. Machine Learning 52, 2003).
    """
    values = np.asarray(scores) - np.asarray(others)
    if len(values) < 2:
        return values.mean(), np.nan
    variance = values.var(ddof=1) * (1 / len(values) + 1 / (n_folds - 1))
    return values.mean(), stats.t.ppf(0.975, len(values) - 1) * np.sqrt(variance)


def compare(models, X, y, splits, metrics):
    """Fit each model to each split and return its scores and seconds.

    Parameters
    ----------
    models : dict of str to callable
        Each makes a model for a seed.
    X, y : table and array
        All rows.
    splits : list of (seed, train, test)
        Numbers of rows.
    metrics : dict of str to callable
        Each maps ``(model, X_test, y_test)`` to a number; larger is better.

    Returns
    -------
    results : dict of str to dict of str to list
        For each model a list for each metric, and ``"seconds"`` of fitting.
    """
    results = {name: {metric: [] for metric in [*metrics, "seconds"]} for name in models}
    for number, (seed, train, test) in enumerate(splits):
        for name, make in models.items():
            start = time.perf_counter()
            model = make(seed).fit(X.iloc[train], y[train])
            results[name]["seconds"].append(time.perf_counter() - start)
            for metric, score in metrics.items():
                results[name][metric].append(float(score(model, X.iloc[test], y[test])))
            shown = "  ".join(f"{metric} {values[-1]:.3f}" for metric, values in results[name].items())
            print(f"split {number} of {len(splits)}, {name}: {shown}", flush=True)
    return results


def print_table(results, reference, n_folds, path=None):
    """Print one row per model: means, and for the model ``reference`` how much better it is; write all as JSON."""
    metrics = [metric for metric in next(iter(results.values())) if metric != "seconds"]
    header = ["model", *(cell for metric in metrics for cell in (metric, f"{reference} − it")), "seconds per fit"]
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for name, found in results.items():
        cells = [name]
        for metric in metrics:
            gap, width = difference(results[reference][metric], found[metric], n_folds)
            cells += [f"{np.mean(found[metric]):.3f}", "" if name == reference else f"{gap:+.3f} ± {width:.3f}"]
        print(f"| {' | '.join(cells)} | {np.mean(found['seconds']):.1f} |")
    if path is not None:
        path.write_text(json.dumps(results, indent=1))
