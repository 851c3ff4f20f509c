"""Hard pairs that pass the checks, per CPU second, of latent walks on one modality and of rejection from the same GAN.

    python -m bench.synthesis --runs runs/pairs --seeds 1 && python -m bench.pair_walk --runs runs/pairs --seeds 1

Both make one part of real training pairs anew, keep the other, and are judged alike: the margin of the model's own
head of that part (`--head joint`: of its joint head) within the band, then the judges of each modality, and no copy.
Rejection draws latents as `cross_modal_` does. Seconds are of one thread: making, the margins, and asking the judges
about what is in the band. Of what was kept: `examined` is the share whose made part an examiner, who takes no part,
gives the intended label; `disagree`: the model's heads do; `errs`: the model does; `distances` are those within a
class, as a share of real ones.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from bench.synthesis import recipe_of
from data.records import Batch
from generators.margins import margins_of
from generators.synthesis import Demands, Jury, Made, Real, from_partners, verdict_of
from pipelines.recipes import Recipe, overridden
from pipelines.training.models.fusion import Fusion, load_fusion
from pipelines.training.synthesis.fitting import conditions_of, load_pair_generator
from pipelines.training.synthesis.making import jury_of, real_events
from pipelines.training.synthesis.measuring import spread_of
from pipelines.training.synthesis.options import CROSS, WALK
from pipelines.training.synthesis.places import examiner_stage, file_of, gan_stage
from pipelines.training.synthesis.walking import attacked, disagreeing, head_of, in_band, walk_of

AT_ONCE = 256
ENOUGH = 100
Maker = Callable[[Real], Made]


def makers_of(recipe: Recipe, run: Path, name: str, model: Fusion, seed: int) -> dict[str, Maker]:
    """Both rows of the table for one modality, each with draws of its own."""
    mine, theirs = (torch.Generator().manual_seed(2 * seed + row) for row in range(2))
    generator = load_pair_generator(run / file_of(gan_stage(CROSS + name)))

    def reject(real: Real) -> Made:
        made = from_partners(generator, real, conditions_of(recipe, run, CROSS + name, real.events), theirs)
        with torch.no_grad():
            margins = margins_of(head_of(model, name, recipe.synthesis.walk.head)(made.x), made.labels)
        return replace(made, margins=(margins, margins))

    return {"rejection": reject, "latent walk": walk_of(recipe, run, WALK + name, generator, mine)}


def rows_of(made: Made, rows: torch.Tensor) -> Made:
    """Some of the events, int64 (M,)."""
    x, starts = ({name: value[rows] for name, value in both.items()} for both in (made.x, made.starts))
    members = {name: [keys[row] for row in rows.tolist()] for name, keys in made.members.items()}
    return Made(x, starts, made.labels[rows], members)


def accepted(made: Made, jury: Jury, recipe: Recipe) -> Made:
    """What passes all checks; the judges are asked about those in the band alone."""
    near = rows_of(made, in_band(made, recipe.synthesis.walk.band).accepted.nonzero()[:, 0])
    if not len(near.labels):
        return near
    options = recipe.synthesis
    verdict = verdict_of(near, jury, jury.hear(near), Demands(options.agreed, options.agreed_near, options.apart))
    return rows_of(near, verdict.accepted.nonzero()[:, 0])


def measured(
    make: Maker, known: Real, jury: Jury, recipe: Recipe, seconds: float, seed: int
) -> tuple[dict, list[Made]]:
    """Make events for so many CPU seconds, four times as many while few are accepted."""
    rng, spent, tried, arrived, kept = torch.Generator().manual_seed(seed), 0.0, 0, 0, list[Made]()
    while spent < seconds or (spent < 4 * seconds and sum(len(some.labels) for some in kept) < ENOUGH):
        some = known.rows(torch.randint(len(known.events), (AT_ONCE,), generator=rng))
        began = time.process_time()
        made = make(some)
        kept.append(accepted(made, jury, recipe))
        spent += time.process_time() - began
        tried += AT_ONCE
        arrived += int(in_band(made, recipe.synthesis.walk.band).accepted.sum())
    count = sum(len(some.labels) for some in kept)
    return {"per_second": count / spent, "arrived": arrived / tried, "accepted": count / tried, "kept": count}, kept


@torch.no_grad()
def worth(kept: list[Made], name: str, model: Fusion, examiner: Fusion, real: Batch) -> dict[str, float]:
    """What was kept is like, see above."""
    x = {key: torch.cat([some.x[key] for some in kept]) for key in kept[0].x}
    labels = torch.cat([some.labels for some in kept])
    if not len(labels):
        return {}
    named, said = examiner({name: x[name]}).argmax(1), model(x).argmax(1)
    batch = Batch(tuple(map(str, range(len(labels)))), x, labels)
    apart = torch.cat([disagreeing(model, some) for some in kept if len(some.labels)])
    shares = {"examined": named == labels, "disagree": apart, "errs": said != labels}
    return {k: v.float().mean().item() for k, v in shares.items()} | {"distances": spread_of(batch, real, [name])[name]}


def rows(folder: Path, seed: int, bands: Iterable[float], seconds: float, head: str) -> list[dict[str, Any]]:
    """Every row of one seed's run."""
    run, found = folder / f"synthesis-{seed}", []
    model, base = attacked(run), recipe_of(seed, "test", {})
    jury, known = jury_of(base, run), real_events(base, run)
    for band in bands:
        recipe = overridden(base, {"synthesis.walk.band": str(band), "synthesis.walk.head": head})
        for name in ("image", "features"):
            examiner = load_fusion(run / file_of(examiner_stage(name)))
            for row, make in makers_of(recipe, run, name, model, seed).items():
                counted, kept = measured(make, known, jury, recipe, seconds, seed)
                like = worth(kept, name, model, examiner, known.events)
                found.append({"seed": seed, "band": band, "made": name, "row": row, **counted, **like})
                print(json.dumps(found[-1]), flush=True)
    return found


def table_of(found: list[dict[str, Any]]) -> Table:
    """A row a band, modality and search: mean and spread over seeds."""
    heads = ("per_second", "arrived", "accepted", "examined", "disagree", "errs", "distances")
    table, groups = Table("band", "made", "row", *heads, box=None), dict[tuple[Any, ...], list[dict[str, Any]]]()
    for one in found:
        groups.setdefault((one["band"], one["made"], one["row"]), []).append(one)
    for place, some in groups.items():
        values = ([one[head] for one in some if head in one] for head in heads)
        told = (f"{mean(v):.3g}" + (f" ± {stdev(v):.2g}" if len(v) > 1 else "") if v else "-" for v in values)
        table.add_row(*map(str, place), *told)
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs of bench.synthesis")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--bands", type=float, nargs="+", default=[3.0, 1.0, 0.25])
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU seconds of each row, band and seed")
    parser.add_argument("--head", default="alone", choices=["alone", "joint"])
    parser.add_argument("--out", type=Path, default=Path("bench/out/pair_walk.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    one_seed = partial(rows, given.runs, bands=given.bands, seconds=given.seconds, head=given.head)
    every = [row for seed in given.seeds for row in one_seed(seed)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(every, indent=1))
    Console(width=140).print(table_of(every))
