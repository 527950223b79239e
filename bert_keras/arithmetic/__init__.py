"""How the layers compute: the same numbers in fewer passes over memory."""
