"""A folder of images, one folder a class: `cat/1.png`, or `train/cat/1.png`, `val/cat/2.png` where parts are given.

With `source.modality` audio, features or text it holds FLAC and WAV, .npy or .txt files instead.
"""

from collections.abc import Iterator, Sequence

from data.errors import WrongUse
from data.sources import ENDINGS, Found, Source, SourceOptions, files_of, image_at, in_order, kind_of, part_of
from data.store import Store


def image_folder(options: SourceOptions) -> Source:
    """Classes are the folders' names, numbers in the order of numbers, others in alphabetical order."""
    kind = kind_of(options)
    store, names = files_of(options, *ENDINGS[kind])
    if any("/" not in name for name in names):
        loose = next(name for name in names if "/" not in name)
        raise WrongUse(f"{store.where(loose)} lies in no class folder: expected {options.path}/<class>/<file>")
    by_part = all(part_of(name.split("/")[0]) and name.count("/") >= 2 for name in names)
    classes = {name.split("/")[1 if by_part else 0] for name in names}
    return Source(in_order(classes), _samples(store, names, by_part=by_part), kind)


def _samples(store: Store, names: Sequence[str], *, by_part: bool) -> Iterator[Found]:
    for name in names:
        folders = name.split("/")
        label, part = (folders[1], part_of(folders[0])) if by_part else (folders[0], None)
        yield image_at(store, name, name, label, part)
