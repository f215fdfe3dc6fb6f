"""Judging recorded histories: operations, sequential models, checkers, verdicts.

Knows nothing of the store: a history from any system can be judged. Needs only the standard library (and `base`),
so that it can be imported without the store's own libraries. One checker per file, its source in its docstring.
"""
