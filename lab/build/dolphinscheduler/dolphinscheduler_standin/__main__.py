"""Run one server: `python3 -m dolphinscheduler_standin api|master|worker`."""

import asyncio
import contextlib
import logging
import signal
import sys

from aiohttp import web

from ._database import LOST, Database, persevere
from ._registry import Registration
from ._settings import PORTS, Settings
from .api import application, health, sign
from .master import Master
from .worker import Worker


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    database = Database(settings)
    await database.open()
    runner = web.AppRunner(_application(database, settings), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=settings.port, shutdown_timeout=5, reuse_address=True).start()
    registration = Registration(database, settings)
    work = asyncio.create_task(_work(database, settings, registration, stopping))
    await _first(work, stopping)
    await asyncio.wait([work], timeout=20)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await runner.cleanup()
    with contextlib.suppress(*LOST):
        await asyncio.wait_for(registration.leave(), 5)
    await database.close()


async def _work(database: Database, settings: Settings, registration: Registration, stopping: asyncio.Event) -> None:
    await persevere("tables", database.prepare)
    beat = asyncio.create_task(registration.keep())
    try:
        if settings.role == "master":
            await Master(database, settings).run(stopping)
        elif settings.role == "worker":
            await Worker(database, settings).run(stopping)
        else:
            await stopping.wait()
    finally:
        beat.cancel()


async def _first(work: asyncio.Task[None], stopping: asyncio.Event) -> None:
    """Wait until told to stop, or until the work ends, which it does by itself only with a bug."""
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()


def _application(database: Database, settings: Settings) -> web.Application:
    if settings.role == "api":
        return application(database, settings)
    made = web.Application()
    made.router.add_get("/actuator/health", health(database))
    made.on_response_prepare.append(sign)
    return made


def main() -> None:
    """Read the command line and run."""
    if len(sys.argv) != 2 or sys.argv[1] not in PORTS:  # noqa: PLR2004
        sys.exit(f"usage: python3 -m dolphinscheduler_standin {'|'.join(PORTS)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    asyncio.run(serve(Settings.load(sys.argv[1])))


main()
