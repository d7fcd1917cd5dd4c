"""Whether every model can take the prompts that it will be given, found out from tokenizers alone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pluralign.data.dialogue import ASSISTANT, is_dialogue
from pluralign.data.template import Template
from pluralign.data.template import read_template as read
from pluralign.errors import InputError
from pluralign.plugins import find
from pluralign.records.preference import Prompt
from pluralign.run import plan
from pluralign.run.parts import Exam, Rung, Voices
from pluralign.run.rungs import root
from pluralign.runfile.parts import RunFile

if TYPE_CHECKING:
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

Form = str | tuple[str, ...]
"""What its rendering depends on: who speaks in a prompt, turn by turn; or DIALOGUE or TEXT for one in one text."""
DIALOGUE, TEXT = "dialogue", "text"


def read_template(file: RunFile) -> Template:
    """The template that a run file declares. Raises: InputError where its file cannot be read."""
    general = file.general
    try:
        return read(general.template, general.system, find(general.template, file.beside))
    except InputError as error:
        raise InputError(f"{file.path.name}: {error}") from error


def check_prompts(rungs: Iterable[Rung], voices: Iterable[Voices], exams: Iterable[Exam], template: Template) -> None:
    """Refuse prompts that a model has no chat template for, that its chat template refuses, or would dress again.

    One prompt of each order of speakers is rendered, one text and one dialogue in a text. A stage that is trained has
    the tokenizer of its parent, so each tokenizer is read once; where there is nothing but plain text to give as it
    stands, none is. Reward models that judge a stage read its prompts too.

    Raises: InputError that names the data or the audit, and the model.
    """
    by_name = {rung.stage.name: rung for rung in rungs}
    data = {part.name: part for part in voices}
    wanted: dict[str, dict[Form, tuple[Prompt, str]]] = {}
    for rung in by_name.values():
        if rung.recorded is None:
            trained = list(_trained_on(rung, data))
            judges = [(judge, trained) for judge in _judges(rung, by_name)]
            for reader, read in ((rung, [*trained, *_asked(rung, exams)]), *judges):
                prompts = wanted.setdefault(root(reader, by_name).stage.name, {})
                for prompt, place in read:
                    if not isinstance(prompt, str) or template.policy != "plain":
                        prompts.setdefault(_form(prompt), (prompt, place))
    for name, prompts in wanted.items():
        if prompts:
            _check(by_name[name], prompts.values(), template)


def _judges(rung: Rung, by_name: Mapping[str, Rung]) -> Iterator[Rung]:
    """The reward models that judge what a stage writes, of an ensemble each member."""
    for name in () if rung.part is None else rung.part.header.reward_stages:
        part = by_name[name].part
        members = () if part is None else part.members
        yield from (by_name[member] for member in members or (name,))


def _trained_on(rung: Rung, data: dict[str, Voices]) -> Iterator[tuple[Prompt, str]]:
    if rung.entry is not None and rung.part is not None and rung.part.header.data is not None:
        part = data[rung.part.header.data]
        for preference in (*part.train, *part.held_out):
            yield preference.prompt, rung.part.place


def _asked(rung: Rung, exams: Iterable[Exam]) -> Iterator[tuple[Prompt, str]]:
    able = plan.abilities(rung)
    for exam in exams:
        for item in exam.items:
            for ask in item.asks:
                if type(ask) in able:
                    yield ask.prompt, exam.part.place


def _form(prompt: Prompt) -> Form:
    if isinstance(prompt, str):
        return DIALOGUE if is_dialogue(prompt) and ASSISTANT in prompt else TEXT
    return tuple(turn.role for turn in prompt)


def _check(rung: Rung, prompts: Iterable[tuple[Prompt, str]], template: Template) -> None:
    from pluralign.data.render import as_text

    tokenizer = _tokenizer(rung)
    for prompt, place in prompts:
        try:
            text = as_text(prompt, tokenizer, template)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if _form(prompt) == DIALOGUE and text != prompt:
            raise InputError(
                f'{place}: its prompts are dialogues with "Human:" and "Assistant:" in one text, which the chat '
                f'template of model "{tokenizer.name_or_path}" would take for one turn; give them as messages '
                '(form = "messages" where the source has it), or as they stand (template = "plain")'
            )


def _tokenizer(rung: Rung) -> "PreTrainedTokenizerBase":
    from pluralign.engine.loading.tokenizers import read_tokenizer

    if rung.found is None:
        raise ValueError(f"stage {rung.stage.name} is not made yet")
    return read_tokenizer(rung.found)
