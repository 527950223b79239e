"""What the models know of the rest of the package."""

import ast
from pathlib import Path

import pytest

import bert_keras.modeling

FILES = sorted(Path(bert_keras.modeling.__file__).parent.glob("*.py"))


def imports(tree):
    """The modules that a tree imports when it runs, with the function that does, or None."""

    def visit(node, function):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.Import):
            yield from ((alias.name, function) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", function) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    return list(visit(tree, None))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_models_import_no_tokenizer_and_no_json_and_an_optimizer_where_none_is_given(file):
    for module, function in imports(ast.parse(file.read_text())):
        assert not any(word in module for word in ("tokeniz", "json")), module
        if module.startswith("bert_keras.optimizers"):
            assert (file.stem, function) == ("supervised", "_default_optimizer")
