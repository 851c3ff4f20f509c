"""Hard samples that pass the checks, per CPU second, of each search, of rejection sampling, and of others' attacks.

    hardshard build digits --run runs/digits && python -m bench.search --run runs/digits
    python -m bench.search --run runs/digits --only latent_walk random_latent --bands 0.25 --seeds 0

Every row makes candidates against the run's model and has them judged by the run's checks: margin within the band,
judges' agreement, realism, no duplicate. Rejection sampling is `random_latent`. The attacks of foolbox and ART (`pip
install --no-deps adversarial-robustness-toolbox==1.20.1 tqdm requests six packaging`) move real training samples, as
`perturb` does, and their results are judged as they come. Seconds are of one thread: making the candidates and the
model's margins of them; asking the witnesses costs the same for all and is left out, which flatters rejection.

Diversity of what was accepted, of 50 drawn at random: recall (share of held-out real samples within its manifold,
generators/fidelity.py), distinct nearest held-out samples, and the median distance to the nearest other one against
that of as many real samples (1: as spread as these; 0: collapsed). The scale is the validation part; the test part
is never read. `examiner` is the share that a classifier which takes no part gives the intended label.
"""

import argparse
import importlib.util
import json
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial, reduce
from math import isnan
from operator import and_
from pathlib import Path
from statistics import mean, stdev

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import generators.checks
import generators.search
from bench import others
from data.plugins import plugin
from data.records import Batch, Candidates
from data.sources import SourceOptions
from generators.checks import Witnesses, hear
from generators.fidelity import precision_recall
from generators.margins import Model
from generators.options import Ball, SearchOptions
from generators.search import Scene, keys_of, pick_parents, propose
from pipelines.training.materialise import balanced_labels
from pipelines.training.models.classifier import load_classifier
from pipelines.training.participants import scene_of, witnesses_of
from pipelines.training.places import EXAMINER

AT_ONCE = 256
ENOUGH, SHOWN = 60, 50
CHECKS = {"agreement": 0.65, "realism": 0.02, "near_duplicate": 0.5}
"""Beside the band: what version 0.3.0 asks."""
Maker = Callable[[Tensor, SearchOptions, torch.Generator], Candidates]


def ours(scene: Scene, name: str) -> Maker:
    """A search of ours."""
    search = plugin(generators.search, name)
    return lambda y, options, rng: search(scene, y, options, rng)


def attacked(scene: Scene, attack: others.Other, name: str) -> Maker:
    """Somebody else's attack on real samples."""

    def make(y: Tensor, options: SearchOptions, rng: torch.Generator) -> Candidates:
        rows = pick_parents(scene.real, y, rng)
        starts = scene.real.inputs["image"][rows]
        images = attack(starts, y).detach().float()
        return propose(scene, name, y, images=images, starts=starts, parents=keys_of(scene.real, rows))

    return make


def makers(scene: Scene, options: SearchOptions, wanted: list[str]) -> dict[str, Maker]:
    """Every row of the table that is wanted and installed."""
    found = {name: partial(ours, scene, name) for name in wanted if ":" not in name}
    ball = Ball(options.epsilon, options.norm, options.steps, 2.5 * options.epsilon / options.steps)
    l2 = Ball(float("inf"), "l2", 50)
    for name in wanted:
        library, _, attack = name.partition(":")
        if attack and importlib.util.find_spec({"ART": "art"}.get(library, library)):
            found[name] = partial(foreign, scene, library, attack, l2 if attack == "deepfool" else ball, name)
    return {name: make() for name, make in found.items()}


def foreign(scene: Scene, library: str, attack: str, ball: Ball, name: str) -> Maker:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = getattr(others, f"{library.lower()}_of")(attack, scene.model, ball)
    return attacked(scene, other, name)


def accepted(candidates: Candidates, witnesses: Witnesses, band: float) -> Batch:
    """The samples that pass all checks; the witnesses are asked about those in the band alone."""
    near = (candidates.margins.abs() <= band).nonzero()[:, 0]
    batch = candidates.batch.rows(near)
    if not len(batch):
        return batch
    before, after = candidates.margins_before[near], candidates.margins[near]
    starts = {name: x[near] for name, x in candidates.starts.items()}
    parents = tuple(candidates.parents[i] for i in near.tolist())
    some, evidence = Candidates(batch, candidates.search, parents, starts, before, after), hear(witnesses, batch)
    verdicts = [plugin(generators.checks, name)(some, evidence, at) for name, at in CHECKS.items()]
    return batch.rows(reduce(and_, verdicts).accepted.nonzero()[:, 0])


