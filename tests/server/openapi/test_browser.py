"""The page at /docs in a real browser: it shows the document, links go deep, what it sends is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Page, expect
from tests.house import House
from tests.server.openapi.browser import opened
from tests.server.openapi.scene import TEXT, gate

CHAT = "/docs#/OpenAI%20Chat%20Completions/post_v1_chat_completions"


def drive(folder: Path, play: Callable[[House, Page], Awaitable[None]], **settings: str) -> None:
    """Run `play` against a gateway and a browser; whatever it does, the policy must hold."""

    async def scene() -> None:
        async with gate(folder, **settings) as running, opened() as page:
            asked: list[str] = []
            broken: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: broken.append(str(error)))
            await play(running, page)
            assert await page.evaluate("window.reports") == []
            assert broken == []
            assert [url for url in asked if not url.startswith((running.url, "data:", "blob:"))] == []

    asyncio.run(scene())


async def tried(page: Page, example: str = "") -> str:
    """Try the open operation out and return the status and the body that are shown."""
    await page.get_by_role("button", name="Try it out").click()
    if example:
        await page.locator(".opblock.is-open .opblock-section-request-body select").last.select_option(
            example
        )
    await page.get_by_role("button", name="Execute").click()
    live = page.locator(".live-responses-table")
    await live.wait_for()
    return await live.inner_text()


def test_the_page_shows_every_group(tmp_path: Path) -> None:
    """It renders from our own files alone, with a title, groups and their descriptions."""

    async def play(running: House, page: Page) -> None:
        await page.goto(f"{running.url}/docs")
        await expect(page.locator(".info .title")).to_contain_text("Dragoman")
        document = await page.evaluate("fetch('openapi.json').then((answer) => answer.json())")
        shown = page.locator(".opblock-tag")
        await expect(shown).to_have_count(len(document["tags"]))
        for tag in document["tags"]:
            await expect(page.locator(f'.opblock-tag[data-tag="{tag["name"]}"]')).to_be_visible()

    drive(tmp_path, play)


def test_a_deep_link_opens_its_operation_and_it_can_be_tried(tmp_path: Path) -> None:
    """The published example is sent from the page, and its answer is shown."""

    async def play(running: House, page: Page) -> None:
        await page.goto(f"{running.url}{CHAT}")
        await expect(page.locator(".opblock.is-open .opblock-summary-path")).to_contain_text("completions")
        told = await tried(page)
        assert "200" in told
        assert TEXT in told

    drive(tmp_path, play)


def test_a_stream_can_be_tried(tmp_path: Path) -> None:
    """The other examples are sent as well."""

    async def play(running: House, page: Page) -> None:
        await page.goto(f"{running.url}{CHAT}")
        told = await tried(page, "The same, as a stream")
        assert "200" in told
        assert "[DONE]" in told

    drive(tmp_path, play)


def test_a_key_is_given_once_and_sent_from_then_on(tmp_path: Path) -> None:
    """Without it 401; after Authorize the same button gets an answer, and the key is not kept anywhere."""

    async def play(running: House, page: Page) -> None:
        await page.goto(f"{running.url}{CHAT}")
        assert "401" in await tried(page)
        await page.get_by_role("button", name="Authorize").first.click()
        box = page.locator(".auth-container").first
        await box.locator("input").fill("a-test-key")
        await box.get_by_role("button", name="Apply credentials").click()
        await page.locator(".modal-ux .btn-done").first.click()
        await page.get_by_role("button", name="Execute").click()
        await expect(page.locator(".live-responses-table")).to_contain_text(TEXT)
        stored = await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
        assert "a-test-key" not in stored

    drive(tmp_path, play, API_KEYS="a-test-key")


def test_it_is_dark_where_the_reader_is(tmp_path: Path) -> None:
    """The system's preference is followed, also when it changes."""

    async def play(running: House, page: Page) -> None:
        await page.emulate_media(color_scheme="dark")
        await page.goto(f"{running.url}/docs")
        await expect(page.locator("html")).to_have_class("dark-mode")
        await page.emulate_media(color_scheme="light")
        await expect(page.locator("html")).to_have_class("")

    drive(tmp_path, play)
