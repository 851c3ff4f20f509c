"""The audit for real: a model that was brought, digits, the command as a user types it, killed and gone on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from killing import killed_at, wait_for
from sklearn.datasets import load_digits
from torch import nn

from data.files import sha256_of
from data.sources import SourceOptions
from data.taken import open_taken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HARDSHARD = [sys.executable, "-m", "pipelines.cli"]
BRIEF = ["--audit.samples", "60", "--audit.steps", "5", "--audit.attacks", "fgsm,square,fab", "--audit.norms", "linf"]


class Nearest(nn.Module):
    """The class whose mean image is nearest: linear in the pixels, and fitted without training."""

    def __init__(self) -> None:
        super().__init__()
        digits = load_digits()
        x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
        means = torch.stack([x[y == label].mean(0) for label in range(10)])
        self.line = nn.Linear(64, 10)
        self.line.weight.data, self.line.bias.data = 20 * means, -10 * means.square().sum(1)

    def forward(self, x):
        """Float (N, 1, 8, 8) in [0, 1] -> logits (N, 10)."""
        return self.line(x.flatten(1))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with m.pt2 in it."""
    folder = tmp_path_factory.mktemp("place")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sizes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(Nearest().eval(), (torch.rand(2, 1, 8, 8),), dynamic_shapes=sizes)
        torch.export.save(program, folder / "m.pt2")
    return folder


def start(place: Path, *more: str) -> "subprocess.Popen[str]":
    arguments = [*HARDSHARD, "audit", "--model", "m.pt2", *BRIEF, *more]
    return subprocess.Popen(
        arguments, text=True, cwd=place, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finished(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def said(place) -> str:
    """What a finished audit prints; it lies in runs/audit-m."""
    return finished(start(place))


def figures_in(folder: Path) -> dict:
    return json.loads((folder / "audit.json").read_text())


def test_an_audit_trains_nothing_and_says_what_matters(place, said):
    figures = figures_in(place / "runs/audit-m")

    (norm,) = figures["norms"]
    shown = " ".join(said.split())
    assert figures["sentence"] in shown
    assert figures["advice"][0]["title"] in shown
    assert figures["clean"]["percent"] > 80
    assert norm["robust"]["percent"] < figures["clean"]["percent"]
    assert [row["attack"] for row in norm["attacks"][:3]] == ["fgsm", "square", "fab"]
    assert len(figures["corruptions"]) == 13
    assert figures["trust"]["verdict"] == "trusted"
    assert figures["latent"] is None
    assert not (place / "runs/audit-m/model.safetensors").exists()
    assert "what to do next" in (place / "runs/audit-m/audit.html").read_text().lower()


def test_every_change_fools_it_and_none_is_smaller_than_a_linear_model_allows(place, said):
    folder, network = place / "runs/audit-m", Nearest()
    batch = open_taken(folder / "source").batch("test", SourceOptions())
    x, y = batch.inputs["image"][:60], batch.labels[:60]
    weight = network.line.weight.detach()
    apart = (weight[y][:, None] - weight[None]).abs().sum(2).clamp_min(1e-9)  # what a step of 1 takes off each margin
    gaps = network(x).gather(1, y[:, None]) - network(x)
    least = (gaps / apart).scatter(1, y[:, None], float("inf")).amin(1).clamp_min(0).detach().numpy()

    found = np.load(folder / "audit/linf-fab.npz")

    says = network(torch.tensor(found["x_adv"])).argmax(1)
    assert (says != y[found["rows"]]).all()
    assert (found["length"] >= least - 1e-5).all()
    assert np.median(found["length"] / least.clip(1e-9)) < 2.5  # pixels that are 0 or 1 already cannot all help


def test_it_can_be_killed_between_attacks_and_goes_on_to_the_same_figures(place, said):
    folder = place / "killed"
    landmark, last = folder / "stages/audit/linf-fgsm.json", folder / "audit.json"
    while not killed_at(landmark, start(place, "--run", "killed"), last=last):
        shutil.rmtree(folder)  # the kill came too late, and is tried again
    before = landmark.stat().st_mtime_ns

    finished(start(place, "--run", "killed"))

    undisturbed = place / "runs/audit-m"
    for name in ("fgsm", "square", "fab", "suite"):
        assert sha256_of(folder / f"audit/linf-{name}.npz") == sha256_of(undisturbed / f"audit/linf-{name}.npz")
    assert landmark.stat().st_mtime_ns == before
    assert figures_in(folder)["sentence"] == figures_in(undisturbed)["sentence"]


def test_an_added_attack_is_run_and_the_others_are_not_again(place, said):
    folder = place / "runs/audit-m"
    before = (folder / "stages/audit/linf-square.json").stat().st_mtime_ns

    finished(start(place, "--audit.attacks", "fgsm,square,fab,deepfool"))

    assert (folder / "stages/audit/linf-square.json").stat().st_mtime_ns == before
    assert (folder / "stages/audit/linf-deepfool.json").is_file()


def test_a_run_without_a_model_is_told_how_to_get_one(place):
    told = subprocess.run(
        [*HARDSHARD, "audit", "digits", "--run", "empty"], capture_output=True, text=True, cwd=place, check=False
    )

    assert told.returncode == 2
    assert "has no model: bring one with --model m.pt2, or train one with `hardshard build`" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_model_trained_on_another_division_of_the_samples_is_not_tested_on_this_one(place):
    brief = ["--training.steps", "1", "--run", "trained"]
    steps = [*HARDSHARD, "build", "digits_quick", *brief]
    building = subprocess.Popen(steps, text=True, cwd=place, start_new_session=True, stderr=subprocess.PIPE)
    wait_for(place / "trained/stages/model.json", building)
    os.killpg(building.pid, signal.SIGKILL)
    building.communicate()

    told = subprocess.run(
        [*HARDSHARD, "audit", "digits_quick", *brief, "--source.split_seed", "1"],
        capture_output=True,
        text=True,
        cwd=place,
        check=False,
    )

    assert told.returncode == 2
    assert "was trained on other samples than these options give" in told.stderr


def test_a_folder_without_a_generator_is_refused_before_any_attack(place):
    refused = start(place, "--run", "no-generator", "--audit.generator", ".")
    _, err = refused.communicate(timeout=200)

    assert refused.returncode == 2
    assert "has no generator.safetensors: --audit.generator takes the folder of a run that trained one" in err
    assert not (place / "no-generator/audit").exists()
