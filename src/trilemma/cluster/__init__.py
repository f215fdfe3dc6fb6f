"""Between nodes: the frame on the wire, links and whether they are up, streams of forwarded commands.

Pure. Knows nothing of what the messages it carries mean.
"""
