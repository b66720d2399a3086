"""What all multimodal estimators share: fit, and from a table to the network's outputs."""

import math
import time
from contextlib import contextmanager
from copy import copy
from numbers import Real

import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import indexable
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.estimators._made_with import check_unchanged, parameters_of_network
from sklearn_mm.estimators._reading import ReadingMixin, check_weight, leave_out_weightless
from sklearn_mm.estimators._rows import Rows
from sklearn_mm.estimators._tasks import FitTasks
from sklearn_mm.estimators._training import TrainingMixin
from sklearn_mm.fusion import Fusion
from sklearn_mm.networks._heads import Head
from sklearn_mm.networks._network import BALANCING
from sklearn_mm.networks.wide._wide_linear import WideLinear, resolve_wide
from sklearn_mm.storage._store import MEMORY, resolve_store
from sklearn_mm.training._dataset import BlockDataset
from sklearn_mm.training._device import resolve_device
from sklearn_mm.training._frozen import encode_frozen
from sklearn_mm.training._precision import resolve_precision
from sklearn_mm.training._scoring import ValidationScore
from sklearn_mm.training._seeding import draw_seed
from sklearn_mm.training._settings import own_settings
from sklearn_mm.training._split import split_validation
from sklearn_mm.utils._callbacks import CallbackSupportMixin
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["BaseMultimodal"]


