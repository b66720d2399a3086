import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_mm import ModalityTransformer, MultimodalClassifier


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"title": ["a dark night", "white snow", "grey in between"] * 20, "size": rng.normal(size=60)})
    X["photo"] = pd.Series([*rng.integers(256, size=(60, 8, 8, 3), dtype=np.uint8)], dtype=object)
    X.loc[3, "title"] = None
    return X, np.tile([0, 1, 1], 20)


@pytest.fixture(scope="module")
def clf(table):
    return MultimodalClassifier(text="title", max_epochs=1, random_state=0).fit(*table)


def test_a_vector_per_row_and_block(clf, table):
    features = clf.encode(table[0])
    encoders = clf.net_.module_.encoders
    assert {name: array.shape for name, array in features.items()} == {
        name: (60, encoders.widths[name]) for name in clf.specs_
    }
    fused = np.concatenate(list(features.values()), axis=1)
    np.testing.assert_allclose(clf.transform(table[0]), fused, rtol=1e-5, atol=1e-6)  # side by side


def test_chosen_blocks_in_any_order_need_their_columns_alone(clf, table):
    X, _ = table
    whole = clf.encode(X)
    chosen = clf.encode(X[["title", "size"]], blocks=["tabular", "title"])
    assert list(chosen) == ["tabular", "title"]
    for name, array in chosen.items():
        np.testing.assert_allclose(array, whole[name], rtol=1e-5, atol=1e-6)
    blocks = ModalityTransformer(text="title").fit(X).transform(X)
    from_blocks = MultimodalClassifier(max_epochs=1).fit(blocks, table[1]).encode(blocks, blocks=["title"])
    assert list(from_blocks) == ["title"]


def test_a_row_that_lacks_a_block_has_the_vector_that_stands_in_for_it(clf, table):
    title = clf.encode(table[0], blocks=["title"])["title"]
    column = clf.net_.module_.encoders.names.index("title")
    np.testing.assert_array_equal(title[3], clf.net_.module_.encoders.stand_ins[column].detach())


@pytest.mark.parametrize("blocks", [["titel"], []])
def test_unknown_blocks(clf, table, blocks):
    with pytest.raises(ValueError, match="takes names of blocks, each once, which are"):
        clf.encode(table[0], blocks=blocks)


def test_columns_of_chosen_blocks_must_be_there(clf, table):
    with pytest.raises(ValueError, match="X lacks 1 of the 1 columns"):
        clf.encode(table[0][["size"]], blocks=["title"])


def test_not_fitted(table):
    with pytest.raises(NotFittedError):
        MultimodalClassifier().encode(table[0])
