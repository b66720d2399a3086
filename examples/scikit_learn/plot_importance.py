"""
Which column counts, and which classes are confused
===================================================

scikit-learn's inspection tools take the estimators and their tables as they are: permutation importance shuffles whole
columns, be they of pictures or texts, and the confusion matrix needs predictions alone.
"""

import matplotlib.pyplot as plt
from sklearn.inspection import permutation_importance
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ResNetEncoder
from sklearn_mm.preprocessing import ImageTransformer

# %%
# A picture, a name in English and one in Japanese.
emoji = load_emoji(languages=["ja"])
X, y = emoji.data, emoji.target
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(X, y, emoji.groups))
image = ImageInput(transformer=ImageTransformer(size=32), encoder=ResNetEncoder(widths=(16, 32, 64, 128)))
clf = MultimodalClassifier(image=image, max_epochs=10, random_state=0)
clf.fit(X.iloc[train], y.iloc[train])
print(f"accuracy on the test rows: {clf.score(X.iloc[test], y.iloc[test]):.3f}")

# %%
# How much accuracy is lost when one column is shuffled, so that it no longer belongs to the rest of the row. Names in
# two languages say much the same: each is worth little while the other is there, so the two bars do not add up to what
# text is worth.
importance = permutation_importance(clf, X.iloc[test], y.iloc[test], n_repeats=5, random_state=0)
figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
axis.barh(X.columns, importance.importances_mean, xerr=importance.importances_std)
axis.invert_yaxis()
axis.set_xlabel("loss of accuracy when shuffled")
plt.show()

# %%
# Where it goes wrong.
figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    clf, X.iloc[test], y.iloc[test], normalize="true", values_format=".2f", xticks_rotation=60, cmap="Blues", ax=axis
)
plt.show()
