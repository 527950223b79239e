"""Models for phones: TFLite files from ids to answers."""

from bert_keras.export.tflite import vectors  # noqa: F401 - its answers register themselves
from bert_keras.export.tflite.exporter import export_tflite

__all__ = ["export_tflite"]
