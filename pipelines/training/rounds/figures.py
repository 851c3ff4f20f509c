"""What the reports say of the rounds."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from data.runs import Run, StageRecord
from pipelines.recipes import Recipe
from pipelines.training.rounds import stages

STATIC = (
    "One round is a static set, which makes a trainer without an attack in its loop worse: on 300 digits 0.8 % robust "
    "accuracy, plain training on real samples 30 % (docs/rounds.md); ask for 20 rounds or more."
)
"""The figure that a user who asks for one round should know."""


def figures_of(recipe: Recipe, run: Run) -> dict[str, Any]:
    """All that the report says of the rounds, as JSON; nothing where there are none."""
    if not recipe.rounds.count:
        return {}
    last = stages.last_round(recipe, run)
    named = dict(zip(("rounds", "attack in the loop", "plain"), stages.accuracies(recipe, run).values(), strict=True))
    arms = {name: _arm(record) for name, record in named.items()}
    made = made_of(recipe, run)
    return {
        "asked": recipe.rounds.count,
        "steps": recipe.rounds.steps,
        "kept": stages.kept_round(recipe, run),
        "made": made,
        "arms": arms,
        "said": _said(recipe, last, arms) + of_kept(recipe, run),
    }


def of_kept(recipe: Recipe, run: Run) -> str:
    """A sentence on the model that is measured, where it is not the last; else nothing."""
    if recipe.rounds.keep == "last":
        return ""
    kept = stages.kept_round(recipe, run)
    return f" Measured is the model of round {kept}, which the shard made against it fooled least."


def made_of(recipe: Recipe, run: Run) -> list[dict[str, Any]]:
    """Each round: whom its shard was made against and how often it fools that one, and the last one."""
    return [_round(run, number, on_newest) for number, on_newest in enumerate(_staleness(recipe, run), 1)]


def _arm(record: StageRecord) -> dict[str, Any]:
    flags = {kind: str(record.facts[kind]) for kind in ("clean", "robust")}
    shares = {kind: round(100 * right.count("1") / len(right), 2) for kind, right in flags.items()}
    return {**shares, "samples": len(flags["clean"]), "doubts": list(cast(Sequence[str], record.facts["doubts"]))}


def _round(run: Run, number: int, on_newest: float) -> dict[str, Any]:
    facts = stages.facts_of(run, number)
    return {
        "round": number,
        "against": stages.attacked(run, number),
        "attack_success": facts["attack_success"],
        "on_newest": on_newest,
        "archive": facts["archive"],
        "dropped": facts["dropped"],
    }


def _staleness(recipe: Recipe, run: Run) -> Sequence[float]:
    return cast(Sequence[float], stages.staleness(recipe, run).facts["fooled"])


def _said(recipe: Recipe, last: int, arms: Mapping[str, Any]) -> str:
    robust = {name: f"{arm['robust']:.1f} %" for name, arm in arms.items()}
    rounds = f"{last} round{'s' * (last > 1)} of {recipe.rounds.steps} steps"
    said = (
        f"A trainer with no attack in its loop comes to {robust['rounds']} robust accuracy in {rounds} "
        f"(clean {arms['rounds']['clean']:.1f} %); with the attack in its loop, for as many steps, to "
        f"{robust['attack in the loop']}; on the real samples alone to {robust['plain']}. One training each."
    )
    if last < recipe.rounds.count:
        said += (
            f" No more rounds were made: attack success on the newest model has not fallen in {recipe.rounds.patience}."
        )
    return said + (" " + STATIC if recipe.rounds.count == 1 else "")
