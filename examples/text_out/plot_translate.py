"""
Translation with a look at a picture
====================================

English numbers into German, of which half have a word that cannot be read: "seventy-[…]". Beside each lies a picture of
its last digit, written by hand. German says the last digit first ("vierundsiebzig"), so the translator has to look, and
to put together what it has never seen together: numbers of the test rows do not occur in training.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sacrebleu
from sklearn.datasets import load_digits

from sklearn_mm import ImageInput, MultimodalGenerator, TextInput
from sklearn_mm.decoders import TransformerDecoder
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

TENS = {20: ("twenty", "zwanzig"), 30: ("thirty", "dreißig"), 40: ("forty", "vierzig"), 50: ("fifty", "fünfzig")}
TENS |= {60: ("sixty", "sechzig"), 70: ("seventy", "siebzig"), 80: ("eighty", "achtzig"), 90: ("ninety", "neunzig")}
ONES = {1: ("one", "ein"), 2: ("two", "zwei"), 3: ("three", "drei"), 4: ("four", "vier"), 5: ("five", "fünf")}
ONES |= {6: ("six", "sechs"), 7: ("seven", "sieben"), 8: ("eight", "acht"), 9: ("nine", "neun")}

# %%
# Every fifth number is kept for the test, and so are half of the pictures.
rng = np.random.default_rng(0)
digits = load_digits()
numbers = rng.permutation([ten + one for ten in TENS for one in ONES])


def make_rows(numbers, n_rows, pictures, masked):
    """Return numbers in English, with pictures of their last digits, and in German."""
    rows = []
    for number in rng.choice(numbers, n_rows):
        ten, one = number // 10 * 10, number % 10
        picture = rng.choice([place for place in pictures if digits.target[place] == one])
        last = "[…]" if rng.random() < masked else ONES[one][0]
        photo = (digits.images[picture] * 15.9).astype(np.uint8)
        rows.append((f"{TENS[ten][0]}-{last}", photo, f"{ONES[one][1]}und{TENS[ten][1]}"))
    table = pd.DataFrame(rows, columns=["english", "digit", "german"])
    return table[["english", "digit"]], table["german"]


places = rng.permutation(len(digits.target))
X, y = make_rows(numbers[15:], 800, places[:900], masked=0.5)
tests = {
    name: make_rows(numbers[:15], 150, places[900:], masked) for name, masked in {"readable": 0, "masked": 1}.items()
}
print(pd.concat([X["english"], y], axis=1).head())

# %%
# One generator reads the texts alone, the other both columns. Texts are cut into parts of words, which are learnt too.
# The pictures are 8 pixels wide, which need not be made 64.


def fit(columns, **parameters):
    generator = MultimodalGenerator(
        text=TextInput("english", encoder=SelfAttentionEncoder(width=64)),
        decoder=TransformerDecoder(width=64),
        target_transformer=TextTransformer("byte_bpe", lowercase=False, vocab_size=300),
        lr=4e-3,
        max_epochs=12,
        random_state=0,
        **parameters,
    )
    return generator.fit(X[columns], y)


image = ImageInput(transformer=ImageTransformer(size=16, color="L"))
translators = {"text alone": fit(["english"]), "text and picture": fit(["english", "digit"], image=image)}
scores = {
    name: [
        sacrebleu.corpus_chrf(translator.predict(rows[translator.feature_names_in_]).tolist(), [texts.tolist()]).score
        for rows, texts in tests.values()
    ]
    for name, translator in translators.items()
}
print(pd.DataFrame(scores, index=list(tests)).round(1))

# %%
rows, texts = tests["masked"]
written = {name: model.predict(rows[model.feature_names_in_]) for name, model in translators.items()}
figure, axes = plt.subplots(1, 6, figsize=(9, 2.6), layout="constrained")
for place, axis in enumerate(axes):
    axis.imshow(rows["digit"].iloc[place], cmap="gray_r")
    axis.set_title(rows["english"].iloc[place], fontsize=9)
    axis.set_xlabel("\n".join([written["text and picture"][place], f"({texts.iloc[place]})"]), fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])
plt.show()
