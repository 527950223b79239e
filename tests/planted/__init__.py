"""Planted faults: whether the tests still catch what people get wrong.

`make test-planted` plants each fault of `faults.toml` in a copy of the tree and runs the tests that
are to fail. Who thins the tests out runs it afterwards.
"""
