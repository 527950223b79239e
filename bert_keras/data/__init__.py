"""The way from a corpus to batches, on the fly: plan, gather, mask. Plans need no TensorFlow."""
