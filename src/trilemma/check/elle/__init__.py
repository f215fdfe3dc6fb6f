"""Transactions on lists that grow: which anomalies a history shows, and so which models of isolation it rules out.

`checker` is the way in. Source: Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental
observations", VLDB 2020, arXiv:2003.10554; Adya, "Weak consistency", MIT, 1999 (G0, G1, G-single, G2).
"""
