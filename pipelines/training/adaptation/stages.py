"""The stages of an adaptation: both domains, classifiers round by round, the translation, the rounds' sets, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import cast

from data.draft_files import draft_files
from data.files import digest_of
from data.intake_files import PIXELS, QUARANTINE, SAMPLES, SUMMARY
from data.packing import About, finish
from data.runs import Facts, Run, StageRecord
from data.sidecars import ShardRecord
from data.sources import fingerprint_of
from data.store import INDEX, Store
from pipelines.recipes import Recipe
from pipelines.training import sets
from pipelines.training.adaptation import domains, fitting, making, measuring
from pipelines.training.adaptation.making import PSEUDO, TRANSLATED, Making
from pipelines.training.drafting import DRAFTS, SPLIT, preview_file
from pipelines.training.pages.funnel import funnel_of
from pipelines.training.participants import taken
from pipelines.training.processes import in_worker
from pipelines.training.sets import SetOptions
from pipelines.training.stages import depends_on, made_by

FOLDER = "adapt"
"""Of the rounds' sets and classifiers within the run."""
SOURCE_ONLY, AUGMENTED, SELF, NEAR, ADAPTED = "source", "augmented", "self", "near", "adapted"
LABELLED = "labelled"
ARMS = {
    SOURCE_ONLY: "source only",
    AUGMENTED: "source, strong augmentation",
    SELF: "confident self-training",
    NEAR: "self-training, labels spread",
    ADAPTED: "the same, and translation",
    LABELLED: "with target labels",
}
"""Short name, as files and stages carry it -> as reports show it."""
ROUNDED = (SELF, NEAR, ADAPTED)
"""Those that go on round by round."""
PASSED_ON = ("neighbours", "spread", "alike", "sharpened", "evened")
"""Options of how pseudo-labels are passed on."""
ONCE = (SOURCE_ONLY, AUGMENTED, LABELLED)


def target(recipe: Recipe, run: Run) -> StageRecord:
    """The target's samples, their labels dropped before anything looks at them."""
    return _taken_in(recipe, run, domains.TARGET, labelled=False)


def labelled_target(recipe: Recipe, run: Run) -> StageRecord:
    """The target's samples with their labels, for the accuracies alone."""
    return _taken_in(recipe, run, domains.MEASURED, labelled=True)


def _taken_in(recipe: Recipe, run: Run, folder: str, *, labelled: bool) -> StageRecord:
    options = recipe.adapt.target
    depends = {**asdict(options), "files": fingerprint_of(options), "hardshard": version("hardshard")}
    depends |= {"shape": list(taken(run.folder).summary.shape)}
    files = [f"{folder}/{name}" for name in (PIXELS, SAMPLES, QUARANTINE, SUMMARY)]
    read = partial(in_worker, domains.take_target, recipe, run.folder, labelled=labelled)
    return run.stage(folder, depends, files, read)


def set_of(arm: str, number: int) -> str:
    """The folder of a round's set within the run, which is its stage's name, too."""
    return f"{FOLDER}/{arm}-{number}"


def members(recipe: Recipe, arm: str, number: int) -> list[str]:
    """Stages of the classifiers of a round; the first rounds of `ADAPTED` are those of `NEAR`."""
    arm, number = lineage(recipe, arm, number)
    stem = f"{FOLDER}/{arm}" if arm in ONCE else f"{FOLDER}/{arm}-{number}"
    return [f"{stem}-member-{member}" for member in range(recipe.adapt.members)]


def lineage(recipe: Recipe, arm: str, number: int) -> tuple[str, int]:
    """The arm and round whose classifiers stand for a round of an arm: round 0 is strong augmentation alone."""
    if arm in ROUNDED and number == 0:
        return AUGMENTED, 0
    return (NEAR, number) if arm == ADAPTED and number <= recipe.adapt.warm_up else (arm, number)


def rounds_of(recipe: Recipe, arm: str) -> range:
    """The rounds that are an arm's own."""
    first = recipe.adapt.warm_up + 1 if arm == ADAPTED else 1
    return range(first, recipe.adapt.rounds + 1) if arm in ROUNDED else range(0)


