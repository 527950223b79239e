"""An extension of griffe, which reads the docstrings for the reference.

Our section ``Example:`` is its ``Examples:``, a session. Arguments and fields that the docstring of
a base class tells are added to a class's own.
"""

import re
from collections.abc import Iterator

import griffe

_SECTION = r"(?ms)^{}:\n(.*?)(?=^\S|\Z)"


class Docstrings(griffe.Extension):
    """An extension that changes docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename the section of examples."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")

    def on_package(self, *, pkg: griffe.Module, **_: object) -> None:
        """Add what the bases tell."""
        own = {cls.path: cls.docstring.value for cls in _classes(pkg) if cls.docstring}
        for cls in _classes(pkg):
            if cls.docstring is None:
                continue
            names = {parameter.name for parameter in cls.parameters} | _fields(cls)
            for section in ("Args", "Attributes"):
                told = entries(own[cls.path], section)
                found: dict[str, str] = {}
                for base in reversed(cls.mro()):
                    found |= entries(own.get(base.path, ""), section)
                new = {k: v for k, v in found.items() if k in names and k not in told}
                if new:
                    cls.docstring.value = with_entries(cls.docstring.value, section, new)


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    """The classes of a package, where they are defined."""
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from _classes(member)
        elif isinstance(member, griffe.Class):
            yield member


def _fields(cls: griffe.Class) -> set[str]:
    """The names of the attributes that each object has its own of."""
    return {
        name
        for name, member in cls.all_members.items()
        if member.is_attribute and member.annotation and "ClassVar" not in str(member.annotation)
    }


def entries(docstring: str, section: str) -> dict[str, str]:
    """The entries of a section by name."""
    found = re.search(_SECTION.format(section), docstring)
    lines = found[1] if found else ""
    return {m[1]: m[0].rstrip() for m in re.finditer(r"    \**(\w+): .*\n?(?:     +.*\n?)*", lines)}


def with_entries(docstring: str, section: str, new: dict[str, str]) -> str:
    """The docstring with more in a section, which is made where there is none."""
    text = "\n".join(new.values())
    found = re.search(_SECTION.format(section), docstring)
    if found:
        end = found.start(1) + len(found[1].rstrip())
        return f"{docstring[:end]}\n{text}{docstring[end:]}"
    head, mark, rest = docstring.partition("\n\nExamples:\n")
    return f"{head}\n\n{section}:\n{text}{mark}{rest}"
