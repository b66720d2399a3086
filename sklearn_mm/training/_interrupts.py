"""What tells a callback that ends training from Ctrl-C: both are KeyboardInterrupt."""

import signal
import threading
from contextlib import contextmanager

__all__ = ["raises_stop", "signals_watched"]

_of_signals = threading.local()  # how many KeyboardInterrupt handlers of signals have raised in each thread


@contextmanager
def signals_watched():
    """Count the KeyboardInterrupt that handlers of signals raise meanwhile, be they Python's or a user's."""
    handlers = {}
    if threading.current_thread() is threading.main_thread():  # the only one that handles signals, and may set handlers
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    counting = {number: _counting(handler) for number, handler in handlers.items() if callable(handler)}
    try:
        for number, handler in counting.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, handler in counting.items():
            if signal.getsignal(number) is handler:  # and not one that was set meanwhile
                signal.signal(number, handlers[number])


def _counting(handler):
    def handle(number, frame):
        try:
            return handler(number, frame)
        except KeyboardInterrupt:
            _of_signals.n = _n_of_signals() + 1
            raise

    return handle


def _n_of_signals():
    return getattr(_of_signals, "n", 0)


def raises_stop(function, *args, **kwargs):
    """Call a function of a callback, and return whether it raises KeyboardInterrupt, by which skorch's end training.

    Where a signal's handler has raised one meanwhile, it is Ctrl-C, and raised again.
    """
    before = _n_of_signals()
    try:
        function(*args, **kwargs)
    except KeyboardInterrupt:
        if _n_of_signals() != before:
            raise
        return True
    return False
