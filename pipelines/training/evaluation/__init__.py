"""Measures classifiers: the attack suite, corruptions, statistics, and whether the shards pay."""
