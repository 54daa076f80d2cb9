"""The journal: every stored change of the messenger, by group commit.

Writes that arrive while a commit is under way share the next one: one thread, one connection, one transaction
for all of them. `done` is called in the event loop, in the order of arrival, once the commit is on the disk;
then the events are routed, in the order of versions. A process that dies before the commit has stored nothing
and answered nothing; one that dies after it has stored everything, and clients that ask again with the same
key get the same answer.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction

from im.commit import Commit
from im.errors import Refusal
from im.notes import Note
from im.transaction import Transaction

logger = logging.getLogger(__name__)

BATCH = 500
"""Writes in one commit at the most."""

RETRY_S = 10.0
"""How long a commit is tried again, in seconds, before the writes are refused with `unavailable`."""


class Write(NamedTuple):
    """A change to be stored. `room` and `sent` say what it will ask for, so that a batch can ask once."""

    site_id: int
    run: Callable[[Transaction], Any]
    done: Callable[[Any], None]
    room: tuple[int, str | None, str | None] | None = None
    sent: tuple[int, str] | None = None


class Outcome(NamedTuple):
    """What became of a write: its result or refusal, and what is to be told of it."""

    result: Any
    commit: Commit | None = None
    notes: Sequence[Note] = ()


class Journal:
    """Stores writes, and publishes what was stored: the notes before the answer, the commit after it."""

    def __init__(self, publish: Callable[[Commit], None], note: Callable[[Note], None]) -> None:
        self._publish = publish
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> None:
        """Has a change stored after those submitted before. `done` gets the result, or the `Refusal`."""
        self._queue.put(write)

    def note(self, site_id: int, run: Callable[[Transaction], Any]) -> None:
        """Has something stored that nobody waits for."""
        self.submit(Write(site_id, run, lambda result: None))

    async def write(self, site_id: int, run: Callable[[Transaction], Any]) -> Any:
        """Has a change stored and answers its result.

        Raises:
            Refusal: as the change itself does, or `unavailable`.
        """
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(result: Any) -> None:
            if not future.done():
                future.set_result(result)

        self.submit(Write(site_id, run, done))
        result = await future
        if isinstance(result, Refusal):
            raise result
        return result

    def stop(self) -> None:
        """Stores what was submitted and ends."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                connection.close()
                return
            try:
                self._store(batch)
            except Exception:
                logger.exception("The journal could not finish a batch")

    def _next_batch(self) -> list[Write] | None:
        """Waits for a write, and takes along all that wait behind it."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH and not self._queue.empty():
            write = self._queue.get()
            if write is None:
                self._queue.put(None)
                break
            batch.append(write)
        return batch

    def _store(self, batch: list[Write]) -> None:
        deadline = time.monotonic() + RETRY_S
        pause = 0.01
        while True:
            try:
                close_old_connections()
                outcome = self._commit(batch)
            except (OperationalError, InterfaceError):
                # A deadlock, a busy or a lost database: the same batch again cannot store anything twice.
                connection.close()
                if time.monotonic() > deadline:
                    logger.exception("The database does not take writes")
                    return self._refuse(batch)
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
            except Exception:
                if len(batch) == 1:
                    logger.exception("A write failed")
                    return self._refuse(batch)
                # One write spoils it for all: each on its own, so that only that one is refused.
                for write in batch:
                    self._store([write])
                return None
            else:
                self._loop.call_soon_threadsafe(self._tell, batch, outcome)
                return None

    def _commit(self, batch: list[Write]) -> list[Outcome]:
        outcome = []
        tx = Transaction()
        with transaction.atomic():
            tx.lock_sites(write.site_id for write in batch)
            tx.prefetch((w.room for w in batch if w.room), (w.sent for w in batch if w.sent))
            for write in batch:
                base = tx.version(write.site_id)
                try:
                    result = write.run(tx)
                except Refusal as refusal:
                    result = refusal
                commit = Commit(write.site_id, base, tx.version(write.site_id), tx.events)
                outcome.append(Outcome(result, commit, tx.notes))
                tx.events, tx.notes = [], []
            tx.finish()
        tx.remember()
        return outcome

    def _tell(self, batch: list[Write], outcome: list[Outcome]) -> None:
        for write, (result, commit, notes) in zip(batch, outcome, strict=True):
            for note in notes:
                _guarded(self._note, note)
            _guarded(write.done, result)
            if commit is not None and commit.last > commit.base:
                _guarded(self._publish, commit)

    def _refuse(self, batch: list[Write]) -> None:
        refusal = Refusal("unavailable", "The message store does not answer; try again.", retry_ms=1000)
        self._loop.call_soon_threadsafe(self._tell, batch, [Outcome(refusal) for _ in batch])


def _guarded(function: Callable[..., None], *args: Any) -> None:
    """What goes wrong in telling one must not keep anything from the others."""
    try:
        function(*args)
    except Exception:
        logger.exception("What was stored could not be told")
