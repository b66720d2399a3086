"""`find_duplicates`: near-duplicate rows of a table of pictures and texts, and the groups that they form."""

import re
from dataclasses import dataclass
from numbers import Real
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from joblib import Memory
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from sklearn_mm.inputs import Input, ModalityTransformer
from sklearn_mm.inputs._column_assignment import claim_columns
from sklearn_mm.inputs._modalities import MODALITIES
from sklearn_mm.inspection._similar_pictures import SIZE, similar_pictures
from sklearn_mm.inspection._similar_texts import similar_texts
from sklearn_mm.preprocessing.cells._items import explode
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.containers._frame import as_frame
from sklearn_mm.preprocessing.text._normalizer import Normalizer
from sklearn_mm.preprocessing.text._text_cells import check_texts
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._content_keys import hash_rows
from sklearn_mm.utils._messages import name_column
from sklearn_mm.utils._object_arrays import object_array
from sklearn_mm.utils._validation import Interval, StrOptions, validate_parameter_constraints

__all__ = ["Duplicates", "find_duplicates"]

_WHO = "find_duplicates"
_NO_WORD = re.compile(r"[\W_]+")
_N_EXPANDED = 1_000_000  # pairs of rows that are looked up at once


@dataclass(frozen=True)
class Duplicates:
    """Near-duplicate rows of a table, as `find_duplicates` found them.

    Parameters
    ----------
    pairs : pandas.DataFrame
        A row per pair: ``first`` and ``second`` are positions of rows, and a column for each block has their similarity
        in it: 1 where what is read of both is the same, NaN below the threshold and where one has nothing. The most
        similar pairs come first. Of rows that are the same in a block, each is paired with the first of them only, so
        that a hundred copies of a picture are 99 pairs and not 4,950.
    groups : ndarray of shape (n_rows,), dtype int64
        A number for each row, equal for rows that pairs connect: the ``groups`` of scikit-learn's splitters.
    """

    pairs: pd.DataFrame
    groups: np.ndarray

    @property
    def first_rows(self) -> np.ndarray:
        """Positions of the first row of each group: ``X.iloc[found.first_rows]`` has no duplicates."""
        return np.unique(self.groups, return_index=True)[1]

    def __repr__(self):
        sizes = np.bincount(self.groups)
        return (
            f"Duplicates({len(self.groups)} rows; {len(self.pairs)} pairs; {sizes[sizes > 1].sum()} rows in "
            f"{(sizes > 1).sum()} groups of two or more)"
        )


