"""Try a wheel in a new environment and in folders outside the tree.

    python tools/try_wheel.py dist/bert_keras-0.2.0-py3-none-any.whl

A command is run in an empty folder, and tests of the public face in a copy of the tree that lacks
the package. Exit code 1 when one fails. It needs pip's index for the dependencies.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
TESTS = ["tests/test_examples.py", "tests/config", "tests/tokenization"]


def run(command: list[str | Path], folder: Path) -> str:
    """The standard output of a command, which is to succeed."""
    print("$", *command, flush=True)
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit code {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


def copy_without_package(folder: Path) -> None:
    """Copy the tree's tracked files, but none of ``bert_keras/``."""
    for name in run(["git", "ls-files", "-z"], TREE).split("\0"):
        if name and not name.startswith("bert_keras/"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((TREE / name).read_bytes())


def main(arguments: list[str]) -> None:
    """Try the wheel that is named."""
    if len(arguments) != 1 or not arguments[0].endswith(".whl"):
        sys.exit(f"needs one wheel. Received: {' '.join(arguments) or 'nothing'}; see make wheel")
    wheel = Path(arguments[0]).resolve(strict=True)
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory(prefix="wheel-") as name:
        folder = Path(name).resolve()
        venv.create(folder / "venv", with_pip=True)
        programs = folder / "venv" / "bin"
        run([programs / "pip", "install", "--quiet", wheel, "pytest"], folder)
        empty, tree = folder / "empty", folder / "tree"
        empty.mkdir()
        said = run([programs / "bert-keras", "--version"], empty).strip()
        if said != f"bert-keras {version}":
            sys.exit(f"the wheel of {version} says {said!r}")
        print(run([programs / "bert-keras", "quickstart", "--minutes", "0.1"], empty))
        tree.mkdir()
        copy_without_package(tree)
        print(run([programs / "pytest", "--quiet", *TESTS], tree))
    print(f"{wheel.name} works outside the tree")


if __name__ == "__main__":
    main(sys.argv[1:])
