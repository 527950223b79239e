"""Which answers an export has for a model: by the model's task, or by its class."""

from collections.abc import Callable
from typing import Generic, TypeVar

from bert_keras.errors import InputError
from bert_keras.modeling.model import BertModel
from bert_keras.tasks import task_of
from bert_keras.tasks.registry import has_task

Kind = TypeVar("Kind", bound=type)


class Registry(Generic[Kind]):
    """The kinds of answers of one format.

    Args:
        form: What the format is called, for messages.
    """

    def __init__(self, form: str) -> None:
        self._form = form
        self._kinds: dict[type, Kind] = {}

    def register(self, *of: type) -> Callable[[Kind], Kind]:
        """Make a kind of answers known; a class decorator.

        Args:
            *of: The classes of the tasks whose models have them; the classes of models, for those
                that have no task. Those derived from them have them, too.
        """

        def known(kind: Kind) -> Kind:
            self._kinds.update(dict.fromkeys(of, kind))
            return kind

        return known

    def of(self, model: BertModel) -> Kind:
        """The kind of a model's answers.

        Raises:
            InputError: When there is none.
        """
        owner = type(task_of(model)) if has_task(model) else type(model)
        for each in owner.__mro__:
            if each in self._kinds:
                return self._kinds[each]
        raise InputError(
            f"a {type(model).__name__} cannot be exported {self._form}: no answers are registered "
            f"for {owner.__name__}"
        )
