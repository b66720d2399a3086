"""
Find near-duplicates before you split
=====================================

Photos that were uploaded twice, in another size or a little darker, end up on both sides of a random split, and the
score is too good: the model has seen the answers. ``find_duplicates`` needs no training, and the groups that it finds
go to scikit-learn's splitters.

Here the copies are made, so that it is known which there are: each emoji comes three times, as shops and news feeds
would have it. Names are left out.
"""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageEnhance
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from sklearn_mm import find_duplicates
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer

emoji = load_emoji()
chosen = np.random.default_rng(0).choice(len(emoji.data), 400, replace=False)
original, category = emoji.data["image"].iloc[chosen], emoji.target.iloc[chosen]


def changed(path, rng):
    """Return a JPEG file of the picture in another size, cut on one side, darker or brighter."""
    picture = Image.open(path).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    picture = picture.crop((0, 0, 64 - rng.integers(3), 64)).resize((int(rng.integers(48, 200)),) * 2)
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.8, 1))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(60, 95)))
    return file.getvalue()


rng = np.random.default_rng(1)
copies = [[changed(path, rng) for path in original] for _ in range(2)]
X = pd.DataFrame({"image": [*original, *copies[0], *copies[1]]})
y = np.tile(category, 3)

# %%
# One call. Pairs say how similar their pictures are; groups number the rows.
found = find_duplicates(X)
print(found)
print(found.pairs.describe().loc[["min", "50%", "max"], "image"].round(3).to_dict())
is_copy = found.pairs["first"] % len(chosen) == found.pairs["second"] % len(chosen)
shared = sum(len(set(found.groups[i :: len(chosen)])) == 1 for i in range(len(chosen)))
print(f"{shared} of {len(chosen)} emoji have their three rows in one group; {(~is_copy).sum()} pairs are of two emoji.")

# %%
# The pairs that are least alike.
last = found.pairs.tail(5)
figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
thumbnails = ImageTransformer(96).fit_transform(X["image"])
for pair, column in zip(last.itertuples(), axes.T, strict=True):
    for axis, row in zip(column, (pair.first, pair.second), strict=True):
        axis.imshow(thumbnails[row])
        axis.axis("off")
    column[0].set_title(f"{pair.image:.2f}")

# %%
# What a random split makes of it: a forest on pixels knows the copies by heart. Grouped folds tell what it is worth on
# new pictures, which is what the originals alone say too.
pixels = ImageTransformer(16).fit_transform(X["image"]).reshape(len(X), -1)
forest = RandomForestClassifier(random_state=0)
accuracy = {
    "random folds": cross_val_score(forest, pixels, y, cv=KFold(5, shuffle=True, random_state=0)),
    "grouped folds": cross_val_score(forest, pixels, y, groups=found.groups, cv=GroupKFold(5)),
    "originals alone": cross_val_score(
        forest, pixels[: len(chosen)], category, cv=KFold(5, shuffle=True, random_state=0)
    ),
}
accuracy = pd.DataFrame(accuracy).mean()
print(accuracy.round(3))
figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
accuracy[::-1].plot.barh(ax=axis, color=["0.7", "tab:green", "firebrick"])
axis.set(xlabel="accuracy", xlim=(0, 1))
plt.show()

# %%
# To throw copies away instead of keeping them together: ``X.iloc[found.first_rows]``.
print(f"{len(X)} rows, {len(found.first_rows)} without copies")
