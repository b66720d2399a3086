"""
A grid search over two halves of a digit
========================================

The upper and the lower half of handwritten digits are two columns of pictures, and neither is enough by itself. A grid
search finds out whether one encoder should read both, and how to join what it says.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer

# %%
# Cells may be arrays. ``resize="stretch"`` keeps the whole of pictures that are twice as wide as high.
digits = load_digits()
pictures = (digits.images * 15).astype("uint8")  # (1797, 8, 8), from 0 to 240
X = pd.DataFrame({"upper": list(pictures[:, :4]), "lower": list(pictures[:, 4:])})
X_train, X_test, y_train, y_test = train_test_split(X, digits.target, stratify=digits.target, random_state=0)

figure, axes = plt.subplots(2, 8, figsize=(8, 1.6), layout="constrained")
for column, (upper, lower) in enumerate(zip(X["upper"][:8], X["lower"][:8], strict=True)):
    axes[0, column].imshow(upper, cmap="gray_r")
    axes[1, column].imshow(lower, cmap="gray_r")
for axis in axes.flat:
    axis.axis("off")

# %%
# Keys of the grid reach below the Input, as they do below a step of a Pipeline.
image = ImageInput(
    ["upper", "lower"],
    transformer=ImageTransformer(size=(4, 8), resize="stretch", color="L", mean="dataset", std="dataset"),
    encoder=CNNEncoder(channels=(32,), pool="flatten"),
    augment=None,
)
search = GridSearchCV(
    MultimodalClassifier(image=image, max_epochs=8, random_state=0),
    {"image__shared": [False, True], "fusion": ["concat", "gated", "product", "late"]},
    cv=2,
)
search.fit(X_train, y_train)
print(f"best: {search.best_params_}; accuracy on the test rows: {search.score(X_test, y_test):.3f}")

# %%
# All candidates, as a table of what was tried.
results = pd.DataFrame(search.cv_results_)
table = results.pivot_table(index="param_image__shared", columns="param_fusion", values="mean_test_score", sort=False)
figure, axis = plt.subplots(figsize=(6, 2.4), layout="constrained")
axis.imshow(table, cmap="Blues", aspect="auto")
axis.set_xticks(range(table.shape[1]), table.columns)
axis.set_yticks(range(table.shape[0]), ["an encoder each", "one for both"])
for row, column in [(row, column) for row in range(table.shape[0]) for column in range(table.shape[1])]:
    shade = "white" if table.iloc[row, column] > table.to_numpy().mean() else "black"
    axis.text(column, row, f"{table.iloc[row, column]:.3f}", ha="center", va="center", color=shade)
axis.set_title("mean accuracy of two folds")
plt.show()

# %%
# What one half alone knows.
for half in X:
    alone = MultimodalClassifier(image=image, max_epochs=8, random_state=0).set_params(image__columns=half)
    print(f"{half} half alone: {alone.fit(X_train, y_train).score(X_test, y_test):.3f}")
