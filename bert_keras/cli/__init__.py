"""The ``bert-keras`` command."""

from bert_keras.cli.main import main

__all__ = ["main"]
