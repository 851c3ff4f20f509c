"""What a budget buys: on paper, where acceptance is known; then in drafts of untrained networks."""

import pytest

from data.errors import WrongUse
from pipelines.training.budget import MOST_MORE, BudgetOptions, allocate

TRIED = 1000
HALVES = {"easy": 0.5, "dear": 0.5}


def probe(rates, *, seconds=(1.0, 1.0), shares=(0.5, 0.5), have=(0.0, 0.0), balance="source", setup=0.0, spent=0.0):
    """A probe's record: of each search the share of each class's candidates that were kept."""
    rows = {
        search: {"tried": [TRIED] * len(of_class), "kept": [TRIED * rate for rate in of_class], "seconds": each}
        for (search, of_class), each in zip(rates.items(), seconds, strict=False)
    }
    aims = {"balance": balance, "shares": list(shares), "have": list(have)}
    return {"searches": rows, "setup": setup, "spent": spent, "bytes": 1.0, "row_bytes": 1.0, **aims}


def budget(**changes):
    return BudgetOptions(**{"search_floor": 0.0, **changes})


def test_without_a_floor_every_candidate_goes_where_most_are_accepted():
    record = probe({"easy": (0.5, 0.5), "dear": (0.1, 0.1)})

    found = allocate(record, HALVES, budget(accepted=100), parts=1)

    assert found.candidates == {"easy": [100, 100], "dear": [0, 0]}
    assert found.accepted == {"easy": 100, "dear": 0}
    assert not found.bound


def test_each_class_has_the_search_that_is_best_for_it():
    record = probe({"easy": (0.8, 0.2), "dear": (0.2, 0.4)})

    found = allocate(record, HALVES, budget(accepted=100), parts=1)

    assert found.candidates["easy"][1] == found.candidates["dear"][0] == 0
    assert found.candidates["easy"][0] == pytest.approx(50 / 0.8, abs=2)
    assert found.candidates["dear"][1] == pytest.approx(50 / 0.4, abs=2)


def test_the_floor_follows_the_mix_in_every_class():
    record = probe({"easy": (0.5, 0.5), "dear": (0.1, 0.1)})

    found = allocate(record, {"easy": 0.4, "dear": 0.6}, budget(accepted=200, search_floor=0.5), parts=1)

    # of a class's candidates .5 * .6 go to the dear search: .7 * .5 + .3 * .1 = .38 of them are kept
    assert found.candidates == {"easy": [184, 184], "dear": [79, 79]}
    assert sum(found.accepted.values()) == pytest.approx(200, abs=1)


def test_a_floor_of_one_is_the_recipes_mix():
    record = probe({"easy": (0.9, 0.1), "dear": (0.1, 0.1)}, balance="even")

    found = allocate(record, HALVES, budget(accepted=300, search_floor=1.0), parts=1)

    assert len({n for counts in found.candidates.values() for n in counts}) == 1


def test_even_balance_tries_classes_alike_unless_told_otherwise():
    record = probe({"easy": (0.8, 0.2), "dear": (0.1, 0.1)}, balance="even")

    alike = allocate(record, HALVES, budget(accepted=100), parts=1)
    leaning = allocate(record, HALVES, budget(accepted=100, class_floor=0.5), parts=1)

    assert alike.candidates["easy"] == [100, 100]
    assert leaning.candidates["easy"][0] == pytest.approx(3 * leaning.candidates["easy"][1], abs=2)


def test_a_thin_class_is_filled_first():
    record = probe({"easy": (0.5, 0.5), "dear": (0.1, 0.1)}, have=(30, 10), balance="fill")

    found = allocate(record, HALVES, budget(accepted=40), parts=1)

    assert found.candidates["easy"] == [20, 60]  # 10 and 30 of them kept: 40 of each class


