"""`ImageInput`: columns of pictures."""

from typing import Any

import pandas as pd
import torch.nn as nn

from sklearn_mm.blocks import ImageSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input, own
from sklearn_mm.inputs._column_contents import filled
from sklearn_mm.inputs._picture_files import lead_to_pictures
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.cells._lists import holds_nothing, is_list
from sklearn_mm.preprocessing.image._picture_cells import looks_like_picture

__all__ = ["ImageInput"]

_TRANSFORMER = ImageTransformer()  # what the signature shows; each Input has one of its own


class ImageInput(Input):
    """Columns of pictures, how they are read, augmented and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of pictures.
    transformer : ImageTransformer, default=ImageTransformer()
        How pictures are read: size, colour, what happens to unreadable ones. Each column gets a clone. What is as by
        default, an encoder that asks for something else sets.
    encoder : str or Encoder, default="auto"
        What encodes the pictures: a name ("cnn", "resnet", "vit"; pretrained: "dinov2", "vit-base", and the towers for
        pictures of "clip" and "siglip"), the folder of a pretrained model, or an instance, such as a
        `sklearn_mm.encoders.PretrainedEncoder`. That of a function gets the cells as they are in the column, paths and
        PIL images alike, and leaves nothing to the transformer. "auto" leaves it to the estimator.
    augment : "auto", "light", "strong", None or torch.nn.Module, default="auto"
        How pictures are varied in training, batch by batch. Stronger needs more epochs and keeps the network from
        knowing pictures by heart. "auto" is "light", and None before a frozen encoder. For settings of one's own, such
        as mirror images, hand in a `sklearn_mm.training.ImageAugmentation`.
    shared : bool, default=False
        Whether all columns are read with the same settings learnt from all of them, and encoded with the same
        weights: for pictures of the same sort, such as front and back. Needs fewer rows.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of pictures (several photos of one thing): how the vectors that the encoder
        makes of the pictures of a row become one vector. Their order does not matter. "mean" and "max" go element by
        element; "max" hears what a single picture shows among many. "attention" learns which pictures count [1]_, and
        needs more rows. "auto" is "mean" where there are lists in ``fit``, and else reads single pictures; naming a
        way also reads lists later that ``fit`` had none of.

    Notes
    -----
    Of lists, all pictures are encoded by the one encoder, as many at a time as the rows of a batch have, and varied in
    training each by itself. To fusions, the vectors of a row's pictures are the tokens of the block.

    References
    ----------
    .. [1] Ilse, Tomczak, Welling: Attention-based Deep Multiple Instance Learning. ICML 2018.

    Examples
    --------
    >>> from sklearn_mm import ImageInput
    >>> from sklearn_mm.preprocessing import ImageTransformer
    >>> ImageInput(["front", "back"], transformer=ImageTransformer(size=32), shared=True).transformer.size
    32

    Two products, one with three photos:

    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> dark, light = np.zeros((2, 40, 40, 3), dtype=np.uint8) + np.uint8([[[[20]]], [[[230]]]])
    >>> X = pd.DataFrame({"photos": [[dark, light, dark], light]})
    >>> ModalityTransformer(image=ImageInput("photos", pool="attention")).fit_transform(X)["photos"].counts
    array([3, 1])
    """

    kind = "image"
    detects = ("image",)
    warns_of = ("files",)
    example_spec = ImageSpec(name="photo", shape=(16, 20, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))

    def __init__(
        self,
        columns: str | int | list = "auto",
        *,
        transformer: ImageTransformer = _TRANSFORMER,
        encoder: str | Encoder = "auto",
        augment: str | nn.Module | None = "auto",
        shared: bool = False,
        pool: str = "auto",
    ):
        self.columns = columns
        self.transformer = own(transformer, _TRANSFORMER)
        self.encoder = encoder
        self.augment = augment
        self.shared = shared
        self.pool = pool

    def recognise(self, cells: pd.Series) -> str | None:
        """Return why cells are pictures, paths of pictures or lists of these, or None."""
        lists = [cell for cell in cells if is_list(cell)]
        n_pictures = sum(map(looks_like_picture, cells)) + sum(map(_are_pictures, lists))
        if 2 * n_pictures > len(cells):
            listed = f", {len(lists)} of them lists" if lists else ""
            return f"{n_pictures} of {len(cells)} cells looked at are pictures or paths of pictures{listed}"
        root = getattr(self.transformer, "root", None)
        return "paths that lead to pictures" if lead_to_pictures(cells, root) else None

    def takes(self, cell: Any) -> bool:
        """Return whether a cell is a picture, a list, or empty."""
        return is_list(cell) or looks_like_picture(cell) or holds_nothing(cell)


def _are_pictures(cell):
    items = filled(cell)
    return bool(items) and all(map(looks_like_picture, items))
