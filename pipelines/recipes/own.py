"""Your own data: `hardshard build own --source.name image_folder --source.path photos --source.size 32`."""

from dataclasses import replace

from data.sources import SourceOptions
from pipelines.recipes import DEFAULT

own = replace(
    DEFAULT,
    name="own",
    source=SourceOptions(name="image_folder", labelled=0, validation_share=0.1, test_share=0.1),
)
