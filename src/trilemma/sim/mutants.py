"""All known bugs that can be planted (FAULTS §2), by family."""

from trilemma.sim import mutants_ap, mutants_moves, mutants_raft
from trilemma.sim.mutation import MUTANTS, Mutant, planted

FAMILIES = (mutants_raft, mutants_ap, mutants_moves)

__all__ = ["FAMILIES", "MUTANTS", "Mutant", "planted"]
