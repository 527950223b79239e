"""An extension of griffe: it reads our section ``Example:`` as its ``Examples:``, a session."""

import griffe


class Examples(griffe.Extension):
    """Renames the section."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring of a class, function or attribute before it is parsed."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