def member(recipe: Recipe, run: Run, arm: str, number: int, place: int) -> StageRecord:
    """One classifier of a round."""
    stage = members(recipe, arm, number)[place]
    own_set = [set_of(arm, number)] if arm in ROUNDED else []
    depends = {**_depends(recipe, run, "fit", "distortion", "architecture"), **made_by(run, own_set), "stage": stage}
    pool = str(run.path(own_set[0])) if own_set else ""
    seed, out = recipe.seed * 1009 + place, _file(stage)
    work = partial(in_worker, fitting.fit_member, recipe, run.folder, out, seed, pool, distorted=arm != SOURCE_ONLY)
    return run.stage(stage, depends, [out], work)


def labelled_member(recipe: Recipe, run: Run, place: int) -> StageRecord:
    """One classifier trained with the target's labels, for the report alone."""
    stage = members(recipe, LABELLED, 0)[place]
    depends = {**_depends(recipe, run, "fit", "distortion", "architecture"), **made_by(run, [domains.MEASURED])}
    seed, out = recipe.seed * 1009 + place, _file(stage)
    work = partial(in_worker, fitting.fit_labelled, recipe, run.folder, out, seed)
    return run.stage(stage, {**depends, "stage": stage}, [out], work)


def translation(recipe: Recipe, run: Run) -> StageRecord:
    """CycleGAN between the domains, guided by the classifiers that the warm-up ended with."""
    guides = members(recipe, NEAR, recipe.adapt.warm_up)
    depends = {**_depends(recipe, run, "cycle", *PASSED_ON), **made_by(run, guides)}
    work = partial(in_worker, fitting.fit_translation, recipe, run.folder, [_file(stage) for stage in guides])
    return run.stage("translation", depends, [fitting.TRANSLATION], work)


def draft(recipe: Recipe, run: Run, arm: str, number: int, kind: int) -> StageRecord:
    """One of the drafts of a round: pseudo-labelled target samples, or translated source samples."""
    folder, before = set_of(arm, number), members(recipe, arm, number - 1)
    natives = members(recipe, AUGMENTED, 0) if arm == ADAPTED else []
    inputs = [*before, *natives, *(["translation"] if natives else [])]
    names = ("search", "translated", "soft", *PASSED_ON)
    options, checks = _depends(recipe, run, *names), _pseudo_checks(recipe, arm, number)
    asked = [list(some.items()) for some in (recipe.adapt.checks, checks)]  # their order counts
    depends = {**options, **made_by(run, inputs), "set": folder, "kind": kind, "asked": asked}
    outputs = [f"{DRAFTS}/{folder}/{name}" for name in draft_files(SPLIT, kind)]
    files, others = ([_file(stage) for stage in some] for some in (before, natives))
    request = Making(folder, files, others, arm != SELF, checks)

    def make() -> tuple[Facts, float]:
        record, seconds = in_worker(making.make_draft, recipe, run.folder, request, kind)
        return asdict(record), seconds

    return run.stage(f"{folder}/draft-{kind}", depends, [*outputs, preview_file(folder, kind)], make)


def _pseudo_checks(recipe: Recipe, arm: str, number: int) -> dict[str, float]:
    """What target samples with pseudo-labels must pass; plain self-training keeps all that are sure, of any class."""
    own = {"agreement": recipe.adapt.sure} if arm == SELF else {"class_balance": recipe.adapt.kept_in(number)}
    return {**own, **recipe.adapt.pseudo_checks}


def kinds_of(arm: str) -> tuple[int, ...]:
    """The drafts of a round of an arm."""
    return (PSEUDO, TRANSLATED) if arm == ADAPTED else (PSEUDO,)


def shard(recipe: Recipe, run: Run, arm: str, number: int, place: int) -> StageRecord:
    """One shard of a round's set."""
    options = _set_options(recipe, run, arm, number)
    return sets.shard(recipe, run, options, place, sets.drafts_of(run, options))


