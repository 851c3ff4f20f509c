"""Samples at the model's boundary itself, clean margins within one logit, instead of within an attack's reach."""

from dataclasses import replace

from pipelines.recipes import DEFAULT

_others = {check: limit for check, limit in DEFAULT.checks.items() if check != "robust_margin"}

boundary = replace(
    DEFAULT,
    name="boundary",
    search=replace(DEFAULT.search, mix={"latent_walk": 0.5, "perturb": 0.5}, epsilon=0.25),
    checks={"margin_band": 1.0, **_others},
)
