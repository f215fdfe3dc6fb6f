"""Trials: what must hold on real processes and disks, tried many times and measured. `trilemma trial`.

Each is a function of a cluster and a size, which returns a Report; the command line prints it and ends with 1 where a
promise did not hold.
"""
