"""
Digits seen and heard
=====================

A column of pictures and a column of sounds in one table: digits of scikit-learn, and the tones by which a telephone
dials them. Both are noisy, so that neither is enough, and some rows lack one.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_mm import AudioInput, ImageInput, MultimodalClassifier
from sklearn_mm.preprocessing import AudioTransformer, ImageTransformer

# %%
# A key of a telephone sounds two pitches at once, one for its row and one for its column (DTMF). Each sound is as long
# as somebody presses the key, and mostly noise.
rng = np.random.default_rng(0)
RATE = 4000
ROWS, COLUMNS = [697, 770, 852, 941], [1209, 1336, 1477]
KEYS = {digit: divmod(digit - 1, 3) if digit else (3, 1) for digit in range(10)}


def dial(digit):
    row, column = KEYS[digit]
    time = np.arange(int(RATE * rng.uniform(0.08, 0.2))) / RATE
    tone = np.sin(2 * np.pi * ROWS[row] * time) + np.sin(2 * np.pi * COLUMNS[column] * time)
    return (0.05 * (tone + rng.normal(0, 3, size=len(time)))).astype(np.float32), RATE


digits = load_digits()
chosen = rng.permutation(len(digits.target))[:450]
pictures = np.clip(digits.images[chosen] / 16 + rng.normal(0, 0.5, size=(450, 8, 8)), 0, 1)
y = digits.target[chosen]
X = pd.DataFrame(
    {
        "picture": pd.Series(list((255 * pictures).astype(np.uint8))),
        "sound": pd.Series([dial(digit) for digit in y], dtype=object),
    }
)

figure, axes = plt.subplots(2, 5, figsize=(9, 3), layout="constrained")
for (above, below), picture, (wave, _), digit in zip(axes.T, X["picture"], X["sound"], y, strict=False):
    above.imshow(picture, cmap="gray")
    above.set_title(digit)
    above.axis("off")
    below.specgram(wave, NFFT=128, Fs=RATE, noverlap=64)
    below.set(xticks=[], yticks=[])

# %%
# Pairs of an array and its rate are found to be sounds, as are paths that end in .wav, .flac or .mp3; what is not said
# here is found out.
image = ImageInput(transformer=ImageTransformer(size=16, color="L"))
audio = AudioInput(transformer=AudioTransformer(rate=RATE))
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=150, random_state=0, stratify=y)
scores = {}
for name, inputs in {
    "picture": {"image": image, "audio": None},
    "sound": {"image": None, "audio": audio},
    "both": {"image": image, "audio": audio},
}.items():
    clf = MultimodalClassifier(**inputs, max_epochs=6, random_state=0).fit(X_train, y_train)
    scores[name] = clf.score(X_test, y_test)
print(clf.transformer_.column_reasons_)
print({name: round(score, 3) for name, score in scores.items()})

# %%
# Of a third of the rows, one of the two is missing. The network has learnt a vector that stands in for it, and the row
# is judged by the other.
lacking = X_test.astype(object).reset_index(drop=True)
for row in range(0, len(lacking), 3):
    lacking.at[row, ["picture", "sound"][row % 2]] = None
scores["both, a third lacks one"] = clf.score(lacking, y_test)

figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
axis.barh(list(scores), list(scores.values()))
axis.set(xlabel="accuracy", xlim=(0, 1))
axis.invert_yaxis()
