"""The journal: every stored change of the messenger, by group commit.

Writes that arrive while a commit is under way share the next one: one thread, one connection, one transaction
for all of them. `done` is called in the event loop, in the order of arrival, once the commit is on the disk;
then the events are routed, in the order of versions. A process that dies before the commit has stored nothing
and answered nothing; one that dies after it has stored everything, and clients that ask again with the same
key get the same answer.

A commit whose answer is lost on the way to the database may be stored or not. Each commit therefore sets the
journal's mark (`JournalMark`) to its own number: from the mark the journal learns what became of it, and either
tells the results that it has, or stores the batch again. Nothing is stored twice, and no event is lost.

To ask whether a sender's key is stored already takes the database longer than to store the message. So messages are
taken to be new; where one is not, the database refuses the batch as a whole, and it is stored again with the question
asked first. After that the question is asked for a while, so that who repeats itself holds nobody up.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from django.db import IntegrityError, InterfaceError, OperationalError, connections, transaction

from im import database
from im.commit import Commit, guarded
from im.errors import Refusal
from im.models import JournalMark, new_id
from im.notes import Note
from im.transaction import Transaction

logger = logging.getLogger(__name__)

BATCH = 500
"""Writes in one commit at the most."""

RETRY_S = 10.0
"""How long a commit is tried again, in seconds, before the writes are refused with `unavailable`."""

STOP_S = 5.0
"""How long a journal that ends tries to store what was submitted, in seconds; what is left is refused."""

ASK_S = 60.0
"""For how long messages are no longer taken to be new, in seconds, once one was not."""

DOUBT_S = 1.0
"""How often a commit of which nobody knows is asked for, in seconds, while there is nothing else to store."""

MARK_LIFE_MS = 86_400_000
"""Marks that have not moved for so long are of journals that are no more; one that is, makes its mark anew."""


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


class Attempt(NamedTuple):
    """A batch on its way into the database, by the number that the journal's mark has once it is there."""

    number: int
    batch: list[Write]
    outcome: list[Outcome]
    tx: Transaction


class Journal:
    """Stores writes, and publishes what was stored: the notes before the answer, the commit after it."""

    def __init__(self, publish: Callable[[Commit], None], hear: Callable[[Note], None]) -> None:
        self._publish = publish
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Write | None] = SimpleQueue()
        self._id = new_id()
        self._number = 0
        # Until when keys are asked for before anything is stored.
        self._asking = 0.0
        # Until when anything is stored.
        self._until = math.inf
        # The commit that is under way, or of which nobody knows whether it is stored.
        self._doubt: Attempt | None = None
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
        """Stores what was submitted, as far as the database takes it, and ends: after `STOP_S`, or twice that where it
        does not answer at all. What becomes of a commit that is under way then nobody is told, as in a crash.
        """
        self._until = time.monotonic() + STOP_S
        self._queue.put(None)
        self._thread.join(2 * STOP_S)

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                connections.close_all()
                return
            try:
                self._store(batch)
            except Exception:
                logger.exception("The journal could not finish a batch")

    def _next_batch(self) -> list[Write] | None:
        """Waits for a write, and takes along all that wait behind it; none where a doubt is to be asked after."""
        try:
            first = self._queue.get(timeout=DOUBT_S if self._doubt else None)
        except Empty:
            return []
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
        while batch or self._doubt:
            if time.monotonic() > self._until:
                return self._refuse(batch)
            ask = time.monotonic() < self._asking
            try:
                database.refresh()
                stored = self._settle() if self._doubt else self._commit(batch, ask)
            except Exception as error:
                if isinstance(error, IntegrityError) and not ask:
                    self._asking = time.monotonic() + ASK_S
                    continue
                if not (self._doubt or isinstance(error, OperationalError | InterfaceError)):
                    return self._store_each(batch)
                # A deadlock, a busy, full or lost database: the same batch again cannot store anything twice.
                if time.monotonic() > min(deadline, self._until):
                    logger.exception("The database does not take writes")
                    return self._refuse(batch)
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
                continue
            if stored is not None:
                stored.tx.remember()
                self._loop.call_soon_threadsafe(self._tell, stored.batch, stored.outcome)
                if stored.batch is batch:
                    return None
        return None

    def _store_each(self, batch: list[Write]) -> None:
        """One write spoils it for all: each on its own, so that only that one is refused."""
        if len(batch) == 1:
            logger.exception("A write failed")
            self._refuse(batch)
            return
        for write in batch:
            self._store([write])

    def _commit(self, batch: list[Write], ask: bool) -> Attempt:
        outcome: list[Outcome] = []
        self._number += 1
        tx = Transaction()
        attempt = Attempt(self._number, batch, outcome, tx)
        with transaction.atomic():
            self._mark(attempt)
            tx.lock_sites(write.site_id for write in batch)
            tx.prefetch((w.room for w in batch if w.room), (w.sent for w in batch if w.sent), ask=ask)
            tx.prefetch_blocks((w.site_id, w.sent[0]) for w in batch if w.sent)
            for write in batch:
                base = tx.version(write.site_id)
                result = _result(write, tx)
                commit = Commit(write.site_id, base, tx.version(write.site_id), tx.events, tx.notes)
                outcome.append(Outcome(result, commit))
                tx.events, tx.notes = [], []
            tx.finish()
            self._doubt = attempt
        self._doubt = None
        return attempt

    def _mark(self, attempt: Attempt) -> None:
        """Sets the mark, before all else: whoever locks it later waits until this commit is stored or gone."""
        now = attempt.tx.now
        if not JournalMark.objects.filter(journal=self._id).update(batch=attempt.number, time=now):
            JournalMark.objects.filter(time__lt=now - MARK_LIFE_MS).delete()
            JournalMark.objects.create(journal=self._id, batch=attempt.number, time=now)

    def _settle(self) -> Attempt | None:
        """Finds out what became of the commit in doubt; answers it where it is stored."""
        with transaction.atomic():
            # The lock is had only when the lost connection's transaction is over.
            mark = JournalMark.objects.select_for_update().filter(journal=self._id).first()
        attempt, self._doubt = self._doubt, None
        return attempt if mark and attempt and mark.batch == attempt.number else None

    def _tell(self, batch: list[Write], outcome: list[Outcome]) -> None:
        for write, (result, commit) in zip(batch, outcome, strict=True):
            for note in commit.notes if commit is not None else ():
                guarded(self._hear, note)
            guarded(write.done, result)
            if commit is not None and commit.last > commit.base:
                guarded(self._publish, commit)

    def _refuse(self, batch: list[Write]) -> None:
        if self._doubt and self._doubt.batch is batch:
            # It may yet turn out to be stored: then its events are told, to those who were refused as to all.
            self._doubt = self._doubt._replace(batch=[write._replace(done=_answered) for write in batch])
        refusal = Refusal("unavailable", "The message store does not answer; try again.", retry_ms=1000)
        self._loop.call_soon_threadsafe(self._tell, batch, [Outcome(refusal) for _ in batch])


def _result(write: Write, tx: Transaction) -> Any:
    try:
        return write.run(tx)
    except Refusal as refusal:
        # What is stored is answered as it was, whatever has become of the conversation since.
        return write.run(tx) if write.sent and tx.recall(*write.sent) else refusal


def _answered(result: Any) -> None:
    """Takes a result that comes too late."""
