"""What a budget bought, beside what it was expected to buy."""

from typing import Any

from data.runs import Run
from pipelines.recipes import Recipe
from pipelines.training import sets
from pipelines.training.arms import SHARDS


def bought(recipe: Recipe, run: Run) -> dict[str, Any]:
    """Samples and seconds of search and checks, of one core's work; nothing where there is no budget.

    Raises:
        WrongUse: the set is not finished.
    """
    if not recipe.budget.given:
        return {}
    expected = sets.allocation(recipe, run)
    drafts = [run.record(f"{SHARDS}/draft-{number}") for number in range(recipe.shards.parts)]
    figures: dict[str, Any] = {
        "asked": {"accepted": recipe.budget.accepted, "minutes": recipe.budget.minutes},
        "forecast": {"accepted": round(sum(expected.accepted.values())), "seconds": round(expected.seconds, 1)},
        "got": {
            "accepted": sum(int(str(draft.facts["samples"])) for draft in drafts),
            "seconds": round(sum(draft.seconds for draft in drafts), 1),
        },
        "by_search": {search: round(kept) for search, kept in expected.accepted.items()},
        "bound": expected.bound,
    }
    return {**figures, "said": _said(figures)}


def _said(figures: dict[str, Any]) -> str:
    asked, forecast, got = (figures[name] for name in ("asked", "forecast", "got"))
    wanted = f"{asked['accepted']:,} accepted samples" if asked["accepted"] else "all that can be had"
    limit = f" in at most {asked['minutes']:g} minutes of one core's work" if asked["minutes"] else ""
    binds = ", and the minutes bind" if figures["bound"] and asked["accepted"] else ""
    return (
        f"Budget: {wanted}{limit}{binds}. Forecast by the probe: {forecast['accepted']:,} accepted in "
        f"{forecast['seconds']:.0f} s; bought: {got['accepted']:,} in {got['seconds']:.0f} s."
    )
