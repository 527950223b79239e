"""colab/export.ipynb, executed from top to bottom."""

import nbclient
import nbformat
import pytest

from bert_keras.saving import save


@pytest.fixture
def notebook(repository):
    return nbformat.read(repository / "colab" / "export.ipynb", as_version=4)


def test_no_outputs_are_kept_in_git(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(notebook, make_model, repository, tmp_path, monkeypatch):
    save(make_model("classification"), tmp_path / "model")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    for name, value in {"MODEL": "model", "OUT": "served", "TEXT": "late again"}.items():
        monkeypatch.setenv(f"BERT_KERAS_{name}", value)
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()
    assert "serving_default : text -> classes, labels, probabilities, scores" in text
    assert "probabilities [[" in text
