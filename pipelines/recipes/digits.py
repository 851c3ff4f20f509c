"""300 labelled digits, hardened against L-inf 0.12: the defaults."""

from pipelines.recipes import DEFAULT

digits = DEFAULT
