"""Draws the curve of finished runs of one recipe: `hardshard scarcity` without running anything.

Writes scarcity.json and scarcity.html into the folder that holds the runs, labels-100 and so on, and prints the table.

    hardshard scarcity digits --labels 100 300 900 --seeds 2 --source.validation_share 0.2 --source.test_share 0.2
    python bench/scarcity.py runs/digits-scarcity
"""

import argparse
from pathlib import Path

from pipelines.training.pages.scarcity import show_scarcity, write
from pipelines.training.scarcity import must_make_a_curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    folder = parser.parse_args().runs
    labels = [int(report.parent.name.removeprefix("labels-")) for report in folder.glob("labels-*/report.json")]
    must_make_a_curve(labels)
    show_scarcity(write(folder, labels))


if __name__ == "__main__":
    main()
