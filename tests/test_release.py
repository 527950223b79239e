"""The changelog's form, and what ``make release`` makes of it."""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest

import bert_keras

OLD = "## 0.1.0 - 2026-01-01\n\nThe first.\n\n### Added\n\n- Old.\n"
NEW = "### Added\n\n- New.\n- More\n  of it.\n\n### Fixed\n\n"
TEXT = f"# Changelog\n\nWords.\n\n## Unreleased\n\n{NEW}{OLD}"


@pytest.fixture(scope="module")
def release(repository):
    spec = importlib.util.spec_from_file_location("release", repository / "tools" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_unreleased_lines_get_the_version_and_the_older_ones_stay(release):
    assert release.cut(TEXT, "0.2.0", "2026-02-03") == (
        "# Changelog\n\nWords.\n\n"
        "## Unreleased\n\n### Added\n\n### Changed\n\n### Fixed\n\n### Removed\n\n"
        "## 0.2.0 - 2026-02-03\n\n### Added\n\n- New.\n- More\n  of it.\n\n" + OLD
    )


def test_the_first_version_of_all_is_cut_too(release):
    given = release.cut("## Unreleased\n### Fixed\n- It.", "1.0.0", "2026-02-03")
    assert given.endswith("## 1.0.0 - 2026-02-03\n\n### Fixed\n\n- It.\n")


@pytest.mark.parametrize(
    ("text", "version", "message"),
    [
        (OLD, "0.2.0", "no head '## Unreleased'"),
        (TEXT, "0.1.0", "has 0.1.0 already"),
        (TEXT.replace("- New.\n- More\n  of it.", ""), "0.2.0", "nothing under"),
        (
            TEXT.replace("### Fixed", "### Mended"),
            "0.2.0",
            "section 'Mended'; the sections are Added",
        ),
        (TEXT.replace("### Added\n", ""), "0.2.0", "'- New.*' in no section"),
    ],
)
def test_a_changelog_that_cannot_be_cut_is_refused(release, text, version, message):
    with pytest.raises(ValueError, match=message):
        release.cut(text, version, "2026-02-03")


@pytest.mark.parametrize("version", ["v1.2.3", "1.2", "1.2.3rc1", "01.2.3", "", "1.2.3\n"])
def test_what_is_no_version_is_refused(release, version):
    with pytest.raises(ValueError, match="three numbers, such as"):
        release.numbers(version)


@pytest.fixture
def tree(tmp_path, repository):
    """A committed tree of what a release reads; its ``make test-wheel`` is decided by a file."""
    for name in ("tools/release.py", "bert_keras/_version.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(repository / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(TEXT)
    (tmp_path / "Makefile").write_text(
        "test-wheel:\n\tgrep -q 99.0.0 bert_keras/_version.py && test ! -e broken\n"
    )
    (tmp_path / ".gitignore").write_text("broken\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    return tmp_path


def cut_version(tree, version):
    command = [sys.executable, "tools/release.py", version]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def files(tree):
    return (tree / "CHANGELOG.md").read_text(), (tree / "bert_keras" / "_version.py").read_text()


def test_a_release_writes_the_version_and_the_changelog_and_says_what_is_left(tree):
    done = cut_version(tree, "99.0.0")
    assert done.returncode == 0, done.stderr
    changelog, version = files(tree)
    assert "## 99.0.0 - 20" in changelog
    assert '__version__ = "99.0.0"' in version
    assert "git tag v99.0.0" in done.stdout


def test_a_wheel_that_fails_leaves_both_files_as_they_were(tree):
    before = files(tree)
    (tree / "broken").touch()
    assert cut_version(tree, "99.0.0").returncode != 0
    assert files(tree) == before


def test_a_release_over_changes_or_of_an_older_version_is_refused(tree):
    before = files(tree)
    old = cut_version(tree, "0.0.1")
    assert (old.returncode, old.stderr) == (
        1, f"a new version is above {bert_keras.__version__}. Received: 0.0.1\n",
    )  # fmt: skip
    (tree / "Makefile").write_text("")
    changed = cut_version(tree, "99.0.0")
    assert changed.returncode == 1
    assert "not committed:\n M Makefile" in changed.stderr
    assert files(tree) == before


def test_our_own_changelog_has_the_form_and_this_version(repository, release):
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(bert_keras.__version__)} - \d{{4}}-\d\d-\d\d", heads[1])
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= set(release.SECTIONS)
    if re.search(r"^- ", text[: text.index(heads[1])], re.MULTILINE):
        release.cut(text, "99.0.0", "2026-02-03")  # no line stands outside a section
