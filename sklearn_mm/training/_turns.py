"""Fits of one process take turns at torch's generators, of which there is one per device."""

import threading
import time
from contextlib import contextmanager

__all__ = ["turns"]

_STEP_TAKES = 1.0  # seconds at most; so long a fork waits for its end


class Turns:
    """Whose turn it is.

    It is one fit's turn at a time, but for while it runs code of its users, which may wait for fits in other threads.
    Each fit finds the generators where it left them, and so does in the end what is no fit.
    """

    def __init__(self):
        self._begun = [_Fit()]  # the first is what is no fit
        self._current = self._begun[0]
        self._begin_locks()

    def _begin_locks(self):
        self._lock = threading.Lock()
        self._here = threading.local()
        self._forks = threading.Event()

    @property
    def _is_mine(self):
        """Whether it is the turn of a fit in this thread."""
        return getattr(self._here, "is_mine", False)

    @contextmanager
    def taken(self, generators):
        """Let it be the turn of a new fit, which draws from ``generators``: objects with get_state and set_state."""
        within = self._is_mine  # in another fit of this thread
        if not within:
            self._take()
        try:
            fit = self._begin(generators)
            try:
                yield
            finally:
                self._end(fit)
        finally:
            if not within:
                self._give()

    @contextmanager
    def given(self):
        """Let others have their turn while code runs that is not ours.

        Unless they take it, that code goes on with the generators where the fit is, and the fit where it leaves them.
        """
        if not self._is_mine:
            yield
            return
        fit = self._current
        self._give()
        try:
            yield
        finally:
            try:
                self._take(surely=True)
            finally:
                self._switch(fit)

    def pause(self):
        """Let a fork in another thread pass that waits for the end of a step."""
        if self._forks.is_set() and self._is_mine:
            with self.given():
                end = time.monotonic() + _STEP_TAKES
                while self._forks.is_set() and time.monotonic() < end:
                    time.sleep(1e-3)

    def _take(self, surely=False):
        """Wait for the lock; if ``surely``, an interrupt is raised when it is held, and not before."""
        interrupt = None
        while not self._is_mine:
            try:
                self._here.is_mine = self._lock.acquire()
            except KeyboardInterrupt as caught:
                if not surely:
                    raise
                interrupt = caught
        if interrupt is not None:
            raise interrupt

    def _give(self):
        self._here.is_mine = False
        self._lock.release()

    def _begin(self, generators):
        for generator in generators:
            for other in self._begun:
                if generator not in other.states:
                    other.states[generator] = generator.get_state()
        self._current.note()
        fit = _Fit(generators, self._current)
        self._begun.append(fit)
        self._current = fit
        return fit

    def _end(self, fit):
        self._begun.remove(fit)
        self._switch(fit.before if fit.before in self._begun else self._begun[-1])
        if len(self._begun) == 1:
            self._current.states = {}

    def _switch(self, fit):
        if fit is not self._current:
            self._current.note()
            self._current = fit
            fit.put_back()

    def before_fork(self):
        """Wait for the end of a step in another thread, which may hold what its process's child would wait for."""
        self._forks.set()
        self._here.waited = not self._is_mine and self._lock.acquire(timeout=_STEP_TAKES)

    def after_fork(self):
        """Go on in the process that has forked."""
        self._forks.clear()
        if self._here.waited:
            self._lock.release()

    def after_fork_in_child(self):
        """Forget the fits of other threads, which the child does not have."""
        is_mine = self._is_mine
        self._begin_locks()
        if is_mine:
            self._take()
        self._begun[1:] = [fit for fit in self._begun[1:] if fit.thread == threading.get_ident()]
        if self._current not in self._begun:
            self._current = self._begun[-1]
            self._current.put_back()


class _Fit:
    """Who draws from generators, and where they were when it was last its turn.

    Parameters
    ----------
    generators : list, default=()
        What it draws from.
    before : _Fit, default=None
        Whose turn it was before.
    """

    def __init__(self, generators=(), before=None):
        self.states = dict.fromkeys(generators)
        self.before = before
        self.thread = threading.get_ident()

    def note(self):
        """Note where the generators are."""
        self.states = {generator: generator.get_state() for generator in self.states}

    def put_back(self):
        """Put the generators where they were noted."""
        for generator, state in self.states.items():
            generator.set_state(state)


turns = Turns()
