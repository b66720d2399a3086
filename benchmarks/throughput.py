"""Training and prediction of the estimator against a tight hand-written PyTorch loop, as ratios.

Both run the same module on the same rows of the emoji data with the same batches, optimiser and augmentation; the
hand-written loop has all tensors preloaded. Runs alternate, and each ratio is one of medians, because machines are
noisy: 1.0 means that the estimator costs nothing beside its arithmetic.

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
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4, help="epochs per repeat")
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    seconds = {"train": ([], []), "predict": ([], []), "one row": ([], [])}
    for repeat in range(arguments.repeats + 1):
        blocks = ModalityTransformer().fit_transform(X)
        clf = MultimodalClassifier(
            max_epochs=arguments.epochs, lr_schedule="constant", weight_averaging=None, random_state=repeat
        )
        clf.fit(blocks, y)
        network, batch, one = clf.net_.module_, preload(blocks), blocks[:1]
        target = torch.from_numpy(clf._encode_target(y))
        settings = clf.net_.batch_size, clf.lr, clf.weight_decay, arguments.epochs
        pairs = {
            "train": (sum(row["seconds"] for row in clf.history_), train_by_hand(network, batch, target, *settings)),
            "predict": (timed(clf.predict, blocks), predict_by_hand(network, batch, len(y), clf.net_.batch_size)),
            "one row": (timed(clf.predict, one), predict_by_hand(network, preload(one), 1, 1)),
        }
        if repeat:  # the first round warms up
            for name, (ours, by_hand) in pairs.items():
                seconds[name][0].append(ours)
                seconds[name][1].append(by_hand)

    print(f"{len(y)} rows, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| | estimator | by hand | throughput of the estimator / by hand |\n|---|---|---|---|")
    for name, (ours, by_hand) in seconds.items():
        ours, by_hand = statistics.median(ours), statistics.median(by_hand)
        print(f"| {name} | {ours:.4f} s | {by_hand:.4f} s | {by_hand / ours:.3f} |")


if __name__ == "__main__":
    main()
