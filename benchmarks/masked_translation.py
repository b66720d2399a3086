"""English to German with a photograph beside, where words of the English cannot be read and where all can.

A folder has ``captions.csv`` with the columns ``image``, ``en`` and ``de``, and English captions, ``caption_0`` to
``caption_4``. Nouns and colours, as a pipeline of spaCy tags them (``--tagger``), are masked in all English sentences,
in training and after, or in none. Generators read

- ``text``: the sentence;
- ``places``: what the places of EfficientNet-lite0's last maps say of the photograph, too (224 px, frozen);
- ``words``: behind the sentence, the nouns and colours that the photograph speaks for most. A classifier of the same
  frozen network, pooled, has learnt them from the captions of the photographs to learn from, and names those of each of
  these out of fold.

With ``--pairs``, a folder of Multi30k, generators of texts learn from its sentences first, and go on from there with
those that have photographs; no sentence with a photograph is among them. chrF is sacrebleu's; a difference is given
with its standard deviation over random samples of the test rows of all splits (bootstrap).

    python benchmarks/masked_translation.py --photos flickr --pairs multi30k --ways text words
    python benchmarks/masked_translation.py --photos flickr --ways text places --epochs 30
"""

import argparse
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu
import spacy
from _pretrained import picture_network
from captioning import CAPTIONS, LastMaps
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_predict
from translation import read

from sklearn_mm import ImageInput, MultimodalClassifier, MultimodalGenerator, TextInput
from sklearn_mm.decoders import TransformerDecoder
from sklearn_mm.encoders import ModuleEncoder, SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

COLOURS = {"red", "blue", "green", "yellow", "black", "white", "brown", "orange", "pink", "purple", "grey", "gray"}
MASK = "_"


def masked(sentences, tagger):
    """Return sentences without their nouns and colours."""
    return [
        "".join((MASK if is_named(word) else word.text) + word.whitespace_ for word in sentence)
        for sentence in tagger.pipe(sentences)
    ]


def named(sentences, tagger):
    """Return the nouns and colours of sentences."""
    return [" ".join(word.lower_ for word in sentence if is_named(word)) for sentence in tagger.pipe(sentences)]


def is_named(word):
    return word.pos_ == "NOUN" or word.lower_ in COLOURS


def words_of_photographs(photos, names, train, arguments):
    """Return the words that each photograph speaks for most, those of rows to learn from out of fold."""
    counts = CountVectorizer(binary=True, min_df=5, token_pattern=r"\S+")
    told = counts.fit_transform([names[row] for row in train]).toarray()
    network = picture_network()
    reading = ImageTransformer(size=224, mean=127 / 255, std=128 / 255)
    clf = MultimodalClassifier(
        image=ImageInput("photo", transformer=reading, encoder=ModuleEncoder(LastMaps(network, pool=True))),
        max_epochs=5,
        memory=arguments.memory,
        random_state=0,
    )
    probabilities = clf.fit(photos.iloc[train], told).predict_proba(photos)
    folds = KFold(5, shuffle=True, random_state=0)
    probabilities[train] = cross_val_predict(clf, photos.iloc[train], told, cv=folds, method="predict_proba")
    best = np.argsort(-probabilities, axis=1)[:, : arguments.n_words]
    return [" ".join(words) for words in counts.get_feature_names_out()[best]]


def make_generator(arguments, sees):
    tokens = TextTransformer("byte_bpe", lowercase=False, vocab_size=arguments.vocab_size)
    image = None
    if sees:
        reading = ImageTransformer(size=224, mean=127 / 255, std=128 / 255)
        image = ImageInput("photo", transformer=reading, encoder=ModuleEncoder(LastMaps(picture_network())))
    return MultimodalGenerator(
        image=image,
        text=TextInput("text", transformer=tokens, encoder=SelfAttentionEncoder(dropout=arguments.dropout)),
        tabular=None,
        target_transformer=tokens,
        decoder=TransformerDecoder(dropout=arguments.dropout),
        max_epochs=arguments.epochs,
        early_stopping=False,
        lr=arguments.lr,
        memory=arguments.memory,
        random_state=0,
    )


