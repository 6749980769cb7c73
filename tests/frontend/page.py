"""Run in the front end's own environment: the page without a browser, driven by lines of JSON.

    {"do": "open", "environ": {...}}          a new session of the app, with these variables
    {"do": "set", "key": ..., "value": ...}   give a widget a value, and run the app
    {"do": "write", ...}                      the same of a form's field: nothing runs before it is sent
    {"do": "click", "key": ...}               press a button; a form's is found by its label
    {"do": "say", "text": ...}                send what was written in the chat's field
    {"do": "tab", "label": ...}               open a tab

Each line is answered by one that says what stands on the page: see :func:`seen`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest  # type: ignore[import-not-found]  # in an environment of its own

APP = Path(__file__).parents[2] / "frontend" / "streamlit_app.py"
PATIENCE_S = 60

TEXTS = ("title", "subheader", "markdown", "caption", "code", "error", "warning", "info", "exception")


def seen(page: AppTest) -> dict[str, Any]:
    """Return what stands on the page: texts by kind, widgets by key, metrics by label, charts by count."""
    widgets = [*page.text_input, *page.text_area, *page.selectbox, *page.toggle, *page.number_input]
    return {
        **{kind: [one.value for one in getattr(page, kind)] for kind in TEXTS},
        "said": [
            {"by": one.name, "text": [text.value for text in one.markdown]} for one in page.chat_message
        ],
        "widgets": {one.key: one.value for one in widgets},
        "options": {one.key: one.options for one in [*page.selectbox, *page.pills]},
        "buttons": {one.key or one.label: one.disabled for one in page.button},
        "metrics": {one.label: one.value for one in page.metric},
        "charts": len(page.get("vega_lite_chart")) + len(page.get("arrow_vega_lite_chart")),
        "tabs": [one.label for one in page.tabs],
    }


def act(page: AppTest, order: dict[str, Any]) -> None:
    """Do what one line says."""
    match order["do"]:
        case "set" | "write":
            page.get_by_key(order["key"]).set_value(order["value"])
        case "click":
            key = order["key"]
            next(one for one in page.button if key in (one.key, one.label)).click()
        case "tab":
            page.session_state["tab"] = order["label"]
        case "say":
            page.chat_input[0].set_value(order["text"])
    for box in page.selectbox:
        if box.key == "model" and box.value not in (None, *box.options):
            box.options.append(box.value)  # a browser may type what is not offered; the driver has to be told
    if order["do"] != "write":
        page.run()


def main() -> None:
    """Obey until there are no more lines."""
    page = None
    for line in sys.stdin:
        try:
            page = obey(page, json.loads(line))
            answer = seen(page)
        except Exception:  # noqa: BLE001 - the test is told, whatever it is
            answer = {"fault": traceback.format_exc()}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the answer


def obey(page: AppTest | None, order: dict[str, Any]) -> AppTest:
    """Do what one line says; return the page it was done to."""
    if order["do"] == "open":
        for name in ("DRAGOMAN_URL", "DRAGOMAN_KEY"):
            os.environ.pop(name, None)
        os.environ.update(order["environ"])
        return AppTest.from_file(str(APP), default_timeout=PATIENCE_S).run()
    assert page is not None
    act(page, order)
    return page


main()
