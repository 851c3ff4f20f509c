"""The stages that make shard sets: drafts, one a task; shards dealt from them; the commit of the whole set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

from data.drafts import DraftRecord, draft_files
from data.files import sha256_of
from data.packing import About, Plan, finish, pack_shard, plan
from data.runs import Facts, Run, StageRecord
from data.shards import open_for_writing
from data.sidecars import ShardRecord
from data.store import INDEX, Store
from pipelines.recipes import Recipe
from pipelines.training.arms import ARMS, SHARDS, set_url
from pipelines.training.materialise import AUTO, DRAFTS, SPLIT, DraftRequest, build_draft, preview_file
from pipelines.training.pages.funnel import bands_of, examine, funnel_of
from pipelines.training.participants import ensemble_files, taken
from pipelines.training.planted import THRESHOLDS, choose_thresholds, chosen_of
from pipelines.training.processes import in_worker
from pipelines.training.stages import depends_on, made_by


@dataclass(frozen=True)
class SetOptions:
    """What one set of a run is made of.

    Attributes:
        folder: its name within the run.
        url: where it lies.
        parts: how many drafts.
        attempts: candidates of each.
        count: how many shards.
        mix: search -> share.
        checks: check -> threshold.
        attacked: the stage whose model is attacked, and its file within the run; empty for the run's own model.
        round: 0 for a set that belongs to none; drafts, and so sample keys, are numbered from it.
    """

    folder: str
    url: str
    parts: int
    attempts: int
    count: int
    mix: Mapping[str, float]
    checks: Mapping[str, float]
    attacked: tuple[str, str] = ("", "")
    round: int = 0

    @property
    def drafts(self) -> range:
        """The numbers of its drafts."""
        return range(self.round, self.round + self.parts)


def hard_set(recipe: Recipe, run: Run) -> SetOptions:
    """The run's own set."""
    shards = recipe.shards
    url = set_url(recipe, run.folder, SHARDS)
    checks = thresholds_of(recipe, run)
    return SetOptions(SHARDS, url, shards.parts, shards.attempts, shards.count, recipe.search.mix, checks)


def thresholds(recipe: Recipe, run: Run) -> StageRecord:
    """The thresholds that the recipe leaves open, chosen on planted errors."""
    depends = {**depends_on(recipe, run, "source", "search"), **made_by(run, participants(recipe))}
    depends |= {
        "checks": list(recipe.checks.items()),
        "label_error": recipe.shards.label_error,
        "ball": asdict(recipe.training.ball),
    }
    return run.stage(THRESHOLDS, depends, [], partial(in_worker, choose_thresholds, recipe, run.folder))


def thresholds_of(recipe: Recipe, run: Run) -> dict[str, float]:
    """Check -> its threshold: the recipe's own, or what was chosen."""
    chosen = chosen_of(run.record(THRESHOLDS).facts) if AUTO in recipe.checks.values() else {}
    return {name: chosen[name] if limit == AUTO else limit for name, limit in recipe.checks.items()}


def control_set(recipe: Recipe, run: Run, arm: str) -> SetOptions:
    """A control arm's set: as many samples as the run's own, from a search that ignores the model."""
    folder, kept = ARMS[arm].folder, int(str(run.record("shards").facts["samples"]))
    return SetOptions(folder, set_url(recipe, run.folder, folder), 1, kept, 1, {ARMS[arm].search: 1.0}, {})


def draft(recipe: Recipe, run: Run, options: SetOptions, number: int) -> StageRecord:
    """One draft: search, check, write."""
    request = DraftRequest(
        run=run.folder,
        set_name=options.folder,
        number=number,
        attempts=options.attempts,
        seed=recipe.seed,
        folds=recipe.judges.folds,
        source=recipe.source,
        search=replace(recipe.search, mix=dict(options.mix)),
        checks=options.checks,
        attacked=options.attacked[1],
        parts=options.parts,
        balance=recipe.shards.balance,
        quotas=recipe.shards.quotas,
        softness=recipe.shards.softness,
    )
    made = {"search": asdict(request.search), "checks": list(request.checks.items()), "number": number}
    depends = {**depends_on(recipe, run, "source"), **made_by(run, participants(recipe, options.attacked[0])), **made}
    depends |= {"attempts": options.attempts, "set": options.folder, "softness": request.softness}
    depends |= {"ensemble": [sha256_of(file) for file in ensemble_files(run.folder, recipe.search.ensemble)]}
    depends |= _classes_of(request)
    outputs = [f"{DRAFTS}/{options.folder}/{name}" for name in draft_files(SPLIT, number)]
    outputs.append(preview_file(options.folder, number))

    def build() -> tuple[Facts, float]:
        record, seconds = in_worker(build_draft, request)
        return asdict(record), seconds

    return run.stage(_stage(options, f"draft-{number}"), depends, outputs, build)


def _classes_of(request: DraftRequest) -> dict[str, object]:
    """What else a draft depends on that does not try all classes evenly."""
    if request.balance == "even" and not request.quotas:
        return {}
    return {"parts": request.parts, "balance": request.balance, "quotas": dict(request.quotas)}


