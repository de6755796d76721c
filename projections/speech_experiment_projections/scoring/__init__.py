"""Scores of recognition results: pure functions from texts to counts, and from counts to statements.

A score is what a scoring profile makes of a reference and a hypothesis: `normalisers` bring both texts
into one spelling, `units` cut them into words, characters or a mixture, `alignment` counts hits,
substitutions, deletions and insertions as a named tool does. `intervals` and `significance` say how sure
a rate or a difference is.

Other tasks have measures of their own: `diarization`, `meetings`, `verification`, `spotting`, `listening`,
`synthesis`. Each result carries a `definitions.Definition`, everything that makes its numbers comparable.
"""
