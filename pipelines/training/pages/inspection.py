"""What `hardshard inspect`, `verify` and `repair` print of a shard set."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Column, Table

from data.errors import WrongUse
from data.forms import forms_of
from data.manifest import read_manifest
from data.modalities import image
from data.reading import members_at
from data.repair import Repair, broken
from data.shards import ShardSet, read_index
from data.store import Store
from data.verify import verify
from pipelines.training.pages.funnel import funnel_of
from pipelines.training.pages.terminal import candidates_table

COLUMNS = 12
"""Pictures of each class in a grid."""


BAR = 24
"""Characters of the longest bar."""


def _counted(findings: int) -> str:
    return "1 finding" if findings == 1 else f"{findings} findings"


def show_findings(url: str, *, as_json: bool, quick: bool) -> bool:
    """Verify a set and print what is wrong with it; whether nothing is."""
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    log = Console(stderr=True)
    with Progress(*columns, console=log, transient=True, disable=not log.is_terminal) as shown:
        task = shown.add_task("verify")
        findings = verify(Store(url), lambda done, of: shown.update(task, completed=done, total=of), quick=quick)
    if as_json:
        print(json.dumps({"url": url, "whole": not findings, "findings": [vars(finding) for finding in findings]}))
        return not findings
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for finding in findings:
        console.print(": ".join(filter(None, (finding.file, finding.member, finding.problem))))
    if findings and not Store(url).names():
        console.print(f"{url}: no file lies there, and so no set; `hardshard build` leaves one in its run's folder")
    elif findings:
        console.print(f"{url}: {_counted(len(findings))}; `hardshard repair {url}` mends what can be mended")
    else:
        facts = read_index(Store(url)).facts
        console.print(f"{url}: whole, {facts['samples']} samples of {facts['attempted']} attempted")
    return not findings


def show_set(url: str, *, grid: Path | None, as_json: bool) -> None:
    """Print what is in a set, and draw its samples nearest to the boundary.

    Raises:
        Damaged: it is unfinished, or its manifests cannot be read.
    """
    found = read_index(Store(url))
    rows = read_manifest(found.store, [manifest.name for manifest in found.manifests])
    if as_json:
        print(json.dumps({**found.facts, "margins": _quantiles(rows)}, sort_keys=True))
    else:
        _show_tables(found, rows)
    if grid is not None:
        draw_grid(found, rows).save(grid)
        if not as_json:
            print(f"pictures {grid}: a class a row, the nearest to the boundary first")


def _show_tables(found: ShardSet, rows: pa.Table) -> None:
    console = Console(highlight=False)
    facts = found.facts
    sizes = [shard.samples for shard in found.shards]
    console.print(f"{found.store.url}: recipe {facts['name']}, seed {facts.get('seed')}", soft_wrap=True, markup=False)
    console.print(
        f"{facts['samples']} samples of {facts['attempted']} attempted, in {len(sizes)} shards of "
        f"{min(sizes)} to {max(sizes)} samples, {sum(shard.bytes for shard in found.shards) / 1e6:.1f} MB"
    )
    console.print(candidates_table(funnel_of(found.store, [manifest.name for manifest in found.manifests])))
    console.print(_classes(found, rows))
    console.print(_margins(rows))


def _classes(found: ShardSet, rows: pa.Table) -> Table:
    names: list[str] = list(found.facts["class_names"])  # type: ignore[call-overload]
    counts = Counter(zip(rows["label"].to_pylist(), rows["reason"].to_pylist(), strict=True))
    bars = Column("", no_wrap=True, min_width=BAR)
    columns = "class", "attempted", "kept", bars, "refused"
    table = Table(*columns, title="\nclasses", title_justify="left", box=None)
    most = max((number for (_, reason), number in counts.items() if not reason), default=1)
    for label, name in enumerate(names):
        reasons = Counter({reason: number for (of, reason), number in counts.items() if of == label})
        refused = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common() if reason)
        table.add_row(name, str(reasons.total()), str(reasons[""]), "█" * round(BAR * reasons[""] / most), refused)
    return table


def _quantiles(rows: pa.Table) -> dict[str, list[float]]:
    kept = rows.filter(rows["accepted"])
    points = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]
    names = ("margin_before", "margin")
    return {name: np.quantile(kept[name].to_numpy(), points).round(3).tolist() if len(kept) else [] for name in names}


def _margins(rows: pa.Table) -> Table:
    columns = ("margin, logits", "least", "5 %", "25 %", "median", "75 %", "95 %", "most")
    table = Table(*columns, title="\nmargins of the kept", title_justify="left", box=None)
    for name, values in _quantiles(rows).items():
        table.add_row({"margin_before": "before", "margin": "after"}[name], *(f"{value:.2f}" for value in values))
    return table


def draw_grid(found: ShardSet, rows: pa.Table) -> Image.Image:
    """The kept samples nearest to the boundary, a class a row, enlarged to at least 48 pixels each.

    Raises:
        WrongUse: the set holds no images.
    """
    if "image" not in forms_of(found.facts):
        raise WrongUse(f"{found.store.url} holds no images to draw, but {', '.join(forms_of(found.facts))}")
    kept = rows.filter(rows["accepted"]).select(["label", "margin", "shard", "offset", "length"]).to_pylist()
    chosen: dict[int, list[np.ndarray]] = {}
    for row in sorted(kept, key=lambda row: abs(row["margin"])):
        pictures = chosen.setdefault(row["label"], [])
        if len(pictures) < COLUMNS:
            members = members_at(found.store, row["shard"], row["offset"], row["length"])
            pictures.append(image.decode(members[image.extension]).permute(1, 2, 0).numpy())
    height, width, channels = next(iter(chosen.values()))[0].shape
    sheet = np.full((len(chosen) * (height + 1), COLUMNS * (width + 1), channels), 255, dtype=np.uint8)
    for place, label in enumerate(sorted(chosen)):
        for column, picture in enumerate(chosen[label]):
            top, left = place * (height + 1), column * (width + 1)
            sheet[top : top + height, left : left + width] = picture
    times = max(1, -(-48 // max(height, width)))
    drawn = Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)
    return drawn.resize((drawn.width * times, drawn.height * times), Image.Resampling.NEAREST)


def show_repair(url: str, done: Repair) -> None:
    """Say what a repair did."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name in done.moved:
        console.print(f"moved {name} to {broken(Store(url)).url}")
    for key in done.lost:
        console.print(f"lost {key}")
    facts = done.finished.facts
    console.print(f"{url}: {facts['samples']} samples in {len(done.finished.shards)} shards, {len(done.lost)} lost")
