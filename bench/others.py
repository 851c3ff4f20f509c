"""Other people's attacks, as (x, y) -> x_adv, at the budget of ours; what is not installed is left out."""

import importlib.util
import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from generators.options import Ball
from pipelines.training.models.classifier import Classifier

Other = Callable[[Tensor, Tensor], Tensor]


def having(attack: str, model: Classifier, ball: Ball) -> dict[str, Other]:
    """Library -> its version of one of our attacks."""
    found: dict[str, Other | None] = {}
    for library, module, of in (
        ("foolbox", "foolbox", foolbox_of),
        ("pyautoattack", "pyautoattack", pyautoattack_of),
        ("torchattacks", "torchattacks", torchattacks_of),
        ("ART", "art", art_of),
    ):
        if importlib.util.find_spec(module):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[library] = of(attack, model, ball)
    return {library: other for library, other in found.items() if other is not None}


def foolbox_of(attack: str, model: Classifier, ball: Ball) -> Other | None:
    from foolbox import PyTorchModel, attacks

    linf, steps = ball.norm == "linf", ball.steps
    makers = {
        "fgsm": lambda: (attacks.LinfFastGradientAttack if linf else attacks.L2FastGradientAttack)(random_start=False),
        "pgd": lambda: (attacks.LinfPGD if linf else attacks.L2PGD)(steps=steps, abs_stepsize=ball.step_size),
        "deepfool": lambda: (attacks.LinfDeepFoolAttack if linf else attacks.L2DeepFoolAttack)(steps=steps),
        "cw": lambda: attacks.L2CarliniWagnerAttack(steps=steps),
    }
    if attack not in makers:
        return None
    made, wrapped = makers[attack](), PyTorchModel(model, bounds=(0, 1))
    epsilon = ball.epsilon if ball.epsilon < float("inf") else None
    return lambda x, y: made(wrapped, x, y, epsilons=epsilon)[1]


def pyautoattack_of(attack: str, model: Classifier, ball: Ball) -> Other | None:
    from pyautoattack.autopgd_base import APGDAttack
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack

    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    norm, epsilon = ("Linf" if ball.norm == "linf" else "L2"), min(ball.epsilon, 1e3)
    cpu = torch.device("cpu")
    common = {"norm": norm, "eps": epsilon, "seed": 0, "device": cpu, "n_restarts": 1}
    makers = {
        "apgd_ce": lambda: APGDAttack(model, n_iter=ball.steps, loss="ce", **common),
        "apgd_dlr": lambda: APGDAttack(model, n_iter=ball.steps, loss="dlr", **common),
        "fab": lambda: FABAttack_PT(model, n_iter=ball.steps, **common),
        # `rescale_schedule` fits the sizes of squares to the number of queries, as ours does.
        "square": lambda: SquareAttack(model, n_queries=ball.steps, p_init=0.8, resc_schedule=True, **common),
    }
    return makers[attack]().perturb if attack in makers else None


def torchattacks_of(attack: str, model: Classifier, ball: Ball) -> Other | None:
    import torchattacks

    linf, epsilon, steps = ball.norm == "linf", ball.epsilon, ball.steps
    norm = "Linf" if linf else "L2"
    makers = {
        "fgsm": lambda: torchattacks.FGSM(model, eps=epsilon) if linf else None,
        "pgd": lambda: (
            torchattacks.PGD(model, eps=epsilon, alpha=ball.step_size, steps=steps)
            if linf
            else torchattacks.PGDL2(model, eps=epsilon, alpha=ball.step_size, steps=steps)
        ),
        "apgd_ce": lambda: torchattacks.APGD(model, norm=norm, eps=epsilon, steps=steps, loss="ce"),
        "apgd_dlr": lambda: torchattacks.APGD(model, norm=norm, eps=epsilon, steps=steps, loss="dlr"),
        "fab": lambda: torchattacks.FAB(model, norm=norm, eps=min(epsilon, 1e3), steps=steps, n_classes=10),
        "square": lambda: torchattacks.Square(model, norm=norm, eps=epsilon, n_queries=steps, resc_schedule=True),
        "deepfool": lambda: None if linf else torchattacks.DeepFool(model, steps=steps),
        "cw": lambda: torchattacks.CW(model, c=1, steps=9 * steps),
    }
    return makers[attack]()


def art_of(attack: str, model: Classifier, ball: Ball) -> Other | None:
    from art.attacks import evasion
    from art.estimators.classification import PyTorchClassifier

    linf, epsilon, steps = ball.norm == "linf", ball.epsilon, ball.steps
    shape = (model.shape.channels, model.shape.height, model.shape.width)
    wrapped = PyTorchClassifier(
        model, torch.nn.CrossEntropyLoss(), shape, model.shape.classes, clip_values=(0, 1), device_type="cpu"
    )
    norm = "inf" if linf else 2
    batch = {"batch_size": 500}
    makers = {
        "fgsm": lambda: evasion.FastGradientMethod(wrapped, norm=norm, eps=epsilon, **batch),
        "pgd": lambda: evasion.ProjectedGradientDescentPyTorch(
            wrapped, norm=norm, eps=epsilon, eps_step=ball.step_size, max_iter=steps, num_random_init=1,
            verbose=False, **batch,
        ),
        "apgd_ce": lambda: evasion.AutoProjectedGradientDescent(
            wrapped, norm=norm, eps=epsilon, eps_step=2 * epsilon, max_iter=steps, nb_random_init=1,
            loss_type="cross_entropy", verbose=False, **batch,
        ),
        "apgd_dlr": lambda: evasion.AutoProjectedGradientDescent(
            wrapped, norm=norm, eps=epsilon, eps_step=2 * epsilon, max_iter=steps, nb_random_init=1,
            loss_type="difference_logits_ratio", verbose=False, **batch,
        ),
        "square": lambda: evasion.SquareAttack(
            wrapped, norm=norm, eps=epsilon, max_iter=steps, nb_restarts=1, verbose=False, **batch
        ),
        "deepfool": lambda: None if linf else evasion.DeepFool(wrapped, max_iter=steps, verbose=False, **batch),
        "cw": lambda: evasion.CarliniL2Method(wrapped, max_iter=steps, verbose=False, **batch),
    }  # fmt: skip
    made = makers[attack]() if attack in makers else None
    return None if made is None else lambda x, y: torch.from_numpy(made.generate(x.numpy(), y.numpy()))
