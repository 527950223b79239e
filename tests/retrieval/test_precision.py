"""Vectors in fewer bits, by hand: what quantize_embeddings of sentence-transformers 6 gives."""

import numpy as np
import pytest

from bert_keras.errors import InputError
from bert_keras.retrieval.precision import PRECISIONS, dtype_of, width_of, with_precision

VECTORS = np.array([[0.0, -127.5, 5], [255, 0, 5], [100.9, 127.5, 5]], np.float32)
RANGES = np.array([VECTORS.min(axis=0), VECTORS.max(axis=0)])


def test_int8_has_256_steps_from_the_lowest_to_the_highest_value():
    """Each step is rounded down; the last dimension has one value alone."""
    expected = [[-128, -128, -128], [127, -1, -128], [-28, 127, -128]]
    assert with_precision(VECTORS, "int8", RANGES).tolist() == expected


def test_int8_beyond_its_ranges_is_the_nearest_step():
    vectors = np.array([[-50, 200, 5], [999, -200, 4]], np.float32)
    assert with_precision(vectors, "int8", RANGES).tolist() == [
        [-128, 127, -128],
        [127, -128, -128],
    ]


def test_binary_has_a_bit_for_each_dimension_the_first_one_highest():
    signs = [[1, -1, -1, -1, -1, -1, -1, 1], [0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]]
    packed = with_precision(np.array(signs, np.float32), "binary")
    assert packed.tolist() == [[0b10000001 - 128], [-128], [127]]
    of_ten = with_precision(np.ones((2, 10), np.float32), "binary")
    assert of_ten.tolist() == [[127, 0b11000000 - 128]] * 2  # no bit goes into the next row


@pytest.mark.parametrize("precision", PRECISIONS)
def test_shape_and_type_are_as_told(precision):
    vectors = with_precision(np.ones((2, 12), np.float32), precision, np.ones((2, 12), "f4"))
    assert vectors.shape == (2, width_of(12, precision))
    assert vectors.dtype == dtype_of(precision)


def test_float16_rounds_and_refuses_what_is_too_large():
    assert with_precision(VECTORS, "float16").tolist() == VECTORS.astype(np.float16).tolist()
    with pytest.raises(InputError, match="float16 ends at 65,504"):
        with_precision(VECTORS * 1000, "float16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match=r"int8, binary\. Received: 'int4'"):
        with_precision(VECTORS, "int4")
