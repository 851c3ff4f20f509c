from collections import Counter

import numpy as np
import pytest

from data.errors import Damaged
from data.packing import deal, pack_shard, plan
from data.store import Store


@pytest.mark.parametrize("seed", range(10))
def test_hands_are_even_in_all_and_within_each_stratum_and_lose_nothing(seed):
    draw = np.random.default_rng(seed)
    strata = draw.integers(0, draw.integers(1, 12), size=draw.integers(40, 400))
    count = int(draw.integers(1, 20))

    hands = deal(strata, count, seed)

    assert sorted(np.concatenate(hands).tolist()) == list(range(len(strata)))
    assert np.ptp([len(hand) for hand in hands]) <= 1
    for stratum in np.unique(strata):
        assert np.ptp([(strata[hand] == stratum).sum() for hand in hands]) <= 1


def test_a_hand_is_shuffled_and_follows_from_the_seed():
    strata = np.repeat([0, 1], 500)

    (hand,), (again,), (other,) = (deal(strata, 1, seed) for seed in (3, 3, 4))

    assert (hand == again).all()
    assert (hand != other).any()
    assert abs(np.corrcoef(hand, np.arange(1000))[0, 1]) < 0.1


def test_shards_of_uneven_drafts_differ_by_at_most_one_sample(draft, tmp_path):
    kept = [[True] * 8, [False] * 8, [True] + [False] * 7, [True] * 4 + [False] * 4]
    records = [draft(number, which) for number, which in enumerate(kept)]

    dealt = plan(tmp_path / "drafts", records, "train", 4, seed=0)
    shards = [pack_shard(dealt, number, Store(str(tmp_path / "set"))) for number in range(4)]

    assert Counter(shard.samples for shard in shards) == {3: 3, 4: 1}


def test_too_few_kept_samples_for_the_shards_say_what_to_do(draft, tmp_path):
    records = [draft(0, [False] * 8), draft(1, [True] + [False] * 7)]

    with pytest.raises(Damaged, match=r"1 of 16 .* were kept, too few for 2 shards \(refused: planted\); widen"):
        plan(tmp_path / "drafts", records, "train", 2, seed=0)


def test_drafts_of_which_none_was_kept_are_no_shard(draft, tmp_path):
    with pytest.raises(Damaged, match="0 of 8 candidates were kept"):
        plan(tmp_path / "drafts", [draft(0, [False] * 8)], "train", 1, seed=0)


def test_a_draft_that_was_cut_is_named(draft, tmp_path):
    dealt = plan(tmp_path / "drafts", [draft(0, [True] * 8)], "train", 1, seed=0)
    path = tmp_path / "drafts/train-000000.tar"
    path.write_bytes(path.read_bytes()[:3000])

    with pytest.raises(Damaged, match=r"train-000000\.tar is cut"):
        pack_shard(dealt, 0, Store(str(tmp_path / "set")))
