"""From uneven drafts to even shards: dealt out by label and search, shuffled, each sample copied as it was packed.

The shards of a set differ by at most one sample, and so do the samples of any label and search in them. Who goes where
follows from the drafts and a seed alone, so that any process may write any shard.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from data.draft_files import DraftRecord
from data.errors import Damaged
from data.forms import Form, told_of
from data.manifest import count, encode_table, read_manifest
from data.modalities import members_of
from data.shards import ManifestRecord, ShardSet, commit, open_for_writing, shard_name, write_manifest, write_shard
from data.sidecars import SetFacts, ShardRecord
from data.store import Store
from data.tars import Packed, join

Rows = np.ndarray
"""Int32 (N,): places among all kept samples, in the order of drafts and of the samples in each."""


@dataclass(frozen=True)
class Plan:
    """Which kept sample goes into which shard; some 12 bytes a sample.

    Attributes:
        drafts: folder of the drafts.
        records: the drafts, in the order of their numbers.
        split: of the shards.
        first: int64 (D + 1,), the place of each draft's first kept sample; last, how many there are.
        lengths: int32 (N,), bytes of each sample's block in its draft's tar.
        shards: for each shard the samples in it, in their order there.
    """

    drafts: Path
    records: Sequence[DraftRecord]
    split: str
    first: np.ndarray
    lengths: np.ndarray
    shards: Sequence[Rows]


def plan(drafts: Path, records: Sequence[DraftRecord], split: str, shards: int, seed: int) -> Plan:
    """Deal the kept samples of all drafts to so many shards.

    Raises:
        Damaged: fewer samples were kept than there are to be shards.
    """
    lengths, strata = [], []
    numbers: dict[tuple[str, int], int] = {}
    for record in records:
        kept = _kept(drafts, record)
        lengths.append(kept["length"].to_numpy().astype(np.int32))
        pairs = zip(kept["search"].to_pylist(), kept["label"].to_pylist(), strict=True)
        strata.append(np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.int32))
    first = np.cumsum([0, *(len(length) for length in lengths)])
    if first[-1] < shards:
        raise Damaged(_too_few(drafts, records, int(first[-1]), shards))
    by_name = {number: place for place, (_, number) in enumerate(sorted(numbers.items()))}
    order = np.array([by_name[number] for number in range(len(numbers))], dtype=np.int32)
    dealt = deal(order[np.concatenate(strata)], shards, seed)
    return Plan(drafts, records, split, first, np.concatenate(lengths), dealt)


def _kept(drafts: Path, record: DraftRecord) -> pa.Table:
    rows = read_manifest(Store(str(drafts)), [record.manifest], ["accepted", "label", "search", "length"])
    return rows.filter(rows["accepted"])


def _too_few(drafts: Path, records: Sequence[DraftRecord], kept: int, wanted: int) -> str:
    reasons = count(Store(str(drafts)), [record.manifest for record in records], ["reason"])
    why = ", ".join(sorted(reason for (reason,) in reasons if reason))
    return (
        f"{kept} of {sum(record.attempted for record in records)} candidates were kept, too few for {wanted} shards "
        f"(refused: {why}); widen search.band, lower the thresholds in checks, or ask for fewer shards.count"
    )


def deal(strata: np.ndarray, hands: int, seed: int) -> list[Rows]:
    """Shuffle within strata, deal all out one by one, and shuffle what each got.

    Args:
        strata: int (N,), the stratum of each sample.
        hands: among how many.
        seed: of both shuffles.

    Returns:
        For each hand int32 places of its samples; hands differ by at most one, in all and within each stratum.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(np.arange(len(strata), dtype=np.int32))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    return [rng.permutation(order[hand::hands]) for hand in range(hands)]


def pack_shard(plan: Plan, number: int, store: Store) -> ShardRecord:
    """Write one shard of the plan, with its sidecars.

    Raises:
        Damaged: a draft does not hold what its manifest says.
    """
    return write_shard(store, shard_name(plan.split, number), joined(plan, number))


def joined(plan: Plan, number: int) -> Packed:
    """One shard of the plan, in memory; raises as `pack_shard`."""
    rows = plan.shards[number]
    blocks: list[bytes] = [b""] * len(rows)
    for place, block in _blocks(plan, rows):
        blocks[place] = block
    return join(blocks)


