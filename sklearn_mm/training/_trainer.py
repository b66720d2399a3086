"""From rows to a fitted net: what an estimator's parameters of training do."""

import math
import warnings
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import torch

from sklearn_mm.storage._store import resolve_store
from sklearn_mm.storage._stored_rows import StoredRows
from sklearn_mm.training._averaging import WeightAveraging
from sklearn_mm.training._best_weights import BestWeights
from sklearn_mm.training._callbacks import DivergenceGuard, LearningRate, Progress, clone_callbacks
from sklearn_mm.training._compile import compile_network
from sklearn_mm.training._device import resolve_device
from sklearn_mm.training._frozen import encode_frozen
from sklearn_mm.training._net import MultimodalNet
from sklearn_mm.training._precision import resolve_precision
from sklearn_mm.training._schedules import NEVER_CALM, SCHEDULES, Schedule
from sklearn_mm.training._scoring import ValidationScore
from sklearn_mm.training._seeding import seeded
from sklearn_mm.training._settings import own_settings
from sklearn_mm.training._split import split_validation
from sklearn_mm.training._time import TimeLimit
from sklearn_mm.utils._learner import learnt_attributes

__all__ = ["OPTIMIZERS", "Trainer"]

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


class Trainer:
    """Trains the network of an estimator as its parameters of training say.

    Parameters
    ----------
    learner : estimator
        The one that learns: its parameters hold, and scorers and callbacks see it as fitted after each epoch, for which
        it ``_take_training(trainer)``.
    end : float, default=inf
        When the time is up, by `time.perf_counter`.
    partial : bool, default=False
        Whether this is one pass at a constant rate, whose optimiser goes on in the next.

    Attributes
    ----------
    net : MultimodalNet
        What is trained.
    """

    def __init__(self, learner, end=math.inf, partial=False):
        self.learner = learner
        self.owner = type(learner).__name__
        self.end = end
        self.partial = partial
        self._history_before = []
        self._stopping = None
        self._score = None
        self._held_out_order = None  # puts the rows to train with, and then those held out, in their old order
        self._features = []  # of both
        self._base_scores = []
        if not partial and learner.scoring != "loss":
            self._score = ValidationScore(learner, learner.scoring)

    def held_out_fraction(self, n_rows, objective):
        """Return which share of the training rows is held out, to stop early or for the objective; 0 for none."""
        settings = self.learner
        if not objective.trains:
            return 0.0
        if settings.early_stopping != "auto":
            return settings.validation_fraction if settings.early_stopping else 0.0
        fraction = objective.held_out_fraction(n_rows)
        return max(fraction, settings.validation_fraction) if fraction else 0.0

    def hold_out(self, rows, strata, fraction, seed, groups=None):
        """Return the `Rows` to train with, and those to validate with."""
        kept, held_out = split_validation(len(rows), fraction, seed, strata, groups)
        self._held_out_order = np.argsort(np.concatenate([kept, held_out]))
        rows = rows.with_views()  # or most pictures would be in memory twice
        return rows.take(kept), rows.take(held_out)

    @own_settings()
    def train(self, build_network, objective, target, rows, validation, tasks, seed, before=None):
        """Train a network to its end.

        Parameters
        ----------
        build_network : callable
            Returns the network, from the `BlockDataset` of the training rows and a ``torch.Generator``.
        objective : Objective
            What it learns.
        target : Target
            What elements weigh.
        rows, validation : Rows
            What to train and to validate with; ``validation`` may be None.
        tasks : FitTasks
            Told of each epoch.
        seed : int
            Fixes all that is random.
        before : MultimodalNet, default=None
            The net whose training goes on, in another one.
        """
        goes_on = before is not None
        if goes_on:
            self._history_before = self.learner.history_
            seed = (seed + len(self._history_before)) % 2**31  # or each call would go through the rows in one order
        if validation is not None and self.learner.early_stopping and objective.trains:
            self._stopping = self._early_stopping()
        device = resolve_device(self.learner.device)
        with seeded(seed, device):
            generator = torch.Generator().manual_seed(seed)
            dataset = rows.dataset(target, objective)
            network = build_network(dataset, generator)
            if self.learner.compile:
                compile_network(network.to(device), self.owner)
            self.net = self.learner.net_ = self._make_net(network, objective, len(rows), device)
            if goes_on and self.partial:
                self.net.take_optimizer_state(before)
            dataset, held_out = self._encode_frozen(_as_read_by(network, dataset)), None
            if not self.partial:
                dataset = replace(dataset, base_scores=objective.start(network, dataset, generator, self.end, goes_on))
            if validation is not None:
                held_out = self._encode_frozen(_as_read_by(network, validation.dataset(target, objective)))
                held_out = replace(held_out, base_scores=objective.base_scores(network, held_out))
                self._features = [dataset.blocks.features, held_out.blocks.features]
                self._base_scores = [dataset.base_scores, held_out.base_scores]
            tasks.begin_training(dataset.blocks, self.attributes_by_now)
            if self.net.time_limit is not None:
                self.net.time_limit.begin()
            measures = held_out is not None and self._score is not None
            measure = self._measure(held_out.blocks, validation) if measures else dict
            if measures and self._stopping is not None and objective.begins_well and not goes_on:
                first_score = measure()[self._score.key]
                self._stopping.first_score = None if math.isnan(first_score) else first_score
            try:
                self.net.train(dataset, held_out, tasks=tasks, measure=measure, keep_optimizer=self.partial)
            except KeyboardInterrupt:
                self._finish()
                raise
        self._finish()

    @own_settings()
    def refit(self, objective, target, rows):
        """Let an objective learn from all rows, those that were held out among them, when training has ended."""
        network = self.net.module_
        dataset = _as_read_by(network, rows.dataset(target, objective))
        dataset = replace(dataset, blocks=dataset.blocks.with_features(self._features_of_all_rows()))
        if objective.refits_from_scores(network):
            dataset = replace(dataset, base_scores=torch.cat(self._base_scores)[self._held_out_order])
        objective.refit(network, self._encode_frozen(dataset), self.end)

    def _features_of_all_rows(self):
        """Return the features that both parts of the rows have, of blocks whose rows are one item each."""
        features, (of_kept, of_held_out) = {}, self._features
        for name, (mark, kept) in of_kept.items():
            held_out = of_held_out.get(name, (None, None))[1]
            if isinstance(kept, StoredRows) and isinstance(held_out, StoredRows):
                features[name] = mark, StoredRows.concatenate([kept, held_out])[self._held_out_order]
        return features

    @property
    def history(self):
        """What is worth keeping of each epoch, those of training before among them: a list of dicts."""
        n_before = len(self._history_before)
        epochs = [row for row in self.net.history if "train_loss" in row]
        return self._history_before + [{**_readable(row), "epoch": n_before + row["epoch"]} for row in epochs]

    @property
    def best_epoch(self):
        """The epoch whose weights are used."""
        if self._stopping is not None and (self._stopping.best_epoch_ or self._stopping.first_score is not None):
            return len(self._history_before) + self._stopping.best_epoch_
        return len(self.history)

    def attributes_by_now(self):
        """Return what has been learnt by now, with weights of its own: what a fit that stopped here would have."""
        net = MultimodalNet(
            deepcopy(self.net.module_),
            self.net.criterion,
            batch_size=self.net.batch_size,
            device=self.net.device,
            precision=self.net.precision,
        ).initialize()
        net.history = copy(self.net.history)
        now = copy(self)
        now.net, now._stopping, now.learner = net, None, copy(self.learner)
        now._finish()
        return learnt_attributes(now.learner)

    def _finish(self):
        """Hand what was learnt to the learner."""
        network = self.net.module_
        is_small = all(encoder.predicts_in_float64 for encoder in network.encoders.encoders)
        if is_small and torch.device(self.net.device).type != "mps":  # which has no float64
            # Cheap for such small networks, and what is said of a row no longer depends on the rows beside it by the
            # rounding of float32.
            network.double()
        self.learner._take_training(self)

    def _encode_frozen(self, dataset):
        """Return the data set with what frozen encoders make of it, which all epochs and scorers then share."""
        blocks = encode_frozen(dataset.blocks, self.net, resolve_store(self.learner.memory))
        return replace(dataset, blocks=blocks.in_memory(set(blocks) - set(blocks.features)))

    def _make_net(self, network, objective, n_rows, device):
        settings = self.learner
        time_limit = None if self.end == math.inf else TimeLimit(self.end)
        max_epochs = 1 if self.partial else settings.max_epochs
        max_epochs = max_epochs if objective.trains else 0
        batch_size, n_parts = self._batch_size(n_rows, objective)
        n_steps = max(1, max_epochs * -(-n_rows // (batch_size * n_parts)))
        schedule = "constant" if self.partial else settings.lr_schedule
        schedule = SCHEDULES[schedule] if isinstance(schedule, str) else schedule
        return MultimodalNet(
            network,
            objective,
            max_epochs=max_epochs,
            batch_size=batch_size,
            gradient_accumulation_steps=n_parts,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            device=device,
            precision=resolve_precision(settings.precision, device),
            time_limit=time_limit,
            verbose=0,
            callbacks=self._callbacks(Schedule(schedule, n_steps, time_limit)),
            **self._optimizer(device),
        ).initialize()

    def _callbacks(self, schedule):
        """Return the skorch callbacks; those that end training before those of the user, which see what they did."""
        settings = self.learner
        callbacks = [
            LearningRate(torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule, step_every="batch", event_name=None),
            DivergenceGuard(self.owner),
        ]
        averages = settings.weight_averaging == "ema" or (
            settings.weight_averaging == "auto" and settings.lr_schedule in NEVER_CALM
        )
        if averages and not self.partial:
            callbacks.append(WeightAveraging())
        if settings.verbose:
            monitor = "valid_loss" if self._score is None else self._score.key
            callbacks.append(Progress(self.owner, int(settings.verbose), monitor))
        if self._stopping is not None:
            callbacks.append(self._stopping)
        return callbacks + clone_callbacks(settings.skorch_callbacks or [], self.owner)

    def _early_stopping(self):
        patience, score = self.learner.n_iter_no_change, self._score
        if score is None:
            return BestWeights("valid_loss", patience)
        return BestWeights(score.key, patience, lower_is_better=False, best_possible=score.best_possible)

    def _optimizer(self, device):
        optimizer = self.learner.optimizer
        if not isinstance(optimizer, str):
            return {"optimizer": optimizer}
        options = {"optimizer__momentum": 0.9, "optimizer__nesterov": True} if optimizer == "sgd" else {}
        if device.type in ("cpu", "cuda"):
            options["optimizer__fused"] = True
        return {"optimizer": OPTIMIZERS[optimizer], **options}

    def _batch_size(self, n_rows, objective):
        """Return how many rows are computed at once, and how many times as many make a step."""
        settings = self.learner
        is_auto = settings.batch_size == "auto"
        batch_size = objective.auto_batch_size(n_rows) if is_auto else min(settings.batch_size, n_rows)
        most = objective.max_rows_at_once()
        if most is None or objective.row_wise:
            return batch_size, settings.gradient_accumulation_steps
        n_parts = -(-batch_size // most)
        return -(-batch_size // n_parts), n_parts * settings.gradient_accumulation_steps

    def _measure(self, blocks, validation):
        """Return a function that scores the network as it is; the scorer sees an estimator that looks fitted."""
        fitted, has_warned = copy(self.learner), False

        def measure():
            nonlocal has_warned
            now = copy(self)
            now._stopping = None  # the weights are those of this epoch
            fitted._take_training(now)
            value = self._score(fitted, blocks, validation.y, validation.sample_weight)
            if math.isnan(value) and not has_warned:
                has_warned = True
                warnings.warn(
                    f"scoring={self.learner.scoring!r} of {self.owner} gave NaN in epoch "
                    f"{len(self._history_before) + len(self.net.history)}. No epoch without a score is taken for the "
                    "best one, and further ones are not reported. Return a number, or pass X_val and y_val for which "
                    "the score is defined.",
                    stacklevel=2,
                )
            return {self._score.key: value}

        return measure


def _as_read_by(network, dataset):
    """Return a data set that is cut, put together and complete as the network wants it."""
    encoders = network.encoders
    return replace(dataset, trim=encoders.trimmed_blocks(), group=encoders.grouped_blocks(), raw=network.top.raw_blocks)


def _readable(row):
    """Return what is worth keeping of an epoch of skorch's history: ours first, then what callbacks noted."""
    names = ["epoch", "train_loss", "train_score", "valid_loss", "valid_score", "dur"]
    noted = [name for name in row if name != "batches" and not name.endswith(("_batch_count", "_best"))]
    return {"seconds" if name == "dur" else name: row[name] for name in dict.fromkeys(names + noted) if name in row}
