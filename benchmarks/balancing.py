"""Balancing of modalities, averaging of weights and mixup: what they are worth, paired by fold and seed.

Two tasks. *emoji*: nine categories of emoji from picture and name, grouped folds. *hint*: scikit-learn's handwritten
digits in noise (slow to learn, and strong), with a text of eight random words and one that names the right digit six
times in ten (fast to learn by heart, and weak); 400 rows to train with. Beside what `MultimodalClassifier` offers
stand candidates that are defined here alone: mixing at the fused vector, agreement between the blocks' predictions,
and gradients reconciled as by MMPareto.

    OMP_NUM_THREADS=1 python benchmarks/balancing.py
"""

import argparse
import time
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.networks import CrossEntropyLoss
from sklearn_mm.networks._tops import BALANCING
from sklearn_mm.networks._unimodal import UnimodalHeads
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.training._net import MultimodalNet


class MixupNet(MultimodalNet):
    """Mix the fused vectors of pairs of rows, and their losses alike (Zhang et al. 2018; Verma et al. 2019)."""

    alpha = 0.4

    def _outputs(self, data):
        """Return the outputs of mixed rows in training."""
        network = self.module_
        if not network.training:
            return super()._outputs(data)
        features, present = network.encoders.encode(data)
        fused = network.top.fusion(features, present)
        self.share = float(torch.distributions.Beta(self.alpha, self.alpha).sample())
        self.partner = torch.randperm(len(fused))
        return network.top.head(self.share * fused + (1 - self.share) * fused[self.partner], features, present)

    def _loss(self, outputs, data):
        """Return the mean of both rows' losses, in their shares."""
        loss = super()._loss(outputs, data)
        if not self.module_.training:
            return loss
        target, weight = data["target"], data["weight"]
        other = (self.criterion_.criterion(outputs, target[self.partner]) * weight[self.partner]).mean()
        return self.share * loss + (1 - self.share) * other


class AgreementHeads(UnimodalHeads):
    """Pull the blocks' own predictions towards each other, by the other's confidence (after MBSD)."""

    def losses(self, outputs, present, criterion, target):
        """Return the blocks' own losses and, over the rows that have both blocks, their divergence."""
        losses = super().losses(outputs, present, criterion, target)
        both = present.all(1)
        first, second = outputs.log_softmax(2)[both].unbind(1)
        for mine, other in ((first, second), (second, first)):
            confidence = other.exp().gather(1, target[both, None])[:, 0].detach()
            divergence = F.kl_div(mine, other.detach(), reduction="none", log_target=True).sum(1)
            losses = losses + (confidence * divergence).mean()
        return losses


class ShareGradient(torch.autograd.Function):
    """A tensor twice, for two losses: where their gradients conflict, the convex combination of least norm."""

    @staticmethod
    def forward(ctx, x):
        """Return the tensor twice."""
        return x.view_as(x), x.view_as(x)

    @staticmethod
    def backward(ctx, first, second):
        """Return the sum of gradients that agree, else their combination with 1.5 times the length of the sum."""
        total = first + second
        if torch.sum(first * second) >= 0:
            return total
        difference = second - first
        share = (torch.sum(second * difference) / torch.sum(difference * difference)).clamp(0, 1)
        combined = share * first + (1 - share) * second
        return combined * (1.5 * total.norm() / combined.norm().clamp(min=1e-12))


class ParetoHeads(UnimodalHeads):
    """Reconcile the gradients of the fused loss and of the block's own at its features (MMPareto, Wei and Hu 2024)."""

    def forward(self, features):
        """Return the features for the fusion, and the outputs of each block."""
        pairs = {name: ShareGradient.apply(block.pooled) for name, block in features.items()}
        for_fusion = {name: block._replace(pooled=pairs[name][0]) for name, block in features.items()}
        outputs = [layer(for_head) for layer, (_, for_head) in zip(self.layers, pairs.values(), strict=True)]
        return for_fusion, torch.stack(outputs, 1)


_SMALL = ImageInput("image", transformer=ImageTransformer(size=16), encoder=CNNEncoder((16, 32)), augment=None)
NONE = {"balancing": None, "weight_averaging": None}
HEADS = {**NONE, "balancing": "heads"}
CONSTANT = {**NONE, "lr_schedule": "constant"}
# What is set, and what takes the place of a class of the package.
VARIANTS = {
    "plain": (NONE, {}),
    "modulation": ({**NONE, "balancing": "modulation"}, {}),
    "heads": (HEADS, {}),
    "heads, pareto": (HEADS, {"heads": ParetoHeads}),
    "heads, agreement": (HEADS, {"heads": AgreementHeads}),
    "ema": ({**NONE, "weight_averaging": "ema"}, {}),
    "constant lr": (CONSTANT, {}),
    "constant lr, ema": ({**CONSTANT, "weight_averaging": "ema"}, {}),
    "mixup": (NONE, {"net": MixupNet}),
    "label smoothing": ({**NONE, "loss": CrossEntropyLoss(label_smoothing=0.1)}, {}),
    "late": ({**NONE, "fusion": "late"}, {}),
    "picture alone": ({**NONE, "text": None}, {}),
    "text alone": ({**NONE, "image": None}, {}),
    "linear part first": ({"wide": "auto"}, {}),
    "linear part first, picture alone": ({"wide": "auto", "text": None}, {}),
    "linear part first, text alone": ({"wide": "auto", "image": None}, {}),
}