def _blocks(plan: Plan, rows: Rows) -> Iterator[tuple[int, bytes]]:
    """Place within the shard, and the sample's bytes, draft after draft."""
    order = np.argsort(rows, kind="stable")
    owner = np.searchsorted(plan.first, rows[order], side="right") - 1
    for draft in np.unique(owner).tolist():
        path, begin = plan.drafts / plan.records[draft].tar, int(plan.first[draft])
        lengths = plan.lengths[begin : plan.first[draft + 1]].astype(np.int64)
        offsets = np.cumsum(lengths) - lengths
        with path.open("rb") as tar:
            for place in order[owner == draft].tolist():
                row = int(rows[place]) - begin
                tar.seek(int(offsets[row]))
                block = tar.read(length := int(lengths[row]))
                if len(block) != length:
                    raise Damaged(f"{path} is cut: delete it and run the build again")
                yield place, block


@dataclass(frozen=True)
class About:
    """What drafts do not tell of a set.

    Attributes:
        name: the recipe's.
        class_names: label -> name.
        shapes: modality -> shape of one input.
        modalities: modality -> rate and unit, see `told_of`; nothing for images alone.
    """

    name: str
    class_names: Sequence[str]
    shapes: Mapping[str, Sequence[int]]
    modalities: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of_forms(cls, name: str, class_names: Sequence[str], forms: Mapping[str, Form]) -> Self:
        """Of samples of these modalities."""
        return cls(name, class_names, {each: list(form.shape) for each, form in sorted(forms.items())}, told_of(forms))

    @classmethod
    def of(cls, finished: ShardSet) -> Self:
        """What a finished set says."""
        facts = finished.facts
        try:
            told = {"modalities": facts["modalities"]} if "modalities" in facts else {}
            return cls(str(facts["name"]), list(facts["class_names"]), dict(facts["shapes"]), told)  # type: ignore[call-overload]
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{finished.store.url}: its index does not say {error}: rebuild the set") from error


def finish(
    plan: Plan, shards: Sequence[ShardRecord], store: Store, about: About, more: Mapping[str, object]
) -> ShardSet:
    """Write the manifests of a set whose shards are written, count what is in them, and commit it.

    Args:
        plan: that the shards were packed by.
        shards: in the order of their numbers.
        store: the set's folder.
        about: goes into the card and the index.
        more: further JSON values for the index.
    """
    open_for_writing(store)
    manifests = place_manifests(plan, store)
    return commit(store, counted(store, plan.split, about, shards, manifests), {**more, **about.modalities}, manifests)


def counted(
    store: Store, split: str, about: About, shards: Sequence[ShardRecord], manifests: Sequence[ManifestRecord]
) -> SetFacts:
    """All that is known of a set, counted from its manifests."""
    rows = count(store, [manifest.name for manifest in manifests], ["reason", "label", "search"])
    labels, searches, refused = Counter[int](), Counter[str](), Counter[str]()
    for (reason, label, search), number in rows.items():
        if reason:
            refused[reason] += number
        else:
            labels[label] += number
            searches[search] += number
    return SetFacts(
        name=about.name,
        split=split,
        class_names=about.class_names,
        members=members_of(about.shapes),
        shapes=about.shapes,
        shards=shards,
        refused=dict(sorted(refused.items())),
        by_class={name: labels[label] for label, name in enumerate(about.class_names)},
        by_search=dict(sorted(searches.items())),
    )


def place_manifests(plan: Plan, store: Store) -> list[ManifestRecord]:
    """Write the manifest of each draft with what became of its samples: shard, offset and length there."""
    shard, offset = _places(plan)
    found = []
    for number, record in enumerate(plan.records):
        rows = read_manifest(Store(str(plan.drafts)), [record.manifest])
        kept = rows["accepted"].to_numpy()
        mine = slice(plan.first[number], plan.first[number + 1])
        names, offsets = np.full(len(rows), "", dtype=object), np.full(len(rows), -1, dtype=np.int64)
        names[kept] = [shard_name(plan.split, n) for n in shard[mine].tolist()]
        offsets[kept] = offset[mine]
        rows = _with(_with(rows, "shard", pa.array(names, pa.string())), "offset", pa.array(offsets))
        found.append(write_manifest(store, record.manifest, len(rows), encode_table(rows)))
    return found


def _places(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    shard, offset = np.empty(len(plan.lengths), np.int32), np.empty(len(plan.lengths), np.int64)
    for number, rows in enumerate(plan.shards):
        lengths = plan.lengths[rows].astype(np.int64)
        shard[rows] = number
        offset[rows] = np.cumsum(lengths) - lengths
    return shard, offset


def _with(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), values)
