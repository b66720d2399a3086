"""Processes, torch's threads and decoding threads: does a search in several processes crowd the cores?

The same search over the emoji, decoding included, in one process and in as many as there are cores, with threads as the
estimator and joblib set them by themselves, and with one thread per process as the best that can be (what
OMP_NUM_THREADS=1 and ``n_jobs=1`` of the transformers give). "threads" counts those that a process computes with.

    python benchmarks/threads.py
"""

import argparse
import statistics
import time

import joblib
import torch
from sklearn.model_selection import GridSearchCV

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.media._threads import n_decoding_threads


def score(clf, X, y):
    """Return the accuracy, and how many threads the process has."""
    return {"accuracy": clf.score(X, y), "torch": torch.get_num_threads(), "decoding": n_decoding_threads(-1)}


def search(X, y, n_jobs, epochs, single):
    """Return the seconds that a search takes, and the threads of a process."""
    decoding = ImageTransformer(32, n_jobs=1 if single else -1)
    clf = MultimodalClassifier(
        image=ImageInput("image", transformer=decoding, encoder=CNNEncoder((32, 64))),
        max_epochs=epochs,
        random_state=0,
    )
    before = torch.get_num_threads()
    with joblib.parallel_config("loky", inner_max_num_threads=1 if single else None):
        if single:
            torch.set_num_threads(1)
        start = time.perf_counter()
        found = GridSearchCV(clf, {"lr": [1e-3, 2e-3]}, cv=2, scoring=score, refit=False, n_jobs=n_jobs).fit(X, y)
        seconds = time.perf_counter() - start
        torch.set_num_threads(before)
    results = found.cv_results_
    return seconds, int(results["mean_test_torch"].max()), 1 if single else int(results["mean_test_decoding"].max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="of the emoji; all by default")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="without a first round that loads what is loaded once")
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    X, y = X[: arguments.rows], y[: arguments.rows]
    n_cores = joblib.cpu_count()
    ways = [(n_jobs, single) for n_jobs in (1, n_cores) for single in (False, True)]
    measured = {way: [] for way in ways}
    for repeat in range(1 if arguments.cold else 0, arguments.repeats + 1):
        for n_jobs, single in ways:
            found = search(X, y, n_jobs, arguments.epochs if repeat else 1, single)
            if repeat:  # the first round starts processes and loads what is loaded once
                measured[n_jobs, single].append(found)

    seconds = {way: statistics.median(value for value, *_ in values) for way, values in measured.items()}
    print(f"{len(X)} rows, 4 fits of {arguments.epochs} epochs, {n_cores} cores")
    print(
        "| processes, threads | torch's in each | decoding in each | total | total / with one thread each |\n"
        "|---|---|---|---|---|"
    )
    for (n_jobs, single), values in measured.items():
        _, in_torch, decoding = values[0]
        ratio = seconds[n_jobs, single] / seconds[n_jobs, True]
        how = "one each" if single else "by default"
        print(f"| {n_jobs}, {how} | {in_torch} | {decoding} | {seconds[n_jobs, single]:.1f} s | {ratio:.2f} |")


if __name__ == "__main__":
    main()
