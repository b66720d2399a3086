"""English to German with a photograph beside, where words of the English cannot be read and where all can.

A folder has ``captions.csv`` with the columns ``image``, ``en`` and ``de``. Nouns and colours, as a pipeline of spaCy
tags them (``--tagger``), are masked in all English sentences, in training and after, or in none. One generator reads
the sentence, the other the photograph too: what the places of EfficientNet-lite0's last maps say of it (224 px,
frozen). chrF is sacrebleu's; a difference is given with its standard deviation over random samples of the test rows of
all splits (bootstrap).

    python benchmarks/masked_translation.py --photos flickr
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu
import spacy
from _pretrained import picture_network
from captioning import LastMaps
from sklearn.model_selection import ShuffleSplit

from sklearn_mm import ImageInput, MultimodalGenerator, TextInput
from sklearn_mm.decoders import TransformerDecoder
from sklearn_mm.encoders import ModuleEncoder, SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

COLOURS = {"red", "blue", "green", "yellow", "black", "white", "brown", "orange", "pink", "purple", "grey", "gray"}
MASK = "_"


def masked(sentences, pipeline):
    """Return sentences without their nouns and colours."""
    tagger = spacy.load(pipeline, exclude=["ner", "parser", "lemmatizer"])
    return ["".join(map(shown, sentence)) for sentence in tagger.pipe(sentences)]


def shown(word):
    is_masked = word.pos_ == "NOUN" or word.lower_ in COLOURS
    return (MASK if is_masked else word.text) + word.whitespace_


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


def chrf(texts, references):
    return sacrebleu.corpus_chrf(list(texts), [list(references)]).score


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--vocab-size", type=int, default=1500)
    parser.add_argument("--tagger", default="en_core_web_sm")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--memory", type=Path, help="folder that keeps what the network says of the photographs")
    arguments = parser.parse_args()

    table = pd.read_csv(arguments.photos / "captions.csv").dropna(subset=["en", "de"]).reset_index(drop=True)
    photos = [str(arguments.photos / path) for path in table["image"]]
    y = table["de"].to_numpy(dtype=object)
    rng = np.random.default_rng(0)
    print("| English | what is read | chrF | chrF − that of the text alone |\n|---|---|---|---|")
    for name, texts in {"masked": masked(table["en"], arguments.tagger), "as it is": table["en"].tolist()}.items():
        X = pd.DataFrame({"photo": photos, "text": texts})
        written, truth = {False: [], True: []}, []
        for train, test in ShuffleSplit(arguments.splits, test_size=0.3, random_state=0).split(X):
            truth.extend(y[test])
            for sees, texts_of in written.items():
                generator = make_generator(arguments, sees).fit(X.iloc[train], y[train])
                texts_of.extend(generator.predict(X.iloc[test]))
        blind, seeing, truth = np.array(written[False]), np.array(written[True]), np.array(truth)
        samples = rng.integers(len(truth), size=(arguments.samples, len(truth)))
        gains = [chrf(seeing[rows], truth[rows]) - chrf(blind[rows], truth[rows]) for rows in samples]
        scores = chrf(blind, truth), chrf(seeing, truth)
        print(f"| {name} | text | {scores[0]:.1f} | |")
        print(f"| {name} | and photograph | {scores[1]:.1f} | {scores[1] - scores[0]:+.1f} ± {np.std(gains):.1f} |")
    print(f"{len(train)} rows to learn from, {len(test)} to be translated, {arguments.splits} splits")


if __name__ == "__main__":
    main()
