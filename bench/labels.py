"""How good are the labels of kept samples, and do the checks take hard ones for wrong ones?

Each split is a run of its own: model, generator and judges from 300 training samples, thresholds from the validation
part. Truth comes from what no part of the pipeline has read: parents of the test part, and an oracle, a classifier
trained on the test part and the training samples that the recipe leaves unlabelled.

    python -m bench.labels --splits 3 --out runs/bench-labels --picture docs/labels.png
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from bench.label_worlds import BAND, SEARCHES, World, calibrated, prepared
from data.records import Batch, Candidates
from generators.checks import Evidence
from generators.checks.agreement import agreement
from generators.thresholds import choose
from pipelines.training import planted
from pipelines.training.fitting.calibration import calibration_error
from pipelines.training.fitting.judges import fit_judge, sized
from pipelines.training.models.classifier import Classifier, load_classifier, save_classifier
from pipelines.training.participants import real_pool, samples

ENDS = (0.25, 1.0, 3.0, 10.0, float("inf"))
"""Upper ends of the bands of |margin|, in logits."""
SHARES = (0.2, 0.3, 0.4, 0.5)
"""Kept shares at which label accuracy is compared."""
SURE = 0.8
"""What the oracle must give another class for the truth to have changed."""


@dataclass(frozen=True)
class Committee:
    """A choice of judges, and how they speak: `geometric` as `agreement` hears them, or by their plain mean."""

    folds: int
    architectures: tuple[str, ...] = ("cnn",)
    calibrated: bool = True
    geometric: bool = True
    features: int = 16
    """Channels of the first layer."""
    threshold: float = 0.0
    """0 for the one that the pipeline chooses."""

    def asked(self, judges: list[Classifier], x: Tensor) -> Tensor:
        """Probabilities, float (N, K), for x, float (N, C, H, W)."""
        with torch.no_grad():
            each = torch.stack([judge(x).softmax(1) for judge in judges])
        return Evidence(each, each, each).consensus if self.geometric else each.mean(0)


COMMITTEES = {
    "before: 3 CNNs, plain mean": Committee(3, calibrated=False, geometric=False, threshold=0.65),
    "calibrated, plain mean": Committee(3, geometric=False),
    "calibrated, geometric mean": Committee(3),
    "32 channels, the same": Committee(3, features=32),
    "64 channels, the same": Committee(3, features=64),
    "CNN + MLP + wide CNN, the same": Committee(3, ("cnn", "mlp", "wide_cnn")),
}
"""The fourth is the recipe's default; the third was up to 0.7.0."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="number of the first split")
    parser.add_argument("--committees", nargs="*", default=list(COMMITTEES), choices=list(COMMITTEES))
    parser.add_argument("--candidates", type=int, default=1024, help="of each search")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-labels"))
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {name: [] for name in asked.committees}
    for split in range(asked.first, asked.first + asked.splits):
        world = prepared(asked.out / f"split-{split}", split, asked.candidates)
        for name in asked.committees:
            began = time.monotonic()
            found[name].append(measure(world, COMMITTEES[name]))
            print(f"split {split}, {name}: {time.monotonic() - began:.0f} s", flush=True)
            (asked.out / "labels.json").write_text(json.dumps(found, indent=1))
    show(found)
    if asked.picture:
        draw(found, asked.picture)


def judges_of(world: World, committee: Committee) -> Iterator[Classifier]:
    """The committee's judges, from the run's folder or trained."""
    fit = replace(world.recipe.judges.fit, features=committee.features)
    options = replace(world.recipe.judges, folds=committee.folds, architectures=committee.architectures, fit=fit)
    real, shape = real_pool(world.run, "train", world.recipe.source)
    for fold in range(committee.folds):
        kind = sized(shape, options, fold).architecture
        path = world.run / f"judge-{kind}-{committee.features}-{fold}-of-{committee.folds}.safetensors"
        if not path.exists():
            save_classifier(path, fit_judge(real, fold, shape, options, 1000 * (world.recipe.seed + 1) + fold))
        judge = load_classifier(path)
        held_out = samples(world.run, "validation", world.recipe.source)
        yield calibrated(judge, held_out) if committee.calibrated else judge


