"""Trained models as files that others run: TF Serving, phones."""

from bert_keras.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