def find_duplicates(
    X: Any,
    *,
    image: str | int | list | Input | None = "auto",
    text: str | int | list | Input | None = "auto",
    tabular: str | int | list | Input | None = "auto",
    match: str = "any",
    image_threshold: float = 0.75,
    text_threshold: float = 0.65,
    memory: str | PathLike | Memory | BlockStore | None = None,
) -> Duplicates:
    """Find near-duplicate rows (deduplication) of a table of pictures and texts, without training.

    Copies that are on both sides of a split make a score too good. Pictures are found again after recompression, in
    another size, with the orientation in a tag, brighter, darker, or with up to about a twentieth cut off each side;
    neither mirrored nor turned, nor without their colours. Texts are found again in other case, spacing and
    punctuation, and with small edits. Missing cells are duplicates of nothing.

    Parameters
    ----------
    X : table or 2-D array of shape (n_rows, n_columns)
        What estimators take: a pandas, polars or pyarrow table, an object array, or pictures of shape (n_rows, height,
        width, channels).
    image, text, tabular : "auto", None, str, int, list or Input, default="auto"
        Which columns hold pictures, texts and all else, as of `sklearn_mm.ModalityTransformer`. An `ImageInput` says
        how pictures are read, but for their size: ``ImageInput(transformer=ImageTransformer(root=..., on_error=...))``.
        All columns of the table together are the block "tabular", which is the same in two rows or not.
    match : {"any", "all"}, default="any"
        Whether rows are duplicates if one column of pictures or texts says so, which is what leaks between folds, or if
        all do, the block "tabular" included, for rows to throw away. With "any", the columns of the table count only
        where there are no others. With "all", what is missing in both rows says nothing, and what is missing in one of
        them is a difference.
    image_threshold : float, default=0.75
        Least similarity of pictures, in (0, 1]: one less the mean square difference in the worst part of the pictures,
        once aligned, relative to their contrast. Less finds heavier changes, and pictures that are merely alike; flat
        drawings that differ in a detail, such as flags, ask for more. 1 finds equal ones only.
    text_threshold : float, default=0.65
        Least similarity of texts, in (0, 1]: the share of n-grams of four characters that both have, rare ones counting
        more (weighted Jaccard). 1 finds texts that are equal but for case, accents, spacing and punctuation.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps the small pictures, so that each is decoded once.

    Returns
    -------
    found : Duplicates
        ``pairs``, with the similarity in each block, and ``groups``, a number per row.

    See Also
    --------
    sklearn.model_selection.StratifiedGroupKFold : Takes ``found.groups``.

    Notes
    -----
    Pictures cost what decoding them costs; each is read at 32 × 32 pixels, 3 kB. All pairs of pictures and of texts are
    compared, a block at a time, so that memory grows with the rows and the pairs found, not with their square. Groups
    are connected components: where a row is like two others, these are in one group, however different.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import find_duplicates
    >>> noise = np.random.default_rng(0).integers(0, 200, (2, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    >>> X = pd.DataFrame({
    ...     "photo": [noise[0], noise[1], noise[0] + np.uint8(20), None],
    ...     "title": ["A red bicycle, nearly new", "a kitchen table of oak", None, "a red bicycle (nearly new)"],
    ... })
    >>> found = find_duplicates(X, image="photo", text="title")
    >>> found.pairs.round(2)
       first  second  photo  title
    0      0       3    NaN    1.0
    1      0       2    1.0    NaN
    >>> found.groups
    array([0, 1, 0, 0])
    """
    share = [Interval(Real, 0, 1, closed="right")]
    validate_parameter_constraints(
        {"match": [StrOptions({"any", "all"})], "image_threshold": share, "text_threshold": share},
        {"match": match, "image_threshold": image_threshold, "text_threshold": text_threshold},
        caller_name=_WHO,
    )
    frame, has_labels = as_frame(X, _WHO)
    told = {**dict.fromkeys(MODALITIES), "image": image, "text": text, "tabular": tabular}  # no sound, no videos
    inputs = ModalityTransformer._of(told, _WHO, MODALITIES)._resolved_inputs()
    inputs = {name: input_ for name, input_ in inputs.items() if input_ is not None}
    claims, _ = claim_columns(frame, has_labels, inputs, _WHO, MODALITIES)
    pictures, texts = claims.get("image", ()), claims.get("text", ())
    compares_table = "tabular" in claims and (match == "all" or not (pictures or texts))
    _check_names([*pictures, *texts], compares_table)
    blocks = {label: _read_pictures(inputs["image"], frame[label], image_threshold, memory) for label in pictures}
    blocks |= {label: _read_texts(frame[label], text_threshold) for label in texts}
    if compares_table:
        blocks["tabular"] = _read_table(frame[claims["tabular"]])
    first, second = _pairs_in_any(blocks.values()) if match == "any" else _pairs_in_all(list(blocks.values()))
    return _result(blocks, len(frame), first, second)


def _check_names(labels, compares_table):
    """Raise where a column is called as a column of the result is."""
    reserved = ["first", "second", *(["tabular"] if compares_table else [])]
    if clash := [label for label in labels if label in reserved]:
        raise ValueError(f"{_WHO} has columns {', '.join(map(repr, reserved))} of its own: rename {clash} in X.")


