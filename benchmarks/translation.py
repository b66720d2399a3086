"""English to German: how good a generator is after so many minutes of training, beside baselines.

A folder has the sentences of Multi30k, one a line: ``train.en.gz`` and ``train.de.gz``, and so ``val`` and
``test_2016_flickr``. They are read and written as they are, with capitals and signs; BLEU and chrF are
sacrebleu's, of raw text. Each time that is given is a training of its own, whose learning rate comes down in it: of so
many minutes, or of so many epochs. Baselines are the translation of the most similar sentence (TF-IDF of words and of
characters), and word by word (the translation table of IBM's model 1, in the order of the source).

    python benchmarks/translation.py --folder multi30k --minutes 5 30 180
    python benchmarks/translation.py --folder multi30k --epochs 12 --beams 1 5
"""

import argparse
import gzip
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union

from sklearn_mm import MultimodalGenerator, TextInput
from sklearn_mm.decoders import BeamSearch, TransformerDecoder
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import TextTransformer


def read(folder, part, language, n=None):
    with gzip.open(folder / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines][:n]


def make_generator(arguments, **training):
    """Return a transformer of four layers on either side, 128 wide."""
    tokens = TextTransformer("byte_bpe", lowercase=False, vocab_size=arguments.vocab_size)
    return MultimodalGenerator(
        text=TextInput(
            "text",
            transformer=tokens,
            encoder=SelfAttentionEncoder(n_layers=arguments.layers, dropout=arguments.dropout),
        ),
        decoder=TransformerDecoder(n_layers=arguments.layers, dropout=arguments.dropout),
        target_transformer=tokens,
        batch_size=arguments.batch_size,
        lr=arguments.lr,
        random_state=0,
        verbose=1,
        **training,
    )


def nearest(sources, targets, queries):
    """Return the translation of the most similar sentence."""
    terms = make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)))
    similarities = terms.fit_transform(sources) @ terms.transform(queries).T
    return [targets[place] for place in np.asarray(similarities.argmax(axis=0)).ravel()]


def word_by_word(sources, targets, queries, n_iterations=10):
    """Return sentences of which each word is translated by itself (Brown et al., 1993: model 1, by EM)."""
    sources, targets, queries = (
        [re.findall(r"\w+|[^\w\s]", text) for text in part] for part in (sources, targets, queries)
    )
    source_ids, target_ids = (
        {word: place for place, word in enumerate(Counter(word for text in part for word in text))}
        for part in (sources, targets)
    )
    pairs = [  # of each word of a target and each of its source, with the number of the former
        (source_ids[word], target_ids[other], number)
        for number, (other, text) in enumerate(
            (other, source) for source, target in zip(sources, targets, strict=True) for other in target
        )
        for word in text
    ]
    source, target, place = np.array(pairs).T
    pair, which = np.unique(source * len(target_ids) + target, return_inverse=True)
    table = np.ones(len(pair))
    for _ in range(n_iterations):
        likelihood = table[which]
        counts = np.bincount(which, likelihood / np.bincount(place, likelihood)[place])
        table = counts / np.bincount(pair // len(target_ids), counts)[pair // len(target_ids)]
    order = np.lexsort([table, pair // len(target_ids)])
    best = dict(
        zip((pair // len(target_ids))[order], (pair % len(target_ids))[order], strict=True)
    )  # the last one stays
    words = list(target_ids)
    texts = [
        " ".join(words[best[source_ids[word]]] if word in source_ids else word for word in text) for text in queries
    ]
    return [re.sub(r" (?=[.,;:!?])", "", text) for text in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--epochs", type=int, nargs="*", default=[])
    parser.add_argument("--beams", type=int, nargs="+", default=[5])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--vocab-size", type=int, default=6000)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--without-baselines", action="store_true")
    arguments = parser.parse_args()

    sources, targets = (read(arguments.folder, "train", language, arguments.rows) for language in ("en", "de"))
    queries, references = (read(arguments.folder, "test_2016_flickr", language) for language in ("en", "de"))
    X_val, y_val = (read(arguments.folder, "val", language) for language in ("en", "de"))
    bleu = sacrebleu.BLEU()

    def report(name, texts, minutes=0.0, cpu_minutes=0.0, seconds=0.0):
        scores = bleu.corpus_score(texts, [references]).score, sacrebleu.corpus_chrf(texts, [references]).score
        print(
            f"| {name} | {minutes:.1f} | {cpu_minutes:.1f} | {scores[0]:.1f} | {scores[1]:.1f} | {seconds:.1f} |",
            flush=True,
        )

    print(f"{len(sources)} pairs\n| what | minutes | CPU minutes | BLEU | chrF | s to write {len(queries)} |")
    print("|---|---|---|---|---|---|")
    if not arguments.without_baselines:
        report("translation of the most similar sentence", nearest(sources, targets, queries))
        report("word by word", word_by_word(sources, targets, queries))
    times = [("minutes", value) for value in arguments.minutes] + [("epochs", value) for value in arguments.epochs]
    for unit, value in times:
        limit = {"max_time": 60 * value, "max_epochs": 1000} if unit == "minutes" else {"max_epochs": value}
        start, cpu = time.perf_counter(), time.process_time()
        generator = make_generator(arguments, **limit)
        generator.fit(pd.DataFrame({"text": sources}), targets, X_val=pd.DataFrame({"text": X_val}), y_val=y_val)
        minutes, cpu_minutes = (time.perf_counter() - start) / 60, (time.process_time() - cpu) / 60
        for width in arguments.beams:
            start = time.perf_counter()
            texts = generator.set_params(search=BeamSearch(width)).predict(pd.DataFrame({"text": queries})).tolist()
            name = f"generator, {generator.n_epochs_} epochs, beam {width}"
            report(name, texts, minutes, cpu_minutes, time.perf_counter() - start)
    print(bleu.get_signature())


if __name__ == "__main__":
    main()
