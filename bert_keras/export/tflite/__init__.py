"""Models for phones: TFLite files from ids to answers."""

from bert_keras.export.tflite import vectors
from bert_keras.export.tflite.exporter import export_tflite

__all__ = ["export_tflite", "vectors"]
