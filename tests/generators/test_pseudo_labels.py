import pytest
import torch

from generators.pseudo_labels import evened, sharpened, spread

LEANING = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])


def test_even_shares_are_reached_and_the_order_of_the_samples_is_kept():
    found = evened(LEANING, 1.0)

    torch.testing.assert_close(found.mean(0), torch.tensor([0.5, 0.5]), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.sum(1), torch.ones(4))
    assert found[:, 0].tolist() == sorted(found[:, 0].tolist(), reverse=True)
    assert found.argmax(1).tolist() == [0, 0, 1, 1]


def test_no_strength_changes_nothing_and_half_of_it_goes_half_the_way():
    torch.testing.assert_close(evened(LEANING, 0.0), LEANING)
    assert evened(LEANING, 0.5).mean(0)[0].item() == pytest.approx((0.75 + 0.5) / 2, abs=1e-3)


def test_a_class_that_nobody_names_gets_its_share_without_division_by_zero():
    found = evened(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 1.0)

    assert found.isfinite().all()


def test_one_who_errs_is_outvoted_by_its_like_and_another_kind_does_not_count():
    x = torch.cat([torch.randn(20, 3) * 0.1, torch.randn(20, 3) * 0.1 + 5])
    told = torch.tensor([[0.7, 0.3]]).repeat(40, 1)
    told[20:] = told[20:].flip(1)
    told[[0, 20]] = told[[20, 0]]  # one of each kind errs

    found = spread(x, told, neighbours=3, weight=0.9)

    assert found.argmax(1).tolist() == [0] * 20 + [1] * 20
    torch.testing.assert_close(found.sum(1), torch.ones(40))


def test_no_weight_changes_nothing_and_few_samples_are_all_neighbours():
    x = torch.randn(4, 2)

    assert torch.equal(spread(x, LEANING, neighbours=3, weight=0.0), LEANING)
    assert torch.equal(spread(x[:1], LEANING[:1], neighbours=3, weight=0.5), LEANING[:1])
    assert spread(x, LEANING, neighbours=99, weight=0.99).isfinite().all()


def test_spreading_by_hand_on_a_pair():
    x, told = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    found = spread(x, told, neighbours=1, weight=0.5)

    # Each is the other's only neighbour, so z = (z' + own) / 2 with own = (1, 0): z = (2/3, 1/3).
    torch.testing.assert_close(found, torch.tensor([[2 / 3, 1 / 3], [1 / 3, 2 / 3]]))


def test_samples_that_are_all_the_same_are_no_division_by_zero():
    assert spread(torch.zeros(6, 2), LEANING.repeat(2, 1)[:6], neighbours=2, weight=0.9).isfinite().all()


def test_a_power_sharpens_odds_and_one_leaves_them():
    found = sharpened(LEANING, 2.0)

    assert found[0, 0].item() == pytest.approx(0.81 / (0.81 + 0.01))
    torch.testing.assert_close(sharpened(LEANING, 1.0), LEANING)
