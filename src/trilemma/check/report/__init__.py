"""Reports: everything that was found about a recorded run, as data, and its renderings."""
