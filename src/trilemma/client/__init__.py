"""Clusters for people and tests: in this process (`local`), or as processes under a supervisor (`supervisor`)."""
