"""Paired synthesis: generators of events, examiners, drafts of what was made, figures of how well its parts belong."""
