"""`MultimodalClassifier`: rows with pictures, texts and numbers in, labels out."""

import numpy as np
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.networks._losses import BinaryCrossEntropy, CrossEntropy
from sklearn_mm.utils._validation import StrOptions, _check_y

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
    fusion : str or Fusion, default="auto"
        How blocks become one vector: "concat" (which "auto" stands for), "sum", "product", "max", "gated", "late", or
        a `Fusion`.
    head : str or Head, default="auto"
        What maps the fused vector to the classes: "mlp" (which "auto" stands for), "linear", or a `Head`.
    modality_dropout : float, default=0.0
        Probability that a block of a row is hidden in training. Larger makes the network cope better with rows that
        lack a modality, and learn more slowly.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes in the loss; "balanced" gives each class the same total. For multi-label targets the
        zeros and ones of each label are weighted within that label's own loss: a dict holds for all labels, a list
        has one dict per label.
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
        Share of rows held out (stratified, except for multi-label targets) if ``early_stopping`` is True and no
        validation rows are passed.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label targets.
    transformer_ : ModalityTransformer or None
        What reads the table; None if fitted on `Blocks`.
    specs_ : dict of str to BlockSpec
        What the network knows of each block.
    net_ : skorch.NeuralNet
        The fitted net; ``net_.module_`` is the torch module.
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
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

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
        class_weight=None,
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
        self.class_weight = class_weight
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

    def decision_function(self, X):
        """Return the logits of the rows of ``X``.

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
        return outputs[:, 0] if self._is_binary else outputs

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
        if self._is_multilabel:
            return expit(outputs)
        if self._is_binary:
            return np.hstack([expit(-outputs), expit(outputs)])
        return softmax(outputs, axis=1)

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
        outputs = self._map(X)
        if self._is_multilabel:
            return (outputs > 0).astype(np.int64)
        return self.classes_[(outputs[:, 0] > 0).astype(int) if self._is_binary else outputs.argmax(axis=1)]

    @property
    def _is_binary(self):
        return not self._is_multilabel and len(self.classes_) == 2

    @property
    def _stratify(self):
        return not self._is_multilabel

    @property
    def _n_outputs(self):
        return 1 if self._is_binary else len(self.classes_)

    def _criterion(self):
        return BinaryCrossEntropy() if self._is_multilabel or self._is_binary else CrossEntropy()

    def _fit_target(self, y):
        check_classification_targets(y)
        self._is_multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        y = self._checked(y)
        if self._is_multilabel:
            self.classes_ = np.arange(y.shape[1])
            return y
        self.classes_, target = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in y, got one class: {self.classes_.tolist()}."
            )
        return target

    def _encode_target(self, y):
        y = self._checked(y)
        if self._is_multilabel:
            if y.shape[1:] != self.classes_.shape:
                raise ValueError(f"y_val must have the {len(self.classes_)} labels of y, got shape {y.shape}.")
            return y
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val has classes that y lacks: {unknown.tolist()}. Known: {self.classes_.tolist()}.")
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
        used = np.unique(target) if not self._is_multilabel else self.classes_
        if len(used) < 2 and not self._is_multilabel:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in the rows with a weight above 0, got one class: "
                f"{self.classes_[used].tolist()}."
            )
        if not self._is_multilabel:
            if isinstance(self.class_weight, list):
                raise ValueError("class_weight takes a list of dicts for multi-label targets only; pass a dict.")
            self._class_weight = np.ones(len(self.classes_))
            weights = self.class_weight
            if isinstance(weights, dict):
                self._check_weighted_labels(weights, self.classes_)
            self._class_weight[used] = compute_class_weight(
                weights, classes=self.classes_[used], y=self.classes_[target]
            )
            return
        choices = self.class_weight if isinstance(self.class_weight, list) else [self.class_weight] * len(self.classes_)
        if len(choices) != len(self.classes_):
            raise ValueError(
                f"class_weight must have one dict for each of the {len(self.classes_)} labels, got {len(choices)}."
            )
        self._class_weight = np.ones((len(self.classes_), 2))  # zeros and ones of each label
        for label, choice in enumerate(choices):
            if isinstance(choice, dict):
                self._check_weighted_labels(choice, [0, 1])
            values = np.unique(target[:, label])
            self._class_weight[label, values] = compute_class_weight(choice, classes=values, y=target[:, label])

    def _check_weighted_labels(self, weights, labels):
        unknown = [label for label in weights if label not in labels]
        if unknown:
            raise ValueError(f"class_weight names {unknown}, which is not among the labels {list(labels)}.")

    def _loss_target(self, target):
        if self._is_multilabel:
            return target.astype(np.float32)
        return target.astype(np.float32)[:, np.newaxis] if self._is_binary else target.astype(np.int64)

    def _element_weight(self, target, sample_weight):
        if self._is_multilabel:
            labels = np.arange(len(self.classes_))
            return sample_weight[:, np.newaxis] * self._class_weight[labels, target]
        weight = sample_weight * self._class_weight[target]
        return weight[:, np.newaxis] if self._is_binary else weight

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
