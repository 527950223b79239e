import pytest

from bert_keras.config import ExportConfig, SavedModelConfig, load_toml
from bert_keras.errors import InputError


def test_the_shipped_file_shows_the_defaults_and_opens_with_its_command(repository):
    path = repository / "configs" / "export" / "serving.toml"
    assert load_toml(ExportConfig, path) == ExportConfig()
    text = path.read_text()
    assert text.startswith("# bert-keras export saved-model ")
    for name in SavedModelConfig.__dataclass_fields__:
        assert f"\n{name} = " in text or f"\n# {name} = " in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "bf16"}, "did you mean 'bfloat16'"),
        ({"max_length": 4}, "max_length must be at least 5"),
        ({"top": 0}, "top must be at least 1"),
        ({"max_windows": 0}, "max_windows must be at least 1"),
    ],
)
def test_what_cannot_be_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        SavedModelConfig(**settings)
