"""What the `hardshard` command does: its words and options, and a file for each family of commands."""
