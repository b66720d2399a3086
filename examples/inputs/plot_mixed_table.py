"""
What the columns of a table are taken for
=========================================

Pictures, texts in two languages, numbers, categories, an identifier and a constant in one table: what detection makes
of them, how to overrule it, and what the network then gets to see.
"""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TabularInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import TabularTransformer

# %%
# Emoji with their names in English and German. Columns that the pictures and names themselves give are added: how much
# of the picture is covered, how colourful it is, and the first letter of the name.
emoji = load_emoji(languages=["de"])
X, y = emoji.data[:600], emoji.target[:600]
pixels = np.stack([np.asarray(Image.open(path), dtype=float) / 255 for path in X["image"]])  # (n, height, width, RGBA)
covered = pixels[..., 3].mean((1, 2))
X = X.assign(
    covered=covered,
    colourful=(np.ptp(pixels[..., :3], axis=3) * pixels[..., 3]).mean((1, 2)) / covered,
    initial=X["text"].str[0].str.upper(),
    code=[Path(path).stem for path in X["image"]],
    source="emoji",
)

figure, axes = plt.subplots(1, 5, figsize=(9, 2.4), layout="constrained")
for axis, row in zip(axes, X.sample(5, random_state=2).itertuples(), strict=True):
    axis.imshow(Image.open(row.image))
    axis.set_title(f"{row.text}\n{row.text_de}\n{row.covered:.2f}   {row.colourful:.2f}   {row.initial}", fontsize=8)
    axis.axis("off")

# %%
# With ``verbose=1``, `ModalityTransformer` and the estimators say what they take each column for, and why. The code is
# recognised as an identifier and left out; so is the column that is the same everywhere. Of columns that are left out
# though their cells differ, ``fit`` warns; that is intended here.
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="ModalityTransformer ignores 1 of")
    transformer = ModalityTransformer(verbose=1).fit(X)

# %%
# The same as data:
print(transformer.column_kinds_)

# %%
# Say otherwise where it is wrong, or where you want something else: here the German names are left out, and how much is
# covered is scaled by rank.
told = ModalityTransformer(
    text="text", tabular=TabularInput(["covered", "colourful"], transformer=TabularTransformer(scaling="quantile"))
)
blocks = told.fit_transform(X)
print(blocks)

# %%
# This is what a network gets: pictures as bytes, names as ids of tokens, and the table as one block.
clf = MultimodalClassifier(max_epochs=5, random_state=0).fit(blocks[:480], y[:480])
print(f"accuracy on the other 120 rows after five epochs: {clf.score(blocks[480:], y[480:]):.2f}")
print({name: clf.net_.module_.encoders[name] for name in blocks})
