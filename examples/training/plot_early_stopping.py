"""
Loss curves and early stopping
==============================

What happened in training is a list of dicts, one per epoch, and thus a table. Here it shows when a network begins to
know its training rows by heart, and what early stopping does about it.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ResNetEncoder
from sklearn_mm.preprocessing import ImageTransformer

emoji = load_emoji()
image = ImageInput(transformer=ImageTransformer(size=32), encoder=ResNetEncoder(widths=(16, 32, 64, 128)))
blocks = ModalityTransformer(image=image).fit_transform(emoji.data)
y = emoji.target.to_numpy()
train, validation = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(y, y, emoji.groups))

# %%
# Validation rows are handed to ``fit``; they are split by groups, so that no variant of a training emoji is among them.
# A constant learning rate, and no weights hidden or decayed, so that the two curves part soon.
clf = MultimodalClassifier(
    max_epochs=30, n_iter_no_change=6, lr_schedule="constant", lr=1e-3, weight_decay=0, random_state=0
)
clf.fit(blocks[train], y[train], X_val=blocks[validation], y_val=y[validation])
history = pd.DataFrame(clf.history_)
print(history.drop(columns="seconds").round(3).to_string(index=False))

# %%
# The validation loss is lowest in the epoch that the dashed line marks. Training went on for ``n_iter_no_change``
# epochs in the hope of a better one, and then the weights of that epoch were restored.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for axis, what in zip(axes, ("loss", "score"), strict=True):
    axis.plot(history["epoch"], history[f"train_{what}"], label="training rows")
    axis.plot(history["epoch"], history[f"valid_{what}"], label="validation rows")
    axis.axvline(clf.best_epoch_, color="0.4", linestyle="--", label="best epoch")
    axis.set(xlabel="epoch", title="cross-entropy" if what == "loss" else "accuracy")
axes[0].legend()
plt.show()

# %%
print(f"{clf.n_epochs_} epochs trained, the best was {clf.best_epoch_}.")