def test_the_minutes_buy_by_the_second():
    record = probe({"easy": (0.4, 0.4), "dear": (0.8, 0.8)}, seconds=(0.1, 1.0), setup=5.0, spent=10.0)

    found = allocate(record, HALVES, budget(accepted=10_000, minutes=2.0), parts=2)

    # 120 s less 10 of the probe and 2 x 5 of loading buy 1000 candidates of the search that keeps 4 a second
    assert found.candidates == {"easy": [500, 500], "dear": [0, 0]}
    assert found.seconds == pytest.approx(110)
    assert sum(found.accepted.values()) == pytest.approx(400)
    assert found.bound


def test_a_clock_has_no_say_where_there_is_time_enough():
    rates = {"easy": (0.4, 0.4), "dear": (0.8, 0.8)}
    usual, slow = probe(rates, seconds=(0.01, 0.1)), probe(rates, seconds=(0.03, 0.2))

    found = [allocate(record, HALVES, budget(accepted=100, minutes=20.0), 8).candidates for record in (usual, slow)]

    assert found[0] == found[1]


def test_minutes_alone_buy_all_they_can():
    record = probe({"easy": (0.5, 0.5)}, seconds=(0.1,))

    found = allocate(record, {"easy": 1.0}, budget(minutes=1.0), parts=1)

    assert found.candidates == {"easy": [300, 300]}
    assert found.bound


def test_a_class_that_nothing_reaches_takes_only_so_much():
    record = probe({"easy": (0.5, 0.0)})

    found = allocate(record, {"easy": 1.0}, budget(accepted=100), parts=1)

    assert found.candidates["easy"][1] == pytest.approx(MOST_MORE * found.candidates["easy"][0], rel=0.01)


def test_a_lucky_class_of_few_candidates_is_not_believed():
    record = probe({"easy": (0.5, 0.5), "dear": (0.0, 0.0)})
    record["searches"]["dear"] |= {"tried": [2, 998], "kept": [2, 98]}  # both kept, but one in ten otherwise

    found = allocate(record, HALVES, budget(accepted=100), parts=1)

    assert found.candidates["dear"] == [0, 0]


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_parts_add_up_and_differ_by_one_candidate(parts):
    record = probe({"easy": (0.53, 0.31), "dear": (0.17, 0.19)})
    found = allocate(record, HALVES, budget(accepted=1000, search_floor=0.3), parts)

    divided = [found.part(number, parts) for number in range(parts)]

    for search, counts in found.candidates.items():
        for label, count in enumerate(counts):
            mine = [part[search][label] for part in divided]
            assert sum(mine) == count
            assert max(mine) - min(mine) <= 1


def test_a_search_of_no_share_gets_nothing():
    record = probe({"easy": (0.5, 0.5), "dear": (0.9, 0.9)})

    found = allocate(record, {"easy": 1.0, "dear": 0.0}, budget(accepted=100), parts=1)

    assert list(found.candidates) == ["easy"]


def test_a_probe_that_kept_nothing_is_no_ground_to_plan_on():
    with pytest.raises(WrongUse, match=r"the probe kept 0 of 2000 candidates, too few to plan by"):
        allocate(probe({"easy": (0.0, 0.0)}), {"easy": 1.0}, budget(accepted=10), parts=1)


def test_minutes_that_the_probe_has_used_up_are_wrong_use():
    with pytest.raises(WrongUse, match=r"budget\.minutes 1 is less than probe and loading take, 1\.5"):
        allocate(probe({"easy": (0.5, 0.5)}, spent=80, setup=5), {"easy": 1.0}, budget(minutes=1.0), parts=2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"accepted": -1}, r"budget\.accepted must be >= 0, got -1"),
        ({"minutes": float("nan")}, r"budget\.minutes must be >= 0 and finite, got nan"),
        ({"probe": 10}, r"budget\.probe must be >= 100, got 10"),
        ({"search_floor": 1.5}, r"budget\.search_floor must lie in \[0, 1\], got 1\.5"),
    ],
)
def test_a_budget_out_of_range_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        BudgetOptions(**wrong)
