"""Adaptation: from labelled samples of one domain to a model that works in another, whose labels nobody reads."""
