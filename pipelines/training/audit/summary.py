"""The audit of a finished run: audit.json for scripts, audit.html for people, the same figures in both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from data.files import canonical_json, write_atomically
from data.runs import Run
from generators.masking import Masking
from generators.options import Norm
from generators.symptoms import MaskingCheck
from pipelines.recipes import Recipe
from pipelines.training.audit import page, stages
from pipelines.training.audit.advice import advice_on
from pipelines.training.audit.attacking import NEAREST
from pipelines.training.audit.commands import commands_of
from pipelines.training.audit.conclusions import Evidence, headline_of, level_of, sentence_of
from pipelines.training.audit.figures import Audit, Break, Corruption, LatentFigures, Share, Subject
from pipelines.training.audit.latent import read_drawn
from pipelines.training.audit.norms import Finds, norm_figures
from pipelines.training.audit.pictures import Found, breaks_of
from pipelines.training.audit.rows import read_rows
from pipelines.training.models.locating import is_brought
from pipelines.training.participants import taken


def write(recipe: Recipe, run: Run) -> Path:
    """Write audit.json and audit.html; returns the path of audit.json."""
    pictures = _pictures(recipe, run)
    audit = _audit(recipe, run, pictures)
    write_atomically(run.path("audit.html"), page.render(audit, pictures).encode())
    path = run.path("audit.json")
    write_atomically(path, canonical_json(asdict(audit)))
    return path


def _audit(recipe: Recipe, run: Run, pictures: Sequence[Found]) -> Audit:
    evidence = _evidence(recipe, run)
    seen, summary = run.record("audit/clean"), taken(run.folder).summary
    subject = Subject(
        recipe=recipe.called,
        seed=recipe.seed,
        model=recipe.model.path or f"the model of run {run.folder.name}",
        digest=run.record("model").digest,
        source=recipe.source.path or recipe.source.name,
        part=recipe.audit.part,
        samples=len(cast(Sequence[str], seen.facts["keys"])),
        class_names=summary.class_names,
        shape=summary.shape,
    )
    return Audit(
        subject=subject,
        level=level_of(evidence),
        headline=headline_of(evidence),
        sentence=sentence_of(evidence),
        advice=advice_on(evidence),
        clean=evidence.clean,
        norms=evidence.norms,
        breaks=[picture.about for picture in pictures],
        corruptions=evidence.corruptions,
        trust=evidence.masking,
        latent=evidence.latent,
        seconds={name: run.record(name).seconds for name in stages.names_of(recipe, run)},
    )


def _evidence(recipe: Recipe, run: Run) -> Evidence:
    summary, audit = taken(run.folder).summary, recipe.audit
    labels, says = _clean(run)
    return Evidence(
        class_names=summary.class_names,
        clean=Share.of_flags(labels == says),
        norms=[norm_figures(_finds(recipe, run, norm, labels)) for norm in stages.norms_of(audit)],
        corruptions=_corruptions(run) if audit.corruptions else [],
        trust=_trust(run.record("audit/masking").facts) if audit.masking else None,
        latent=_latent(recipe, run) if stages.generator_of(recipe, run) else None,
        brought=is_brought(run.folder),
        trained_at=recipe.training.ball.epsilon if recipe.training.ball.norm == "linf" else 0.0,
        unused=sum(summary.kept[audit.part].values()) - len(labels),
        commands=commands_of(recipe, run.folder),
    )


def _finds(recipe: Recipe, run: Run, norm: Norm, labels: np.ndarray) -> Finds:
    task, names = stages.task_of(recipe, run, norm), stages.attacks_of(recipe, run, norm)
    return Finds(
        norm=norm,
        epsilon=task.epsilon,
        radii=task.radii,
        labels=labels,
        class_names=taken(run.folder).summary.class_names,
        alone={name: read_rows(run.path(stages.found_by(norm, name)))[0] for name in names},
        nearest=NEAREST,
        suite=read_rows(run.path(stages.found_by(norm, stages.SUITE)))[0],
        broken=cast(Mapping[str, int], stages.record(run, norm, stages.SUITE).facts["broken"]),
        seconds={name: stages.record(run, norm, name).seconds for name in names},
    )


def _clean(run: Run) -> tuple[np.ndarray, np.ndarray]:
    facts = run.record("audit/clean").facts
    return np.array(facts["labels"], dtype=np.int64), np.array(facts["says"], dtype=np.int64)


def _corruptions(run: Run) -> list[Corruption]:
    accuracy = cast(Mapping[str, Sequence[float]], run.record("audit/corruptions").facts["accuracy"])
    return [Corruption(name, [round(value, 3) for value in values]) for name, values in accuracy.items()]


def _trust(facts: Mapping[str, Any]) -> Masking:
    return Masking(facts["verdict"], tuple(MaskingCheck(**check) for check in facts["checks"]))


def _latent(recipe: Recipe, run: Run) -> LatentFigures:
    facts: Mapping[str, Any] = run.record("audit/latent").facts
    labels, errs = np.array(facts["labels"]), np.array(facts["errs"])
    names = taken(run.folder).summary.class_names
    return LatentFigures(
        generator=str(stages.generator_of(recipe, run)),
        candidates=len(labels),
        near=Share.of_flags(np.array(facts["near"])),
        band=facts["band"],
        errs=Share.of_flags(errs),
        errs_before=Share.of_flags(np.array(facts["errs_before"])),
        by_class={names[label]: round(100 * float(errs[labels == label].mean()), 3) for label in np.unique(labels)},
    )


def _pictures(recipe: Recipe, run: Run) -> list[Found]:
    _, batch = stages.task_of(recipe, run).scene()
    found: list[Found] = []
    for norm in stages.norms_of(recipe.audit):
        names = [*stages.attacks_of(recipe, run, norm), stages.SUITE]
        finds = {name: read_rows(run.path(stages.found_by(norm, name))) for name in names}
        found += breaks_of(batch, norm, finds)
    return found + (_drawn(run) if stages.generator_of(recipe, run) else [])


def _drawn(run: Run) -> list[Found]:
    drawn = read_drawn(run.path(stages.DRAWN))
    found = []
    for before, after, label, says in zip(drawn.before, drawn.after, drawn.labels, drawn.says, strict=True):
        moved = float(np.linalg.norm(after - before))
        found.append(Found(Break("", "nearest", int(label), int(says), "latent", moved, "latent_walk"), before, after))
    return found
