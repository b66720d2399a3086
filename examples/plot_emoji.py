"""
Emoji: from a table of pictures and names to categories
=======================================================

Which of nine categories does an emoji belong to, given its picture and its name? The rows are split by *groups*, so
that the variants of one emoji are never on both sides. The default classifier is cross-validated beside its own halves
and a plain network of convolutions, an LSTM and concatenation; a grid search runs over preprocessing, encoder and
fusion; then come new rows, one without a picture and one without a text.

At full length, ``bash tools/demo``, this takes some six minutes on two cores. Where the documentation shows its output,
it ran with ``--epochs 2``, and the figures are those of networks that have hardly begun to learn.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_validate

from sklearn_mm import ImageInput, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder, RNNEncoder

parser = argparse.ArgumentParser(description="Fit, evaluate and grid-search on the emoji data.")
parser.add_argument("--results", default="results", help="folder for the tables and the picture")
parser.add_argument("--epochs", type=int, help="epochs of every network; fewer for a quick look")
parser.add_argument("--every", type=int, default=1, help="take one row in so many; 4 for a quick look")
arguments, _ = parser.parse_known_args()
results = Path(arguments.results)
results.mkdir(parents=True, exist_ok=True)
quick = {} if arguments.epochs is None else {"max_epochs": arguments.epochs}

# %%
# The data: paths of pictures, names, and what to predict.
emoji = load_emoji()
chosen = slice(None, None, arguments.every)
X, y, groups = emoji.data[chosen], emoji.target[chosen], emoji.groups[chosen]
print(X.sample(4, random_state=0).to_string(max_colwidth=40), "\n")
folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)

# %%
# The default classifier, its halves, and a plain network written with public classes.
convolutional_lstm = MultimodalClassifier(
    image=ImageInput(encoder=CNNEncoder((32, 64), padding="valid", norm=None, pool="flatten"), augment=None),
    text=TextInput(encoder=RNNEncoder(embedding_dim=128, hidden_size=64, dense_units=64, pool="flatten")),
    fusion="concat",
    head="linear",
    wide=None,
    optimizer="adam",
    lr=1e-3,
    lr_schedule="constant",
    weight_decay=0,
    weight_averaging=None,
    batch_size=32,
    max_epochs=8,
)
models = {
    "MultimodalClassifier()": MultimodalClassifier(),
    "picture alone": MultimodalClassifier(text=None),
    "text alone": MultimodalClassifier(image=None),
    "convolution + LSTM + concatenation": convolutional_lstm,
}
rows = []
for name, model in models.items():
    model.set_params(random_state=0, **quick)
    result = cross_validate(model, X, y, groups=groups, cv=folds)
    accuracy, seconds = result["test_score"].mean(), result["fit_time"].mean()
    rows.append({"model": name, "accuracy": round(accuracy, 3), "seconds per fit": round(seconds)})
    print(f"{name}: accuracy {accuracy:.3f}, mean of folds {result['test_score'].round(3)}; {seconds:.0f} s per fit")
table = pd.DataFrame(rows)
table.to_csv(results / "models.csv", index=False)

# %%
# A grid search over preprocessing, encoder and fusion, like any other, judged by rows that it has not seen.
train, test = next(folds.split(X, y, groups))
X_train, X_test, y_train, y_test = X.iloc[train], X.iloc[test], y.iloc[train], y.iloc[test]
search = GridSearchCV(
    MultimodalClassifier(image=ImageInput(), max_epochs=arguments.epochs or 10, random_state=0),
    {
        "image__transformer__size": [32, 48],
        "image__encoder": ["cnn", "resnet"],
        "fusion": ["concat", "late"],
    },
    cv=StratifiedGroupKFold(2),
).fit(X_train, y_train, groups=groups[train])
candidates = pd.DataFrame(search.cv_results_["params"]).assign(accuracy=search.cv_results_["mean_test_score"].round(3))
candidates = candidates.sort_values("accuracy", ascending=False)
candidates.to_csv(results / "search.csv", index=False)
print("\nGrid search, mean accuracy of two folds after few epochs:")
print(candidates.to_string(index=False))
print(f"The best candidate, fitted again, reaches {search.score(X_test, y_test):.3f} on the test rows.")

# %%
# New rows; what is missing is no obstacle.
clf = models["MultimodalClassifier()"].fit(X_train, y_train)
new = pd.DataFrame({"image": [X_test["image"].iloc[0], None], "text": [None, "a bowl of noodles"]})
print("\nA row without text, then one without a picture:", *clf.predict(new), sep="\n  ")

# %%
# Some predictions, wrong ones with the right category below.
predicted = clf.predict(X_test)
shown = X_test.assign(right=y_test, predicted=predicted).sample(24, random_state=1)
figure, axes = plt.subplots(4, 6, figsize=(13, 8))
for axis, row in zip(axes.flat, shown.itertuples(), strict=True):
    axis.imshow(Image.open(row.image))
    hit = row.right == row.predicted
    title = f"{row.text}\n{row.predicted}" + ("" if hit else f"\n(right: {row.right})")
    axis.set_title(title, fontsize=8, color="black" if hit else "firebrick")
    axis.axis("off")
figure.tight_layout()
figure.savefig(results / "predictions.png", dpi=100)
print(f"\n{table.to_string(index=False)}\n\nTables and a picture of some predictions are in {results.resolve()}.")