def shard(recipe: Recipe, run: Run, options: SetOptions, number: int) -> StageRecord:
    """One shard, from the drafts."""
    depends = {**drafts_of(run, options), "number": number, "count": options.count, "seed": recipe.seed}

    def files(facts: Facts) -> list[str]:
        return within_run(run, options, [str(facts["tar"]), *cast(Mapping[str, str], facts["sidecars"])])

    def build() -> tuple[Facts, float]:
        open_for_writing(Store(options.url))
        record, seconds = in_worker(pack_one, packing_of(recipe, run, options), number)
        return asdict(record), seconds

    return run.stage(_stage(options, f"shard-{number}"), depends | {"url": options.url}, files, build)


def index(recipe: Recipe, run: Run, options: SetOptions) -> StageRecord:
    """The set's commit point; for the run's own set, what its candidates became and what the examiner says."""
    shards = [run.record(_stage(options, f"shard-{number}")) for number in range(options.count)]
    records = [ShardRecord(**stage.facts) for stage in shards]  # type: ignore[arg-type]
    depends = {**depends_on(recipe, run, "source"), **drafts_of(run, options), "shards": [asdict(r) for r in records]}
    depends |= {"url": options.url, **made_by(run, ["examiner"])}

    def files(facts: Facts) -> list[str]:
        return within_run(run, options, [INDEX, *cast(Sequence[str], facts["files"])])

    def build() -> tuple[Facts, float]:
        facts, seconds = in_worker(commit_set, recipe, run, options, packing_of(recipe, run, options), records)
        if options.folder == SHARDS:
            opinion, more = in_worker(examine, run.folder, options.url)
            chosen = run.record(THRESHOLDS).facts if AUTO in recipe.checks.values() else {}
            return {**facts, **opinion, "thresholds": chosen}, seconds + more
        return facts, seconds

    return run.stage(options.folder, depends, files, build)


def control(recipe: Recipe, run: Run, arm: str) -> StageRecord:
    """The whole set of a control arm."""
    options = control_set(recipe, run, arm)
    draft(recipe, run, options, 0)
    shard(recipe, run, options, 0)
    return index(recipe, run, options)


def participants(recipe: Recipe, attacked: str = "") -> list[str]:
    """The stages whose networks take part in making a sample; `attacked` unless it is the run's own model."""
    return [attacked or "model", "generator", *(f"judge-{fold}" for fold in range(recipe.judges.folds))]


def _stage(options: SetOptions, name: str) -> str:
    return f"{options.folder}/{name}"


def drafts_of(run: Run, options: SetOptions) -> dict[str, object]:
    """What a stage depends on that takes a set's drafts."""
    return made_by(run, [_stage(options, f"draft-{number}") for number in options.drafts])


def within_run(run: Run, options: SetOptions, names: Sequence[str]) -> list[str]:
    """Names within a set as names within the run, or as URLs."""
    folder = options.url.removeprefix(f"{run.folder}/")
    return [f"{folder}/{name}" for name in names]


@dataclass(frozen=True)
class Packing:
    """All that decides which sample goes where."""

    drafts: Path
    records: tuple[DraftRecord, ...]
    url: str
    count: int
    seed: int

    @property
    def plan(self) -> Plan:
        """The same in every process; made once in each."""
        return _plan(self)


@lru_cache(maxsize=1)
def _plan(packing: Packing) -> Plan:
    return plan(packing.drafts, packing.records, SPLIT, packing.count, packing.seed)


def packing_of(recipe: Recipe, run: Run, options: SetOptions) -> Packing:
    """Where each of a set's samples goes, from its finished drafts."""
    drafts = [run.record(_stage(options, f"draft-{number}")) for number in options.drafts]
    records = tuple(DraftRecord(**stage.facts) for stage in drafts)  # type: ignore[arg-type]
    return Packing(run.path(f"{DRAFTS}/{options.folder}"), records, options.url, options.count, recipe.seed)


def pack_one(packing: Packing, number: int) -> ShardRecord:
    """Write one shard; in a worker process."""
    return pack_shard(packing.plan, number, Store(packing.url))


def commit_set(
    recipe: Recipe, run: Run, options: SetOptions, packing: Packing, shards: Sequence[ShardRecord]
) -> dict[str, object]:
    """Write manifests, what describes the set, and its index; in a worker process."""
    store = Store(options.url)
    summary = taken(run.folder).summary
    about = About(recipe.name, summary.class_names, {"image": summary.shape})
    digests = {stage: run.record(stage).digest for stage in participants(recipe, options.attacked[0])}
    if attacked := options.attacked[1]:
        digests[attacked] = sha256_of(run.path(attacked))
    more = {"seed": recipe.seed, "round": options.round, "made_by": digests}
    finished = finish(packing.plan, shards, store, about, more)
    manifests = [manifest.name for manifest in finished.manifests]
    return {
        "samples": finished.facts["samples"],
        "digest": finished.facts["digest"],
        "candidates": funnel_of(store, manifests),
        "bands": bands_of(store, manifests),
        "files": [*finished.sidecars, *manifests],
    }
