"""The programs for phones, each compiled once."""

from functools import cache

import pytest

from tests.export.mobile.programs import COMPILERS, Program


@pytest.fixture(scope="session")
def make_program(repository, tmp_path_factory):
    """Compiles the program of a language; a test without a compiler is skipped."""

    @cache
    def make(language):
        folder = tmp_path_factory.mktemp(language)
        return Program(COMPILERS[language](repository, folder), folder)

    return make


@pytest.fixture(params=list(COMPILERS))
def program(request, make_program):
    """The program of each language."""
    return make_program(request.param)
