"""
Rows without a picture or a text
================================

Missing cells need no treatment: a learnt vector stands in for what is not there. If they will be frequent when the
model is used but are rare in the training rows, ``modality_dropout`` trains for them. What it is worth, and what it
costs where nothing is missing, is measured here.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ResNetEncoder
from sklearn_mm.preprocessing import ImageTransformer

emoji = load_emoji()
X, y = emoji.data, emoji.target
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(X, y, emoji.groups))
image = ImageInput(transformer=ImageTransformer(size=32), encoder=ResNetEncoder(widths=(16, 32, 64, 128)))
reader = ModalityTransformer(image=image)
blocks = reader.fit_transform(X.iloc[train])

# %%
# The test rows lose their text, or their picture, in a growing share of the rows.
shares = np.linspace(0, 1, 6)
drawn = np.random.default_rng(0).random(len(test))


def without(column, share):
    """Return the test rows with ``column`` missing in a share of them."""
    return reader.transform(X.iloc[test].assign(**{column: X[column].iloc[test].where(drawn >= share, None)}))


damaged = {column: [without(column, share) for share in shares] for column in X}
print(damaged["text"][3].present.mean(axis=0))

# %%
# Two models: one that never saw a row without a block, and one that had three in ten blocks hidden in training.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True, layout="constrained")
for dropout in (0.0, 0.3):
    clf = MultimodalClassifier(modality_dropout=dropout, max_epochs=10, random_state=0).fit(blocks, y.iloc[train])
    for axis, (column, variants) in zip(axes, damaged.items(), strict=True):
        accuracy = [clf.score(rows, y.iloc[test]) for rows in variants]
        axis.plot(shares, accuracy, marker="o", label=f"modality_dropout={dropout}")
        print(f"modality_dropout={dropout}, {column} missing: {np.round(accuracy, 2)}")
for axis, column in zip(axes, damaged, strict=True):
    axis.set(xlabel=f"share of test rows without {column}", ylim=(0, 1))
axes[0].set_ylabel("accuracy")
axes[0].legend()
plt.show()

# %%
# Both models cope with gaps. Hiding blocks in training is worth a few points where nearly all rows lack their picture,
# on which these models rely most, and costs a few everywhere else: measure it on rows with gaps like your own before
# you set it.
