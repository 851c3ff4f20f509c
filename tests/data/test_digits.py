from data.intake import take_in
from data.sources import SourceOptions, source_of
from data.taken import open_taken


def test_all_digits_are_taken_in_and_divided(tmp_path):
    summary = take_in(source_of(SourceOptions()), SourceOptions(), tmp_path)

    totals = {part: sum(classes.values()) for part, classes in summary.kept.items()}
    batch = open_taken(tmp_path).batch("train", SourceOptions())
    assert summary.read == 1797
    assert summary.quarantined == {}
    assert totals == {"train": 553, "validation": 622, "test": 622}
    assert batch.labels.bincount().tolist() == [30] * 10
    assert batch.inputs["image"].shape == (300, 1, 8, 8)
    assert batch.inputs["image"].min() == 0
    assert batch.inputs["image"].max() == 1
