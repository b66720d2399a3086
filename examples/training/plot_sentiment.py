"""
Sentiment from a sentence and a smiley, in three ordered classes
================================================================

"My train was late" with a laughing face is not what it is with an angry one. Posts are put together here from sentences
and the pictures of smileys that ship with the package, each good, bad or neither, and a post is as good as both
together. Classes that have an order are learnt by an ordinal loss; which column counts is shown by leaving one out, in
training and, as happens in practice, only later.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer

FACES = {
    "negative": [
        "angry",
        "crying",
        "frowning",
        "worried",
        "weary",
        "tired",
        "sad",
        "disappointed",
        "vomiting",
        "anxious",
    ],
    "neutral": ["neutral", "without mouth", "expressionless", "thinking", "zipper", "monocle", "sleeping", "hushed"],
    "positive": ["grinning", "smiling face with", "beaming", "joy", "partying", "savoring", "blowing"],
}
SUBJECTS = ["the train", "my new phone", "the concert", "lunch", "our hotel", "this book", "the match", "the meeting"]
OPINIONS = {
    "negative": ["was far too late", "was awful", "bored me", "was a waste of money", "let me down"],
    "neutral": ["is on Monday", "took an hour", "was as usual", "starts at noon", "was in the papers"],
    "positive": ["was wonderful", "made my day", "was worth every cent", "surprised me in a good way", "was lovely"],
}
CLASSES = list(FACES)

# %%
# Every fourth face is kept back for the test rows. The names of classes are in their order as they are sorted.
emoji = load_emoji().data
emoji = emoji[emoji["text"].str.contains("face")]
faces = {name: emoji.loc[emoji["text"].str.contains("|".join(words)), "image"] for name, words in FACES.items()}
rng = np.random.default_rng(0)


def make_posts(n_rows, is_test):
    """Return posts, and how good each is: as good as its sentence and its smiley together."""
    rows = []
    for face, opinion in itertools.islice(itertools.cycle(itertools.product(CLASSES, CLASSES)), n_rows):
        kept = [path for number, path in enumerate(faces[face]) if (number % 4 == 0) == is_test]
        score = np.clip(CLASSES.index(face) + CLASSES.index(opinion) - 2, -1, 1)
        rows.append((rng.choice(kept), f"{rng.choice(SUBJECTS)} {rng.choice(OPINIONS[opinion])}", CLASSES[score + 1]))
    posts = pd.DataFrame(rows, columns=["smiley", "post", "sentiment"])
    return posts[["smiley", "post"]], posts["sentiment"]


(X, y), (X_test, y_test) = make_posts(720, is_test=False), make_posts(360, is_test=True)
print(pd.concat([X["post"], y], axis=1).head())


# %%
# An ordinal loss knows that "positive" is further from "negative" than "neutral" is, and the agreement that is measured
# by weighted kappa knows it too. ``modality_dropout`` hides a column now and then in training, so that posts without
# one are expected.
def fit(columns, **parameters):
    image = ImageInput(transformer=ImageTransformer(size=32))
    clf = MultimodalClassifier(loss="ordinal", image=image, max_epochs=8, random_state=0, **parameters)
    return clf.fit(X[columns], y)


def agreement(clf, table):
    return cohen_kappa_score(y_test, clf.predict(table), weights="quadratic")


both = fit(["smiley", "post"], modality_dropout=0.2)
found = {
    "smiley alone": agreement(fit(["smiley"]), X_test[["smiley"]]),
    "sentence alone": agreement(fit(["post"]), X_test[["post"]]),
    "both": agreement(both, X_test),
    "both, a third of the smileys missing": agreement(
        both, X_test.assign(smiley=X_test["smiley"].mask(X_test.index % 3 == 0))
    ),
    "both, all smileys missing": agreement(both, X_test.assign(smiley=None)),
}
for name, value in found.items():
    print(f"{name:<38} {value:.2f}")

# %%
figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
axis.barh(list(found), list(found.values()), color=["tab:gray"] * 2 + ["tab:blue"] * 3)
axis.invert_yaxis()
axis.set_xlabel("quadratic weighted kappa")
plt.show()
