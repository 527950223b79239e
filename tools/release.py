"""Cut a version: the changelog, the version, and a wheel that was tried.

    python tools/release.py 0.3.0

What stands under "Unreleased" in CHANGELOG.md gets the version and today's date, and
``bert_keras/_version.py`` the version. Then ``make test-wheel`` builds and tries the wheel; when
that fails, both files are as they were. Nothing is committed or sent: the last lines say what is
left to do.
"""

import datetime
import re
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
CHANGELOG = TREE / "CHANGELOG.md"
VERSION = TREE / "bert_keras" / "_version.py"
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
HEAD = "## Unreleased\n"
_EMPTY = f"{HEAD}\n### Added\n\n### Changed\n\n### Fixed\n\n### Removed\n"


def cut(changelog: str, version: str, date: str) -> str:
    """The changelog with the unreleased lines under a version.

    Args:
        changelog: The file's text.
        version: The new version.
        date: Its day, YYYY-MM-DD.

    Raises:
        ValueError: When nothing is unreleased, the version is there, or a section is unknown.
    """
    before, head, rest = changelog.partition(HEAD)
    if not head:
        raise ValueError("CHANGELOG.md has no head '## Unreleased'")
    if f"\n## {version} " in rest:
        raise ValueError(f"CHANGELOG.md has {version} already")
    unreleased, *older = re.split(r"^(?=## )", rest, maxsplit=1, flags=re.MULTILINE)
    loose, *parts = re.split(r"^### (.*)\n", unreleased.strip() + "\n", flags=re.MULTILINE)
    sections = [(name, text.strip()) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    unknown = [name for name, _ in sections if name not in SECTIONS]
    if unknown or loose:
        what = f"section {unknown[0]!r}" if unknown else f"text {loose[:40]!r} in no section"
        raise ValueError(f"CHANGELOG.md has the {what}; the sections are {', '.join(SECTIONS)}")
    kept = [f"### {name}\n\n{text}\n" for name, text in sections if text]
    if not kept:
        raise ValueError("CHANGELOG.md has nothing under '## Unreleased'")
    return before + "\n".join([_EMPTY, f"## {version} - {date}\n", *kept, *older])


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare.

    Raises:
        ValueError: When it is not three numbers.
    """
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise ValueError(f"a version is three numbers, such as 1.2.3. Received: {version!r}")
    return tuple(map(int, version.split(".")))


def cut_files(version: str, date: str) -> dict[Path, str]:
    """The two files as they become.

    Raises:
        ValueError: When the version is none, not above the present one, or ``cut`` refuses it.
    """
    source = VERSION.read_text(encoding="utf-8")
    present = re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)[0]
    if numbers(version) <= numbers(present):
        raise ValueError(f"a new version is above {present}. Received: {version}")
    return {
        CHANGELOG: cut(CHANGELOG.read_text(encoding="utf-8"), version, date),
        VERSION: source.replace(f'"{present}"', f'"{version}"'),
    }


def main(arguments: list[str]) -> None:
    """Cut the version that is named."""
    if len(arguments) != 1:
        sys.exit("needs one version: make release VERSION=1.2.3")
    (version,) = arguments
    status = ["git", "status", "--porcelain"]
    changed = subprocess.run(status, cwd=TREE, capture_output=True, text=True, check=True).stdout
    if changed:
        sys.exit(f"the tree has changes that are not committed:\n{changed}")
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    try:
        files = cut_files(version, today)
    except ValueError as error:
        sys.exit(str(error))
    before = {path: path.read_bytes() for path in files}
    try:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
        subprocess.run(["make", "test-wheel"], cwd=TREE, check=True)
    except BaseException:
        for path, data in before.items():
            path.write_bytes(data)
        raise
    print(f"{version} is cut and its wheel was tried. Look at git diff, then:")
    print(f'  git commit --all --message "Release {version}" && git tag v{version}')
    print(f"  git push origin main v{version}, and attach dist/*.whl to the release of that tag")


if __name__ == "__main__":
    main(sys.argv[1:])
