"""The table of faults."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("faults.toml")


@dataclass(frozen=True)
class Fault:
    """A fault of one place.

    Attributes:
        name: What is wrong.
        file: Where, from the root of the tree.
        old: What stands there, once in the file.
        new: What stands there with the fault.
        tests: Files of tests, or single tests, of which one is to fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """The file's text with the fault.

        Raises:
            ValueError: When the old text does not stand there exactly once.
        """
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"{self.name}: {self.old!r} stands {count} times in {self.file}, not once; mend "
                f"its entry in {TABLE.name}"
            )
        return text.replace(self.old, self.new)


def read_table() -> list[Fault]:
    """All faults, in the order of the table."""
    with TABLE.open("rb") as file:
        table = tomllib.load(file)
    return [
        Fault(name, **(entry | {"tests": tuple(entry["tests"])})) for name, entry in table.items()
    ]
