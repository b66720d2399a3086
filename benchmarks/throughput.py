"""Training and prediction of the estimator against a tight hand-written PyTorch loop, as ratios.

Both run the same module on the same rows of the emoji data with the same batches, optimiser and augmentation; the
hand-written loop has all tensors preloaded. Each round of the loop comes between two of the estimator, whose mean it is
compared with, and ratios are medians over rounds, because machines are noisy: 1.0 means that the estimator costs
nothing beside its arithmetic.

    python benchmarks/throughput.py
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

from sklearn_mm import ModalityTransformer, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.training._net import parameter_groups


def preload(blocks):
    """Return a function from rows to the batch that the network takes."""
    tensors = {name: torch.from_numpy(array) for name, array in blocks.items()}
    present = torch.from_numpy(blocks.present)
    lengths = {name: (tensor != 0).sum(1) for name, tensor in tensors.items() if blocks.specs[name].kind == "text"}

    def batch(rows):
        parts = {name: tensor[rows] for name, tensor in tensors.items()}
        for name, length in lengths.items():
            parts[name] = parts[name][:, : max(int(length[rows].max()), 1)]
        return {"blocks": parts, "present": present[rows]}

    return batch


def train_by_hand(network, batch, target, batch_size, lr, weight_decay, n_epochs):
    """Train for some epochs and return the seconds."""
    optimizer = torch.optim.AdamW(parameter_groups(network, lr, weight_decay), lr=lr, fused=True)
    network.train()
    start = time.perf_counter()
    for _ in range(n_epochs):
        for rows in torch.randperm(len(target)).split(batch_size):
            loss = F.cross_entropy(network(batch(rows)), target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.perf_counter() - start


def predict_by_hand(network, batch, n_rows, batch_size):
    """Predict all rows and return the seconds."""
    network.eval()
    start = time.perf_counter()
    with torch.inference_mode():
        torch.cat([network(batch(rows)) for rows in torch.arange(n_rows).split(batch_size)]).numpy()
    return time.perf_counter() - start


def timed(function, *args):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=4, help="epochs per repeat")
    parser.add_argument("--rows", type=int, help="of the emoji; all by default")
    arguments = parser.parse_args()

    X, y = (part[: arguments.rows] for part in load_emoji(return_X_y=True))
    blocks = ModalityTransformer().fit_transform(X)
    batch, one = preload(blocks), blocks[:1]
    batch_of_one = preload(one)
    clf = MultimodalClassifier(
        max_epochs=arguments.epochs, wide=None, lr_schedule="constant", weight_averaging=None, random_state=0
    ).fit(blocks, y)
    target = torch.from_numpy(clf._encode_target(y))
    settings = clf.net_.batch_size, clf.lr, clf.weight_decay, arguments.epochs

    def train():
        return sum(row["seconds"] for row in clf.fit(blocks, y).history_)

    ways = {  # the estimator, and by hand
        "train": (train, lambda: train_by_hand(clf.net_.module_, batch, target, *settings)),
        "predict": (
            lambda: timed(clf.predict, blocks),
            lambda: predict_by_hand(clf.net_.module_, batch, len(y), clf.net_.batch_size),
        ),
        "one row": (lambda: timed(clf.predict, one), lambda: predict_by_hand(clf.net_.module_, batch_of_one, 1, 1)),
    }
    print(f"{len(y)} rows, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| | estimator | by hand | throughput of the estimator / by hand |\n|---|---|---|---|")
    for name, (estimator, by_hand) in ways.items():
        estimator(), by_hand()  # what is loaded once
        rounds = []
        for _ in range(arguments.repeats):
            before, between, after = estimator(), by_hand(), estimator()
            rounds.append(((before + after) / 2, between))
        ours, hand = (statistics.median(part) for part in zip(*rounds, strict=True))
        ratio = statistics.median(between / own for own, between in rounds)
        print(f"| {name} | {ours:.4f} s | {hand:.4f} s | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
