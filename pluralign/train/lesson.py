"""What a stage learns from and is judged by: rendered once, with the reference's log-probabilities where asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from pluralign.engine.ranks import from_first
from pluralign.errors import InputError
from pluralign.records.fork import Fork
from pluralign.train.examples import Example, Fitting, Renderer
from pluralign.train.job import Job
from pluralign.train.reference_cache import ReferenceCache, Score, Values, reference_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Examples to train on and held-out ones, the groups of people that are trained on, and how preferences fitted."""

    train: list[Example]
    held_out: list[Example]
    groups: tuple[str, ...]
    fitting: Fitting
    held_out_fitting: Fitting


def render_lesson(job: Job, tokenizer: PreTrainedTokenizerBase, limits: Sequence[int | None]) -> Lesson:
    """Render the job's preferences; `limits`: tokens that each model which will read them takes, None without bound.

    Raises: InputError where none fits, or none is held out to be evaluated on as the options ask.
    """
    renderer = Renderer(
        completions=job.method.completions,
        tokenizer=tokenizer,
        template=job.template,
        max_length=min([job.training.max_length, *(limit for limit in limits if limit is not None)]),
        reserved=job.reserved,
    )
    train, fitting = renderer.render(job.preferences)
    held_out, held_out_fitting = renderer.render(job.held_out)
    if not train:
        raise InputError(
            f"no preference is left to train on: of {len(job.preferences)}, all are empty, "
            f"or their prompts leave no room for a completion of {renderer.reserved} in {renderer.max_length} tokens"
        )
    if job.training.eval_steps is not None and not held_out:
        raise InputError(f"eval_steps: of {len(job.held_out)} held-out preferences none is left to evaluate on")
    groups = tuple(sorted({example.group for example in train}))
    return Lesson(train=train, held_out=held_out, groups=groups, fitting=fitting, held_out_fitting=held_out_fitting)


def add_reference(lesson: Lesson, score: Score, cache: ReferenceCache | None) -> Lesson:
    """The lesson with the log-probabilities that the reference gives every completion: `score`'s, or those in `cache`.

    Raises: RunError where they cannot be kept.
    """
    examples = [*lesson.train, *lesson.held_out]
    found = _values([example.fork for example in examples], score, cache)
    held = [replace(example, reference=values) for example, values in zip(examples, found, strict=True)]
    first = len(lesson.train)
    return replace(lesson, train=held[:first], held_out=held[first:])


def _values(forks: Sequence[Fork], score: Score, cache: ReferenceCache | None) -> Values:
    """`reference_values` of the first process, which alone knows the cache; what is scored is scored by all."""

    def told(some: Sequence[Fork] | None, values: Values | None) -> tuple[Sequence[Fork] | None, Values | None]:
        return some, values

    def asked(some: Sequence[Fork]) -> Values:
        from_first(lambda: told(some, None))
        return score(some)

    some, values = from_first(lambda: told(None, reference_values(forks, asked, cache)))
    while some is not None:
        score(some)
        some, values = from_first(lambda: told(None, None))
    assert values is not None
    return values
