"""What a trained model is used for."""

from bert_keras.tasks.fill_mask import Candidate, fill_mask

__all__ = ["Candidate", "fill_mask"]
