"""Targets: real stores that a run starts, drives, disturbs, records and judges; the engine of `trilemma check run`.

Owns what a target is (`port`), the stores that come with it (one file each), the machines and links that they stand on,
the nemesis, the load and the verdict on a run. Knows stores by their wire only: also Trilemma is an outsider here.
"""
