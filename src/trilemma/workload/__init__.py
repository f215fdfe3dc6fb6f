"""Client load: generators that draw commands from a seed, and say what each command meant and what its reply says.

Pure: a generator draws from the `random.Random` that it was given, sends nothing and reads no clock. The words used
(kinds, outcomes, values) are those of `check.history`, so that a step and its reply make an operation; this package
does not import `check`, because load is also useful where nothing is judged.
"""
