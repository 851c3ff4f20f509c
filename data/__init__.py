"""Samples at rest: sources, shards, manifests, run folders. Nothing here calls a model."""
