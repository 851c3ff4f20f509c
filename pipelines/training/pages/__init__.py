"""Shows what a run did: on the terminal, in report.html, in pictures."""
