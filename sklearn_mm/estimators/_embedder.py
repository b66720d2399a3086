"""`MultimodalEmbedder`: rows in, vectors in one space of all their blocks out (joint embedding, CLIP)."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._pair_target import PairTarget, content_codes
from sklearn_mm.estimators._targets import Target
from sklearn_mm.networks import Objective
from sklearn_mm.networks._contrastive import Contrastive
from sklearn_mm.retrieval._recall import mean_recall
from sklearn_mm.training._training_rows import is_frozen
from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["MultimodalEmbedder"]

_LARGEST_BATCH = 256  # what "auto" goes up to
_ENOUGH_FOR_TERMS = 200  # rows
_ROWS_AT_ONCE = 128  # of which so many are computed at once where encoders are trained


@with_parameters
class MultimodalEmbedder(BaseMultimodal):
    """Embed pictures, texts and tables in one joint space, where what belongs together is near (contrastive, CLIP).

    Rows say what belongs together: the blocks of a row, such as a picture and its caption. `transform` gives one vector
    per row, from whatever blocks it has or from some alone, so that pictures are found by words, and rows are
    clustered. Where a picture has several captions, the table best has a row for each pair; equal cells are recognised,
    and captions of one picture are not taken for captions of others. Captions in one cell, as a list, count as one
    by the mean of their vectors.

    Attributes
    ----------
    {fitted_attributes}

    See Also
    --------
    ZeroShotClassifier : Labels by how near they are to a row, in the space of a pretrained pair.

    Notes
    -----
    `score` is the mean of recall at 1, 5 and 10 in both directions of each pair of blocks, among the rows that it is
    given and have both. As usual for Flickr30k and COCO, each different picture is one query, and finds if any of its
    captions is among the first k; each different caption is a query that looks for a picture that it is of. It depends
    on how many rows there are: compare scores of equally many.

    Rows are held out in groups of equal content: no picture is both trained and validated with.

    References
    ----------
    Radford et al.: Learning Transferable Visual Models From Natural Language Supervision. ICML 2021.

    Zhai, Mustafa, Kolesnikov, Beyer: Sigmoid Loss for Language Image Pre-Training. ICCV 2023.

    Khosla et al.: Supervised Contrastive Learning. NeurIPS 2020.

    Robinson, Chuang, Sra, Jegelka: Contrastive Learning with Hard Negative Samples. ICLR 2021.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import MultimodalEmbedder
    >>> X = pd.DataFrame({
    ...     "photo": [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in [10, 20, 30, 200, 210, 220] * 5],
    ...     "title": ["a dark night", "black cat", "deep night", "white snow", "bright day", "a white cat"] * 5,
    ... })
    >>> embedder = MultimodalEmbedder(n_components=8, max_epochs=2, random_state=0).fit(X)
    >>> embedder.transform(X[["title"]], blocks="title").shape
    (30, 8)
    """

    _doc_words = {**BaseMultimodal._doc_words, "scorer": "recall", "kept": "labels"}
    _network_parameters = (
        *BaseMultimodal._network_parameters,
        *("n_components", "projection", "loss", "dropout", "temperature", "hard_negatives"),
    )
    _score_name = "recall"

    n_components: int = parameter(
        default=128,
        constraints=[Interval(Integral, 1, None, closed="left")],
        before="modality_dropout",
        doc="""int
        Width of the space. Not used with ``projection=None``. Where no encoder is frozen, linear models can see all
        blocks, no ``y`` is passed and there are 200 rows or more, half of it is a space in closed form, of what those
        see: canonical correlations of TF-IDF of texts, of edges and colours of pictures.""",
    )
    projection: str | None = parameter(
        default="auto",
        constraints=[StrOptions({"auto", "cca", "linear", "mlp"}), None],
        before="modality_dropout",
        doc="""{"auto", "cca", "linear", "mlp"} or None
        What maps the vectors of each block into the space: a linear map, or one and a perceptron beside it, which are
        trained; where all encoders are frozen, they begin with regularised canonical correlations. "cca" stays with
        these, trains nothing, and does not look at ``y``; where folds of the rows say that it finds more, it has a
        component for each block that makes up for hubs, vectors that are near to everything (CSLS). None takes the
        vectors as they are, of encoders that are frozen and in one space by themselves, as the towers of CLIP, and
        trains nothing either. "auto" is "cca" where all encoders are frozen and no ``y`` is passed, else "linear".""",
    )
    loss: str = parameter(
        default="infonce",
        constraints=[StrOptions({"infonce", "siglip"})],
        before="modality_dropout",
        doc="""{"infonce", "siglip"}
        What is trained by: the symmetric InfoNCE of CLIP, or the sigmoid of each pair, with a bias, of SigLIP, which
        depends less on how large batches are.""",
    )
    temperature: float | str = parameter(
        default="auto",
        constraints=[StrOptions({"auto"}), Interval(Real, 0.01, 1, closed="both")],
        before="modality_dropout",
        doc="""float or "auto"
        What cosines are divided by in the loss, at first; it is learnt, and stays between 0.01 and 1. "auto" is 0.07
        with "infonce", 0.1 with "siglip".""",
    )
    hard_negatives: float = parameter(
        default=0.0,
        constraints=[Interval(Real, 0, None, closed="left")],
        before="modality_dropout",
        doc="""float
        By how much more those rows count in the loss that are similar but do not belong together: the exponent of their
        weights. 0 weighs all alike.""",
    )
    dropout: float = parameter(
        default=0.1,
        constraints=[Interval(Real, 0, 1, closed="left")],
        before="modality_dropout",
        doc="""float
        Share of values set to zero before each layer of a projection in training. Larger regularises more.""",
    )
    batch_size: int | str = parameter(
        default="auto",
        doc="""int or "auto"
        Rows of a step, among which what belongs together is to be found; more make it harder. "auto" is a power of two
        from 16 to 256, about a quarter of the rows.""",
    )
    rows_at_once: int | str | None = parameter(
        default="auto",
        constraints=[StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), None],
        before="gradient_accumulation_steps",
        doc="""int, "auto" or None
        How many rows of a batch are computed at once, and need memory. With less than ``batch_size``, gradients are
        those of the whole batch all the same (gradient caching, GradCache), but for batch statistics, at the price of
        computing outputs twice. "auto" is 128 where encoders are trained, and all where they are frozen; None is all.
        Where a GPU's memory does not suffice it is halved, with a warning.""",
    )
    scoring: str = parameter(
        default="recall",
        doc="""str or callable
        What early stopping goes by on the validation rows: "recall", which is `score`, "loss", the name of a
        scikit-learn scorer, or a callable ``scorer(estimator, X, y)``, which gets the rows as `Blocks`. Training stops
        at once at a score that cannot be bettered. ``history_`` has it as ``"valid_"`` and its name,
        ``"valid_scoring"`` for a callable.""",
    )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Learn a joint space from rows with two blocks or more.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories, or what a `ModalityTransformer` made. A row
            that lacks a block takes no part in what is learnt of its pairs.
        y : array-like of shape (n_rows,), default=None
            Labels or groups: rows that share one belong together as the blocks of a row do (supervised contrastive
            learning). A row whose label is missing belongs to itself.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out, and not read either.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : MultimodalEmbedder
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val)

    def transform(self, X: Any, blocks: str | list[str] | None = None) -> np.ndarray:
        """Return one vector per row, from the blocks that it has.

        Parameters
        ----------
        X : like X of `fit`
            Rows. A table needs no other columns than those of ``blocks``.
        blocks : str or list of str, default=None
            Names of blocks, keys of ``specs_``, from which alone vectors are made; all by default.

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_components), dtype float32
            Of unit length: the direction of the mean of the vectors of the blocks. A row that has none of them gets
            zeros, which are as near to any vector as to all others.
        """
        names = self._block_names(blocks, "transform")

        def embed(network, batch):
            return network.top.embed(*network.encoders.encode(batch, names), batch)

        return self._map(X, embed, names).astype(np.float32, copy=False)

    def score(self, X: Any, y: ArrayLike | None = None) -> float:
        """Return the mean of recall at 1, 5 and 10, in both directions of all pairs of blocks.

        Parameters
        ----------
        X : like X of `fit`
            Rows that are queries and what is looked through.
        y : array-like, default=None
            Ignored; here because scikit-learn passes it.

        Returns
        -------
        recall : float
            In [0, 1]; see "Notes".
        """
        check_is_fitted(self)
        blocks = self._reader.read(X)
        vectors = self._map(blocks, lambda network, batch: network.top.project(*network.encoders.encode(batch), batch))
        recall = mean_recall(vectors.astype(np.float32, copy=False), blocks.present, content_codes(blocks))
        if np.isnan(recall):
            raise ValueError(
                f"{type(self).__name__}.score needs rows that have two blocks, and none of the {len(blocks)} rows has: "
                f"blocks are {list(self.specs_)}."
            )
        return recall

    def make_target(self) -> Target:
        """Return what ``y`` is: labels or groups, or nothing.

        Returns
        -------
        target : Target
            Not fitted.
        """
        return PairTarget(type(self).__name__)

    def make_objective(self, partial: bool = False) -> Objective:
        """Return what is to be learnt: that blocks of a row are near each other.

        Parameters
        ----------
        partial : bool, default=False
            Whether the rows that have been read are not all rows, as in ``partial_fit``.

        Returns
        -------
        objective : Contrastive
            New, for the blocks that ``specs_`` tells of.
        """
        trained = self._trained_blocks()
        projection = self.projection
        if projection == "auto":
            projection = "linear" if trained or partial or self._has_labels else "cca"
        self._check_projection(projection, trained, partial)
        auto_batch_size = _auto_batch_size(self._n_rows)
        batch_size = auto_batch_size if self.batch_size == "auto" else self.batch_size
        n_candidates = min(batch_size, self._n_rows) * self.gradient_accumulation_steps
        if batch_size * self.gradient_accumulation_steps < 2:
            raise ValueError(
                f"{type(self).__name__} tells a row from others of its batch, and batch_size=1 leaves none. Give more."
            )
        return Contrastive(
            self.loss,
            n_components=self.n_components,
            projection=projection,
            dropout=self.dropout,
            temperature=None if self.temperature == "auto" else self.temperature,
            hard_negatives=self.hard_negatives,
            auto_batch_size=auto_batch_size,
            n_candidates=n_candidates,
            rows_at_once=(_ROWS_AT_ONCE if trained else None) if self.rows_at_once == "auto" else self.rows_at_once,
            starts=not partial,
            has_terms=not partial and not self._has_labels and self._n_rows >= _ENOUGH_FOR_TERMS,
        )

    def _read_rows(self, X, y, target, sample_weight, fitted, **options):
        rows = super()._read_rows(X, y, target, sample_weight, fitted, **options)
        if not fitted:
            self._n_rows, self._has_labels = len(rows), target is not None
            self._check_blocks()
        codes, labels = content_codes(rows.blocks), rows.target
        if labels is None:
            labels = -1 - np.arange(len(rows))
        return replace(rows, target=np.column_stack([codes, labels]))

    def _train(self, trainer, objective, rows, validation, tasks, seed, goes_on):
        who = type(self).__name__
        if rows.y is not None and self.projection == "auto" and objective.projection == "cca":
            raise ValueError(
                f"{who} goes on with a space that was found without y, in closed form, where y tells nothing. Begin "
                "anew: fit with warm_start=False, or fit a clone."
            )
        if not trainer.partial and objective.projection is not None:
            n_pairs = _n_pairs(rows.blocks)
            if n_pairs < 2:
                raise ValueError(
                    f"{who} learns from rows that have two blocks, at least two of them, and got {n_pairs} among "
                    f"{len(rows)} rows: blocks are {list(self.specs_)}."
                )
        super()._train(trainer, objective, rows, validation, tasks, seed, goes_on)

    def _learn_more(self, tasks, X, y, sample_weight, **known):
        if self.__sklearn_is_fitted__():
            self._check_projection(self.net_.criterion_.projection, [], partial=True)
        super()._learn_more(tasks, X, y, sample_weight, **known)

    def _check_validates(self, validation):
        if validation is not None and self.projection is not None and not _n_pairs(validation.blocks):
            raise ValueError(
                f"{type(self).__name__} has nothing to validate by: none of {len(validation)} validation rows has two "
                "blocks. Pass X_val with rows that have, or early_stopping=False."
            )
        super()._check_validates(validation)

    def _check_blocks(self):
        if len(self.specs_) < 2:
            raise ValueError(
                f"{type(self).__name__} learns from what belongs together in a row, and needs two blocks or more: got "
                f"{list(self.specs_)} alone. Name further columns, such as text='title' for texts of single words, or "
                "give tables of their own by inputs=[('size', TabularInput(['height', 'width'])), ...]."
            )

    def _trained_blocks(self):
        """Return the names of the blocks whose vectors are trained."""
        return [name for name, spec in self.specs_.items() if not is_frozen(spec) or spec.pool == "attention"]

    def _check_projection(self, projection, trained, partial):
        who = type(self).__name__
        if projection in ("cca", None) and trained:
            raise ValueError(
                f"{who} trains nothing with projection={projection!r}, and the encoders of {trained} are not frozen. "
                'Give frozen ones, as by pretrained="clip", or another projection.'
            )
        if projection == "cca" and partial:
            raise ValueError(f'{who}: partial_fit cannot go on with projection="cca", which needs all rows at once.')


def _n_pairs(blocks):
    """Return how many rows have the pair of blocks that most rows have."""
    present = blocks.present.astype(np.int64)
    return int(np.triu(present.T @ present, 1).max())


def _auto_batch_size(n_rows):
    return int(np.clip(2 ** int(np.log2(max(n_rows / 4, 1))), 16, _LARGEST_BATCH))
