"""Which attack moves which modality of a run's events: one of generators/attacks, of texts `letters`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from data.modalities.text import strings
from data.words import Words, wordnet
from generators.attacks import Attack
from generators.text_attacks import Rules
from generators.text_attacks.letters import letters
from pipelines.recipes import Recipe
from pipelines.training.events.participants import pairs_of

Pick = Callable[[str, Attack], Attack]
"""A modality, and the attack on what is continuous -> the attack on that modality."""


def by_itself(name: str, attack: Attack) -> Attack:
    """That attack, whatever the modality: where no text is among them."""
    return attack


def attacks_of(recipe: Recipe, run: Path) -> Pick:
    """The attacks of a run; on texts by the dictionary of `events.wordnet` and of its own training texts.

    Raises:
        WrongUse: there is no WordNet where `events.wordnet` says.
    """
    if "text" not in recipe.events.modalities:
        return by_itself
    real = pairs_of(run).sides["text"].batch("train", recipe.source)
    known = wordnet(recipe.events.wordnet) if recipe.events.wordnet else Words(frozenset())
    on_text = partial(letters, rules=Rules(known.and_of(strings(real.inputs["text"]))))
    return lambda name, attack: on_text if name == "text" else attack
