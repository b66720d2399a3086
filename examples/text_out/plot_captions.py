"""
Captions of pictures, with a look at what is alike
==================================================

Names of emoji of people from their pictures. Three hundred pictures are few to learn a language from, so the generator
is also told the name of the picture that looks most like this one. That name is nearly right and hardly ever the right
one: "woman detective" looks much like "man detective". The generator may copy words from it, and has to see what to
change.
"""

import matplotlib.pyplot as plt
import numpy as np
import sacrebleu
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split

from sklearn_mm import ImageInput, MultimodalGenerator, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.decoders import TransformerDecoder
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

emoji = load_emoji()
people = emoji.data[emoji.target == "People & Body"].reset_index(drop=True)
train, test = train_test_split(np.arange(len(people)), test_size=0.25, random_state=0)

# %%
# The most similar picture is one of the training rows, and never the same one.
pixels = ImageTransformer(size=32).fit_transform(people["image"]).reshape(len(people), -1).astype(float)
distances = pairwise_distances(pixels, pixels[train])
distances[train, np.arange(len(train))] = np.inf
people["alike"] = people["text"].to_numpy()[train[distances.argmin(1)]]
X, y = people[["image", "alike"]], people["text"]

# %%
# Names are cut into the same parts of words where they are read and where they are written.
tokens = TextTransformer(
    TextTransformer("byte_bpe", lowercase=False, vocab_size=900).fit(y.iloc[train]).tokenizer_, lowercase=False
)
generator = MultimodalGenerator(
    image=ImageInput("image", transformer=ImageTransformer(size=64)),
    text=TextInput("alike", transformer=tokens, encoder=SelfAttentionEncoder(width=64, n_layers=1)),
    target_transformer=tokens,
    decoder=TransformerDecoder(width=64, n_layers=1),
    copy_from="alike",
    max_epochs=30,
    batch_size=16,
    early_stopping=False,
    random_state=0,
)
generator.fit(X.iloc[train], y.iloc[train])
names = generator.predict(X.iloc[test])

# %%
truth = y.iloc[test].to_numpy()
usual = y.iloc[train].mode()[0]
found = {"the most usual name": [usual] * len(test), "of what is alike": people["alike"].iloc[test], "generator": names}
for what, texts in found.items():
    chrf, right = sacrebleu.corpus_chrf(list(texts), [truth.tolist()]).score, np.mean(np.asarray(texts) == truth)
    print(f"{what:<20} chrF {chrf:5.1f}   right to the letter {right:.2f}")

# %%
figure, axes = plt.subplots(2, 6, figsize=(10, 4.2), layout="constrained")
for row, name, axis in zip(test, names, axes.flat, strict=False):
    axis.imshow(plt.imread(people["image"][row]))
    axis.set_title(name, fontsize=8, color="tab:green" if name == y[row] else "tab:red")
    axis.set_xlabel(f"alike: {people['alike'][row]}", fontsize=7)
    axis.set_xticks([])
    axis.set_yticks([])
plt.show()
