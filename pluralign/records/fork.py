"""A fork: a rendered prompt and its completions, as token ids. The one thing the engine takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fork:
    """One prompt with n completions.

    `prompt`: token ids `[prompt_tokens]`, at least one; `completions`: n tuples of token ids, none empty.
    The log-probability of completion i is the sum over its tokens of log p(token | prompt, tokens before it in i).
    """

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.prompt:
            raise ValueError("a fork needs at least one prompt token (a beginning-of-sequence token will do)")
        if not self.completions:
            raise ValueError("a fork needs at least one completion")
        for index, completion in enumerate(self.completions):
            if not completion:
                raise ValueError(f"completion {index} of a fork is empty: it has no log-probability")
