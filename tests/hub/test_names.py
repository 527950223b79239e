"""Names of models on the hub: what is one, what is none, and what was meant."""

from pathlib import Path

import pytest

from bert_keras.errors import InputError
from bert_keras.hub import HubName


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("HF://org/name@v1", "hf://org/name@v1"),
        ("https://huggingface.co/org/name", "hf://org/name"),
        ("https://huggingface.co/org/name/tree/v1", "hf://org/name@v1"),
        ("HTTPS://hf.co/org/name/blob/v1/config.json", "hf://org/name@v1"),
    ],
)
def test_an_address_or_another_spelling_is_refused_with_the_name(as_path, given, meant):
    with pytest.raises(InputError) as refused:
        HubName.of(as_path(given))
    assert str(refused.value).endswith(f"; give {meant}. Received: {given!r}")


@pytest.mark.parametrize("given", ["hf://a b", "https://example.org/org/name", "hf://org/a/b"])
def test_what_is_no_name_is_refused(given):
    with pytest.raises(InputError, match=r"named hf://org/name or hf://org/name@revision\. Rec"):
        HubName.of(given)


@pytest.mark.parametrize("given", ["hf", "http", "runs/hf:/x", "https.d/model", "HF:x"])
def test_a_path_is_no_name(given):
    assert HubName.of(given) is None
