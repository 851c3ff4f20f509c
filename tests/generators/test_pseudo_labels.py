import pytest
import torch

from generators.pseudo_labels import evened

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
