"""Golden values: numbers that the library gave once and has to go on giving.

``values.json`` holds them, ``write.py`` computes them, ``test_values.py`` compares. They are got
through public calls, from text, vocabulary and weights that are made here, so that a change within
the library can be measured against them. A change that is meant to move some writes those anew, in
a commit of its own: ``make golden`` (``python -m tests.golden.write [GROUP...]``).
"""
