"""Reading from the event loop: questions that are answered together."""

import asyncio

import pytest
from django.db import OperationalError

from im.database import MANY, Batch
from tests.support.wait import eventually


class Desk:
    """Answers when it is let: doubles numbers, and notes which came together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = asyncio.Event()
        self.fault: Exception | None = None

    async def answer(self, numbers: list[int]) -> list[int | Exception]:
        self.asked.append(numbers)
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        if 13 in numbers:
            raise ValueError("thirteen")
        return [KeyError(n) if n < 0 else 2 * n for n in numbers]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def asked(desk: Desk, *numbers: int) -> list["asyncio.Task[int]"]:
    """Asks, once two batches are under way, so that the rest is one."""
    batch = Batch(desk.answer, apart=0)
    tasks = []
    for n in (1, 2):
        tasks.append(asyncio.create_task(batch.ask(n)))
        await eventually(lambda n=n: [n] in desk.asked)
    tasks += [asyncio.create_task(batch.ask(n)) for n in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_what_is_asked_while_others_are_answered_is_answered_together(desk: Desk) -> None:
    tasks = await asked(desk, 3, 4, 5)
    desk.open.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert desk.asked == [[1], [2], [3, 4, 5]]


async def test_an_answer_that_is_an_error_is_raised_to_who_asked_and_nobody_else(desk: Desk) -> None:
    tasks = await asked(desk, 3, -4, 5)
    desk.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(3), KeyError)
    assert results == [2, 4, 6, 10]


async def test_a_question_that_breaks_its_batch_harms_no_other(desk: Desk) -> None:
    tasks = await asked(desk, 3, 13, 5)
    desk.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results.pop(3), ValueError)
    assert results == [2, 4, 6, 10]


async def test_a_database_that_fails_is_told_to_all_at_once_and_asked_again_next_time(desk: Desk) -> None:
    desk.fault = OperationalError("gone")
    tasks = await asked(desk, 3, 4)
    desk.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [OperationalError] * 4
    assert [3] not in desk.asked, "nobody is asked about alone"
    desk.fault = None
    assert await Batch(desk.answer).ask(21) == 42


async def test_one_who_no_longer_waits_leaves_the_others_their_answers(desk: Desk) -> None:
    tasks = await asked(desk, 3, 4)
    tasks[2].cancel()
    desk.open.set()
    assert await asyncio.gather(tasks[0], tasks[1], tasks[3]) == [2, 4, 8]
    assert tasks[2].cancelled()


async def test_those_who_come_soon_after_another_are_answered_together(desk: Desk) -> None:
    desk.open.set()
    batch = Batch(desk.answer, apart=0.2)
    assert await batch.ask(1) == 2
    tasks = []
    for n in range(2, 6):
        tasks.append(asyncio.create_task(batch.ask(n)))
        # However many turns of the loop lie between them.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [4, 6, 8, 10]
    assert desk.asked == [[1], [2, 3, 4, 5]]


async def test_more_than_a_batch_holds_make_several_and_each_is_answered(desk: Desk) -> None:
    desk.open.set()
    batch = Batch(desk.answer, apart=0.01)
    numbers = [n for n in range(1000) if n != 13]
    assert await asyncio.gather(*map(batch.ask, numbers)) == [2 * n for n in numbers]
    assert max(map(len, desk.asked)) == MANY
    assert await batch.ask(1) == 2
