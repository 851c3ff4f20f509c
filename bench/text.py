"""Short texts attacked and hardened, `python -m bench.text --archive vaderSentiment-0.5.zip --seeds 0 1 2 3 4`.

A small byte-level classifier of rated tweets and reviews (data/sources/rated_texts.py), trained plainly, by rounds of
shards with no attack in the trainer's loop, and with the attack in the loop, all for as many steps; attacked on texts
held out by letters, synonyms, both, and at random. Judges of another make, TF-IDF and logistic regression of words or
of runs of letters, which took no part, say how often the label holds. Needs Debian's wordnet-base.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor

from data.drafts import Judged, write_draft
from data.forms import Form
from data.intake import take_in
from data.modalities import modality
from data.modalities.text import strings
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Verdict
from data.sources import SourceOptions, source_of
from data.store import Store
from data.taken import Taken, open_taken
from data.words import Words, wordnet
from generators.attacks import Attack
from generators.crossmodal import fold_of
from generators.margins import Model, margins_of
from generators.options import Ball
from generators.rewriting import rewrite, written
from generators.text_attacks import Rules
from generators.text_attacks.letters import letters, propose
from generators.text_attacks.random_letters import random_letters
from generators.text_attacks.random_synonyms import random_synonyms
from generators.text_attacks.synonyms import synonyms
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training.events.fitting import State, begin, joined, mixed, of_real, plain, shard_of, train
from pipelines.training.events.losses import Told
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models.fusion import FusionShape
from pipelines.training.rounds.options import RoundsOptions
from pipelines.training.rounds.places import set_folder

LETTERS, WORDS, BOTH, TRIES = 4, 2, 2, 20
"""Edits and words of the largest balls, edits after words, and texts tried at each edit."""
RADIUS = 3
"""Letters that the trainers' attacks edit; they exchange as many words."""
ROUNDS, STEPS, WARM, EACH, KEPT = 18, 30, 200, 600, 6
"""Rounds, training steps of each, plain steps before the first, texts attacked in each, rounds trained on."""
JUDGED = 0.5
"""What a cross-fitted judge must give the label of an attacked text for it to be kept."""


@dataclass(frozen=True)
class World:
    """What every training has: texts, dictionary, options, and where it may write."""

    train: Batch
    held_out: Batch
    form: Form
    words: Words
    recipe: Recipe
    folder: Path

    def attack(self, attack: Callable[..., Tensor], *, checked: bool = True) -> Attack:
        """An attack on texts with its dictionary."""
        return partial(attack, rules=Rules(self.words, checked))


def world_of(archive: str, seed: int, part: str, samples: int, folder: Path) -> World:
    """Texts, in parts that no seed changes, and all else; `samples` of the held-out part."""
    options = SourceOptions("rated_texts", archive, 0, validation_share=0.1, test_share=0.2)
    if not (folder / "source").exists():
        take_in(source_of(options), options, folder / "source")
    taken: Taken = open_taken(folder / "source")
    real, held_out = taken.batch("train", options), taken.batch(part, options)
    order = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))[:samples]
    words = wordnet("/usr/share/wordnet").and_of(strings(real.inputs["text"]))
    fit = FitOptions(objective="plain", averaging=0.98, batch_size=64, learning_rate=3e-3)
    recipe = replace(DEFAULT, seed=seed, rounds=RoundsOptions(soft=0.0, fit=fit))
    return World(real, held_out.rows(order), taken.forms()["text"], words, recipe, folder / f"seed-{seed}")


def started(world: World) -> State:
    """A training at its first step."""
    return begin(FusionShape({"text": world.form}, 2, features=12, hidden=32), world.recipe.seed)


def of_text(state: State) -> Model:
    """What counts of a training, as a model of texts alone."""
    return lambda x: state.averaged({"text": x})


def plainly(world: World) -> Model:
    """As many steps as the rounds have, on real texts alone."""
    state, real = started(world), of_real(world.train)
    draw = plain(real, world.recipe.rounds.fit, {}, world.recipe.seed)
    train(state, draw, world.recipe, WARM + ROUNDS * STEPS, "plain")
    return of_text(state)


