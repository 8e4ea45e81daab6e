"""Several observers in one, because Pipecat spends more on each than they do themselves."""

from collections.abc import Sequence
from weakref import WeakValueDictionary

from pipecat.frames.frames import Frame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.utils.asyncio.task_manager import BaseTaskManager


class ObserverGroup(BaseObserver):
    """Passes each frame to all of its observers once, when it is first pushed.

    Pipecat gives every observer a queue and a task, and wakes it a thousand times a second of a call
    (pipecat/pipeline/worker_observer.py): five cost a bot 1 % of a core, one a fifth of that
    (docs/benchmarks.md).
    """

    def __init__(self, observers: Sequence[BaseObserver]) -> None:
        """Group observers that want each frame once and don't look at how it is processed.

        Raises:
            ValueError: One of them wants every push of a frame.
        """
        super().__init__(observe_every_push=False)
        # An attribute, like the choice itself, of Pipecat 1.12 and later.
        if any(getattr(each, "observe_every_push", False) for each in observers):
            raise ValueError("an observer of every push can't be in a group")
        self._observers = tuple(observers)
        self._pushed: WeakValueDictionary[int, Frame] = WeakValueDictionary()

    async def setup(self, task_manager: BaseTaskManager) -> None:
        await super().setup(task_manager)
        for each in self._observers:
            await each.setup(task_manager)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]  # theirs has no annotation
        for each in self._observers:
            await each.cleanup()

    async def on_pipeline_started(self) -> None:
        for each in self._observers:
            await each.on_pipeline_started()

    async def on_push_frame(self, data: FramePushed) -> None:
        if not self._is_first_push(data):
            return
        for each in self._observers:
            await each.on_push_frame(data)

    def _is_first_push(self, data: FramePushed) -> bool:
        """Return whether a frame is pushed for the first time. Pipecat before 1.12 passes every push on."""
        if hasattr(data, "first_push"):
            return True
        if data.frame.id in self._pushed:
            return False
        self._pushed[data.frame.id] = data.frame
        return True
