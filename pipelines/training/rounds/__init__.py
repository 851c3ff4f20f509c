"""Rounds: attack the model of the round before, train on what was found, with no attack in the trainer's loop."""
