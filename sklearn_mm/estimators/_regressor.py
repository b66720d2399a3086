"""`MultimodalRegressor`: rows with pictures, texts and numbers in, numbers out."""

import numpy as np
from scipy import sparse
from sklearn.base import MultiOutputMixin, RegressorMixin

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._network import checked_clone
from sklearn_mm.estimators._targets import check_numbers
from sklearn_mm.networks import RegressorLoss
from sklearn_mm.networks.losses._registry import resolve_regressor_loss
from sklearn_mm.utils._validation import _check_y, _fit_context

__all__ = ["MultimodalRegressor"]


class MultimodalRegressor(MultiOutputMixin, RegressorMixin, BaseMultimodal):
    """Predict numbers from rows with pictures, texts, numbers and categories, all in one network.

    Each column of pictures or texts, and the table of all other columns, is read by an encoder of its own; a fusion
    makes one vector of what they say, a head maps it to the targets, and all are trained together. Targets are
    shifted and scaled inside, as the loss wants it.

    Parameters
    ----------
    image, text, tabular : "auto", None, str, int, list or Input, default="auto"
        Which columns hold pictures, texts, and numbers or categories: "auto" finds them, None ignores the modality, a
        name, a position or a list of these says so. An `ImageInput`, `TextInput` or `TabularInput` also says how
        they are read and encoded.
    inputs : list of (str, Input), default=None
        The long way, as in scikit-learn's ColumnTransformer: named Inputs, several of one modality or of one's own.
        Then only these are used.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps decoded pictures, and what frozen encoders make of them, so that each is made once for all
        folds, candidates, searches and processes that name it, and is read from files batch by batch: rows may be more
        than fit into memory. With None, each picture is decoded once per `fit`, and all of them are held in memory.
    fusion : str or Fusion, default="auto"
        How blocks become one vector: "concat" (which "auto" stands for), "sum", "product", "max", "gated", "late",
        "film", "bilinear", "lowrank", "attention", "bottleneck", or a `Fusion`.
    head : str or Head, default="auto"
        What maps the fused vector to the targets: "mlp" (which "auto" stands for), "linear", or a `Head`.
    wide : str, WideLinear or None, default="auto"
        "linear" (which "auto" stands for) adds a linear model of n-grams, numbers, categories, edges and colours to
        the outputs of the rest (`WideLinear`), which learns to say what this model misses. None leaves it out.
    loss : str or RegressorLoss, default="squared_error"
        What the network is trained by: "squared_error" (predicts means), "absolute_error" (medians), "huber" (between
        the two), "quantile" (the median, unless ``QuantileLoss(quantile=0.9)`` says otherwise), "poisson" (rates of
        counts; needs ``y >= 0``), or a `RegressorLoss`.
    modality_dropout : float, default=0.0
        Probability that a block of a row is hidden in training. Larger makes the network cope better with rows that
        lack a modality, and learn more slowly.
    balancing : {"auto", "heads", "modulation"} or None, default="auto"
        What keeps modalities that learn slowly from being left behind by those that learn fast, if there are several:
        "modulation" slows down the encoder of the block that is ahead (OGM-GE), "heads" also trains each block to
        predict by itself; neither changes how rows are predicted. None does nothing, and "auto" stands for it: worth
        trying where one block alone predicts better than all together.
    max_epochs : int, default=20
        How often the training rows are gone through. More fits closer and takes longer; the learning-rate schedule
        spans all of them.
    batch_size : int or "auto", default="auto"
        Rows that are computed at once. "auto" is a power of two between 8 and 64, about a sixteenth of the rows. Where
        a GPU's memory does not suffice it is halved, with a warning.
    gradient_accumulation_steps : int, default=1
        How many batches make a step. With more, the steps are those of as much larger batches (but for batch
        statistics and dropout, which are drawn per batch) in the memory of small ones.
    lr : float, default=2e-3
        Peak learning rate.
    lr_schedule : {"one_cycle", "cosine", "constant"} or callable, default="one_cycle"
        How the learning rate goes over the training; a callable maps progress in [0, 1] to a factor.
    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        Optimiser; "sgd" has Nesterov momentum 0.9. A callable takes parameter groups and ``lr``.
    weight_decay : float, default=1e-2
        Decay of weight matrices. Larger regularises more.
    weight_averaging : {"auto", "ema"} or None, default="auto"
        "ema" validates and predicts with an exponential moving average of the weights, which looks back over about a
        tenth of the steps and evens out rough ones; None takes the weights as they are. "auto" is "ema" for
        ``lr_schedule="constant"`` and None for schedules that calm down by themselves. Not in `partial_fit`.
    warm_start : bool, default=False
        Whether another call of `fit` goes on from the weights that are there, with the same way of reading, network,
        loss and target scaling, and new settings of training; ``history_`` goes on too.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when ``scoring`` on the validation rows no longer gets better, and to restore the best epoch's
        weights. "auto" does so if validation rows are passed to `fit`, and if there is a wide part and are 30 rows or
        more: then at least 50 rows, but no more than a third, are held out, which also settle how much of the rest is
        added to the wide part. Without validation rows, all of it is.
    validation_fraction : float, default=0.1
        Share of rows held out for early stopping if no validation rows are passed.
    scoring : str or callable, default="loss"
        What early stopping goes by on the validation rows: "loss", the name of a scikit-learn scorer, as "r2",
        or a callable ``scorer(estimator, X, y)``, which gets the rows as `Blocks`. Training stops at once at a score
        that cannot be bettered. ``history_`` has it as ``"valid_"`` and its name, ``"valid_scoring"`` for a callable.
    n_iter_no_change : int, default=10
        Epochs without improvement before stopping early.
    max_time : float, default=None
        Seconds after which `fit` ends, reading of the rows included; looked at after each batch, and in each step of
        the fit of the wide part, which tries penalties for half of its time at most. The epoch under way is cut short
        and validated. The learning rate follows the larger of the share of the epochs and the share of the time for
        training, so that it has come down when time is up. Results then depend on the machine's speed.
    device : str or torch.device, default="auto"
        Where to compute; "auto" is the first of "cuda", "mps" and "cpu" that is there.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Number format of the costly operations (torch's autocast); weights, losses and predictions stay float32 or
        float64. "auto" is bfloat16 on GPUs that are made for it, else float32. With "float16", gradients are scaled.
    compile : bool, default=False
        Whether to compile the network for training (`torch.compile`): takes from seconds to minutes, and pays in long
        training on a GPU. Predictions are made without.
    skorch_callbacks : list of skorch.callbacks.Callback or of (str, Callback), default=None
        Callbacks that see the net in training; cloned for each `fit`, the clones are in ``net_.callbacks_``.
    random_state : int, RandomState instance or None, default=None
        Fixes initialisation, order, dropout, augmentation and the validation split.
    verbose : int, default=0
        0 is silent, 1 shows what the columns were taken for and a progress bar, 2 a line per epoch.

    Attributes
    ----------
    target_center_, target_scale_ : ndarray of shape (n_targets,)
        What is subtracted from the targets in training, and what they are divided by then: mean and standard deviation
        for the squared error; other losses say theirs.
    transformer_ : ModalityTransformer or None
        What reads the table; None if fitted on `Blocks`.
    specs_ : dict of str to BlockSpec
        What the network knows of each block.
    net_ : skorch.NeuralNet
        The fitted net: ``net_.module_`` is the torch module, ``optimizer_``, ``criterion_``, ``history`` and
        ``callbacks_`` are skorch's. It does not fit or predict by itself, as only the estimator makes its batches.
    history_ : list of dict
        Epoch, losses, scores and seconds of each epoch; ``pandas.DataFrame`` takes it. Losses are those of
        shifted and scaled targets.
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

    _parameter_constraints = {**BaseMultimodal._parameter_constraints, "loss": [str, RegressorLoss]}

    def __init__(
        self,
        image="auto",
        text="auto",
        tabular="auto",
        *,
        inputs=None,
        memory=None,
        fusion="auto",
        head="auto",
        wide="auto",
        loss="squared_error",
        modality_dropout=0.0,
        balancing="auto",
        max_epochs=20,
        batch_size="auto",
        gradient_accumulation_steps=1,
        lr=2e-3,
        lr_schedule="one_cycle",
        optimizer="adamw",
        weight_decay=1e-2,
        weight_averaging="auto",
        warm_start=False,
        early_stopping="auto",
        validation_fraction=0.1,
        scoring="loss",
        n_iter_no_change=10,
        max_time=None,
        device="auto",
        precision="auto",
        compile=False,
        skorch_callbacks=None,
        random_state=None,
        verbose=0,
    ):
        self.image = image
        self.text = text
        self.tabular = tabular
        self.inputs = inputs
        self.memory = memory
        self.fusion = fusion
        self.head = head
        self.wide = wide
        self.loss = loss
        self.modality_dropout = modality_dropout
        self.balancing = balancing
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.weight_averaging = weight_averaging
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.n_iter_no_change = n_iter_no_change
        self.max_time = max_time
        self.device = device
        self.precision = precision
        self.compile = compile
        self.skorch_callbacks = skorch_callbacks
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, sample_weight=None):
        """Go once through the rows of ``X``, on from the weights that are there.

        The first call learns how to read rows and how targets are scaled; both then stay, as network and loss do. The
        learning rate is ``lr`` throughout, and the state of the optimiser is kept for the next call.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        with self._learner(1) as (learner, tasks):
            learner._check_rows(X, y)
            target = learner._encode_target(y, "y") if self.__sklearn_is_fitted__() else learner._fit_target(y)
            learner._learn_more(tasks, X, y, target, sample_weight)
        return self

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
        outputs = self._map(X)
        y = self._loss.predict(outputs)
        return y if self._target_shape else y[:, 0]

    def _fit_target(self, y):
        loss = checked_clone(resolve_regressor_loss(self.loss))
        target = self._checked(y, "y", loss)
        self._loss, self._target_shape = loss.build(target[:1].size), target.shape[1:]
        return target

    def _encode_target(self, y, name="y_val", complete=False):
        target = self._checked(y, name, self._loss)
        if target.shape[1:] != self._target_shape:
            before = "y" if name == "y_val" else "y of the call before"
            expected = "".join(f", {n}" for n in self._target_shape) or ","
            raise ValueError(f"{name} must have the shape of {before}, (n_rows{expected}), got {target.shape}.")
        return target

    def _checked(self, y, name, loss):
        if sparse.issparse(y):
            raise TypeError(f"{type(self).__name__} needs a dense target, got a sparse one. Pass y.toarray().")
        check_numbers(y, name, type(self).__name__)
        target = _check_y(y, multi_output=True, y_numeric=True, estimator=self).astype(np.float64)
        loss.check(target, name)
        return target

    def _start_target(self, target, weight):
        self._loss.fit_target(target.reshape(len(target), -1), weight)
        self.target_center_, self.target_scale_ = self._loss.center_, self._loss.scale_

    def _loss_target(self, target):
        return self._loss.encode(target.reshape(len(target), -1))

    def _element_weight(self, target, sample_weight):
        return np.repeat(sample_weight[:, np.newaxis], self._loss.n_outputs, axis=1)
