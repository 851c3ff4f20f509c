import pytest
import torch

from data.records import Batch, Verdict


def test_a_batch_of_unequal_lengths_is_refused():
    with pytest.raises(ValueError, match=r"one length, got \{'keys': 1, 'labels': 2"):
        Batch(("a",), {"image": torch.zeros(2, 1, 2, 2)}, torch.zeros(2, dtype=torch.int64))


def test_rows_keeps_keys_inputs_and_labels_together(real):
    chosen = real.rows(torch.tensor([5, 0]))

    assert chosen.keys == ("real-5", "real-0")
    assert chosen.labels.tolist() == [1, 0]
    assert torch.equal(chosen.inputs["image"][1], real.inputs["image"][0])


def test_verdicts_combine_to_what_both_accept_and_keep_the_first_reason():
    strict = Verdict.of("strict", torch.tensor([True, False, False]), torch.tensor([1.0, 2.0, 3.0]))
    mild = Verdict.of("mild", torch.tensor([False, True, False]), torch.tensor([4.0, 5.0, 6.0]))

    both = strict & mild

    assert both.reasons == ("mild", "strict", "strict")
    assert both.accepted.tolist() == [False, False, False]
    assert set(both.scores) == {"strict", "mild"}


def test_verdicts_of_different_lengths_do_not_combine():
    one, two = (Verdict.of("c", torch.ones(n, dtype=torch.bool), torch.zeros(n)) for n in (1, 2))

    with pytest.raises(ValueError, match="of 1 and of 2"):
        _ = one & two
