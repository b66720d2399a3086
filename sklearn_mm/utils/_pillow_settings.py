"""Pillow's settings, in the processes that work for the one that made them.

They are attributes of modules, which a new process has at their defaults. So they go along whenever an estimator is
sent to a process of joblib's loky or of multiprocessing, and hold there while pictures are read. They are no part of
an estimator's state: a model that is loaded from a file brings none.
"""

import multiprocessing
import os
import threading
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler

from joblib.externals.loky.backend import reduction as loky_reduction
from PIL import Image, ImageFile

__all__ = ["parents_settings", "send_with_settings"]

_PLACES = {"MAX_IMAGE_PIXELS": Image, "LOAD_TRUNCATED_IMAGES": ImageFile}
_DEFAULTS = {"MAX_IMAGE_PIXELS": 1024**3 // 4 // 3, "LOAD_TRUNCATED_IMAGES": False}  # to be sent, if Pillow's change


def _settings():
    return {name: getattr(module, name) for name, module in _PLACES.items()}


_at_import = _settings()
_lock = threading.Lock()
_sent = {}  # by the parent process, with the last estimator: what is not Pillow's default there
_replaced = {}  # a setting of this process and the parent's, while that holds
_n_readers = 0


def send_with_settings(kind):
    """Have Pillow's settings go along when instances of a class are sent to another process."""
    loky_reduction.register(kind, _reduce)
    ForkingPickler.register(kind, _reduce)


@contextmanager
def parents_settings():
    """Read with the settings of the parent process, but for those that were set in this one too."""
    global _n_readers
    with _lock:
        if not _n_readers:
            _replaced.update({name: (getattr(_PLACES[name], name), _sent[name]) for name in _to_replace()})
            for name, (_, parents) in _replaced.items():
                setattr(_PLACES[name], name, parents)
        _n_readers += 1
    try:
        yield
    finally:
        with _lock:
            _n_readers -= 1
            if not _n_readers:
                for name, (own, parents) in _replaced.items():
                    if getattr(_PLACES[name], name) == parents:  # else a loader has set it meanwhile
                        setattr(_PLACES[name], name, own)
                _replaced.clear()


def _to_replace():
    own = _settings()
    return [name for name in _sent if own[name] == _at_import[name]]


def _reduce(estimator):
    """Reduce an estimator as pickle does, with the settings that this process reads with beside it."""
    construct, arguments, *rest = estimator.__reduce_ex__(4)
    with _lock:
        settings = {**_settings(), **{name: _sent[name] for name in _to_replace()}}
    changed = {name: value for name, value in settings.items() if value != _DEFAULTS[name]}
    return _arrive, (os.getpid(), changed, construct, arguments), *rest


def _arrive(sender, settings, construct, arguments):
    """Make the estimator; if it comes from the parent process, and not as a result from a child, note the settings."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid == sender:
        with _lock:
            _sent.clear()
            _sent.update(settings)
    return construct(*arguments)
