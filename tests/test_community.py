"""What a forge reads besides code: how to cite, what an issue is asked for."""

import datetime
import re

import pytest
import yaml


@pytest.fixture(scope="module")
def citation(repository):
    return yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))


def check_reference(reference):
    """What the schema of the Citation File Format 1.2.0 asks of a reference and of its authors."""
    assert isinstance(reference["title"], str)
    assert reference["authors"]
    for author in reference["authors"]:
        person, entity = {"given-names", "family-names"}, {"name"}
        assert set(author) in (person, entity), author
        assert all(isinstance(value, str) for value in author.values())


def test_the_citation_is_of_the_format(citation):
    assert set(citation) == {
        "cff-version", "message", "type", "title", "authors", "license", "keywords", "references",
    }  # fmt: skip
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(isinstance(word, str) for word in citation["keywords"])
    check_reference(citation)
    for reference in citation["references"]:
        check_reference(reference)
        assert reference["type"] == "conference-paper"
        assert isinstance(reference["year"], int)
        assert reference["year"] <= datetime.datetime.now(tz=datetime.UTC).year
        assert re.fullmatch(r"10\.\d{4,}/\S+", reference["doi"])


def test_the_citation_has_our_license_and_no_second_version(citation, repository):
    project = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert f'license = "{citation["license"]}"' in project
    assert "version" not in citation, "it stands in bert_keras/_version.py alone"


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_an_issue_form_is_one(repository, name):
    path = repository / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert all(isinstance(form[key], str) for key in ("name", "description"))
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["label"]


def test_a_bug_report_asks_for_what_doctor_prints(repository):
    path = repository / ".github" / "ISSUE_TEMPLATE" / "bug_report.yml"
    fields = {f["id"]: f for f in yaml.safe_load(path.read_text(encoding="utf-8"))["body"]}
    assert "`bert-keras doctor`" in fields["doctor"]["attributes"]["label"]
    assert fields["doctor"]["validations"]["required"]


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md"])
def test_a_page_leads_nowhere_that_is_not_there(repository, name):
    text = (repository / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (repository / target).exists(), target
