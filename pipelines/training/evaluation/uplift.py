"""Do the shards pay? Figures of the arms, with spread and a paired interval, and one sentence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, cast

import numpy as np

from data.runs import Run
from pipelines.recipes import Recipe
from pipelines.training.arms import ARMS, BASELINE, OURS, arms_of
from pipelines.training.evaluation.options import EvaluationOptions
from pipelines.training.evaluation.statistics import Difference, difference
from pipelines.training.fitting.cost import GRADIENTS

REHEARSED = "These figures say nothing, as the recipe is for trying out the machinery (`hardshard run digits` measures)"
"""The verdict of a recipe that is a rehearsal."""


@dataclass(frozen=True)
class ArmResult:
    """One arm over its seeds.

    Attributes:
        clean, robust, corrupted: percent, one a seed; corrupted is the mean over common corruptions and severities.
        gradients: samples that one training sent forward and backward, attacks included.
        making_seconds: what its synthetic samples cost: the set, and the networks that made and judged them.
        broken: attack -> samples that it broke of those left standing, over all seeds.
        doubts: why a robust accuracy is not to be trusted, over all seeds; empty when it is.
        flags: bool (S, N): robust on each test sample, by seed.
    """

    name: str
    seeds: Sequence[int]
    clean: Sequence[float]
    robust: Sequence[float]
    corrupted: Sequence[float]
    train_seconds: Sequence[float]
    attack_seconds: Sequence[float]
    gradients: int
    making_seconds: float
    broken: Mapping[str, int]
    doubts: Sequence[str]
    flags: np.ndarray


def results_of(recipe: Recipe, run: Run, seeds: int) -> list[ArmResult]:
    """The finished arms, in their order."""
    seen = range(recipe.seed, recipe.seed + seeds)
    return [_result(run, short, seen, making_seconds(recipe, run, short)) for short in arms_of(recipe)]


def making_seconds(recipe: Recipe, run: Run, short: str) -> float:
    """What an arm's synthetic samples cost: its set, its judges, and the networks that its search asks."""
    folder, search = ARMS[short].folder, ARMS[short].search
    if not folder:
        return 0.0
    parts, count = (1, 1) if search else (recipe.shards.parts, recipe.shards.count)
    stages = [f"{folder}/draft-{number}" for number in range(parts)]
    stages += [folder, *(f"{folder}/shard-{number}" for number in range(count))]
    stages += [f"judge-{fold}" for fold in range(recipe.judges.folds)]
    if search in ("", "random_latent"):
        stages.append("generator")
    if not search:
        stages.append("model")
    return sum(run.record(stage).seconds for stage in stages)


def _result(run: Run, short: str, seeds: Sequence[int], making: float) -> ArmResult:
    trained = [run.record(f"arm-{short}-{seed}") for seed in seeds]
    measured = [run.record(f"accuracy-{short}-{seed}") for seed in seeds]
    clean, robust = (np.array([_bits(m.facts[kind]) for m in measured]) for kind in ("clean", "robust"))
    broken: Counter[str] = Counter()
    for one in measured:
        broken.update(cast(Mapping[str, int], one.facts["broken"]))
    doubts = dict.fromkeys(doubt for m in measured for doubt in cast(Sequence[str], m.facts["doubts"]))
    return ArmResult(
        ARMS[short].name,
        list(seeds),
        (100 * clean.mean(1)).tolist(),
        (100 * robust.mean(1)).tolist(),
        [float(np.mean(list(cast(Mapping[str, list[float]], m.facts["corrupted"]).values()))) for m in measured],
        [t.seconds for t in trained],
        [m.seconds for m in measured],
        int(str(trained[0].facts[GRADIENTS])),
        making,
        broken,
        list(doubts),
        robust,
    )


def _bits(flags: object) -> list[bool]:
    return [flag == "1" for flag in str(flags)]


def verdict(results: Sequence[ArmResult], recipe: Recipe) -> str:
    """One sentence: whether training on the shards pays, by how much, which other arm comes nearest; or a warning."""
    by_name = {result.name: result for result in results}
    ours, baseline = by_name[OURS], by_name[BASELINE]
    others = [r for r in results if r.name not in (OURS, BASELINE)]
    best = max(others, key=lambda r: mean(r.robust))
    gain, ahead = difference(ours.flags, baseline.flags), difference(ours.flags, best.flags)
    clean = mean(ours.clean) - mean(baseline.clean)
    about = conditions(recipe.evaluation, ours.flags.shape[1], len(ours.seeds))
    said = REHEARSED if recipe.rehearsal else _said(gain, ahead)
    doubted = [result.name for result in (ours, baseline, best) if result.doubts]
    warning = f" Not to be trusted: the masking checks doubt {', '.join(doubted)}." if doubted else ""
    return (
        f"{said}: {_points(gain)} robust accuracy over {BASELINE} (clean {clean:+.1f}), "
        f"{_points(ahead)} against the best other arm, {best.name} ({about}).{warning}"
    )


def _said(gain: Difference, ahead: Difference) -> str:
    """Whether the shards pay: the gain over real samples alone, and how far ours are ahead of the best other arm."""
    if gain.low <= 0:
        return "The shards do not pay, as far as these figures show"
    if ahead.low <= 0:
        return "The shards pay over real samples alone, though no more than another arm, as far as these figures show"
    return "The shards pay"


def _points(gap: Difference) -> str:
    return f"{gap.mean:+.1f} points [{gap.low:+.1f}, {gap.high:+.1f}]"


def conditions(options: EvaluationOptions, samples: int, seeds: int) -> str:
    """Under which a figure holds: radius, attacks, how many samples of which part, how many seeds."""
    caveat = "; one seed shows no spread between trainings, see --seeds" if seeds == 1 else ""
    radius = f"{'L-inf' if options.norm == 'linf' else 'L2'} {options.epsilon}"
    standard = "AutoAttack, PGD with restarts, transfer"
    attacks = standard if options.attacks == "standard" else "APGD-CE and APGD-T only"
    return f"{radius}, {attacks}, {samples} {options.part} samples, {seeds} seed{'s' * (seeds > 1)}{caveat}"


def as_json(results: Sequence[ArmResult]) -> Mapping[str, Any]:
    """Arm -> seeds; clean, robust and corrupted accuracy in percent; seconds of training and of attack."""
    return {
        result.name: {
            "seeds": list(result.seeds),
            "clean": [round(value, 3) for value in result.clean],
            "robust": [round(value, 3) for value in result.robust],
            "corrupted": [round(value, 3) for value in result.corrupted],
            "seconds": list(result.train_seconds),
            "attack_seconds": list(result.attack_seconds),
            "gradients": result.gradients,
            "making_seconds": round(result.making_seconds, 1),
            "broken": dict(result.broken),
            "verdict": "suspicious" if result.doubts else "trusted",
            "doubts": list(result.doubts),
        }
        for result in results
    }