@dataclass(frozen=True)
class _Block:
    """What rows hold in one block.

    Parameters
    ----------
    contents : numpy.ndarray of shape (n_rows,), dtype int64
        Numbers of the different contents, -1 for nothing.
    first, second, similarities : numpy.ndarray of shape (n_pairs,)
        Pairs of similar contents, in order; the first is less than the second.
    """

    contents: np.ndarray
    first: np.ndarray
    second: np.ndarray
    similarities: np.ndarray

    @classmethod
    def of(cls, contents, first, second, similarities):
        """Return a block of pairs in any order."""
        order = np.lexsort((second, first))
        return cls(contents, first[order], second[order], similarities[order])

    @property
    def first_rows(self):
        """The first row that holds each content."""
        present = np.flatnonzero(self.contents >= 0)
        return present[np.unique(self.contents[present], return_index=True)[1]]

    def similarity(self, rows, others):
        """Return the similarity of pairs of rows, NaN where they are not similar."""
        a, b = np.sort([self.contents[rows], self.contents[others]], axis=0)
        similarity = np.where((a == b) & (a >= 0), np.float32(1), np.float32(np.nan))
        if len(self.first):
            n = len(self.contents)
            known, wanted = self.first * n + self.second, a * n + b
            places = np.searchsorted(known, wanted).clip(max=len(known) - 1)
            is_known = (known[places] == wanted) & (a >= 0)
            similarity[is_known] = self.similarities[places[is_known]]
        return similarity


def _number(keys, present):
    """Return the numbers of different keys, -1 where nothing is present, and the first row of each."""
    rows = np.flatnonzero(present)
    _, firsts, numbers = np.unique(keys[rows], return_index=True, return_inverse=True)
    contents = np.full(len(present), -1, dtype=np.int64)
    contents[rows] = numbers
    return contents, rows[firsts]


def _read_pictures(input_, cells, threshold, memory):
    transformer = input_.make_transformer(cells.to_frame()).set_params(size=SIZE, resize="stretch", color="RGB")
    if memory is not None and transformer.memory is None:
        transformer.set_params(memory=memory)
    pictures, present = transformer.fit_read(cells)
    if transformer.spec_.pool is not None:
        raise _refuse_lists(cells.name)
    contents, rows = _number(hash_rows(pictures).view("S16"), present)
    return _Block.of(contents, *similar_pictures(pictures[rows], threshold))


def _read_texts(column, threshold):
    cells, name = as_cells(column, _WHO)
    items = explode(cells, name, "auto")
    if items.are_lists:
        raise _refuse_lists(name)
    present = check_texts(items)
    keys = np.full(len(cells), "", dtype=object)
    normalize = Normalizer(lowercase=True, strip_accents=True)
    keys[present] = [_words_of(normalize(text)) for text in cells[present]]
    contents, rows = _number(keys, present)
    return _Block.of(contents, *similar_texts(keys[rows], threshold))


def _words_of(text):
    """Return a text without punctuation, unless it consists of that."""
    return _NO_WORD.sub(" ", text).strip() or text


