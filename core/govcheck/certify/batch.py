"""A network that couples the samples of a batch, written as a network on one sample.

A batch of N samples ``[c, ...]`` is one sample ``[c, ..., N]``: what acts on each sample alone is
then a convolution, an average or an elementwise map with a kernel of size 1 on the last axis, and
batch normalisation acts on the entries of each channel, which lie side by side.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from govcheck.certify import checker
from govcheck.errors import InputError, Problem

if TYPE_CHECKING:
    from govcheck.certify.program import Task

_POINT = {"kernel": [1], "stride": [1], "padding": [0, 0], "dilation": [1]}


def as_one_sample(task: Task, coupled: Set[int], place: str) -> Task:
    """The same function of the same parameters, with the whole batch as its only sample.

    Args:
        task: with the operations `coupled` written as ``normalise`` without groups.
        coupled: numbers of the operations that normalise channels over the batch.
        place: the file, for errors.

    Returns:
        A task with the outputs ``[F_1(x_1), ..., F_1(x_N), F_2(x_1), ...]``. Weights of affine
        maps and convolutions have one more axis, of size 1.

    Raises:
        InputError: for cross-entropy, and where samples are normalised by themselves too.
    """
    if task.cost != "square":
        raise InputError(Problem("batch-cost", "certificates cover batch_norm with square costs, "
                                 "not with cross-entropy", place, "choose summed_square, or "
                                 "another normalisation"))
    shapes = {name: checker.Array(w.shape, []) for name, w in task.parameters.items()}
    try:
        nodes = checker.program(task.operations, task.inputs.shape[1:], shapes)
    except checker.MalformedError as error:
        raise InputError(Problem("not-covered", str(error), place)) from None
    parameters, operations = dict(task.parameters), []
    for k, op in enumerate(task.operations, 1):
        if op["op"] == "normalise" and k not in coupled:
            raise InputError(Problem("batch-norm-mixed", "certificates do not cover batch_norm "
                                     "beside a normalisation of each sample", place,
                                     "use one kind of normalisation"))
        if op["op"] == "linear":
            w = parameters[op["weight"]]
            parameters[op["weight"]] = w.reshape(*w.shape, 1)
        operations.append(_widened(op, nodes[k].shape))
    operations.append({"op": "flatten", "from": [len(operations)]})
    return replace(
        task, operations=operations, parameters=parameters,
        inputs=np.moveaxis(task.inputs, 0, -1)[None].copy(),
        targets=task.targets.T.reshape(1, -1), batch=len(task.inputs),
        source=f"{task.source}, the batch of {len(task.inputs)} as one sample",
    )


def _widened(op: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    match op["op"]:
        case "linear" | "average":
            given = op["window"] or {key: [] for key in _POINT}
            return {**op, "window": {key: [*given[key], *own] for key, own in _POINT.items()}}
        case "normalise":
            return {**op, "groups": shape[0]}
        case "flatten":
            return {**op, "op": "merge"}
    return op
