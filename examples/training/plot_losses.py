"""
Intervals by quantile regression
================================

How far a prediction may be off often matters as much as the prediction. Trained by the quantile loss, the estimator
predicts values below which a given share of the targets lies, so that two of them make an interval. Here: how far
diabetes has progressed a year after ten measurements were taken.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sklearn_mm import MultimodalRegressor
from sklearn_mm.networks import QuantileLoss

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=0)

# %%
# One estimator per quantile. They differ in the loss alone; few epochs, as quantiles of rows that are known by heart
# would be the rows themselves.
predicted = {}
for quantile in (0.1, 0.5, 0.9):
    reg = MultimodalRegressor(loss=QuantileLoss(quantile), max_epochs=15, batch_size=32, random_state=0)
    predicted[quantile] = reg.fit(X_train, y_train).predict(X_test)
    print(f"{quantile:.0%} quantile: {np.mean(y_test <= predicted[quantile]):.0%} of the test targets lie below it")

# %%
# Eighty of a hundred targets should lie in the interval. It is wider where more is predicted: in patients for whom the
# disease is expected to progress far, the measurements say less about how far.
order = np.argsort(predicted[0.5])
inside = (predicted[0.1] <= y_test) & (y_test <= predicted[0.9])
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
place = np.arange(len(order))
axis.fill_between(place, predicted[0.1][order], predicted[0.9][order], alpha=0.3, label="10% to 90%")
axis.plot(place, predicted[0.5][order], label="median")
for what, label, colour in ((inside, "target inside", "0.2"), (~inside, "target outside", "tab:red")):
    shown = what.to_numpy()[order]
    axis.scatter(place[shown], y_test.to_numpy()[order][shown], s=10, color=colour, label=label)
axis.set(xlabel="test rows, by predicted median", ylabel="progression", title=f"{inside.mean():.0%} inside")
axis.legend(ncols=2)
plt.show()

# %%
widths = (predicted[0.9] - predicted[0.1])[order]
half = len(widths) // 2
print(f"mean width of the interval: {widths[:half].mean():.0f} in the lower half, {widths[half:].mean():.0f} above")
