"""A folder of pictures, without a text in it, is searched by words with a pretrained pair of towers."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import MultimodalEmbedder, MultimodalRetriever


@pytest.fixture
def photos():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"photo": list(rng.integers(256, size=(12, 24, 32, 3), dtype=np.uint8))}, index=range(5, 17))


def test_pictures_alone_are_found_by_words(tiny_model, photos):
    retriever = MultimodalRetriever(tiny_model("clip")).fit(photos)
    found = retriever.search("a quiet cat", n_neighbors=3)
    assert list(found.columns) == ["score", "photo"]
    assert retriever.table_.columns.tolist() == ["photo"]

    both = photos.assign(caption=[f"the photo of number {number}" for number in range(12)])
    embedder = MultimodalEmbedder(pretrained=tiny_model("clip"), projection=None).fit(both)
    cosines = (
        embedder.transform(photos, blocks="photo")
        @ embedder.transform(pd.DataFrame({"caption": ["a quiet cat"]}), blocks="caption").T
    )
    order = np.argsort(-cosines[:, 0])[:3]
    assert found.index.tolist() == photos.index[order].tolist()
    np.testing.assert_allclose(found["score"], cosines[order, 0], atol=1e-5)


def test_other_pictures_are_added_and_are_queries_too(tiny_model, photos):
    retriever = MultimodalRetriever(tiny_model("clip")).fit(photos[:8]).partial_fit(photos[8:])
    assert retriever.kneighbors(photos[9:10], 1, return_distance=False).tolist() == [[9]]
    assert retriever.kneighbors([{"image": photos["photo"].iloc[3], "text": "a dog"}], 2)[0].shape == (1, 2)


def test_a_column_of_the_name_is_left_alone(tiny_model, photos):
    rows = photos.rename(columns={"photo": "text"})
    assert MultimodalRetriever(tiny_model("clip")).fit(rows).search("a dog").columns.tolist() == ["score", "text"]


def test_a_network_of_pictures_alone_says_so(tiny_model, photos):
    with pytest.raises((TypeError, ValueError), match=r"encoders of \['text'\] are not frozen"):
        MultimodalRetriever(tiny_model("vit")).fit(photos)