def measure(world: World, committee: Committee) -> dict:
    """All figures of one committee in one world."""
    judges = list(judges_of(world, committee))
    with torch.no_grad():
        return _measured(world, committee, judges)


def _measured(world: World, committee: Committee, judges: list[Classifier]) -> dict:
    def score(x: Tensor, y: Tensor) -> Tensor:
        soft = committee.asked(judges, x)
        own = soft.gather(1, y[:, None])[:, 0]
        return torch.where(soft.argmax(1) == y, own, own - 1)  # what is no first choice is refused at any threshold

    threshold = committee.threshold or _threshold(committee.asked(judges, world.tuning[0]), world)
    test = samples(world.run, "test", world.recipe.source)
    soft = committee.asked(judges, test.inputs["image"])
    figures = {
        "threshold": threshold,
        "ece": calibration_error(soft, test.labels),
        "nll": F.nll_loss(soft.clamp_min(1e-9).log(), test.labels).item(),
        "changed_caught": (score(*world.changed) < threshold).float().mean().item(),
    }
    for name, (x, y, right) in (("across", world.planted), ("any", world.anyhow)):
        figures[name] = _planted(score(x, y), right, threshold)
    return figures | _of_candidates(world, score, threshold)


def _threshold(soft: Tensor, world: World) -> float:
    """What the pipeline would choose, given the committee's probabilities for the validation samples planted."""
    x, y, right = world.tuning
    zero, keys = torch.zeros(len(y)), tuple(map(str, range(len(y))))
    made = Candidates(Batch(keys, {"image": x}, y), "planted", ((),) * len(y), {"image": x}, zero, zero)
    rate = world.recipe.shards.label_error
    choice = choose(agreement, made, Evidence(soft[None], zero, zero), right, wrong=planted.WRONG, rate=rate)
    return choice.threshold if choice else float("inf")


def _planted(scores: Tensor, right: Tensor, threshold: float) -> dict:
    kept, slipped = (scores[side] >= threshold for side in (right, ~right))
    strict = float(scores[~right].quantile(0.95))
    levels = torch.linspace(0, 1, 101)
    return {
        "planted": len(right),
        "caught": 1 - slipped.float().mean().item(),
        "kept": kept.float().mean().item(),
        "error": _error(slipped.float().mean().item(), kept.float().mean().item()),
        "kept_at_95_caught": (scores[right] > strict).float().mean().item(),
        "curve": [(scores[right] > scores[~right].quantile(1 - level)).float().mean().item() for level in levels],
    }


def _error(slipped: float, kept: float) -> float:
    """Wrong labels among the kept, were one in five candidates wrong."""
    return planted.WRONG * slipped / max(1e-9, planted.WRONG * slipped + (1 - planted.WRONG) * kept)


def _of_candidates(world: World, score: Callable[[Tensor, Tensor], Tensor], threshold: float) -> dict:
    bands, near, caught = {}, [], []
    for name, (x, y, margins) in world.found.items():
        seen, scores = world.oracle(x), score(x, y)
        right = seen.argmax(1) == y
        bands[name] = _bands(scores[right] >= threshold, margins[right])
        caught.append((scores < threshold)[~right & (seen.amax(1) >= SURE)])
        inside = margins.abs() <= BAND
        near.append((scores[inside], right[inside]))
    scores, right = (torch.cat(part) for part in zip(*near, strict=True))
    order = scores.argsort(descending=True)
    accuracy = {share: right[order[: int(share * len(order))]].float().mean().item() for share in SHARES}
    kept = scores >= threshold
    return {
        "bands": bands,
        "oracle_caught": torch.cat(caught).float().mean().item(),
        "accuracy_at": accuracy,
        "kept_of_candidates": kept.float().mean().item(),
        "accuracy_of_kept": right[kept].float().mean().item(),
    }