class BaseMultimodal(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, TrainingMixin, ReadingMixin
):
    """Base of the estimators that learn from labelled rows.

    A subclass owes ``_fit_target(y)``, which learns the form of ``y``, builds ``_loss`` for it and returns it as an
    array, ``_encode_target(y, name, complete)``, which does so for other rows, and ``_loss_target(target)`` and
    ``_element_weight(target, sample_weight)``, what the loss gets.
    """

    _parameter_constraints = {
        "memory": MEMORY,
        "fusion": [str, Fusion],
        "head": [str, Head],
        "wide": [str, WideLinear, None],
        "modality_dropout": [Interval(Real, 0, 1, closed="left")],
        "balancing": [StrOptions({"auto", *BALANCING}), None],
        **TrainingMixin._parameter_constraints,
    }
    _stratify = False

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Learn to predict ``y`` from the rows of ``X``.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories; a 2-D array of numbers (one table) or
            of objects (columns by position); a 4-D array of pictures; or what a `ModalityTransformer` made.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out, and not read either.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        started = time.perf_counter()
        end = math.inf if self.max_time is None else started + self.max_time
        with self._learner(self.max_epochs) as (learner, tasks):
            learner._learn(tasks, X, y, sample_weight, X_val, y_val, sample_weight_val, end)
        return self

    def _learn(self, tasks, X, y, sample_weight, X_val, y_val, sample_weight_val, end):
        """Do what `fit` promises, until ``end``, by `time.perf_counter`."""
        score = None if self.scoring == "loss" else ValidationScore(self, self.scoring)
        self._check_rows(X, y, X_val, y_val)
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        self._see_parameters(goes_on)
        target = self._encode_target(y, "y", complete=True) if goes_on else self._fit_target(y)
        rows = self._read_rows(*leave_out_weightless(X, y, target, sample_weight), goes_on)
        seed = draw_seed(self.random_state)
        early_stopping, fraction = self.early_stopping, self.validation_fraction
        if early_stopping == "auto":
            unasked = self._fraction_held_out_unasked(len(rows.target))
            early_stopping, fraction = X_val is not None or unasked > 0, max(fraction, unasked)

        validation, everything = None, rows
        if X_val is not None:
            target_val = self._encode_target(y_val)
            check_weight(sample_weight_val, target_val, "sample_weight_val")
            validation = self._read_rows(X_val, y_val, target_val, sample_weight_val, True)
        elif early_stopping:
            kept, held_out = split_validation(rows.target, fraction, seed, stratify=self._stratify)
            rows = rows.with_views()  # or most pictures would be in memory twice
            validation, rows = rows.take(held_out), rows.take(kept)
        self._weigh_target(rows.target)
        if validation is not None and not self._element_weight(validation.target, validation.weight).any():
            raise ValueError(
                f"{type(self).__name__} has nothing to validate by: class_weight is 0 for the classes of all "
                f"{len(validation.target)} validation rows. Pass X_val and y_val with others, or do without validation."
            )
        if not goes_on:
            self._start_target(rows.target, rows.weight)
        tasks.begin_fit(rows)
        self._train(
            rows,
            validation,
            tasks,
            seed=seed,
            goes_on=goes_on,
            early_stopping=early_stopping,
            score=score,
            end=end,
        )
        if X_val is None and validation is not None and time.perf_counter() < end:
            self._refit_wide(everything, end)
        tasks.end_fit()

    @contextmanager
    def _learner(self, max_epochs):
        """Give a copy that learns in place of this estimator, and the tasks that it tells of.

        What the copy has learnt is taken over at the end. If it fails, nothing has changed, but Ctrl-C during training
        leaves what was learnt by then.
        """
        context = self._init_callback_context(max_subtasks=max_epochs)
        learner = copy(self)
        try:
            yield learner, FitTasks(self, learner, context)
        except KeyboardInterrupt:
            if getattr(learner, "history_", None) is not getattr(self, "history_", None):  # its training has ended
                take_over(self, learner)
            raise
        take_over(self, learner)

    def _fraction_held_out_unasked(self, n_rows):
        wide = resolve_wide(self.wide, self.specs_)
        return 0.0 if wide is None else wide.held_out_fraction(n_rows, self._loss)

    def _learn_more(self, tasks, X, y, target, sample_weight):
        """Go once through rows whose target is encoded; the first call learns how to read them."""
        if self.early_stopping is True:
            raise ValueError("partial_fit does not support early_stopping=True.")
        goes_on = self.__sklearn_is_fitted__()
        self._see_parameters(goes_on)
        rows = self._read_rows(*leave_out_weightless(X, y, target, sample_weight), goes_on)
        self._weigh_target(rows.target, partial=True)
        if not goes_on:
            self._start_target(rows.target, rows.weight)
        tasks.begin_fit(rows)
        self._train(rows, None, tasks, seed=draw_seed(self.random_state), goes_on=goes_on, partial=True)
        tasks.end_fit()

    def _see_parameters(self, goes_on):
        """Note what the network is made with or, where training goes on, check that it still holds."""
        if goes_on:
            check_unchanged(self, self._made_with)
        else:
            self._made_with = parameters_of_network(self)

    def _read_rows(self, X, y, target, sample_weight, known):
        """Return `Rows`; if the form of ``X`` is not known, learn it."""
        weight = check_weight(sample_weight, target)
        blocks = self._read(X) if known else self._read_fit(X, y)
        return Rows(blocks, indexable(y)[0], target, weight, weighted=sample_weight is not None)

    def _start_target(self, target, weight):
        """Learn from the rows that are trained with what stays when training goes on."""

    def _weigh_target(self, target, partial=False):
        """Learn from the rows of each call what `_element_weight` needs."""

    def transform(self, X):
        """Return the fused features of the rows of ``X``: what the fusion makes of their blocks.

        What a linear part (``wide``) says, which is added to the outputs and which the head sees too, is not in them.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            One vector per row: float32, or float64 if all blocks are tables.
        """
        return self._map(X, "fuse")

    @own_settings()
    def _map(self, X, method="forward"):
        """Return the rows of a method of the network, as an array."""
        check_is_fitted(self)
        blocks = self._read(X)
        device = resolve_device(self.device, fitted=True)
        network = self.net_.module_
        if device.type == "mps":  # which has no float64
            network = network.float()
        network = network.to(device)
        self.net_.device, self.net_.precision = device, resolve_precision(self.precision, device, fitted=True)
        if self.batch_size != "auto":
            self.net_.batch_size = self.batch_size
        blocks = encode_frozen(blocks, self.net_, resolve_store(self.memory), compute=False)
        dataset = BlockDataset(blocks, trim=network.trimmed_blocks(), asked=network.asked_blocks())
        return self.net_.map(getattr(network, method), dataset)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_epochs_")

    def __copy__(self):
        """Return an estimator with the same attributes, which are not copied; `__getstate__` would copy tensors."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self):
        """State with all tensors on the CPU, so that a model that was fitted on a GPU loads without one."""
        state = super().__getstate__()
        net = state.get("net_")
        if net is not None and torch.device(net.device).type != "cpu":
            net = copy(net)  # by skorch's __getstate__, which copies the tensors too
            net.module_ = net.module_.cpu()
            net.device = "cpu"
            net.initialize_optimizer()
            state = {**state, "net_": net}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
