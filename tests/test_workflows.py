"""The workflows ask for what is there, by actions that cannot change, with few rights."""

import re
import tomllib

import pytest
import yaml

NEVER_RUN = {"serving", "android"}  # of what cannot run on a desk


@pytest.fixture(scope="module")
def workflows(repository):
    """The files by their names, parsed."""
    paths = sorted((repository / ".github" / "workflows").iterdir())
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}


@pytest.fixture(scope="module")
def jobs(workflows):
    return {
        f"{name}: {key}": job
        for name, workflow in workflows.items()
        for key, job in workflow["jobs"].items()
    }


@pytest.fixture(scope="module")
def commands(jobs):
    """Every command line, those of the emulator too."""
    steps = [step for job in jobs.values() for step in job["steps"]]
    scripts = [step.get("run") or step.get("with", {}).get("script", "") for step in steps]
    return "\n".join(scripts).splitlines()


def test_there_are_the_workflows_that_contributing_names(workflows, repository):
    assert set(workflows) == {"checks", *NEVER_RUN}
    page = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"`{name}.yml`" in page for name in workflows)


def test_the_targets_that_they_make_are_in_the_makefile(commands, repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    asked = {line.split()[1] for line in commands if line.startswith("make ")}
    assert asked >= {"lint", "test", "test-oldest", "docs", "test-wheel", "test-container"}
    with_the_site = set() if (repository / "mkdocs.yml").exists() else {"docs"}
    assert asked - targets <= with_the_site


def test_the_paths_that_they_name_are_there(workflows, jobs, repository):
    named = [
        pattern
        for workflow in workflows.values()
        for pattern in (workflow[True].get("pull_request") or {}).get("paths", [])  # True is "on"
    ]
    for job in jobs.values():
        for step in job["steps"]:
            named.append(step.get("with", {}).get("working-directory", "tests"))
    assert len(named) > 8
    for pattern in named:
        assert any(repository.glob(pattern)), pattern


def test_actions_are_pinned_to_a_commit_whose_version_is_beside_it(repository):
    for path in (repository / ".github" / "workflows").iterdir():
        used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
        assert used
        for action in used:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_rights_are_the_least_and_every_job_ends(workflows, jobs):
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {"contents": "read"}, name
    for name, job in jobs.items():
        assert "permissions" not in job, name
        assert job["timeout-minutes"] <= 90, name
        checkouts = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False], name


def test_no_command_takes_text_of_strangers(commands):
    assert not [line for line in commands if "${{" in line], "a title or a branch's name would run"


def test_the_pythons_are_those_that_pyproject_names(workflows, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    versions = workflows["checks"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = [c.split(" :: ")[-1] for c in project["classifiers"] if "Python :: 3." in c]
    assert versions == named
    assert project["requires-python"] == f">={versions[0]}"
    mypy = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["mypy"]
    assert mypy["python_version"] == versions[0]


@pytest.mark.parametrize(
    ("name", "page"),
    [("serving", "export/serving/README.md"), ("android", "export/mobile/README.md")],
)
def test_what_has_never_run_says_so_where_it_is_used(repository, name, page):
    head = (repository / ".github" / "workflows" / f"{name}.yml").read_text().splitlines()[0]
    said = f"`.github/workflows/{name}.yml`" in (repository / page).read_text(encoding="utf-8")
    assert head.startswith("# NEVER RUN YET")
    assert said, f"{page} is to say what has not run"
