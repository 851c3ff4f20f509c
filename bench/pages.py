"""Photographs Prefect's pages in a real browser, for docs/operations.md, and says which hosts they asked for anything.

    python -m bench.pages --out docs/pictures

A server and a worker of its own; a build by hand, with short trainings and drafts of 100 candidates.
"""

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from bench.prefect_site import Site

WIDE, HIGH = 1280, 900
BRIEF = {
    "name": "digits",
    "training": {"steps": 100},
    "generator": {"steps": 100},
    "judges": {"fit": {"steps": 60}},
    "shards": {"attempts": 100},
    "checks": {"agreement": 0.1},
}
CHROMIUM = shutil.which("chromium") or "chromium"
QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def photograph(url: str, out: Path, high: int = HIGH) -> set[str]:
    """Take a picture of a page into a PNG of 64 colours; the hosts that were asked, but for those of Chromium's maker.

    Its own asking for updates and accounts can't be switched off altogether.
    """
    with tempfile.TemporaryDirectory() as scratch:
        picture, log = Path(scratch) / "page.png", Path(scratch) / "net.json"
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", *QUIET, f"--user-data-dir={scratch}/profile"]
        options += [f"--window-size={WIDE},{high}", "--virtual-time-budget=60000", f"--log-net-log={log}"]
        command = [CHROMIUM, *options, f"--screenshot={picture}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        asked = set(re.findall(r'"url":"https?://([^/:"]+)', log.read_text()))
        asked = {host for host in asked if not host.endswith((".google.com", ".googleapis.com"))}
        with Image.open(picture) as page:
            page.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)
    return asked


def pages(site: Site, run: Path, out: Path) -> dict[str, object]:
    """Start a build by hand and photograph the form it is started by, its page, and its funnel."""
    site.start("server")
    site.deploy("--name", "shards-only")
    site.start("worker")
    given = {"recipe": BRIEF, "run": str(run)}
    ended = site.ended(site.run("shards-only", given))
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    found = site.api("artifacts/filter", {})
    shown = {artifact["key"].rpartition("-")[2]: artifact["id"] for artifact in found}
    top = f"http://{site.host}:{site.port}"
    asked = photograph(f"{top}/deployments/deployment/{site.deployment('shards-only')}/run", out / "form.png")
    asked |= photograph(f"{top}/runs/flow-run/{ended['id']}", out / "run.png")
    asked |= photograph(f"{top}/artifacts/artifact/{shown['funnel']}", out / "funnel.png", 560)
    return {
        "hosts asked": sorted(asked),
        "bytes": {file.name: file.stat().st_size for file in sorted(out.glob("*.png"))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    known = parser.parse_args()
    known.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        (home := Path(scratch) / "prefect").mkdir()
        site = Site(home)
        try:
            print(json.dumps(pages(site, Path(scratch) / "digits", known.out), indent=1))
        finally:
            site.stop()


if __name__ == "__main__":
    main()
