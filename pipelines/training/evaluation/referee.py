"""The reference AutoAttack, which shares no code with ours: a second opinion on what our suite leaves standing.

Croce and Hein 2020, arXiv:2003.01690, as published in the package pyautoattack. It reseeds the global random numbers
and removes trace functions, so it is called in a worker process only.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from data.errors import WrongUse
from generators.margins import Model
from generators.options import Ball
from pipelines.training.progress import report

STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


def reference_autoattack(model: Model, x: Tensor, y: Tensor, ball: Ball, work: str) -> Tensor:
    """What the standard AutoAttack of its authors makes of x, float (N, C, H, W) in [0, 1], and y, int64 (N,).

    Raises:
        WrongUse: pyautoattack is not installed, or the model has fewer than four classes.
    """
    try:
        from pyautoattack import AutoAttack  # 42 MB that only the referee needs
    except ImportError as error:
        raise WrongUse("AutoAttack is not installed: pip install --no-deps pyautoattack==0.2.0") from error
    with torch.no_grad():
        others = model(x[:1]).shape[1] - 1
    if others < 3:
        raise WrongUse(f"the reference's DLR loss needs at least 4 classes, this source has {others + 1}")
    norm = {"linf": "Linf", "l2": "L2"}[ball.norm]
    names = list(STANDARD)
    attacker = AutoAttack(model, eps=ball.epsilon, norm=norm, version="custom", attacks=names, seed=0)
    # What version="standard" sets, but for the number of targets, which it fixes at 9 for any number of classes.
    attacker.apgd.n_restarts = attacker.apgd_targeted.n_restarts = attacker.fab.n_restarts = 1
    attacker.apgd_targeted.n_target_classes = attacker.fab.n_target_classes = min(9, others)
    with _listening(work, len(names)):
        x_adv: Tensor = attacker.run_standard_evaluation(x, y, batch_size=500)[0]
    return x_adv


class _Log(logging.Handler):
    """Listens to AutoAttack's logger, the only place where it says how far it is."""

    def __init__(self, work: str, attacks: int) -> None:
        super().__init__()
        self.work, self.attacks, self.done = work, attacks, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Report a finished attack."""
        message = " ".join(record.getMessage().split())
        if message.startswith("robust accuracy after"):
            self.done += 1
            report(self.work, self.done, self.attacks, f"reference: {message.split(' (')[0]}")


@contextmanager
def _listening(work: str, attacks: int) -> Iterator[None]:
    logger, log = logging.getLogger("auto-attack"), _Log(work, attacks)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)
        logger.propagate = propagates
