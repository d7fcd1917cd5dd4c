"""How the parts of a run file refer to each other."""

from collections.abc import Sequence

from pluralign.errors import InputError, unknown
from pluralign.runfile.parts import BASE, RunFile, StagePart


def refuse_twice(names: Sequence[str], file: str) -> None:
    """Refuse names of which one is given twice. Raises: InputError."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InputError(f'{file}: the name "{name}" is given twice; every stage and audit needs its own')


def in_order(stages: Sequence[StagePart], file: str) -> tuple[StagePart, ...]:
    """Stages after their parents, references and rewards. Raises: InputError for unknown ones and loops."""
    named = {stage.name: stage for stage in stages}
    ordered: dict[str, StagePart] = {}

    def visit(stage: StagePart, way: tuple[str, ...]) -> None:
        if stage.name in way:
            loop = " → ".join((*way[way.index(stage.name) :], stage.name))
            raise InputError(f"{file}: stages form a loop: {loop}; one of them must start from another stage")
        if stage.name in ordered:
            return
        rewards = [("reward", name) for name in stage.header.reward_stages]
        parents = [("from", name) for name in stage.members or (stage.parent,)]
        for key, needed in (*parents, ("reference", stage.header.reference), *rewards):
            if needed is None or needed == BASE:
                continue
            if needed not in named:
                raise InputError(f"{stage.place}: {key}: {unknown('stage', str(needed), (*named, BASE))}")
            visit(named[needed], (*way, stage.name))
        ordered[stage.name] = stage

    for stage in stages:
        visit(stage, ())
    return tuple(ordered.values())


def check_references(run: RunFile) -> None:
    """Refuse names of data sets that do not exist, and what does not go together. Raises: InputError."""
    known = [part.name for part in run.data]
    simple = [part.name for part in run.data if not part.header.mix]
    for part in run.data:
        for name in part.header.mix:
            if name not in simple:
                raise InputError(f"{part.place}: mix: {unknown('data set with rows', name, simple)}")
    for part in (*run.stages, *run.audits):
        data = part.header.data
        if data is not None and data not in known:
            raise InputError(f"{part.place}: data: {unknown('data set', data, known)}")
    for stage in run.stages:
        if stage.header.reference is not None and not getattr(stage.module, "NEEDS_REFERENCE", False):
            raise InputError(f"{stage.place}: reference: only methods with a reference model use it (such as dpo)")
        _check_reward(stage)
        _check_measure(stage)
    for audit in run.audits:
        if audit.header.data is not None and audit.header.rows is not None:
            raise InputError(f'{audit.place}: give it either "rows" or "data", not both')
    if run.recorded is not None and run.general.base is not None:
        raise InputError(f"{run.path.name}: a file with [recorded] has no base: its stages are found on disk")
    if run.recorded is not None and run.stages:
        raise InputError(f"{run.path.name}: a file with [recorded] has no [[stage]]: its stages are found on disk")


def _check_reward(stage: StagePart) -> None:
    """Refuse rewards and their options that do not go with the method, with each other, or with how it is trained."""
    rewards, wanted = stage.header.rewards, getattr(stage.module, "NEEDS_REWARD", False)
    if rewards and not wanted:
        raise InputError(f"{stage.place}: reward: only methods that write completions use it (such as rloo)")
    if wanted and not rewards:
        raise InputError(
            f'{stage.place}: option "reward" is missing: a reward model among the stages, '
            'a function "FILE.py:NAME", or a server "http://HOST:PORT/classify"'
        )
    if len(set(rewards)) < len(rewards):
        raise InputError(f"{stage.place}: reward names one twice; reward_weights say how much each counts")
    weights = getattr(stage.options, "reward_weights", None)
    if weights is not None and len(weights) != len(rewards):
        raise InputError(f"{stage.place}: reward_weights has {len(weights)} for {len(rewards)} rewards")
    longest = getattr(stage.options, "max_completion_length", 0)
    if wanted and stage.training is not None and longest >= stage.training.max_length:
        raise InputError(
            f"{stage.place}: max_completion_length = {longest} leaves no prompt any room in "
            f"max_length = {stage.training.max_length}"
        )
    lora = stage.training is not None and stage.training.lora_r > 0
    if lora and getattr(stage.options, "vllm_server_base_url", None) is not None:
        raise InputError(f"{stage.place}: vllm_server_base_url: a server is given whole weights, so lora_r must be 0")


def _check_measure(stage: StagePart) -> None:
    """Refuse a measure of the best evaluation that the stage's method is known not to give."""
    metrics = getattr(stage.module, "METRICS", None)
    if stage.training is None or not stage.training.seeks_best:
        return
    measure = stage.training.metric_for_best_model.removeprefix("worst/")
    if measure == "eval_loss" and getattr(stage.module, "NEEDS_REWARD", False):
        raise InputError(
            f'{stage.place}: metric_for_best_model = "{stage.training.metric_for_best_model}": the loss of what a '
            'policy has just written says nothing; use "eval_reward" or "worst/eval_reward"'
        )
    if metrics is None:
        return
    rewards = (f"rewards/{name}/mean" for name in stage.header.rewards)
    known = ["eval_loss", *(f"eval_{name}" for name in (*metrics, *rewards))]
    if measure not in known:
        raise InputError(f"{stage.place}: metric_for_best_model: {unknown('measure', measure, known)}")
