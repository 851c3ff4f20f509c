"""The stages that make shard sets: drafts, one a task; shards dealt from them; the commit of the whole set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from data.draft_files import DraftRecord, draft_files
from data.files import digest_of, sha256_of
from data.runs import LONG, Facts, Run, StageRecord
from data.shards import open_for_writing
from data.sidecars import ShardRecord
from data.store import INDEX, Store
from pipelines.recipes import Recipe
from pipelines.training.arms import ARMS, SHARDS, set_url
from pipelines.training.budget import Allocation, allocate
from pipelines.training.drafting import AUTO, DRAFTS, PROBE, SPLIT, THRESHOLDS, DraftRequest, chosen_of, preview_file
from pipelines.training.events.places import judge_stages
from pipelines.training.late import Late
from pipelines.training.places import UNLABELLED, ensemble_files
from pipelines.training.processes import in_worker
from pipelines.training.stages import depends_on, made_by

if TYPE_CHECKING:
    from pipelines.training import committing, materialise, planted, probing
    from pipelines.training.pages import funnel
else:  # torch is for those who work, see pipelines/training/late.py
    materialise = Late("pipelines.training.materialise")
    probing = Late("pipelines.training.probing")
    planted = Late("pipelines.training.planted")
    committing = Late("pipelines.training.committing")
    funnel = Late("pipelines.training.pages.funnel")


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
        allocation: what a budget says is tried, instead of `attempts` in the `mix`; None without one.
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
    allocation: Allocation | None = None

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


def budgeted_set(recipe: Recipe, run: Run) -> SetOptions:
    """The run's own set, as the budget has it where there is one; the probe must be finished then."""
    options = hard_set(recipe, run)
    return replace(options, allocation=allocation(recipe, run)) if recipe.budget.given else options


def thresholds(recipe: Recipe, run: Run) -> StageRecord:
    """The thresholds that the recipe leaves open, chosen on planted errors."""
    depends = {**depends_on(recipe, run, "source", "search"), **made_by(run, participants(recipe))}
    depends |= {
        "checks": list(recipe.checks.items()),
        "label_error": recipe.shards.label_error,
        "ball": asdict(recipe.training.ball),
    }
    choose = partial(in_worker, planted.choose_thresholds, recipe, run.folder)
    return run.stage(THRESHOLDS, depends, [], choose, common=True)


def thresholds_of(recipe: Recipe, run: Run) -> dict[str, float]:
    """Check -> its threshold: the recipe's own, or what was chosen."""
    chosen = chosen_of(run.record(THRESHOLDS).facts) if AUTO in recipe.checks.values() else {}
    return {name: chosen[name] if limit == AUTO else limit for name, limit in recipe.checks.items()}


def control_set(recipe: Recipe, run: Run, arm: str) -> SetOptions:
    """A control arm's set: as many samples as the run's own, from a search that ignores the model."""
    folder, kept = ARMS[arm].folder, int(str(run.record("shards").facts["samples"]))
    return SetOptions(folder, set_url(recipe, run.folder, folder), 1, kept, 1, {ARMS[arm].search: 1.0}, {})


def probe(recipe: Recipe, run: Run) -> StageRecord:
    """What a few candidates of each search and class give and cost."""
    options = replace(hard_set(recipe, run), folder=PROBE, parts=1)
    request = request_of(recipe, run, options, 0)
    depends = {**_makes(recipe, run, options, request), "candidates": recipe.budget.probe}
    depends |= {"balance": request.balance, "quotas": dict(request.quotas)}
    outputs = [f"{DRAFTS}/{PROBE}/{name}" for name in draft_files(SPLIT, 0)]
    probe_some = partial(in_worker, probing.probe, request, recipe.budget.probe)
    return run.stage(PROBE, depends, outputs, probe_some, common=True)


def allocation(recipe: Recipe, run: Run) -> Allocation:
    """How the budget is spent on the run's own set, by the probe's record alone."""
    return allocate(run.record(PROBE).facts, recipe.search.mix, recipe.budget, recipe.shards.parts)


def draft(recipe: Recipe, run: Run, options: SetOptions, number: int) -> StageRecord:
    """One draft: search, check, write."""
    request = request_of(recipe, run, options, number)
    depends = {**_makes(recipe, run, options, request), "number": number, "attempts": request.attempts}
    depends |= {"allotted": dict(request.allotted)} if options.allocation else _classes_of(request)
    outputs = [f"{DRAFTS}/{options.folder}/{name}" for name in draft_files(SPLIT, number)]
    outputs.append(preview_file(options.folder, number))

    def build() -> tuple[Facts, float]:
        record, seconds = in_worker(materialise.build_draft, request)
        return asdict(record), seconds

    return run.stage(_stage(options, f"draft-{number}"), depends, outputs, build, common=True)


def request_of(recipe: Recipe, run: Run, options: SetOptions, number: int) -> DraftRequest:
    """All that a worker is told of one draft."""
    allotted = options.allocation.part(number, options.parts) if options.allocation else {}
    return DraftRequest(
        run=run.folder,
        set_name=options.folder,
        number=number,
        attempts=sum(map(sum, allotted.values())) if allotted else options.attempts,
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
        allotted=allotted,
    )


