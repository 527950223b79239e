"""The one exception that means: the input is wrong, and the message says how to mend it."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is a single line that says what is wrong, what was received and what to do. The
    commands print it to standard error without a traceback and leave with exit code 1; from
    Python it is an ordinary ``ValueError``.
    """
