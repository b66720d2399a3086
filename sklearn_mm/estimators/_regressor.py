"""`MultimodalRegressor`: rows with pictures, texts and numbers in, numbers out."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.networks._losses import SquaredError
from sklearn_mm.utils._validation import _check_y

__all__ = ["MultimodalRegressor"]


class MultimodalRegressor(MultiOutputMixin, RegressorMixin, BaseMultimodal):
    """Predict numbers from rows with pictures, texts, numbers and categories, all in one network.

    Each column of pictures or texts, and the table of all other columns, is read by an encoder of its own; a fusion
    makes one vector of what they say, a head maps it to the targets, and all are trained together. Targets are
    standardised inside.

    Parameters
    ----------
    image, text, tabular : "auto", None, str, int, list or Input, default="auto"
        Which columns hold pictures, texts, and numbers or categories: "auto" finds them, None ignores the modality, a
        name, a position or a list of these says so. An `ImageInput`, `TextInput` or `TabularInput` also says how
        they are read and encoded.
    inputs : list of (str, Input), default=None
        The long way, as in scikit-learn's ColumnTransformer: named Inputs, several of one modality or of one's own.
        Then only these are used.
    fusion : str or Fusion, default="auto"
        How blocks become one vector: "concat" (which "auto" stands for), "sum", "product", "max", "gated", "late", or
        a `Fusion`.
    head : str or Head, default="auto"
        What maps the fused vector to the targets: "mlp" (which "auto" stands for), "linear", or a `Head`.
    modality_dropout : float, default=0.0
        Probability that a block of a row is hidden in training. Larger makes the network cope better with rows that
        lack a modality, and learn more slowly.
    max_epochs : int, default=40
        How often the training rows are gone through. More fits closer and takes longer; the learning-rate schedule
        spans all of them.
    batch_size : int or "auto", default="auto"
        Rows per step. "auto" is a power of two between 8 and 64, about a sixteenth of the rows.
    lr : float, default=2e-3
        Peak learning rate.
    lr_schedule : {"one_cycle", "cosine", "constant"} or callable, default="one_cycle"
        How the learning rate goes over the training; a callable maps progress in [0, 1] to a factor.
    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        Optimiser; "sgd" has Nesterov momentum 0.9. A callable takes parameter groups and ``lr``.
    weight_decay : float, default=1e-2
        Decay of weight matrices. Larger regularises more.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when the validation loss no longer falls, and to restore the best epoch's weights. "auto" does
        so if validation rows are passed to `fit`.
    validation_fraction : float, default=0.1
        Share of rows held out if ``early_stopping`` is True and no validation rows are passed.
    n_iter_no_change : int, default=10
        Epochs without improvement before stopping early.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first of "cuda", "mps" and "cpu" that is there.
    random_state : int, RandomState instance or None, default=None
        Fixes initialisation, order, dropout, augmentation and the validation split.
    verbose : int, default=0
        0 is silent, 1 shows what the columns were taken for and a progress bar, 2 a line per epoch.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of the targets in training.
    transformer_ : ModalityTransformer or None
        What reads the table; None if fitted on `Blocks`.
    specs_ : dict of str to BlockSpec
        What the network knows of each block.
    net_ : skorch.NeuralNet
        The fitted net; ``net_.module_`` is the torch module.
    history_ : list of dict
        Epoch, losses, scores and seconds of each epoch; ``pandas.DataFrame`` takes it. Losses are squared errors of
        standardised targets.
    n_epochs_ : int
        Epochs trained.
    best_epoch_ : int
        Epoch whose weights are used.
    n_features_in_ : int
        Number of columns seen in `fit`; not set if fitted on `Blocks`.
    feature_names_in_ : ndarray of shape (``n_features_in_``,)
        Their names, if all are strings.

    See Also
    --------
    MultimodalClassifier : Predicts labels.
    sklearn_mm.ModalityTransformer : Reads tables into `Blocks`, for a Pipeline of two steps.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm import MultimodalRegressor
    >>> X = pd.DataFrame({
    ...     "advert": ["small flat in the old town", "large house with a garden", "a large flat by the park"] * 20,
    ...     "rooms": [1, 6, 4] * 20,
    ... })
    >>> reg = MultimodalRegressor(random_state=0, max_epochs=10).fit(X, [100, 600, 400] * 20)
    >>> reg.predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        image="auto",
        text="auto",
        tabular="auto",
        *,
        inputs=None,
        fusion="auto",
        head="auto",
        modality_dropout=0.0,
        max_epochs=40,
        batch_size="auto",
        lr=2e-3,
        lr_schedule="one_cycle",
        optimizer="adamw",
        weight_decay=1e-2,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=10,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.image = image
        self.text = text
        self.tabular = tabular
        self.inputs = inputs
        self.fusion = fusion
        self.head = head
        self.modality_dropout = modality_dropout
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Return the predicted targets of the rows of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_targets), dtype float64
            Predictions in the units of the targets.
        """
        y = self._map(X) * self.target_scale_ + self.target_mean_
        return y if self._target_shape else y[:, 0]

    @property
    def _n_outputs(self):
        return len(self.target_mean_)

    def _criterion(self):
        return SquaredError()

    def _fit_target(self, y):
        target = self._checked(y)
        self._target_shape = target.shape[1:]
        return target

    def _encode_target(self, y):
        target = self._checked(y)
        if target.shape[1:] != self._target_shape:
            expected = "".join(f", {n}" for n in self._target_shape) or ","
            raise ValueError(f"y_val must have the shape of y, (n_rows{expected}), got {target.shape}.")
        return target

    def _checked(self, y):
        return _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)

    def _start_target(self, target, weight):
        target = target.reshape(len(target), -1)
        self.target_mean_ = np.average(target, axis=0, weights=weight)
        deviation = np.sqrt(np.average((target - self.target_mean_) ** 2, axis=0, weights=weight))
        self.target_scale_ = np.where(deviation > 0, deviation, 1.0)

    def _loss_target(self, target):
        target = target.reshape(len(target), -1)
        return ((target - self.target_mean_) / self.target_scale_).astype(np.float32)

    def _element_weight(self, target, sample_weight):
        return np.repeat(sample_weight[:, np.newaxis], self._n_outputs, axis=1)
