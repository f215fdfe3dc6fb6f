"""The kinds of faults that the nemesis deals out, by family; `harm` is what they share."""
