"""Commands that are given another one: where that begins among their own words.

Whoever looks through them by this reads the other command's name, keys and secrets; who may be given what is theirs to
refuse.
"""

WRAPPED_AT = {"cap|explain": 2, "cap|once": 3, "command|getkeys": 2}
"""By the name of the outer command, the place of the inner one's name."""