def _makes(recipe: Recipe, run: Run, options: SetOptions, request: DraftRequest) -> dict[str, object]:
    """What any candidate of a set depends on, wherever it is made."""
    made = {"search": asdict(request.search), "checks": list(request.checks.items())}
    depends = {**depends_on(recipe, run, "source"), **made_by(run, participants(recipe, options.attacked[0])), **made}
    depends |= {"set": options.folder, "softness": request.softness}
    if request.search.takes_unlabelled and recipe.source.unlabelled.name:
        depends["unlabelled"] = run.record(UNLABELLED).facts["division"]
    return depends | {"ensemble": [sha256_of(file) for file in ensemble_files(run.folder, recipe.search.ensemble)]}


def _classes_of(request: DraftRequest) -> dict[str, object]:
    """What else a draft depends on that does not try all classes evenly."""
    if request.balance == "even" and not request.quotas:
        return {}
    return {"parts": request.parts, "balance": request.balance, "quotas": dict(request.quotas)}


def shard(recipe: Recipe, run: Run, options: SetOptions, number: int, drafts: Facts) -> StageRecord:
    """One shard, from the drafts; `drafts` is what `drafts_of` says of them, asked once for all shards."""
    depends = {**depends_on(recipe, run), **drafts, "number": number, "count": options.count}

    def files(facts: Facts) -> list[str]:
        return within_run(run, options, [str(facts["tar"]), *cast(Mapping[str, str], facts["sidecars"])])

    def build() -> tuple[Facts, float]:
        open_for_writing(Store(options.url))
        record, seconds = in_worker(committing.pack_one, packing_of(recipe, run, options), number)
        return asdict(record), seconds

    index = within_run(run, options, [INDEX])
    return run.stage(_stage(options, f"shard-{number}"), depends | {"url": options.url}, files, build, index)


def index(recipe: Recipe, run: Run, options: SetOptions) -> StageRecord:
    """The set's commit point; for the run's own set, what its candidates became and what the examiner says."""
    shards = [run.record(_stage(options, f"shard-{number}")) for number in range(options.count)]
    depends = {**depends_on(recipe, run, "source"), "url": options.url}
    depends |= {"inputs": drafts_of(run, options)["inputs"] | made_by(run, _examiner(recipe))["inputs"]}
    depends |= {"shards": [dict(stage.facts) for stage in shards]}

    def files(facts: Facts) -> list[str]:
        return within_run(run, options, [INDEX, *cast(Sequence[str], facts["files"])])

    def build() -> tuple[Facts, float]:
        records = [ShardRecord(**stage.facts) for stage in shards]  # type: ignore[arg-type]
        packing = packing_of(recipe, run, options)
        facts, seconds = in_worker(committing.commit_set, recipe, run, options, packing, records)
        if options.folder == SHARDS:
            opinion, more = in_worker(funnel.examine, run.folder, options.url)
            chosen = run.record(THRESHOLDS).facts if AUTO in recipe.checks.values() else {}
            return {**facts, **opinion, "thresholds": chosen}, seconds + more
        return facts, seconds

    return run.stage(options.folder, depends, files, build)


def _examiner(recipe: Recipe) -> list[str]:
    return [] if recipe.events.epsilon else ["examiner"]  # events have none


def control(recipe: Recipe, run: Run, arm: str) -> StageRecord:
    """The whole set of a control arm."""
    options = control_set(recipe, run, arm)
    draft(recipe, run, options, 0)
    shard(recipe, run, options, 0, drafts_of(run, options))
    return index(recipe, run, options)


def participants(recipe: Recipe, attacked: str = "") -> list[str]:
    """The stages whose networks take part in making a sample; `attacked` unless it is the run's own model."""
    if recipe.events.epsilon:
        return [attacked, *judge_stages(recipe.events.modalities, recipe.judges.folds)]
    return [attacked or "model", "generator", *(f"judge-{fold}" for fold in range(recipe.judges.folds))]


def _stage(options: SetOptions, name: str) -> str:
    return f"{options.folder}/{name}"


def drafts_of(run: Run, options: SetOptions) -> dict[str, dict[str, str]]:
    """What depends on all drafts of a set depends on; of many drafts one digest for all."""
    made = made_by(run, [_stage(options, f"draft-{number}") for number in options.drafts])
    return made if len(options.drafts) <= LONG else {"inputs": {f"{options.folder}/drafts": digest_of(made)}}


def within_run(run: Run, options: SetOptions, names: Sequence[str]) -> list[str]:
    """Names within a set as names within the run, or as URLs."""
    folder = options.url.removeprefix(f"{run.folder}/")
    return [f"{folder}/{name}" for name in names]


def packing_of(recipe: Recipe, run: Run, options: SetOptions) -> "committing.Packing":
    """Where each of a set's samples goes, from its finished drafts."""
    drafts = [run.record(_stage(options, f"draft-{number}")) for number in options.drafts]
    records = tuple(DraftRecord(**stage.facts) for stage in drafts)  # type: ignore[arg-type]
    return committing.Packing(run.path(f"{DRAFTS}/{options.folder}"), records, options.url, options.count, recipe.seed)
