"""
Headlines of short reports
==========================

The headline of a report says who did what and where; which sentence tells it varies, and the rest may be anything. The
reports are put together here from the names of emoji that ship with the package: people, things and countries. Those of
the test reports occur in no report of the training rows, so a headline has to take them over from the text, which
``copy_from`` is for.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sacrebleu

from sklearn_mm import MultimodalGenerator, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.decoders import BeamSearch, TransformerDecoder
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import TextTransformer

VERBS = {"bought": "buys", "lost": "loses", "found": "finds", "sold": "sells", "painted": "paints"}
ASIDES = [
    "the weather was as fine as it can be in the last days of june",
    "nobody at the station had expected that",
    "the police said that there is no reason to worry",
    "many people came to see it with their own eyes",
    "an hour later it began to rain",
    "the town hall did not answer our questions",
]

# %%
# Names of one or two words, of which every fourth is kept for the test.
emoji = load_emoji()
names = {
    what: emoji.data["text"][(emoji.target == category) & emoji.data["text"].str.fullmatch(pattern)]
    .str.lower()
    .tolist()
    for what, category, pattern in [
        ("who", "People & Body", r"(?:man|woman) [a-z]+"),
        ("what", "Objects", r"[a-z]+(?: [a-z]+)?"),
        ("where", "Flags", r"[A-Z][a-z]+(?: [A-Z][a-z]+)?"),
    ]
}
rng = np.random.default_rng(0)


def make_reports(n_rows, is_test):
    """Return reports of some sentences, and their headlines."""
    rows = []
    for _ in range(n_rows):
        who, what, where = (
            rng.choice([n for k, n in enumerate(part) if (k % 4 == 0) == is_test]) for part in names.values()
        )
        past, present = list(VERBS.items())[rng.integers(len(VERBS))]
        told = [f"it was a {who} who {past} the {what}", f"this is what we hear from {where}"]
        sentences = rng.permutation([*told, *rng.choice(ASIDES, 2, replace=False)])
        rows.append((" . ".join(sentences), f"{who} {present} {what} in {where}"))
    reports = pd.DataFrame(rows, columns=["report", "headline"])
    return reports[["report"]], reports["headline"]


(X, y), (X_test, y_test) = make_reports(800, is_test=False), make_reports(150, is_test=True)
print(X["report"][0], "→", y[0])

# %%
# Words are tokens, the same ones on both sides. Words of the test names are in the vocabulary, as a large one of a
# language would have them; what they look like in a headline is not known.
tokens = TextTransformer(TextTransformer("word").fit([*X["report"], *X_test["report"], *y]).tokenizer_)


def fit(**parameters):
    generator = MultimodalGenerator(
        text=TextInput("report", transformer=tokens, encoder=SelfAttentionEncoder(width=64)),
        target_transformer=tokens,
        decoder=TransformerDecoder(width=64),
        search=BeamSearch(4, no_repeat_ngram=2),
        lr=4e-3,
        max_epochs=10,
        batch_size=32,
        early_stopping=False,
        random_state=0,
        **parameters,
    )
    return generator.fit(X, y)


found = {
    "first sentence (lead-1)": X_test["report"].str.split(" . ", regex=False).str[0].tolist(),
    "generator": fit().predict(X_test).tolist(),
    "generator that copies": fit(copy_from="report").predict(X_test).tolist(),
}
scores = {name: sacrebleu.corpus_chrf(texts, [y_test.tolist()]).score for name, texts in found.items()}
print({name: round(score, 1) for name, score in scores.items()})
for row in range(4):
    print(f"{X_test['report'][row]}\n  → {found['generator that copies'][row]}\n    ({y_test[row]})")

# %%
figure, axis = plt.subplots(figsize=(7, 1.8), layout="constrained")
axis.barh(list(scores), list(scores.values()))
axis.invert_yaxis()
axis.set_xlabel("chrF")
plt.show()