def index(recipe: Recipe, run: Run, arm: str, number: int) -> StageRecord:
    """The commit of a round's set, and what became of its candidates."""
    options = _set_options(recipe, run, arm, number)
    shards = [run.record(f"{options.folder}/shard-{place}") for place in range(options.count)]
    records = [ShardRecord(**stage.facts) for stage in shards]  # type: ignore[arg-type]
    depends = {**_depends(recipe, run), **sets.drafts_of(run, options), "shards": [asdict(r) for r in records]}

    def files(facts: Facts) -> list[str]:
        return sets.within_run(run, options, [INDEX, *cast(Sequence[str], facts["files"])])

    made = {stage: run.record(stage).digest for stage in members(recipe, arm, number - 1)}
    work = partial(in_worker, commit_set, recipe, run, options, records, made)
    return run.stage(options.folder, depends, files, work)


def commit_set(
    recipe: Recipe, run: Run, options: SetOptions, shards: Sequence[ShardRecord], made: Mapping[str, str]
) -> dict[str, object]:
    """Write manifests, what describes the set, and its index; in a worker process."""
    store, summary = Store(options.url), taken(run.folder).summary
    about = About(recipe.called, summary.class_names, {"image": summary.shape})
    more = {"seed": recipe.seed, "round": 0, "made_by": dict(made)}
    finished = finish(sets.packing_of(recipe, run, options).plan, shards, store, about, more)
    manifests = [manifest.name for manifest in finished.manifests]
    return {
        "samples": finished.facts["samples"],
        "digest": finished.facts["digest"],
        "candidates": funnel_of(store, manifests),
        "files": [*finished.sidecars, *manifests],
    }


def accuracy(recipe: Recipe, run: Run, arm: str, number: int) -> StageRecord:
    """How often the classifiers of a round are right on the measured part of the target."""
    stages = members(recipe, arm, number)
    depends = {**made_by(run, [*stages, domains.MEASURED]), "part": recipe.adapt.measured}
    work = partial(in_worker, measuring.accuracy, recipe, run.folder, [_file(stage) for stage in stages])
    return run.stage(f"accuracy-{arm}-{number}", depends, [], work)


def pseudo_labels(recipe: Recipe, run: Run, arm: str, number: int) -> StageRecord:
    """How many of a round's kept pseudo-labels are right; known when all is done, and used for nothing."""
    folder = set_of(arm, number)
    depends = made_by(run, [folder, domains.MEASURED])
    work = partial(in_worker, measuring.pseudo_labels, recipe, run.folder, folder)
    return run.stage(f"pseudo-labels-{arm}-{number}", depends, [], work)


def pictures(recipe: Recipe, run: Run) -> StageRecord:
    """Samples of either domain, translated and translated back, as two images."""
    depends = {**_depends(recipe, run), **made_by(run, ["translation"])}
    outputs = [measuring.GRID_A, measuring.GRID_B]
    return run.stage("pictures", depends, outputs, partial(in_worker, measuring.draw, recipe, run.folder))


def measured(recipe: Recipe) -> list[tuple[str, int]]:
    """The arms and rounds that are measured, each of its own classifiers."""
    own = [(arm, number) for arm in ROUNDED for number in rounds_of(recipe, arm)]
    return [(SOURCE_ONLY, 0), (AUGMENTED, 0), *own, (LABELLED, 0)]


def _set_options(recipe: Recipe, run: Run, arm: str, number: int) -> SetOptions:
    options, folder = recipe.adapt, set_of(arm, number)
    parts = len(kinds_of(arm))
    return SetOptions(folder, str(run.path(folder)), parts, options.translated, options.shards, {}, {})


def _depends(recipe: Recipe, run: Run, *parts: str) -> dict[str, object]:
    """What every stage depends on, and these parts of `recipe.adapt`."""
    options = asdict(recipe.adapt)
    both = {"target": run.record(domains.TARGET).facts["division"]}
    chosen = {name: options[name] for name in parts}
    return {**depends_on(recipe, run, "source"), **both, "adapt": digest_of([chosen])}


def _file(stage: str) -> str:
    return f"{stage}.safetensors"
