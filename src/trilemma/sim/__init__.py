"""The simulator: the very same node under virtual time, seeded faults, and judges who see only what clients saw.

One seed is one schedule: `run.run_schedule`. `campaign` runs many, `mutants` plants known bugs to show that they are
found. Sources: FoundationDB (Zhou et al., SIGMOD 2021, §4), TigerBeetle's VOPR; FAULTS §1.
"""
