"""
Translating names, with a look at the picture
=============================================

German names of emoji from their English names and their pictures. Many names are alike in both languages ("Kenya" is
"Kenia", "karaoke" is "Karaoke"), so letters may be copied: the tokens of both languages are those of one tokenizer, and
``copy_from`` names the column that is copied from.
"""

import matplotlib.pyplot as plt
import numpy as np
import sacrebleu
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split

from sklearn_mm import ImageInput, MultimodalGenerator, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.decoders import TransformerDecoder
from sklearn_mm.encoders import SelfAttentionEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

emoji = load_emoji(languages=["de"]).data.dropna()
X, X_test, y, y_test = train_test_split(emoji[["image", "text"]], emoji["text_de"], test_size=0.15, random_state=0)

# %%
# Small networks, and byte-pair encoding with a small vocabulary: there are few names, and most words occur once.
pairs = TextTransformer("byte_bpe", lowercase=False, vocab_size=600).fit([*X["text"], *y])
tokens = TextTransformer(pairs.tokenizer_, lowercase=False)


def make_translator(**parameters):
    return MultimodalGenerator(
        text=TextInput("text", transformer=tokens, encoder=SelfAttentionEncoder(width=64)),
        target_transformer=tokens,
        decoder=TransformerDecoder(width=64),
        copy_from="text",
        lr=4e-3,
        max_epochs=12,
        early_stopping=False,
        random_state=0,
        **parameters,
    )


texts = make_translator(image=None).fit(X, y)
with_pictures = make_translator(image=ImageInput("image", transformer=ImageTransformer(size=32))).fit(X, y)

# %%
# What is to be beaten: the English name as it is, and the German name of the emoji with the most similar English one.
terms = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(X["text"])
nearest = (terms.transform(X_test["text"]) @ terms.transform(X["text"]).T).toarray().argmax(1)
found = {
    "English, as it is": X_test["text"].to_numpy(),
    "of the most similar": y.to_numpy()[nearest],
    "from the name": texts.predict(X_test),
    "from name and picture": with_pictures.predict(X_test),
}
scores = {name: sacrebleu.corpus_chrf(list(names), [y_test.tolist()]).score for name, names in found.items()}
print({name: round(score, 1) for name, score in scores.items()})

# %%
# How many are right to the letter, and some that are not.
right = {name: float(np.mean(names == y_test)) for name, names in found.items()}
print({name: round(share, 2) for name, share in right.items()})
for row in range(8):
    print(f"{X_test['text'].iloc[row]:<28} {y_test.iloc[row]:<28} {found['from the name'][row]}")
figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
axis.barh(list(scores), list(scores.values()))
axis.invert_yaxis()
axis.set_xlabel("chrF on names that were not seen")
plt.show()
