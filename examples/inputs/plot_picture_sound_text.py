"""
Picture, sound and text in one table
====================================

A sum of three numbers: one is drawn, one is dialled on a telephone, one is written in words. No column alone tells it,
and one estimator reads all three.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split

from sklearn_mm import AudioInput, ImageInput, MultimodalRegressor
from sklearn_mm.preprocessing import AudioTransformer, ImageTransformer

# %%
# Pictures are the handwritten digits of scikit-learn; sounds the two tones of a key (DTMF), in noise and of any length;
# texts one of a few ways to say it.
rng = np.random.default_rng(0)
RATE = 4000
ROWS, COLUMNS = [697, 770, 852, 941], [1209, 1336, 1477]
KEYS = {digit: divmod(digit - 1, 3) if digit else (3, 1) for digit in range(10)}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WAYS = ["and {} more", "{} come on top of that", "please add {} to it", "then there are {}"]


def dial(digit):
    row, column = KEYS[digit]
    time = np.arange(int(RATE * rng.uniform(0.08, 0.2))) / RATE
    tone = np.sin(2 * np.pi * ROWS[row] * time) + np.sin(2 * np.pi * COLUMNS[column] * time)
    return (0.05 * (tone + rng.normal(0, 1, size=len(time)))).astype(np.float32), RATE


digits = load_digits()
chosen = rng.permutation(len(digits.target))[:400]
drawn, dialled, written = digits.target[chosen], rng.integers(10, size=400), rng.integers(10, size=400)
X = pd.DataFrame(
    {
        "drawn": pd.Series(list((digits.images[chosen] * 15).astype(np.uint8))),
        "dialled": pd.Series([dial(digit) for digit in dialled], dtype=object),
        "written": [str(rng.choice(WAYS)).format(WORDS[digit]) for digit in written],
    }
)
y = (drawn + dialled + written).astype(float)

figure, axes = plt.subplots(2, 4, figsize=(9, 3.2), layout="constrained")
for (above, below), picture, (wave, _), text, total in zip(axes.T, *(X[name] for name in X), y, strict=False):
    above.imshow(picture, cmap="gray")
    above.set_title(f"{text}\n= {total:g}", fontsize=8)
    above.axis("off")
    below.specgram(wave, NFFT=128, Fs=RATE, noverlap=64)
    below.set(xticks=[], yticks=[])

# %%
# Columns are found by what is in them. Settings of one are given beside it; the text is left as it is found.
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=100, random_state=0)
model = MultimodalRegressor(
    image=ImageInput(transformer=ImageTransformer(size=16, color="L")),
    audio=AudioInput(transformer=AudioTransformer(rate=RATE)),
    max_epochs=12,
    random_state=0,
).fit(X_train, y_train)
for column, reason in model.transformer_.column_reasons_.items():
    print(f"{column}: {reason}")
r2 = {"all three": model.score(X_test, y_test)}
print(f"R² of all three: {r2['all three']:.3f}")

# %%
# What is each column worth? Tools of scikit-learn ask by mixing up one column at a time, whatever it holds: R² falls by
# as much as the column tells.
importance = permutation_importance(model, X_test, y_test, n_repeats=2, random_state=0)
for column, fall in zip(X, importance.importances_mean, strict=True):
    r2[f"{column} mixed up"] = r2["all three"] - fall

figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
axis.barh(list(r2), list(r2.values()))
axis.set(xlabel="R²", xlim=(0, 1))
axis.invert_yaxis()
