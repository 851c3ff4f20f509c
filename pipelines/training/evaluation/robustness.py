"""Clean and robust accuracy of a classifier of a run: the suite, resumable, with checks for gradient masking."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.errors import WrongUse
from data.files import digest_of
from data.records import Batch
from data.sources import Part, SourceOptions
from generators.margins import Model
from generators.masking import check_masking
from generators.options import Ball
from pipelines.training.evaluation import suite
from pipelines.training.evaluation.corrupted import accuracy_by_corruption, right_when_corrupted
from pipelines.training.evaluation.options import EvaluationOptions
from pipelines.training.evaluation.referee import reference_autoattack
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import load_classifier
from pipelines.training.participants import samples, taken
from pipelines.training.progress import report

MASKING_SAMPLES = 200
"""Samples that the masking checks look at, at most."""


@dataclass(frozen=True)
class Accuracy:
    """What one classifier does on each evaluation sample, in the order of the source.

    Attributes:
        clean, robust: a character a sample: 1 where it is right; robust means right on x and on every x_adv tried.
        broken: attack -> samples that it broke, of those that the attacks before it had left standing.
        corrupted: corruption -> accuracy in percent at severities 1 to 5.
        verdict: `trusted`, or `suspicious` with reasons in `doubts`.
    """

    clean: str
    robust: str
    broken: Mapping[str, int]
    corrupted: Mapping[str, Sequence[float]]
    verdict: str
    doubts: tuple[str, ...]


def must_be_comparable(run: Path, part: Part) -> None:
    """Check before any work that the run's samples can be attacked at its end.

    Raises:
        WrongUse: there are no samples to attack.
    """
    if not any(taken(run).summary.kept[part].values()):
        raise WrongUse(
            f"the {part} part of the source has no sample: see source.{part}_share, or `hardshard build`, which makes "
            "the shards without a comparison"
        )


def judge_robustness(
    run: Path, name: str, surrogates: Sequence[str], source: SourceOptions, options: EvaluationOptions, work: str
) -> Accuracy:
    """Attack the classifier in a run's file `name` on the evaluation samples.

    Args:
        surrogates: files of classifiers that were trained apart, whose mean is what transfer attacks.
        work: what progress is reported under.

    Raises:
        WrongUse: the reference is asked for and not installed.
    """
    batch = samples(run, options.part, source)
    batch = batch.rows(torch.arange(min(options.samples, len(batch))))
    model, surrogate = load_classifier(run / name), joint([load_classifier(run / other) for other in surrogates])
    ball = Ball(epsilon=options.epsilon, norm=options.norm)
    trials = suite.autoattack(ball, model.shape.classes, fast=options.attacks == "fast")
    if options.attacks == "standard":
        trials = (*trials, *suite.beyond_autoattack(ball, surrogate=True))
    standing = attacked(model, batch, trials, surrogate, run / "evaluations" / Path(name).name, work)
    broken = {trial.name: int((standing.broken_by == at).sum()) for at, trial in enumerate(trials)}
    robust = standing.broken_by == -1
    if options.reference:
        robust, broken["reference"] = _by_reference(model, batch, robust, ball, work)
    some = batch.rows(torch.arange(min(MASKING_SAMPLES, len(batch))))
    masking = check_masking(model, some.inputs["image"], some.labels, ball, surrogate, torch.Generator().manual_seed(0))
    doubts = tuple(check.reason for check in masking.checks if not check.passed)
    corrupted = accuracy_by_corruption(right_when_corrupted(model, batch.inputs["image"], batch.labels, seed=0))
    return Accuracy(_flags(standing.broken_by != -2), _flags(robust), broken, corrupted, masking.verdict, doubts)


def joint(models: Sequence[Model]) -> Model:
    """The mean opinion of several classifiers: inputs (N, ...) -> log-probabilities, float (N, K)."""

    def model(x: Tensor) -> Tensor:
        """Log-probabilities, float (N, K)."""
        return torch.stack([F.log_softmax(one(x), 1) for one in models]).mean(0)

    return model


def attacked(
    model: Model, batch: Batch, trials: Sequence[suite.Trial], surrogate: Model | None, state: Path, work: str
) -> suite.Standing:
    """Run trials on a batch of images; a state file takes a killed evaluation up where it was.

    Args:
        state: where the state is kept, written after each batch of each trial; the last one stays. A state of other
            samples, trials or models, known by their logits, is begun anew.
    """
    x, y = batch.inputs["image"], batch.labels
    standing = suite.begin(model, x, y)
    who = [_fingerprint(one, x) for one in (model, surrogate) if one is not None]
    origin = digest_of([[asdict(trial) for trial in trials], list(batch.keys), y.tolist(), who])
    if state.is_file():
        tensors, facts = checkpoints.load(state)
        if facts.get("origin") == origin:
            standing = suite.Standing(tensors["x_adv"], tensors["broken_by"], *tensors["next"].tolist())
    keep = partial(_keep, state, origin, trials, work)
    return suite.finish(standing, trials, model, x, y, surrogate=surrogate, after_batch=keep)


@torch.no_grad()
def _fingerprint(model: Model, x: Tensor) -> str:
    logits = torch.cat([model(some) for some in torch.split(x, suite.AT_ONCE)])
    return hashlib.sha256(logits.cpu().numpy().tobytes()).hexdigest()


def _keep(state: Path, origin: str, trials: Sequence[suite.Trial], work: str, standing: suite.Standing) -> None:
    place = torch.tensor([standing.trial, standing.batch])
    tensors = {"x_adv": standing.x_adv, "broken_by": standing.broken_by, "next": place}
    checkpoints.save(state, tensors, {"origin": origin})
    left, done = int((standing.broken_by == -1).sum()), standing.trial
    note = f"{left} of {len(standing.broken_by)} stand" + (f" after {trials[done - 1].name}" if done else "")
    report(work, done, len(trials), note)


def _by_reference(model: Model, batch: Batch, robust: Tensor, ball: Ball, work: str) -> tuple[Tensor, int]:
    rows = robust.nonzero()[:, 0]
    x, y = batch.inputs["image"][rows], batch.labels[rows]
    x_adv = reference_autoattack(model, x, y, ball, work)
    broken = suite.breaks(model, x_adv, x, y, ball)
    robust = robust.clone()
    robust[rows[broken]] = False
    return robust, int(broken.sum())


def _flags(right: Tensor) -> str:
    return "".join("1" if ok else "0" for ok in right.tolist())