def _read_table(frame):
    """Return a block of rows that are the same in all columns, missing cells included, or different."""
    codes, present = [], np.zeros(len(frame), dtype=bool)
    for _, column in frame.items():
        cells = column.to_numpy(dtype=object)
        is_there = ~missing_rows(cells)
        values = [_hashable(cell) if there else None for cell, there in zip(cells, is_there, strict=True)]
        codes.append(pd.factorize(object_array(values))[0])
        present |= is_there
    contents = np.full(len(frame), -1, dtype=np.int64)
    contents[present] = np.unique(np.stack(codes, axis=1)[present], axis=0, return_inverse=True)[1].ravel()
    return _Block(contents, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _hashable(cell):
    if isinstance(cell, list | tuple):
        return tuple(map(_hashable, cell))
    if isinstance(cell, dict):
        return frozenset((key, _hashable(value)) for key, value in cell.items())
    return (cell.shape, cell.tobytes()) if hasattr(cell, "tobytes") and np.ndim(cell) else cell


def _refuse_lists(name):
    return ValueError(
        f"{_WHO} compares single pictures and texts, and cells of {name_column(name)} are lists. Spread them over rows "
        f"first: X.explode({name!r}), whose index still says from which row each came."
    )


def _pairs_in_any(blocks):
    """Return pairs of rows that are similar in a block, each row with the first of those that are the same there."""
    rows = []
    for block in blocks:
        first_rows = block.first_rows
        present = np.flatnonzero(block.contents >= 0)
        first_of_same = first_rows[block.contents[present]]
        copies = first_of_same != present
        rows.append([first_of_same[copies], present[copies]])
        rows.append([first_rows[block.first], first_rows[block.second]])
    first, second = np.sort(np.concatenate(rows, axis=1), axis=0)
    pairs = np.unique(np.stack([first, second]), axis=1)
    return pairs[0], pairs[1]


def _pairs_in_all(blocks):
    """Return pairs of rows that are similar in all blocks that either has something in."""
    contents = np.stack([block.contents for block in blocks], axis=1)
    distinct, firsts, numbers = np.unique(contents, axis=0, return_index=True, return_inverse=True)
    numbers = numbers.ravel()
    copies = np.flatnonzero((firsts[numbers] != np.arange(len(numbers))) & (contents >= 0).any(axis=1))
    pairs = [np.stack([firsts[numbers[copies]], copies])]
    firsts = firsts[(distinct >= 0).any(axis=1)]
    seen = np.zeros(len(contents), dtype=bool)
    for block in blocks:  # a pair is looked for in the first block that both have something in
        for rows, others in _expand(block, firsts[(block.contents[firsts] >= 0) & ~seen[firsts]]):
            agree = np.ones(len(rows), dtype=bool)
            for other in blocks:
                absent = (other.contents[rows] < 0) & (other.contents[others] < 0)
                agree &= absent | ~np.isnan(other.similarity(rows, others))
            pairs.append(np.stack([rows[agree], others[agree]]))
        seen |= block.contents >= 0  # rows that have it and lack a pair there have none at all
    return np.sort(np.concatenate(pairs, axis=1), axis=0)


def _expand(block, rows):
    """Yield the pairs of some rows that are the same or similar in a block, some at a time."""
    rows = np.sort(rows)
    order = rows[np.argsort(block.contents[rows], kind="stable")]
    held = block.contents[order]
    same = np.unique(held)
    sides = np.concatenate([same, block.first]), np.concatenate([same, block.second])
    starts = [np.searchsorted(held, side) for side in sides]
    counts = [np.searchsorted(held, side, side="right") - start for side, start in zip(sides, starts, strict=True)]
    ends = np.cumsum(counts[0] * counts[1])
    for start in range(0, ends[-1] if len(ends) else 0, _N_EXPANDED):
        number = np.arange(start, min(start + _N_EXPANDED, ends[-1]))
        pair = np.searchsorted(ends, number, side="right")
        number = number - ends[pair] + counts[0][pair] * counts[1][pair]
        row, other = starts[0][pair] + number // counts[1][pair], starts[1][pair] + number % counts[1][pair]
        kept = row < other
        yield order[row[kept]], order[other[kept]]


def _result(blocks, n_rows, first, second):
    pairs = pd.DataFrame({"first": first, "second": second})
    similarities = pd.DataFrame({name: block.similarity(first, second) for name, block in blocks.items()})
    order = np.argsort(-similarities.max(axis=1).to_numpy(), kind="stable")
    pairs = pd.concat([pairs, similarities], axis=1).iloc[order].reset_index(drop=True)
    graph = coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(n_rows, n_rows))
    groups = connected_components(graph, directed=False)[1]
    return Duplicates(pairs, groups.astype(np.int64))
