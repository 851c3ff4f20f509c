"""The audit: attacks a model, trains nothing, and says what breaks it, whether to believe that, and what to do next.

`options` configures it, `attacking` is what worker processes do, `stages` keeps their results in the run's folder,
`summary` makes `figures` of them, `advice` draws conclusions, `page` and `terminal` show it all.
"""