def in_loop(world: World) -> Model:
    """Likewise, half of each batch attacked in the loop, by letters and by synonyms in turn."""
    state, real = started(world), of_real(world.train)
    draw = plain(real, world.recipe.rounds.fit, {}, world.recipe.seed)
    rng = torch.Generator().manual_seed(world.recipe.seed)

    def attacked(step: int) -> tuple[dict[str, Tensor], Told]:
        x, told = draw(step)
        half, model = len(told.labels) // 2, state.model.eval().requires_grad_(False)
        attack = world.attack((letters, synonyms)[step % 2])
        moved = attack(lambda t: model({"text": t}), x["text"][:half], told.labels[:half], Ball(RADIUS, steps=5), rng)
        model.train().requires_grad_(True)
        return {"text": torch.cat([moved, x["text"][half:]])}, told

    train(state, draw, world.recipe, WARM, "warm")
    train(state, attacked, world.recipe, ROUNDS * STEPS, "in loop")
    return of_text(state)


def by_rounds(world: World) -> tuple[Model, list[dict[str, float]]]:
    """Attack the newest model, keep what cross-fitted judges let pass as a shard, train on real texts and shards."""
    state, real, told = started(world), of_real(world.train), list[dict[str, float]]()
    judges = [fitted(world.train, fold) for fold in range(2)]
    train(state, plain(real, world.recipe.rounds.fit, {}, world.recipe.seed), world.recipe, WARM, "warm")
    for number in range(1, ROUNDS + 1):
        told.append(kept(world, of_text(state), judges, number))
        shards = joined([shard_of(world.folder, past) for past in range(max(1, number - KEPT + 1), number + 1)])
        draw = mixed(
            shards, real, 0.5, world.recipe.rounds.fit.batch_size, 100 * world.recipe.seed + number, world.recipe
        )
        train(state, draw, world.recipe, STEPS, f"round {number}")
    return of_text(state), told


def kept(world: World, model: Model, judges: Sequence[Pipeline], number: int) -> dict[str, float]:
    """Write a round's shard; says how often it fools the model that it was made against, and what was refused."""
    rng = torch.Generator().manual_seed(1000 * world.recipe.seed + number)
    order, records, sides = torch.randperm(len(world.train), generator=rng)[:EACH], [], []
    for attack, rows in zip((letters, synonyms), order.chunk(2), strict=True):
        real = world.train.rows(rows)
        x = world.attack(attack)(model, real.inputs["text"], real.labels, Ball(RADIUS, steps=8), rng)
        sides.append(judged(model, real, x, f"adversarial_{attack.__name__}", judges))
    store, forms = Store(str(world.folder / set_folder(number))), {"text": world.form}
    records.append(write_draft(world.folder / "drafts" / str(number), "train", 0, sides, rng, forms))
    dealt = plan(world.folder / "drafts" / str(number), records, "train", 1, 0)
    shard = pack_shard(dealt, 0, store)
    finish(dealt, [shard], store, About.of_forms("texts", ["negative", "positive"], forms), {"round": number})
    fooled = torch.cat([one.candidates.margins < 0 for one in sides]).float().mean().item()
    passed = [reason == "" for one in sides for reason in one.verdict.reasons]
    return {"fooled": round(100 * fooled, 1), "kept": round(100 * sum(passed) / len(passed), 1)}


@torch.no_grad()
def judged(model: Model, real: Batch, x: Tensor, search: str, judges: Sequence[Pipeline]) -> Judged:
    """Attacked texts, and what the judge that has not seen a text says of what became of it."""
    before, after = (margins_of(model(t), real.labels) for t in (real.inputs["text"], x))
    parents = tuple((key,) for key in real.keys)
    made = Candidates(Batch(real.keys, {"text": x}, real.labels), search, parents, real.inputs, before, after)
    by_fold = torch.stack([torch.tensor(judge.predict_proba(strings(x))).float() for judge in judges])
    soft = by_fold[torch.tensor([fold_of(key, 2) for key in real.keys]), torch.arange(len(real))]
    named = soft.gather(1, real.labels[:, None])[:, 0]
    return Judged(made, Verdict.of("label", named >= JUDGED, named), soft)


def fitted(batch: Batch, fold: int | None = None, kind: str = "char_wb") -> Pipeline:
    """A judge of words or of runs of letters, fitted to texts but those of a fold."""
    rows = torch.tensor([fold is None or fold_of(key, 2) != fold for key in batch.keys]).nonzero()[:, 0]
    some, grams = batch.rows(rows), (2, 5) if kind == "char_wb" else (1, 2)
    tfidf = TfidfVectorizer(analyzer=kind, ngram_range=grams, sublinear_tf=True)
    return make_pipeline(tfidf, LogisticRegression(C=10, max_iter=300)).fit(strings(some.inputs["text"]), some.labels)