def emoji(n_splits):
    """Yield training and test rows of grouped folds."""
    data = load_emoji()
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    splits = list(folds.split(data.data, data.target, data.groups))[:n_splits]
    for train, test in splits:
        yield data.data.iloc[train], data.target.iloc[train], data.data.iloc[test], data.target.iloc[test]


def hint(n_splits, n_rows, n_test_rows):
    """Yield training and test rows of digits in noise with a text that hints at them."""
    if not n_splits:
        return
    pictures, y = load_digits(return_X_y=True)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    for seed, (train, test) in enumerate(
        StratifiedShuffleSplit(n_splits, train_size=n_rows, test_size=n_test_rows, random_state=0).split(pictures, y)
    ):
        rng = np.random.default_rng(seed)
        noisy = pictures.reshape(-1, 8, 8) * 12 + rng.normal(0, 60, (len(y), 8, 8))
        noisy = np.clip(noisy + 30, 0, 255).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
        hinted = np.where(rng.random(len(y)) < 0.6, y, rng.integers(10, size=len(y)))
        words = rng.integers(300, size=(len(y), 8))
        texts = [
            " ".join([names[label], *(f"w{word}" for word in row)]) for label, row in zip(hinted, words, strict=True)
        ]
        X = pd.DataFrame({"image": list(noisy), "text": texts})
        yield X.iloc[train], names[y[train]], X.iloc[test], names[y[test]]


def evaluate(variant, split, seed, max_epochs, image):
    """Return accuracy and log loss on the test rows, and seconds of fitting."""
    settings, instead = VARIANTS[variant]
    X, y, X_test, y_test = split
    clf = MultimodalClassifier(image=image, text="text", wide=None, max_epochs=max_epochs, random_state=seed)
    clf.set_params(**settings)
    start = time.perf_counter()
    with (
        patch("sklearn_mm.training._trainer.MultimodalNet", instead.get("net", MultimodalNet)),
        patch.dict(BALANCING, heads=instead.get("heads", UnimodalHeads)),
    ):
        clf.fit(X, y)
    seconds = time.perf_counter() - start
    probabilities = clf.predict_proba(X_test)
    accuracy = accuracy_score(y_test, clf.classes_[probabilities.argmax(1)])
    return accuracy, log_loss(y_test, probabilities, labels=clf.classes_), seconds


def table(task, results):
    """Return the rows of a Markdown table: means, and differences to the first variant with their standard error."""
    plain = np.array(next(iter(results.values())))
    for variant, values in results.items():
        accuracy, loss, seconds = np.mean(values, axis=0)
        row = f"| {task} | {variant} | {accuracy:.3f} |"
        difference = (np.array(values) - plain)[:, :2]
        spread = difference.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else [np.nan] * 2
        row += f" {difference[:, 0].mean():+.3f} ± {spread[0]:.3f} | {loss:.3f} |"
        yield row + f" {difference[:, 1].mean():+.3f} ± {spread[1]:.3f} | {seconds:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hint-splits", type=int, default=4)
    parser.add_argument("--hint-epochs", type=int, default=40)
    parser.add_argument("--hint-rows", type=int, default=400, help="to train with")
    parser.add_argument("--hint-test-rows", type=int, default=1000)
    parser.add_argument("--emoji-splits", type=int, default=2)
    parser.add_argument("--emoji-epochs", type=int, default=25)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    rows = []
    hints = hint(arguments.hint_splits, arguments.hint_rows, arguments.hint_test_rows)
    tasks = (
        ("hint", hints, _SMALL, arguments.hint_epochs),
        ("emoji", emoji(arguments.emoji_splits), "image", arguments.emoji_epochs),
    )
    for task, splits, image, max_epochs in tasks:
        results = {variant: [] for variant in arguments.variants}
        for seed, split in enumerate(splits):
            for variant in arguments.variants:
                results[variant].append(evaluate(variant, split, seed, max_epochs, image))
                accuracy, loss, seconds = results[variant][-1]
                print(f"{task} {seed} {variant}: {accuracy:.3f} {loss:.3f} {seconds:.0f} s", flush=True)
        if any(results.values()):
            rows.extend(table(task, results))
    print("\n| task | variant | accuracy | − plain | log loss | − plain | s per fit |\n|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
