"""A pretrained pair of towers (CLIP) as an embedder, which reads texts also where rows are pictures alone."""

from sklearn_mm.blocks import Blocks
from sklearn_mm.estimators._embedder import MultimodalEmbedder
from sklearn_mm.inputs import detect_kinds
from sklearn_mm.preprocessing.containers._frame import as_frame

__all__ = ["fit_towers"]


def fit_towers(model, X, y, owner):
    """Return a fitted `MultimodalEmbedder` of the towers of a dual encoder, of which nothing is trained.

    Pictures in a folder are looked for by words, and have none: an embedder reads what it was fitted with, so that it
    is fitted with a column of texts beside them, whatever is in it.

    Parameters
    ----------
    model : str, path or PretrainedEncoder
        The pair.
    X : DataFrame, 2-D array or Blocks
        Rows.
    y : array-like or None
        Handed on.
    owner : str
        Who asks, for error messages.
    """
    embedder = MultimodalEmbedder(tabular=None, pretrained=model, projection=None)
    frame, has_labels = (None, False) if isinstance(X, Blocks) else as_frame(X, owner)
    kinds = {found.kind for found in detect_kinds(frame).values()} if has_labels else set()
    if "image" not in kinds or "text" in kinds:
        return embedder.fit(X, y)
    name = "text"
    while name in frame.columns:
        name = f"_{name}"
    return embedder.set_params(text=name).fit(frame.assign(**{name: "text"}), y)
