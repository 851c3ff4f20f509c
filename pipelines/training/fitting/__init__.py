"""Trains classifiers adversarially: the loop, its objectives, the judges."""
