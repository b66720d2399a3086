"""The base of transformers of pictures, single ones or in clips: framing, ranges of values and statistics."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from PIL import ImageColor

from sklearn_mm.preprocessing.image._fit_framing import fit_framing
from sklearn_mm.preprocessing.image._framing import INTERPOLATIONS, Framing
from sklearn_mm.preprocessing.media._transformer import MediaTransformer
from sklearn_mm.utils._messages import name_column
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["FramedTransformer"]

# Of the training set of ImageNet, and the same for grey pictures.
_IMAGENET = {
    "RGB": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    "L": {"mean": (0.449,), "std": (0.226,)},
}


class FramedTransformer(MediaTransformer):
    """Base of transformers of pictures, single ones or in clips, all of which are framed alike.

    A subclass owes ``decoder_type`` and `make_decoder`, whose decoder has a ``framing`` (`check_framing` returns what
    the parameters ask for) and tells of ``header`` and ``statistics`` of a cell as a `PictureDecoder` does;
    ``spec_type``, the class of ``spec_``; and an ``__init__`` with the parameters that are checked here.
    """

    spec_type = None
    _parameter_constraints = {
        **MediaTransformer._parameter_constraints,
        "size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), tuple, list],
        "resize": [StrOptions({"auto", "crop", "pad", "stretch"})],
        "crop_fraction": [Interval(Real, 0, 1, closed="right")],
        "interpolation": [StrOptions(INTERPOLATIONS)],
        "reducing_gap": [Interval(Real, 1, None, closed="left"), None],
        "crop": [tuple, list, None],
        "rotate": [Interval(Real, None, None, closed="neither")],
        "color": [StrOptions({"RGB", "L"})],
        "background": [str, Interval(Integral, 0, 255, closed="both"), tuple, list],
        "value_range": [StrOptions({"auto"}), tuple, list],
        "mean": [StrOptions({"imagenet", "dataset"}), Real, "array-like"],
        "std": [StrOptions({"imagenet", "dataset"}), Real, "array-like"],
    }

    def fit_read(self, X: Any, y: Any = None) -> tuple[Any, np.ndarray]:
        """Learn from a column of pictures, or clips, and return their array, reading each once.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells.
        y : None
            Ignored.

        Returns
        -------
        pictures : ndarray of shape (n_rows, ..., height, width, channels), StoredRows or Ragged, dtype uint8
            The pictures; zeros where there is none.
        present : ndarray of shape (n_rows,), dtype bool
            Where there is one.
        """
        items = self.items_to_fit(X)
        decoder = self.make_decoder(items)
        statistics = {what: self._check_statistic(what) for what in ("mean", "std")}
        fitted = fit_framing(self.make_reader(decoder), items)
        later = fitted.can_wait and "dataset" not in statistics.values()
        pictures, present = self.read_to_fit(fitted.reader, items, later)
        fitted.warn(pictures, present)
        if "dataset" in statistics.values():
            if not present.any():
                raise ValueError(
                    f"{type(self).__name__} cannot compute the mean and standard deviation of "
                    f"{name_column(items.name)}: all of its {items.n_rows} cells are missing. Pass numbers or "
                    f'"imagenet" as mean and std.'
                )
            computed = dict(zip(("mean", "std"), _pixel_statistics(pictures, present), strict=True))
            statistics = {what: computed[what] if value == "dataset" else value for what, value in statistics.items()}
        framing = fitted.reader.decoder.framing
        self.size_, self.resize_ = framing.size, framing.resize
        self.value_range_ = fitted.value_ranges
        self.mean_ = np.array(statistics["mean"], dtype=float)
        self.std_ = np.array(statistics["std"], dtype=float)
        self.spec_ = self.spec_type(
            name="" if items.name is None else str(items.name),
            shape=pictures.shape[1:],
            mean=tuple(self.mean_.tolist()),
            std=tuple(self.std_.tolist()),
            pool="mean" if items.are_lists else None,
        )
        return items.gather(pictures, present)

    def check_framing(self) -> Framing:
        """Return the framing that the parameters ask for, with what `fit` learns left open."""
        value_range = self._check_value_range()
        return Framing(
            size=self._check_size(),
            resize=self.resize,
            interpolation=self.interpolation,
            crop_fraction=float(self.crop_fraction),
            reducing_gap=None if self.reducing_gap is None else float(self.reducing_gap),
            crop=self._check_crop(),
            rotate=float(self.rotate),
            color=self.color,
            background=self._check_background(),
            integers=value_range,
            floats=value_range,
        )

    def _check_size(self):
        if isinstance(self.size, str):
            return "auto"
        size = (self.size, self.size) if isinstance(self.size, Integral) else tuple(self.size)
        if len(size) != 2 or not all(isinstance(length, Integral) and length >= 1 for length in size):
            raise ValueError(
                f"The 'size' parameter of {type(self).__name__} must be 'auto', a number of pixels or (height, width), "
                f"each at least 1, got {self.size!r}."
            )
        return tuple(int(length) for length in size)

    def _check_crop(self):
        if self.crop is None:
            return None
        box = tuple(self.crop)
        if (
            len(box) != 4
            or not all(isinstance(edge, Integral) for edge in box)
            or not (0 <= box[0] < box[2] and 0 <= box[1] < box[3])
        ):
            raise ValueError(
                f"The 'crop' parameter of {type(self).__name__} must be (left, upper, right, lower) in whole pixels, "
                f"with 0 <= left < right and 0 <= upper < lower, got {self.crop!r}."
            )
        return tuple(int(edge) for edge in box)

    def _check_value_range(self):
        """Return the range that is given, or None."""
        if isinstance(self.value_range, str):
            return None
        value_range = tuple(self.value_range)
        if (
            len(value_range) != 2
            or not all(isinstance(value, Real) and np.isfinite(value) for value in value_range)
            or not value_range[0] < value_range[1]
        ):
            raise ValueError(
                f"The 'value_range' parameter of {type(self).__name__} must be 'auto' or (low, high), the values that "
                f"become black and white, with low < high, got {self.value_range!r}."
            )
        return tuple(value.item() if isinstance(value, np.generic) else value for value in value_range)

    def _check_background(self):
        if isinstance(self.background, Integral):
            return (int(self.background),) * 3
        if isinstance(self.background, str):
            try:
                return ImageColor.getrgb(self.background)[:3]
            except ValueError as error:
                raise ValueError(f"The 'background' parameter of {type(self).__name__}: {error}.") from error
        color = tuple(self.background)
        if len(color) != 3 or not all(isinstance(part, Integral) and 0 <= part <= 255 for part in color):
            raise ValueError(
                f"The 'background' parameter of {type(self).__name__} must be the name of a color, a grey, or (red, "
                f"green, blue), from 0 to 255, got {self.background!r}."
            )
        return tuple(int(part) for part in color)

    def _check_statistic(self, what):
        """Return "dataset" or one number per channel."""
        value = getattr(self, what)
        if isinstance(value, str):
            return value if value == "dataset" else _IMAGENET[self.color][what]
        n_channels = len(self.color)
        numbers = np.atleast_1d(np.asarray(value, dtype=float))
        in_range = np.all((numbers >= 0) & (numbers <= 1) if what == "mean" else (numbers > 0) & np.isfinite(numbers))
        if numbers.shape not in [(1,), (n_channels,)] or not in_range:
            raise ValueError(
                f"The {what!r} parameter of {type(self).__name__} must be a number or {n_channels} numbers, "
                f"{'between 0 and 1' if what == 'mean' else 'above 0'}, for pixels in [0, 1], got {value!r}."
            )
        return tuple(np.broadcast_to(numbers, n_channels).tolist())


def _pixel_statistics(pictures, present):
    """Return mean and standard deviation per channel of the present pictures, for pixels in [0, 1]."""
    n_channels = pictures.shape[-1]
    counts = np.zeros((n_channels, 256), dtype=np.int64)  # exact, and no picture ever becomes floats
    n_at_once = max(1, 2**20 // int(np.prod(pictures.shape[1:])))
    rows = np.flatnonzero(present)
    for start in range(0, len(rows), n_at_once):
        batch = np.asarray(pictures[rows[start : start + n_at_once]])
        for channel in range(n_channels):
            counts[channel] += np.bincount(batch[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
    std[np.count_nonzero(counts, axis=1) == 1] = 1.0
    return mean.tolist(), std.tolist()
