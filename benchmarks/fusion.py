"""Questions about pictures, which neither answers alone: every fusion with the same encoders and budget.

The data are easy-VQA's: 5,000 pictures of one coloured shape each, 48,248 questions, 13 answers, and the official
split, whose test pictures are not trained with (``pip install --no-deps easy-vqa``). Every registered fusion is trained
from scratch, once with a linear head, so that joining the blocks is left to the fusion, and once with a hidden layer,
which can join them by itself. Beside them stand the question alone, the picture alone, and the answer that is the most
frequent one to the same question among the training rows: what can be known without looking.

The settings are the same for all. They are plain but for two: there is no dropout in the head, and the question's
vector is the maximum over the steps of its GRU. ``--held-out`` tests on a fifth of the training pictures instead: for
trying other settings.

    OMP_NUM_THREADS=1 python benchmarks/fusion.py --json results/fusion.json
"""

import argparse
import json
import time
from pathlib import Path

import easy_vqa
import numpy as np
import pandas as pd
import torch

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import CNNEncoder, RNNEncoder
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import ImageTransformer

READER = ModalityTransformer(
    image=ImageInput(
        "picture",
        transformer=ImageTransformer(size=32),
        encoder=CNNEncoder(channels=(8, 16, 32, 64), pool="max"),
        augment=None,
    ),
    text=TextInput("question", encoder=RNNEncoder(embedding_dim=64, hidden_size=128, cell="gru", pool="max")),
    tabular=None,
)
HEADS = {"linear": "linear", "hidden": MLPHead(hidden_layer_sizes=(128,), dropout=0.0)}
BLOCKS = {
    "question alone": {"image": None},
    "picture alone": {"text": None},
    **{name: {"fusion": name} for name, _ in fusions.items() if name != "auto"},
}


def load_rows(part):
    """Return pictures (paths) with questions, their answers, and the number of each row's picture."""
    questions, answers, numbers = getattr(easy_vqa, f"get_{part}_questions")()
    paths = getattr(easy_vqa, f"get_{part}_image_paths")()
    X = pd.DataFrame({"picture": [paths[number] for number in numbers], "question": questions})
    return X, np.array(answers), np.array(numbers)


def split(n_rows, n_test_rows, held_out):
    """Return the rows to train with and those to test with, at random if not all are asked for."""
    X, y, numbers = load_rows("train")
    if held_out:
        away = numbers % 5 == 0
        (X, y), (X_test, y_test) = (X[~away], y[~away]), (X[away], y[away])
    else:
        X_test, y_test, _ = load_rows("test")
    rng = np.random.default_rng(0)
    train, test = rng.permutation(len(y))[:n_rows], rng.permutation(len(y_test))[:n_test_rows]
    return (X.iloc[train], y[train]), (X_test.iloc[test], y_test[test])


def guess(train, test):
    """Return the accuracy of the most frequent answer to the same question."""
    (X, y), (X_test, y_test) = train, test
    frequent = pd.Series(y).groupby(X["question"].to_numpy()).agg(lambda answers: answers.mode()[0])
    return float(np.mean(X_test["question"].map(frequent) == y_test))


def evaluate(train, test, seed, **params):
    """Return what training on some `Blocks` costs, and the accuracy on others."""
    wall, cpu = time.perf_counter(), time.process_time()
    clf = MultimodalClassifier(random_state=seed, wide=None, **params).fit(*train)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    weights = sum(parameter.numel() for parameter in clf.net_.module_.parameters())
    return {"accuracy": clf.score(*test), "weights": weights, "seconds": wall, "cpu_seconds": cpu}


def settings(names, heads):
    """Yield name, head and parameters of each training; a fusion that gives the answers itself has no head."""
    for name in names:
        params = BLOCKS[name]
        no_head = "fusion" in params and fusions.resolve(params["fusion"]).gives_outputs
        for head in heads[:1] if no_head else heads:
            yield name, head, {"head": HEADS[head], **params}


def table(results):
    """Yield the rows of a Markdown table; costs are those of the larger network."""
    for name, found in results.items():
        scores = [f"{found[head]['accuracy']:.4f}" if head in found else "–" for head in HEADS]
        last = list(found.values())[-1]
        costs = f"{last['weights']:,} | {last['seconds']:.0f} | {last['cpu_seconds']:.0f}"
        yield f"| {name} | {' | '.join(scores)} | {costs} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="questions to train with; all by default")
    parser.add_argument("--test-rows", type=int, help="questions to test with; all by default")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--fusions", nargs="+", default=list(BLOCKS), choices=list(BLOCKS))
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--held-out", action="store_true", help="test on a fifth of the training pictures instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    arguments = parser.parse_args()

    train, test = split(arguments.rows, arguments.test_rows, arguments.held_out)
    frequent = guess(train, test)
    (X, y), (X_test, y_test) = train, test
    train, test = (READER.fit_transform(X), y), (READER.transform(X_test), y_test)
    results = {}
    for name, head, params in settings(arguments.fusions, arguments.heads):
        found = evaluate(train, test, arguments.seed, max_epochs=arguments.epochs, batch_size=64, **params)
        results.setdefault(name, {})[head] = found
        print(f"{name}, {head}: {found['accuracy']:.4f}, {found['cpu_seconds']:.0f} s of CPU", flush=True)
    if arguments.json:
        report = {"n_rows": len(train[1]), "n_test": len(test[1]), "epochs": arguments.epochs, "frequent": frequent}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({**report, "threads": torch.get_num_threads(), "fits": results}, indent=1))

    print(f"\n{arguments.epochs} epochs over {len(train[1])} questions, accuracy on {len(test[1])} others")
    print(f"{torch.get_num_threads()} thread(s), torch {torch.__version__}\n")
    print("| fusion | linear head | head with a hidden layer | weights | seconds | of CPU |\n|---|---|---|---|---|---|")
    print(f"| most frequent answer to the question | {frequent:.4f} | – | – | – | – |")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