def measure(
    maker: Maker,
    scene: Scene,
    witnesses: Witnesses,
    examiner: Model,
    options: SearchOptions,
    seconds: float,
    seed: int,
    *,
    warm: bool,
) -> dict[str, float]:
    """Make candidates for so many CPU seconds, four times as many while few are accepted, and judge them."""
    rng, spent, tried, kept, arrived = torch.Generator().manual_seed(seed), 0.0, 0, [], 0
    if warm:
        maker(balanced_labels(scene.real, AT_ONCE, rng), options, rng)
    while spent < seconds or (spent < 4 * seconds and sum(map(len, kept)) < ENOUGH):
        y = balanced_labels(scene.real, AT_ONCE, rng)
        began = time.process_time()
        candidates = maker(y, options, rng)
        spent += time.process_time() - began
        tried += len(y)
        arrived += int((candidates.margins.abs() <= options.band).sum())
        kept.append(accepted(candidates, witnesses, options.band))
    images, labels = torch.cat([some.inputs["image"] for some in kept]), torch.cat([some.labels for some in kept])
    row = {"tried": tried, "arrived": arrived / tried, "accepted": len(labels) / tried, "seconds": spent}
    row |= {"per_second": len(labels) / spent, "ms_an_arrived": 1e3 * spent / max(1, arrived), "kept": len(labels)}
    with torch.no_grad():
        row["examiner"] = (examiner(images).argmax(1) == labels).float().mean().item() if len(labels) else float("nan")
    return row | diversity(images, witnesses.held_out.inputs["image"], rng)


def diversity(images: Tensor, real: Tensor, rng: torch.Generator) -> dict[str, float]:
    """How unlike each other SHOWN of the images, float (N, C, H, W), are; NaN where there are fewer."""
    if len(images) < SHOWN:
        return dict.fromkeys(("recall", "nearest_real", "spread"), float("nan"))
    some = images[torch.randperm(len(images), generator=rng)[:SHOWN]].flatten(1)
    like = real[torch.randperm(len(real), generator=rng)[:SHOWN]].flatten(1)
    return {
        "recall": precision_recall(real.flatten(1), some)[1],
        "nearest_real": float(len(torch.cdist(some, real.flatten(1)).argmin(1).unique())),
        "spread": _apart(some) / _apart(like),
    }


def _apart(x: Tensor) -> float:
    return torch.cdist(x, x).fill_diagonal_(float("inf")).amin(1).median().item()


def shown(row: Mapping[str, list[float]], name: str, digits: int, scale: float = 1) -> str:
    """Mean and, over several seeds, the standard deviation; a dash where a seed has no figure."""
    values = [scale * value for value in row[name]]
    if any(map(isnan, values)):
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


DEFAULT = [
    *("random_latent", "latent_walk", "latent_square", "interpolate", "pixel_interpolate", "perturb"),
    *("foolbox:pgd", "foolbox:deepfool", "ART:pgd", "ART:deepfool"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/digits"), help="a built run of recipe digits")
    parser.add_argument("--only", nargs="*", default=DEFAULT)
    parser.add_argument("--bands", nargs="*", type=float, default=[3.0, 1.0, 0.25])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU seconds of each row, band and seed")
    parser.add_argument("--out", type=Path, default=Path("bench/out/search.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = SourceOptions()
    scene, witnesses = scene_of(options.run, source), witnesses_of(options.run, source, 3)
    examiner = load_classifier(options.run / EXAMINER)
    found, table = (
        [],
        Table(
            "band", "search", "accepted/CPU s", "x", "arrived", "accepted", "examiner", "recall", "nearest", "spread"
        ),
    )
    for band in options.bands:
        search = SearchOptions(band=band)
        base = 0.0
        for name, maker in makers(scene, search, options.only).items():
            warm = name == "interpolate"  # its encoder and the samples' latents are made once
            todo = partial(measure, maker, scene, witnesses, examiner, search, options.seconds, warm=warm)
            rows = [todo(seed=seed) for seed in options.seeds]
            row = {key: [one[key] for one in rows] for key in rows[0]}
            base = mean(row["per_second"]) if name == "random_latent" else base
            found.append({"band": band, "search": name, **row})
            cells = [
                str(band),
                name,
                shown(row, "per_second", 1),
                f"{mean(row['per_second']) / base:.1f}" if base else "",
            ]
            cells += [shown(row, column, 1, 100) + " %" for column in ("arrived", "accepted", "examiner")]
            cells += [shown(row, "recall", 2), shown(row, "nearest_real", 0), shown(row, "spread", 2)]
            table.add_row(*cells)
            print(*cells, sep=" | ", flush=True)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(found, indent=1))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
