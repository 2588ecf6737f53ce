"""Pieces of work given to the processors of this machine (joblib) or of many (Ray)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keenline.errors import Code, EnvironmentMissing, KeenlineError, TrainingError
from keenline.training.fan_out import FanOut, Item, Result, one_by_one


def on_this_machine(jobs: int = 0) -> FanOut:
    """As many pieces at a time, each in a process of its own; 0: as many as there are processors.

    One at a time stays in this process. Raises TrainingError (MEMORY_SHORT) when the system ends a
    process, as it does when memory runs out.
    """
    jobs = jobs or _processors()
    if jobs == 1:
        return one_by_one

    def fan_out(
        work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        pool = Parallel(n_jobs=min(jobs, len(items)), return_as="generator_unordered")
        try:
            yield from pool(delayed(_placed)(work, place, item) for place, item in enumerate(items))
        except TerminatedWorkerError as error:
            raise TrainingError(
                Code.MEMORY_SHORT,
                "A process that was learning was ended by the system",
                expected=f"memory for {jobs} bundles at a time",
                got=str(error).splitlines()[0],
                next="give fewer --jobs",
            ) from error

    return fan_out


def on_ray(jobs: int = 0) -> FanOut:
    """On the Ray cluster that RAY_ADDRESS names, or on one begun here with `jobs` processors.

    Every machine needs this version of Keenline and the images under the same paths. Raises
    EnvironmentMissing (EXTRA_MISSING) without Ray.
    """
    try:
        import ray
    except ImportError as error:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Spreading work with Ray needs the package ray",
            next="pip install 'keenline[ray]', or leave --ray out",
        ) from error

    def fan_out(
        work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        own = not ray.is_initialized()
        if own:
            begun_here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs or None}
            ray.init(log_to_driver=False, logging_level="WARNING", **begun_here)
        try:
            remote = ray.remote(_placed)
            waiting = [remote.remote(work, place, item) for place, item in enumerate(items)]
            while waiting:
                done, waiting = ray.wait(waiting)
                for each in done:
                    yield _answer(ray, each)
        finally:
            if own:
                ray.shutdown()

    return fan_out


def _placed(work: Callable[[Item], Result], place: int, item: Item) -> tuple[int, Result]:
    return place, work(item)


def _answer(ray: Any, task: Any) -> Any:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        # Ray wraps what the work raised.
        if isinstance(error.cause, KeenlineError):
            raise error.cause from error
        raise


def _processors() -> int:
    return os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count() or 1
