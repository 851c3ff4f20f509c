import pytest
import torch

from data.errors import WrongUse
from data.loader import MixedBatches, Pool


def pool(size: int, value: int) -> Pool:
    """Images of one pixel that tell pool and row; soft labels that tell the row."""
    images = torch.full((size, 2, 1, 1), value, dtype=torch.uint8)
    images[:, 1, 0, 0] = torch.arange(size, dtype=torch.uint8)
    return Pool(images, torch.arange(size).float()[:, None])


def rows_seen(batches: MixedBatches, steps: int, value: int) -> list[int]:
    seen = torch.cat([(batches.batch(step)[0] * 255).round() for step in range(steps)])
    return seen[seen[:, 0, 0, 0] == value][:, 1, 0, 0].int().tolist()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1.0])
def test_the_ratio_is_exact_after_any_number_of_steps(share):
    batches = MixedBatches(pool(7, 1), pool(11, 2), share, batch_size=8, seed=0)

    for steps in (1, 3, 10):
        assert abs(len(rows_seen(batches, steps, 2)) - steps * 8 * share) < 1
        assert len(rows_seen(batches, steps, 1)) + len(rows_seen(batches, steps, 2)) == steps * 8


def test_an_epoch_loses_and_doubles_no_sample_and_the_next_has_another_order():
    batches = MixedBatches(pool(7, 1), pool(20, 2), 0.5, batch_size=8, seed=0)

    seen = rows_seen(batches, 10, 2)

    assert sorted(seen[:20]) == sorted(seen[20:40]) == list(range(20))
    assert seen[:20] != seen[20:40]


def test_images_and_soft_labels_stay_together():
    batches = MixedBatches(pool(7, 1), pool(20, 2), 0.5, batch_size=8, seed=0)

    images, soft = batches.batch(3)

    assert torch.equal((images[:, 1, 0, 0] * 255).round(), soft[:, 0])


def test_ranks_see_together_what_one_process_sees():
    alone = MixedBatches(pool(7, 1), pool(20, 2), 0.7, batch_size=4, seed=5)
    ranks = [MixedBatches(alone.real, alone.synthetic, 0.7, 4, seed=5, rank=rank, world=2) for rank in range(2)]

    for step in range(6):
        images, _ = ranks[step % 2].batch(step // 2)
        assert torch.equal(images, alone.batch(step)[0])


def test_a_share_or_rank_out_of_range_is_wrong_use():
    with pytest.raises(WrongUse, match=r"synthetic_share must lie in \[0, 1\], got 1.5"):
        MixedBatches(pool(2, 1), pool(2, 2), 1.5, 4, seed=0)
    with pytest.raises(WrongUse, match=r"rank must lie in \[0, 2\), got 2"):
        MixedBatches(pool(2, 1), pool(2, 2), 0.5, 4, seed=0, rank=2, world=2)