def _bands(kept: Tensor, margins: Tensor) -> dict:
    """Upper end of |margin| -> share kept, and of how many."""
    place = torch.bucketize(margins.abs(), torch.tensor(ENDS[:-1]))
    groups = {f"{end:g}": kept[place == number] for number, end in enumerate(ENDS)}
    return {end: (some.float().mean().item() if len(some) else None, len(some)) for end, some in groups.items()}


def show(found: dict[str, list[dict]]) -> None:
    """Every figure as mean and spread over the splits, one row a committee."""
    columns: dict[str, Callable[[dict], float]] = {
        "threshold": lambda one: one["threshold"],
        "ECE, %": lambda one: 100 * one["ece"],
        "NLL": lambda one: one["nll"],
        "across: error": lambda one: 100 * one["across"]["error"],
        "across: caught": lambda one: 100 * one["across"]["caught"],
        "across: kept": lambda one: 100 * one["across"]["kept"],
        "across: kept at 95": lambda one: 100 * one["across"]["kept_at_95_caught"],
        "any: caught": lambda one: 100 * one["any"]["caught"],
        "any: kept": lambda one: 100 * one["any"]["kept"],
        "any: kept at 95": lambda one: 100 * one["any"]["kept_at_95_caught"],
        "changed: caught": lambda one: 100 * one["changed_caught"],
        "oracle's: caught": lambda one: 100 * one["oracle_caught"],
        "candidates kept": lambda one: 100 * one["kept_of_candidates"],
        "label right": lambda one: 100 * one["accuracy_of_kept"],
        **{f"right at {share:.0%}": lambda one, share=share: 100 * _at(one, share) for share in SHARES},
    }
    for column, figure in columns.items():
        print(f"\n{column}")
        for name, splits in found.items():
            print(f"  {name:34}{spread([figure(one) for one in splits])}")
    for search in SEARCHES:
        print(f"\n{search}: share of those the oracle calls right that is kept, by |margin|")
        for name, splits in found.items():
            cells = [[one["bands"][search][f"{end:g}"] for one in splits] for end in ENDS]
            print(
                f"  {name:34}" + "  ".join(f"<={end:g}: {_pooled(cell)}" for end, cell in zip(ENDS, cells, strict=True))
            )


def _at(one: dict, share: float) -> float:
    return one["accuracy_at"][share]


def _pooled(cells: list[tuple[float | None, int]]) -> str:
    total = sum(number for _, number in cells)
    kept = sum((share or 0) * number for share, number in cells)
    return f"{100 * kept / total:.0f} % of {total}" if total else "none"


def draw(found: dict[str, list[dict]], path: Path) -> None:
    """ROC curves on planted errors, the mean over the splits, and where each split's threshold lies."""
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    slipped = torch.linspace(0, 100, 101).tolist()
    for number, (name, splits) in enumerate(found.items()):
        curves = 100 * torch.tensor([one["across"]["curve"] for one in splits])
        axes.plot(slipped, curves.mean(0).tolist(), color=f"C{number}", label=name)
        for one in splits:
            at = 100 - 100 * one["across"]["caught"], 100 * one["across"]["kept"]
            axes.plot(*at, "o", color=f"C{number}", markersize=4)
    axes.set(xlabel="wrong labels let through, %", ylabel="right labels kept, %", xlim=(0, 30), ylim=(20, 100))
    axes.legend(frameon=False, fontsize="small", title="dots: the threshold chosen on each split")
    figure.savefig(path, dpi=110)


def spread(values: list[float]) -> str:
    return f"{mean(values):.3g} ± {stdev(values):.2g}" if len(values) > 1 else f"{values[0]:.4g}"


if __name__ == "__main__":
    main()
