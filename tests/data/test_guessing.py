"""What somebody's data is taken for."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.errors import Damaged, WrongUse
from data.guessing import guess


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, "png")
    return out.getvalue()


def place(folder, *, sizes=((8, 8),), mode="RGB", classes=("cat", "dog", "eel", "fox"), under="") -> None:
    for name in classes:
        (folder / under / name).mkdir(parents=True)
        for number, (width, height) in enumerate(sizes):
            (folder / under / name / f"{number}.png").write_bytes(png(width, height, mode))


def test_folders_of_images_are_classes(tmp_path):
    place(tmp_path, sizes=[(8, 8)] * 3)

    found = guess(str(tmp_path))

    assert (found.source.name, found.source.size, found.source.channels) == ("image_folder", 8, 3)
    assert dict(found.classes) == {"cat": 3, "dog": 3, "eel": 3, "fox": 3}
    assert (found.looked, found.whole) == (12, True)


def test_parts_are_told_from_classes(tmp_path):
    place(tmp_path, under="train", mode="L")
    place(tmp_path, under="val", mode="L")

    found = guess(str(tmp_path))

    assert dict(found.parts) == {"train": 4, "validation": 4}
    assert found.source.channels == 1


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([(8, 8)], 8),
        ([(27, 27)], 28),  # sides must be even
        ([(8, 12)], 0),  # one size, not square, both even: stays
        ([(9, 12)], 12),
        ([(200, 200)], 32),
        ([(40, 41), (50, 30)], 30),
        ([(400, 300), (300, 400)], 32),
    ],
)
def test_sizes_stay_where_they_are_small_alike_and_even(tmp_path, sizes, size):
    place(tmp_path, sizes=sizes)

    assert guess(str(tmp_path)).source.size == size


def test_columns_of_a_parquet_file_are_found_by_what_they_hold(tmp_path):
    images = [{"bytes": png(8, 8), "path": None}] * 4
    table = pa.table({"id": [1, 2, 3, 4], "photo": images, "animal": ["cat", "dog", "eel", "fox"]})
    pq.write_table(table, tmp_path / "a.parquet")

    found = guess(str(tmp_path / "a.parquet"))

    assert (found.source.image_column, found.source.label_column) == ("photo", "animal")


def test_a_parquet_file_without_images_says_what_it_has(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), tmp_path / "a.parquet")

    with pytest.raises(WrongUse, match="has the columns text, label: one of images"):
        guess(str(tmp_path))


def test_only_the_first_samples_of_a_large_source_are_looked_at(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.arange(30) % 3)

    assert (guess(str(tmp_path), most=30).looked, guess(str(tmp_path), most=30).whole) == (30, True)
    found = guess(str(tmp_path), most=29)
    assert (found.looked, found.whole) == (29, False)
    assert len(found.told) == 1


def test_one_class_alone_is_doubted(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.zeros(30, np.int64))

    assert "one class has no boundary" in guess(str(tmp_path)).told[1]


def test_what_no_source_reads_is_refused_with_what_one_would(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")

    with pytest.raises(WrongUse, match=r"holds no file that a source reads: image_folder \(\.png"):
        guess(str(tmp_path))


def test_images_that_nothing_reads_are_counted_and_are_damage_where_all_are(tmp_path):
    place(tmp_path)
    (tmp_path / "cat/1.png").write_bytes(b"no image")

    found = guess(str(tmp_path))

    assert found.unread == 1
    assert any("1 images cannot be read" in told for told in found.told)
    for file in tmp_path.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(Damaged, match="no image that can be read, of 5 looked at"):
        guess(str(tmp_path))


def test_a_class_name_that_a_terminal_would_obey_is_spelled_out(tmp_path):
    place(tmp_path, classes=("cat", "\x1b[31mdog", "eel", "fox"))

    assert sorted(guess(str(tmp_path)).classes) == ["'\\x1b[31mdog'", "cat", "eel", "fox"]
