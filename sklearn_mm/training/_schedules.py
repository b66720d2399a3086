"""Learning-rate schedules, as factors over the progress of training."""

import math

__all__ = ["NEVER_CALM", "SCHEDULES", "Schedule"]


def one_cycle(progress):
    """Rise linearly for the first 15 %, then fall to zero along a cosine (Smith and Topin, 2018)."""
    rise = 0.15
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return cosine((progress - rise) / (1 - rise))


def cosine(progress):
    """Fall from one to zero along a half cosine (Loshchilov and Hutter, 2017)."""
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def inverse_sqrt(progress):
    """Rise linearly for the first 10 %, then fall as one over the root of the progress (Vaswani et al., 2017)."""
    rise = 0.1
    return max(progress / rise, 0.01) if progress < rise else math.sqrt(rise / progress)


def constant(progress):
    """Stay at one."""
    return 1.0


SCHEDULES = {"constant": constant, "cosine": cosine, "inverse_sqrt": inverse_sqrt, "one_cycle": one_cycle}
NEVER_CALM = ("constant", "inverse_sqrt")  # whose last steps are still long ones


class Schedule:
    """A function of progress in [0, 1] as one of the step, as torch's LambdaLR wants it; can be pickled.

    Parameters
    ----------
    function : callable
        Maps progress to a factor of the learning rate.
    n_steps : int
        Steps of the whole training.
    time_limit : TimeLimit, default=None
        With a limit, progress is the larger of the share of the steps and the share of the time, so that the learning
        rate comes down in time.
    """

    def __init__(self, function, n_steps, time_limit=None):
        self.function = function
        self.n_steps = n_steps
        self.time_limit = time_limit

    def __call__(self, step):
        progress = step / self.n_steps
        if self.time_limit is not None and step:  # at the first step none is over: with time to spare nothing changes
            progress = max(progress, self.time_limit.share())
        return self.function(min(progress, 1.0))