def fitted_to_pairs(arguments, without):
    """Return a generator that has learnt from sentences without photographs, and none of those ``without``."""
    english, german = (read(arguments.pairs, "train", language) for language in ("en", "de"))
    pairs = [pair for pair in zip(english, german, strict=True) if pair[0] not in without][: arguments.n_pairs]
    X, y = zip(*pairs, strict=True)
    generator = make_generator(arguments, sees=False).set_params(max_epochs=arguments.pair_epochs)
    generator.fit(pd.DataFrame({"text": X}), np.array(y, dtype=object))
    return generator.set_params(max_epochs=arguments.epochs, lr=arguments.lr / 4, warm_start=True)


def chrf(texts, references):
    return sacrebleu.corpus_chrf(list(texts), [list(references)]).score


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--n-pairs", type=int, default=10_000)
    parser.add_argument("--pair-epochs", type=int, default=8)
    parser.add_argument("--ways", nargs="+", default=["text", "words"], choices=["text", "places", "words"])
    parser.add_argument("--n-words", type=int, default=6)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--vocab-size", type=int, default=3000)
    parser.add_argument("--tagger", default="en_core_web_sm")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--memory", type=Path, help="folder that keeps what the network says of the photographs")
    arguments = parser.parse_args()
    if arguments.pairs is not None and "places" in arguments.ways:
        parser.error("--pairs have no photographs, whose places a generator could learn to read: leave out one of both")

    table = pd.read_csv(arguments.photos / "captions.csv").dropna(subset=["en", "de", *CAPTIONS]).reset_index(drop=True)
    photos = pd.DataFrame({"photo": [str(arguments.photos / path) for path in table["image"]]})
    y = table["de"].to_numpy(dtype=object)
    tagger = spacy.load(arguments.tagger, exclude=["ner", "parser", "lemmatizer"])
    names = named(table[CAPTIONS].agg(" ".join, axis=1), tagger)
    splits = list(ShuffleSplit(arguments.splits, test_size=0.3, random_state=0).split(y))
    words = (
        [words_of_photographs(photos, names, train, arguments) for train, _ in splits]
        if "words" in arguments.ways
        else None
    )
    learnt = None if arguments.pairs is None else fitted_to_pairs(arguments, set(table["en"]))
    rng = np.random.default_rng(0)
    print("| English | what is read | chrF | chrF − that of the text alone |\n|---|---|---|---|")
    for name, texts in {"masked": masked(table["en"], tagger), "as it is": table["en"].tolist()}.items():
        written, truth = {way: [] for way in arguments.ways}, []
        for number, (train, test) in enumerate(splits):
            truth.extend(y[test])
            for way, texts_of in written.items():
                read_texts = texts
                if way == "words":
                    read_texts = [f"{text} # {found}" for text, found in zip(texts, words[number], strict=True)]
                X = photos.assign(text=read_texts)
                generator = make_generator(arguments, way == "places") if learnt is None else deepcopy(learnt)
                texts_of.extend(generator.fit(X.iloc[train], y[train]).predict(X.iloc[test]))
        truth = np.array(truth)
        samples = rng.integers(len(truth), size=(arguments.samples, len(truth)))
        scores = {
            way: np.array([chrf(np.array(texts_of)[rows], truth[rows]) for rows in (np.arange(len(truth)), *samples)])
            for way, texts_of in written.items()
        }
        for way, (score, *of_samples) in scores.items():
            gain = ""
            if way != "text" and "text" in scores:
                gain = f"{score - scores['text'][0]:+.1f} ± {np.std(of_samples - scores['text'][1:]):.1f}"
            print(f"| {name} | {way} | {score:.1f} | {gain} |", flush=True)
    print(f"{len(train)} rows to learn from, {len(test)} to be translated, {arguments.splits} splits")


if __name__ == "__main__":
    main()
