"""Every place that writes, replaces or removes files is listed in docs/files.md, and no other is.

A place is a function of bert_keras. A new one fails here until the page says what protects what was
there before.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

# Functions and methods by which files are made, moved or removed; ``replace`` of a path is told
# from that of a text or a dataclass by its single argument.
WRITERS = {
    "write_text", "write_bytes", "write_text_atomic", "write_bytes_atomic", "atomic_file",
    "atomic_directory", "rmtree", "unlink", "rmdir", "rename", "replace", "remove", "mkdir",
    "mkdirs", "makedirs", "touch", "link", "symlink_to", "hardlink_to", "symlink", "copyfile",
    "copyfileobj", "copytree", "copy2", "move", "chmod", "savefig", "save_file", "SaveV2",
    "TFRecordWriter", "create_file_writer", "open_memmap", "savez", "save_model", "FileLock",
    "TemporaryDirectory", "TemporaryFile", "NamedTemporaryFile", "mkdtemp", "mkstemp", "create",
    "tofile", "imsave", "truncate", "save_weights", "extractall",
}  # fmt: skip
MODES = set("wax+")


def is_writing(call: ast.Call) -> bool:
    """Tell whether a call may change what lies on the disk."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name == "replace":
        return isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords
    if name == "open":
        at = (
            0 if isinstance(call.func, ast.Attribute) else 1
        )  # of path.open(mode), open(path, mode)
        given = [*call.args[at:], *(k.value for k in call.keywords if k.arg == "mode")]
        modes = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return any(len(mode) <= 3 and MODES & set(mode) for mode in modes)
    if isinstance(call.func, ast.Name) and name in ("rename", "remove", "link", "move"):
        return False  # a function of ours that is called so
    if name == "save":  # of TensorFlow and Keras; the others come down to the writers above
        return ast.unparse(call.func) in ("tf.saved_model.save", "model.save")
    return name in WRITERS


def places(tree: ast.AST, inside: str = "") -> Iterator[str]:
    """The functions of a module in which something is written; of a method Class.method."""
    for node in ast.iter_child_nodes(tree):
        name = inside
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name = f"{inside}.{node.name}".strip(".")
        if isinstance(node, ast.Call) and is_writing(node):
            yield name
        yield from places(node, name)


def written(folder: Path) -> set[tuple[str, str]]:
    """The places of a package: module and function."""
    return {
        (path.relative_to(folder).as_posix(), place)
        for path in folder.rglob("*.py")
        for place in places(ast.parse(path.read_text(encoding="utf-8")))
    }


def listed(page: str) -> set[tuple[str, str]]:
    """The places in the first column of the page's tables, as `module.py` `function`."""
    found = set()
    for row in re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE):
        module, *functions = re.findall(r"`([^`]+)`", row)
        found |= {(module, function) for function in functions}
    return found


def test_every_place_that_writes_is_on_the_page_and_no_other(repository: Path) -> None:
    there = written(repository / "bert_keras")
    page = listed((repository / "docs" / "files.md").read_text(encoding="utf-8"))
    assert len(there) > 40
    assert sorted(there - page) == [], "say in docs/files.md what protects what was there"
    assert sorted(page - there) == [], "these write no more"


def test_a_new_writing_place_is_found() -> None:
    source = """
class A:
    def f(self):
        with open(self.path, "w") as file: pass
def g(path): path.open(mode="ab")
def h(path, text): path.replace(text)
def i(text): text.replace("a", "b"); open("a"); replace(text, a=1); open("a", "rb")
def j(path): shutil.rmtree(path)
def k():
    def inner(): tf.saved_model.save(1, 2)
"""
    assert list(places(ast.parse(source))) == ["A.f", "g", "h", "j", "k.inner"]
