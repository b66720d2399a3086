"""Learning-rate schedules, as factors over the progress of training."""

import math

__all__ = ["SCHEDULES", "Schedule"]


def one_cycle(progress):
    """Rise linearly for the first 15 %, then fall to zero along a cosine (Smith and Topin, 2018)."""
    rise = 0.15
    if progress < rise:
        return 0.04 + 0.96 * progress / rise
    return cosine((progress - rise) / (1 - rise))


def cosine(progress):
    """Fall from one to zero along a half cosine (Loshchilov and Hutter, 2017)."""
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def constant(progress):
    """Stay at one."""
    return 1.0


SCHEDULES = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}


class Schedule:
    """Turn a function of progress in [0, 1] into one of the step, as torch's LambdaLR wants it; can be pickled."""

    def __init__(self, function, n_steps):
        self.function = function
        self.n_steps = n_steps

    def __call__(self, step):
        return self.function(min(step / self.n_steps, 1.0))
