"""Take the picture of the API page that the documentation shows.

python tests/server/openapi/shots.py
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from tests.server.openapi.browser import opened  # noqa: E402
from tests.server.openapi.scene import gate  # noqa: E402

FILE = ROOT / "docs" / "img" / "api-docs.png"


async def _take() -> None:
    with TemporaryDirectory() as folder:
        async with gate(Path(folder)) as running, opened(viewport={"width": 1280, "height": 900}) as page:
            await page.goto(f"{running.url}/docs")
            await page.get_by_role("link", name="OpenAI Chat Completions").click()
            await page.locator(".opblock").first.wait_for()
            await page.locator(".opblock-tag-section").first.scroll_into_view_if_needed()
            await page.screenshot(path=str(FILE))
    sys.stdout.write(f"{FILE.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    asyncio.run(_take())
