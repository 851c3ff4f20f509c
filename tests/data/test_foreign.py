import io
import subprocess
import tarfile

import pytest
import webdataset

from data.errors import Damaged
from data.foreign import MOST, read_members
from data.tars import pack


def tar_of(*members: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return out.getvalue()


def member(name: str, size: int = 3, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def read(content: bytes) -> list[tuple[str, bytes]]:
    return [(entry.name, entry.content) for entry in read_members(io.BytesIO(content))]


def test_our_own_tars_are_read():
    content = pack([("a", {"cls": b"1", "png": b"x" * 700}), ("b", {"cls": b"", "png": b"y"})]).content

    assert read(content) == [("a.cls", b"1"), ("a.png", b"x" * 700), ("b.cls", b""), ("b.png", b"y")]


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_clocks_of_other_writers_are_read(format):
    name = "folder/" * 30 + "a.png"

    content = tar_of(member(name, mtime=1.5), member("b.cls"), format=format)

    assert read(content) == [(name, bytes(3)), ("b.cls", bytes(3))]


def test_what_webdatasets_writer_makes_is_read(tmp_path):
    path = tmp_path / "x-000000.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "a", "cls": 3, "txt": "hello"})

    assert read(path.read_bytes()) == [("a.cls", b"3"), ("a.txt", b"hello")]


def test_what_gnu_tar_makes_of_a_folder_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"x")
    subprocess.run(["tar", "cf", tmp_path / "t.tar", "-C", tmp_path / "in", "."], check=True)

    assert read((tmp_path / "t.tar").read_bytes()) == [("a.png", b"x")]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("a.pkl"), "is a pickle"),
        (member("a.x.pth"), "is a pickle"),
        (member("../a.png"), "lies outside"),
        (member("/etc/a.png"), "lies outside"),
        (member("a.png", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "link or device"),
        (member("a.png", 0, type=tarfile.LNKTYPE, linkname="b"), "link or device"),
        (member("a.png", 0, type=tarfile.CHRTYPE), "link or device"),
        (member("a.png", 0, type=tarfile.FIFOTYPE), "link or device"),
        (member("a.png", pax_headers={"size": "99999999999"}), "extended header sets 'size'"),
        (member("a.png", pax_headers={"GNU.sparse.major": "1"}), "extended header sets 'GNU.sparse.major'"),
        (member("a.png", pax_headers={"comment": "x" * 100_000}), "an extended header' claims"),
    ],
)
def test_anything_but_plain_files_is_refused(bad, why):
    with pytest.raises(Damaged, match=why):
        read(tar_of(bad))


@pytest.mark.parametrize("size", [MOST + 1, 2**33 - 1])
def test_a_claim_of_gigabytes_is_refused_before_it_is_read(size):
    claim = member("a.png", size).tobuf(tarfile.USTAR_FORMAT)

    with pytest.raises(Damaged, match=f"claims {size} bytes"):
        read(claim + bytes(1024))


def test_a_tar_that_is_cut_anywhere_is_refused():
    content = tar_of(member("a.png", 700), member("b.png", 10))
    end = len(content.rstrip(b"\0")) + 512

    for length in range(0, end, 100):
        with pytest.raises(Damaged):
            read(content[:length])