def measured(world: World, model: Model, judges: dict[str, Pipeline], *, free: bool) -> dict[str, object]:
    """Accuracy in percent under everything tried; of texts that moved, how often judges still give the label."""
    x, y = world.held_out.inputs["text"], world.held_out.labels
    rng, tried = torch.Generator().manual_seed(world.recipe.seed), Ball(LETTERS, steps=TRIES)
    by_words = world.attack(synonyms)(model, x, y, replace(tried, epsilon=WORDS), rng)
    made = {
        "letters": world.attack(letters)(model, x, y, tried, rng),
        "synonyms": by_words,
        "both": world.attack(letters)(model, by_words, y, replace(tried, epsilon=BOTH), rng),
        "letters at random": world.attack(random_letters)(model, x, y, tried, rng),
        "synonyms at random": world.attack(random_synonyms)(model, x, y, replace(tried, epsilon=WORDS), rng),
    }
    if free:
        at_random = partial(propose, rules=Rules(world.words), rng=rng)
        made["letters, drawn and tried"] = rewrite(model, x, y, tried, None, at_random, written(x))
        made["letters, no rules"] = world.attack(letters, checked=False)(model, x, y, tried, rng)
        made["synonyms, any sense"] = world.attack(synonyms, checked=False)(
            model, x, y, replace(tried, epsilon=WORDS), rng
        )
    with torch.no_grad():
        found: dict[str, object] = {"clean": percent(model(x).argmax(1) == y)}
        for name, x_adv in made.items():
            right = (model(x_adv).argmax(1) == y) & (model(x).argmax(1) == y)
            far = modality("text").moved(x_adv, x, world.form)
            if name.startswith("letters") and "random" not in name:
                found |= {f"{name} {edits}": within(model, x, y, right, far, edits) for edits in (1, 2)}
            found[name] = percent(right)
            found |= {f"{name}, {kind} judge": held(judge, x, x_adv, y, far) for kind, judge in judges.items()}
            found[f"{name}, characters"] = round(far[far > 0].mean().item(), 2) if (far > 0).any() else 0.0
    return found


def within(model: Model, x: Tensor, y: Tensor, right: Tensor, far: Tensor, edits: int) -> float:
    """Right when no more than so many edits are allowed: the search stops at the first that breaks a text."""
    clean = model(x).argmax(1) == y
    return percent(clean & (right | (far > edits)))


def held(judge: Pipeline, x: Tensor, x_adv: Tensor, y: Tensor, far: Tensor) -> float:
    """Of texts that moved and that the judge got right before, the share of which it still does, in percent."""
    before, after = (torch.tensor(judge.predict(strings(texts))) == y for texts in (x, x_adv))
    asked = before & (far > 0)
    return percent(after[asked]) if asked.any() else 100.0


def percent(flags: Tensor) -> float:
    """Share of bool (N,) that is true."""
    return round(100 * flags.float().mean().item(), 1)


def main(archive: str, seeds: Sequence[int], part: str, samples: int) -> None:
    """Print a line of JSON for each seed and training, then means and standard deviations."""
    rows: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            world = world_of(archive, seed, part, samples, Path(name))
            judges = {kind: fitted(world.train, kind=kind) for kind in ("word", "char_wb")}
            for arm, training in {"plain": plainly, "rounds": by_rounds, "attack in the loop": in_loop}.items():
                begun = time.perf_counter()
                trained = training(world)
                model, told = trained if isinstance(trained, tuple) else (trained, [])
                seconds = round(time.perf_counter() - begun)
                row = {"seed": seed, "arm": arm, **measured(world, model, judges, free=arm == "plain")}
                rows.setdefault(arm, []).append(row)
                print(json.dumps({**row, "rounds": told, "seconds": seconds}), flush=True)
    for arm, found in rows.items():
        print(json.dumps({"arm": arm, **{key: summary(found, key) for key in found[0] if key not in ("seed", "arm")}}))


def summary(found: Sequence[dict[str, object]], key: str) -> str:
    """Mean and standard deviation over the seeds."""
    values = [float(str(row[key])) for row in found]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", default="vaderSentiment-0.5.zip")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--part", default="test", choices=["validation", "test"])
    parser.add_argument("--samples", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    main(given.archive, given.seeds, given.part, given.samples)
