"""The sequential models, one data type a file. `trilemma.check.model` gives all of them by name."""
