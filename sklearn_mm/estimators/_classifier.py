"""`MultimodalClassifier`: rows with pictures, texts and numbers in, labels out."""

import warnings
from math import inf
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._network import checked_clone
from sklearn_mm.estimators._targets import check_labels
from sklearn_mm.networks import ClassifierLoss
from sklearn_mm.networks.losses._registry import resolve_classifier_loss
from sklearn_mm.utils._validation import StrOptions, _check_partial_fit_first_call, _check_y, _fit_context

__all__ = ["MultimodalClassifier"]


class MultimodalClassifier(ClassifierMixin, BaseMultimodal):
    """Predict labels from rows with pictures, texts, numbers and categories, all in one network.

    Each column of pictures or texts, and the table of all other columns, is read by an encoder of its own; a fusion
    makes one vector of what they say, a head maps it to the classes, and all are trained together. ``y`` may be
    binary, multi-class or a multi-label indicator of shape (n_rows, n_labels).

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
        What maps the fused vector to the classes: "mlp" (which "auto" stands for), "linear", or a `Head`.
    wide : str, WideLinear or None, default="auto"
        "linear" (which "auto" stands for) adds a linear model of n-grams, numbers, categories, edges and colours to
        the outputs of the rest (`WideLinear`), which learns to say what this model misses. None leaves it out.
    loss : str or ClassifierLoss, default="cross_entropy"
        What the network is trained by: "cross_entropy", "focal" (rows that are told well count less), "ordinal"
        (classes in an order, such as negative, neutral, positive), or a `ClassifierLoss`:
        ``CrossEntropyLoss(label_smoothing=0.1)``, ``OrdinalLoss(order=["low", "high"])``.
    modality_dropout : float, default=0.0
        Probability that a block of a row is hidden in training. Larger makes the network cope better with rows that
        lack a modality, and learn more slowly.
    balancing : {"auto", "heads", "modulation"} or None, default="auto"
        What keeps modalities that learn slowly from being left behind by those that learn fast, if there are several:
        "modulation" slows down the encoder of the block that is ahead (OGM-GE), "heads" also trains each block to
        predict by itself; neither changes how rows are predicted. None does nothing, and "auto" stands for it: worth
        trying where one block alone predicts better than all together.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes in the loss; "balanced" gives each class the same total. For multi-label targets the
        zeros and ones of each label are weighted within that label's own loss: a dict holds for all labels, a list
        has one dict per label. Classes that a dict does not name have weight 1; those that it names and ``y`` lacks, as
        a fold may, are ignored, with a warning where others are not named.
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
        loss and classes, and new settings of training; ``history_`` goes on too.
    early_stopping : bool or "auto", default="auto"
        Whether to stop when ``scoring`` on the validation rows no longer gets better, and to restore the best epoch's
        weights. "auto" does so if validation rows are passed to `fit`, which then also settle how much of the rest is
        added to the wide part. Without validation rows, that is a quarter.
    validation_fraction : float, default=0.1
        Share of rows held out (stratified, except for multi-label targets) for early stopping if no validation rows
        are passed.
    scoring : str or callable, default="loss"
        What early stopping goes by on the validation rows: "loss", the name of a scikit-learn scorer, as "roc_auc",
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
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label targets.
    transformer_ : ModalityTransformer or None
        What reads the table; None if fitted on `Blocks`.
    specs_ : dict of str to BlockSpec
        What the network knows of each block.
    net_ : skorch.NeuralNet
        The fitted net: ``net_.module_`` is the torch module, ``optimizer_``, ``criterion_``, ``history`` and
        ``callbacks_`` are skorch's. It does not fit or predict by itself, as only the estimator makes its batches.
    history_ : list of dict
        Epoch, losses, scores and seconds of each epoch; ``pandas.DataFrame`` takes it.
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
    MultimodalRegressor : Predicts numbers.
    sklearn_mm.ModalityTransformer : Reads tables into `Blocks`, for a Pipeline of two steps.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import MultimodalClassifier
    >>> X = pd.DataFrame({
    ...     "photo": [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in [10, 20, 30, 200, 210, 220] * 5],
    ...     "title": ["a dark night", "black cat", "deep night", "white snow", "bright day", "a white cat"] * 5,
    ... })
    >>> y = ["night", "night", "night", "day", "day", "day"] * 5
    >>> clf = MultimodalClassifier(random_state=0, max_epochs=10).fit(X, y)
    >>> clf.predict(X[:2])
    array(['night', 'night'], dtype='<U5')
    """

    _parameter_constraints = {
        **BaseMultimodal._parameter_constraints,
        "loss": [str, ClassifierLoss],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

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
        loss="cross_entropy",
        modality_dropout=0.0,
        balancing="auto",
        class_weight=None,
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
        self.class_weight = class_weight
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
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Go once through the rows of ``X``, on from the weights that are there.

        The first call learns how to read rows, which then stays, as network and loss do. The learning rate is ``lr``
        throughout, and the state of the optimiser is kept for the next call.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : array-like of shape (n_rows,) or (n_rows, n_labels)
            Labels, not necessarily all of them.
        classes : array-like of shape (n_classes,), default=None
            All labels that there will be; for multi-label targets the numbers of the columns. Needed in the first call,
            and may be left out in the others.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        with self._learner(1) as (learner, tasks):
            learner._check_rows(X, y)
            learner._start_partial_fit(y, classes)
            learner._learn_more(tasks, X, y, learner._encode_target(y, "y"), sample_weight)
        return self

    def _start_partial_fit(self, y, classes):
        """Learn the classes in the first call of `partial_fit`, and check them in the others."""
        if "balanced" in (self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees some of the rows at a time. Pass "
                "a dict, of compute_class_weight('balanced', classes=classes, y=y) over all of them for example."
            )
        if not _check_partial_fit_first_call(self, classes):
            return
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs at least two classes, got {self.classes_.tolist()}.")
        self._is_multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        if self._is_multilabel and not np.array_equal(self.classes_, np.arange(len(self.classes_))):
            raise ValueError(
                f"classes of multi-label targets are the numbers of their columns, range({len(self.classes_)}), "
                f"got {self.classes_.tolist()}."
            )
        self._build_loss(y)

    def decision_function(self, X):
        """Return what the classes are decided by: logits, or logarithms of probabilities with the ordinal loss.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_rows,), (n_rows, n_classes) or (n_rows, n_labels)
            One column for each class or label; for two classes the logit of ``classes_[1]``.
        """
        outputs = self._map(X)
        return self._loss.decision_function(outputs)

    def predict_proba(self, X):
        """Return the probability of each class, or of each label, for the rows of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Columns in the order of ``classes_``. Rows sum to one, except for multi-label targets.
        """
        outputs = self._map(X)
        return self._loss.predict_proba(outputs)

    def predict(self, X):
        """Return the label of each row of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_labels)
            The likeliest class; for multi-label targets 1 where a label's probability is above 0.5, else 0.
        """
        scores = self.decision_function(X)
        if self._is_multilabel:
            return (scores > 0).astype(np.int64)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    @property
    def _stratify(self):
        return not self._is_multilabel

    def _fit_target(self, y):
        check_labels(y, "y")
        check_classification_targets(y)
        self._is_multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        target = self._checked(y)
        if self._is_multilabel:
            self.classes_ = np.arange(target.shape[1])
        else:
            self.classes_, target = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in y, got one class: {self.classes_.tolist()}."
            )
        self._build_loss(y)
        return target

    def _build_loss(self, y):
        loss = checked_clone(resolve_classifier_loss(self.loss))
        self._loss = loss.build(self.classes_, self._is_multilabel, _declared_order(y, self.classes_))

    def _encode_target(self, y, name="y_val", complete=False):
        check_labels(y, name)
        y = self._checked(y)
        before = "y" if name == "y_val" else "the call before"
        if self._is_multilabel:
            if y.shape[1:] != self.classes_.shape:
                raise ValueError(f"{name} must have the {len(self.classes_)} labels of {before}, got shape {y.shape}.")
            return y
        classes = np.unique(y)
        if complete and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}."
            )
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} has classes that {before} lacks: {unknown.tolist()}. Known: {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _checked(self, y):
        if self._is_multilabel:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            other = np.setdiff1d(y, [0, 1])
            if len(other):
                raise ValueError(f"Multi-label targets must be 0 or 1, got {other[:5].tolist()} among them.")
            return y.astype(np.int64)
        return _check_y(y, estimator=self)

    def _start_target(self, target, weight):
        self._loss.fit_target(target, self._element_weight(target, weight))

    def _weigh_target(self, target, partial=False):
        """Learn the weights of the classes, or of the zeros and ones of each label, from ``class_weight``."""
        if self._is_multilabel:
            choices = self.class_weight
            if not isinstance(choices, list):
                choices = [choices] * len(self.classes_)
            if len(choices) != len(self.classes_):
                raise ValueError(
                    f"class_weight must have one dict for each of the {len(self.classes_)} labels, got {len(choices)}."
                )
            for choice in choices:
                if isinstance(choice, dict) and not {0, 1}.issuperset(choice):
                    unknown = [label for label in choice if label not in (0, 1)]
                    raise ValueError(f"class_weight names {unknown}, which is not among the labels [0, 1].")
            columns = zip(choices, target.T, strict=True)
            self._class_weight = np.stack([_class_weight(choice, np.arange(2), column) for choice, column in columns])
            return
        used = np.unique(target)
        if len(used) < 2 and not partial:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in the rows with a weight above 0, got one class: "
                f"{self.classes_[used].tolist()}."
            )
        if isinstance(self.class_weight, list):
            raise ValueError("class_weight takes a list of dicts for multi-label targets only; pass a dict.")
        self._class_weight = _class_weight(self.class_weight, self.classes_, target)
        if not partial and not self._class_weight[used].any():
            raise ValueError(
                f"class_weight must leave a class that counts, got only zeros for {self.classes_[used].tolist()}."
            )

    def _loss_target(self, target):
        return self._loss.encode(target)

    def _element_weight(self, target, sample_weight):
        if self._is_multilabel:
            labels = np.arange(len(self.classes_))
            return sample_weight[:, np.newaxis] * self._class_weight[labels, target]
        return (sample_weight * self._class_weight[target]).reshape(self._loss.encode(target).shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _class_weight(choice, labels, target):
    """Return the weight of each label by a ``class_weight``; ``target`` holds numbers of labels, not all of them."""
    if isinstance(choice, dict):
        _check_class_weight(choice, labels.tolist())
        return np.array([choice.get(label, 1.0) for label in labels.tolist()], dtype=np.float64)
    weights = np.ones(len(labels))
    used = np.unique(target)
    weights[used] = compute_class_weight(choice, classes=used, y=target)
    return weights


def _check_class_weight(weights, labels):
    """Raise where a weight is none; warn of keys that are no label if, as in a misspelt dict, a label has no key."""
    if not all(isinstance(weight, Real) and 0 <= weight < inf for weight in weights.values()):
        raise ValueError(f"class_weight must have numbers from 0 on, got {weights}.")
    if not any(weights.get(label, 1) for label in labels):
        raise ValueError(f"class_weight must leave a class that counts, got only zeros: {weights}.")
    unknown = [label for label in weights if label not in labels]
    weightless = [label for label in labels if label not in weights]
    if unknown and weightless:  # otherwise they may well be classes that a fold lacks
        alike = {str(label) for label in unknown} & {str(label) for label in weightless}
        warnings.warn(
            f"class_weight names {unknown}, which no row of y is; {weightless} are not named and count with weight 1."
            + (f" Keys need the type of the labels, {type(weightless[0]).__name__}." if alike else ""),
            stacklevel=2,
        )


def _declared_order(y, classes):
    """Return the classes among the categories of an ordered pandas Categorical, from low to high, else None."""
    if not getattr(getattr(y, "dtype", None), "ordered", False):
        return None
    return [label for label in y.dtype.categories if label in classes]
