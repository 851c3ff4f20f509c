"""Trials: one classifier for each mix of the grid, measured on the validation part; the best mix is chosen by them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean

from data.runs import Facts, Run, StageRecord
from pipelines.recipes import Recipe
from pipelines.training import work
from pipelines.training.arms import SHARDS, set_url
from pipelines.training.evaluation.robustness import judge_robustness
from pipelines.training.mixes import Mix, MixOptions
from pipelines.training.processes import in_worker
from pipelines.training.stages import depends_on, made_by


@dataclass(frozen=True)
class Trial:
    """What a mix came to on the validation part.

    Attributes:
        clean, robust: percent, one a seed.
        seconds: of training and measuring, in all.
    """

    mix: Mix
    clean: Sequence[float]
    robust: Sequence[float]
    seconds: float


def with_mix(recipe: Recipe, mix: Mix) -> Recipe:
    """The recipe whose arms are trained with this mix; the controls with its share."""
    training = replace(recipe.training, synthetic_share=mix.share)
    return replace(recipe, training=training, mixing=MixOptions(mix.band, mix.labels))


def train(recipe: Recipe, run: Run, mix: Mix, seed: int) -> StageRecord:
    """A classifier trained with one mix, from one seed."""
    mixed, out = with_mix(recipe, mix), _file(mix, seed)
    depends = depends_on(mixed, run, "source", "training", "mixing")
    depends |= {**made_by(run, [SHARDS]), "seed": seed}
    url = set_url(recipe, run.folder, SHARDS)

    def todo() -> tuple[Facts, float]:
        return in_worker(work.fit_arm, mixed, run.folder, url, seed, out, mixed.mixing)

    return run.stage(f"trial-{mix.name}-{seed}", depends, [out], todo)


def measure(recipe: Recipe, run: Run, mix: Mix, seed: int) -> StageRecord:
    """Clean and robust accuracy of that classifier on the validation part; what attacks it has seen no more of it."""
    wanted = recipe.uplift
    options = replace(recipe.evaluation, part="validation", attacks=wanted.attacks, samples=wanted.samples)
    judges = [f"judge-{fold}" for fold in range(recipe.judges.folds)]
    depends = {**depends_on(recipe, run, "source"), "evaluation": asdict(options)}
    depends |= made_by(run, [f"trial-{mix.name}-{seed}", *judges])
    surrogates = [f"{judge}.safetensors" for judge in judges]

    def todo() -> tuple[Facts, float]:
        name = f"attack trial {mix.name}-{seed}"
        found, seconds = in_worker(
            judge_robustness, run.folder, _file(mix, seed), surrogates, recipe.source, options, name
        )
        return asdict(found), seconds

    return run.stage(f"trial-accuracy-{mix.name}-{seed}", depends, [], todo)


def _file(mix: Mix, seed: int) -> str:
    return f"trials/{mix.name}-{seed}.safetensors"


def seeds_of(recipe: Recipe) -> range:
    """The seeds that every mix is tried from."""
    return range(recipe.seed, recipe.seed + recipe.uplift.seeds)


def trials_of(recipe: Recipe, run: Run) -> list[Trial]:
    """The finished trials, in the order of the grid."""
    return [_trial(run, mix, seeds_of(recipe)) for mix in recipe.uplift.grid]


def _trial(run: Run, mix: Mix, seeds: Sequence[int]) -> Trial:
    trained = [run.record(f"trial-{mix.name}-{seed}") for seed in seeds]
    measured = [run.record(f"trial-accuracy-{mix.name}-{seed}") for seed in seeds]
    clean, robust = ([_percent(record.facts[kind]) for record in measured] for kind in ("clean", "robust"))
    return Trial(mix, clean, robust, sum(record.seconds for record in (*trained, *measured)))


def _percent(flags: object) -> float:
    right = str(flags)
    return 100 * right.count("1") / len(right)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest mean robust accuracy; of equals the one with the higher clean accuracy."""
    return max(trials, key=lambda trial: (mean(trial.robust), mean(trial.clean)))


def as_json(trials: Sequence[Trial], samples: int) -> Mapping[str, object]:
    """All trials and the choice, for report.json; accuracies in percent on `samples` validation samples at most."""
    best = best_of(trials)
    return {
        "chosen": {**asdict(best.mix), "said": best.mix.said},
        "samples": samples,
        "said": f"Best mix on the validation part, of {len(trials)}: {best.mix.said}.",
        "options": _options(best.mix),
        "trials": [{**asdict(trial.mix), "said": trial.mix.said, **_figures(trial)} for trial in trials],
    }


def _options(mix: Mix) -> str:
    """How to ask for a mix on the command line."""
    return f"--training.synthetic_share {mix.share:g} --mixing.band {mix.band:g} --mixing.labels {mix.labels}"


def _figures(trial: Trial) -> dict[str, object]:
    rounded = {kind: [round(value, 3) for value in getattr(trial, kind)] for kind in ("clean", "robust")}
    return {**rounded, "seconds": round(trial.seconds, 1)}
