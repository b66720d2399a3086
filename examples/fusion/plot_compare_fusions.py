"""
Each block alone, and fusions of both
=====================================

Fusion does not help by itself. So look at each block alone first, and then at several fusions, on the same rows.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ResNetEncoder
from sklearn_mm.preprocessing import ImageTransformer

# %%
# The pictures are read once, small, and all models learn from the same `Blocks`. (The vocabulary of the names is learnt
# from all rows then; no label of a test row is seen.) The encoder that the Input names travels in the Blocks.
emoji = load_emoji()
y = emoji.target
image = ImageInput(transformer=ImageTransformer(size=32), encoder=ResNetEncoder(widths=(16, 32, 64, 128)))
blocks = ModalityTransformer(image=image).fit_transform(emoji.data)
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(emoji.data, y, emoji.groups))

models = {
    "picture alone": {"text": None},
    "text alone": {"image": None},
    "concat": {"fusion": "concat"},
    "product": {"fusion": "product"},
    "lowrank": {"fusion": "lowrank"},
    "film": {"fusion": "film"},
    "gated": {"fusion": "gated"},
    "late": {"fusion": "late"},
}
accuracy = pd.Series(dtype=float)
for name, parameters in models.items():
    clf = MultimodalClassifier(**parameters, max_epochs=8, random_state=0).fit(blocks[train], y.iloc[train])
    accuracy[name] = clf.score(blocks[test], y.iloc[test])
print(accuracy.round(3).to_string())

# %%
# The black lines are one standard error of an accuracy over this many test rows, and eight epochs are few: look at the
# pattern, not at the second digit. What is ahead here is not for that ahead at full length: there, and over more folds,
# concatenation, which is behind late fusion here, equals it (:doc:`/decisions/0005-what-auto-stands-for`).
error = np.sqrt(accuracy * (1 - accuracy) / len(test))
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
axis.barh(accuracy.index, accuracy, xerr=error, color=["0.6", "0.6", *["C0"] * (len(accuracy) - 2)])
axis.invert_yaxis()
axis.set(xlabel="accuracy", xlim=(0, 1))
plt.show()
