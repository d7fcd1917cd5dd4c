"""How prompts become text: one policy for a whole run, the same in training and in every audit."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pluralign.errors import InputError

Policy = Literal["plain", "chat", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """How a prompt becomes the text that a model continues.

    `policy`, for prompts that are plain text: "plain" gives them as they stand, "chat" as one turn of a user through
    the chat template, "auto" as "chat" where the tokenizer has a chat template and as "plain" where not.
    Conversations go through the chat template under any policy. `jinja` is a chat template of one's own in place of
    the tokenizer's; `system` the system turn of every conversation that has none.
    """

    policy: Policy = "plain"
    jinja: str | None = None
    system: str | None = None

    def made_of(self) -> dict[str, Any]:
        """What a content key holds of it."""
        return {
            "policy": self.policy,
            "jinja": None if self.jinja is None else digest(self.jinja),
            "system": self.system,
        }


PLAIN = Template()


def read_template(name: str, system: str | None, path: Path) -> Template:
    """The template that a run file names: a policy, or the file at `path`, which all stages then speak by.

    Raises: InputError where the file cannot be read.
    """
    for policy in get_args(Policy):
        if name == policy:
            return Template(policy=policy, system=system)
    try:
        return Template(policy="chat", jinja=path.read_text(encoding="utf-8"), system=system)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'template: "{name}" cannot be read ({error})') from error


def digest(jinja: str) -> str:
    """What a chat template is known by: the SHA-256 of its text, in hexadecimal."""
    return hashlib.sha256(jinja.encode()).hexdigest()
