"""One at a time, the patient last, and no turn lost with who gave it up."""

from __future__ import annotations

import asyncio

from control_plane.adapters.stores.turns import Turns
from tests.unit.virtual_time import run_virtually


class Writers:
    def __init__(self) -> None:
        self.turns = Turns()
        self.wrote: list[str] = []
        self.writing = 0

    def start(self, name: str, *, is_patient: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(self._write(name, is_patient=is_patient))

    async def _write(self, name: str, *, is_patient: bool) -> None:
        async with self.turns.turn(is_patient=is_patient):
            self.writing += 1
            assert self.writing == 1
            try:
                await asyncio.sleep(1.0)
                self.wrote.append(name)
            finally:
                self.writing -= 1


def test_the_patient_let_others_go_ahead() -> None:
    async def main() -> None:
        writers = Writers()
        tasks = [writers.start(f"job {n}", is_patient=True) for n in range(3)]
        await asyncio.sleep(0.5)
        tasks += [writers.start("lease"), writers.start("rollback")]
        await asyncio.gather(*tasks)
        assert writers.wrote == ["job 0", "lease", "rollback", "job 1", "job 2"]

    run_virtually(main())


def test_a_turn_is_not_lost_with_who_gives_up_waiting_or_writing() -> None:
    async def main() -> None:
        writers = Writers()
        first, second, third = (writers.start(name) for name in ("first", "second", "third"))
        await asyncio.sleep(0.5)
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert writers.wrote == ["third"]

    run_virtually(main())


def test_a_turn_that_came_to_who_was_cancelled_at_that_moment_goes_on() -> None:
    async def main() -> None:
        writers = Writers()
        async with writers.turns.turn(is_patient=False):
            second, third = writers.start("second"), writers.start("third", is_patient=True)
            await asyncio.sleep(0)
        # Its turn has come, and it does not know yet.
        second.cancel()
        await asyncio.gather(second, third, return_exceptions=True)
        assert writers.wrote == ["third"]

    run_virtually(main())
