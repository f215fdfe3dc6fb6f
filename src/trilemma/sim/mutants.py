"""All known bugs that can be planted (FAULTS §2), by family."""

from trilemma.sim import (
    mutants_ap,
    mutants_moves,
    mutants_once,
    mutants_raft,
    mutants_reads,
    mutants_serving,
    mutants_storage,
)
from trilemma.sim.mutation import MUTANTS, Mutant, planted, varied

FAMILIES = (
    mutants_raft,
    mutants_reads,
    mutants_serving,
    mutants_storage,
    mutants_ap,
    mutants_moves,
    mutants_once,
)

__all__ = ["FAMILIES", "MUTANTS", "Mutant", "planted", "varied"]
