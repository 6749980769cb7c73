# ruff: noqa: INP001 - Streamlit runs this file, and finds those beside it
"""A front end for a Dragoman gateway: chat, prompt templates, figures. It asks over HTTP, no more.

    make ui                                     on http://localhost:8501
    streamlit run frontend/streamlit_app.py     the same, where Streamlit is installed

``DRAGOMAN_URL`` and ``DRAGOMAN_KEY`` say which gateway is asked and with what key, until the sidebar says
otherwise. The key of the environment stays in this process and goes to that gateway alone: a browser never
sees it, but whoever can open the page asks with it.

Streamlit runs this file from top to bottom at every click. What outlives a run is in the session's state:
`turns`, the conversation, oldest first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import streamlit as st
from words import categories, duration, facts, missing, money, preview, shown, stands_alone, title

from gateway import Gateway, Health, Trouble

ADDRESS = os.environ.get("DRAGOMAN_URL") or "http://127.0.0.1:8080"
KEY = os.environ.get("DRAGOMAN_KEY") or ""

# What follows a name as text elsewhere is a comment here: Streamlit shows text that stands alone.

# Seconds that lists of models and templates are kept: an edited file of templates shows up by itself.
FRESH_S = 5

# What the charts over time may show: a period, and what each point of it is.
PERIODS = {
    "The last day": ("day", "hour"),
    "The last week": ("week", "hour"),
    "The last month": ("month", "day"),
}

STARS = 5


class Choice(NamedTuple):
    """What the sidebar says: whom to ask, what, and how."""

    gateway: Gateway
    model: str | None
    templates: list[dict[str, Any]]
    template: dict[str, Any] | None
    ignore_cache: bool
    options: dict[str, Any]


def main() -> None:
    """Draw the page."""
    st.set_page_config("Dragoman", page_icon=":material/translate:", layout="wide")
    st.session_state.setdefault("turns", [])
    with st.sidebar:
        choice = sidebar()
    if choice is None:
        st.info("Say in the sidebar which gateway is to be asked.", icon=":material/arrow_back:")
        return
    chat, templates, analytics = st.tabs(
        ["Chat", "Prompt templates", "Analytics"], key="tab", on_change="rerun"
    )
    if chat.open:
        with chat:
            show_chat(choice)
    if templates.open:
        with templates:
            show_templates(choice.templates)
    if analytics.open:
        with analytics:
            show_analytics(choice.gateway)


# --- The sidebar ---


def sidebar() -> Choice | None:
    """Draw what is chosen for every prompt; return None while no gateway can be asked."""
    st.title("Dragoman")
    url = st.text_input("Gateway", value=ADDRESS, key="url")
    held = "the one in DRAGOMAN_KEY" if KEY else "none, on a machine of your own"
    key = st.text_input("Key", type="password", placeholder=held, key="key")
    if not key and url.rstrip("/") == ADDRESS.rstrip("/"):
        key = KEY
    try:
        gateway = Gateway(url, key)
        version, environment, providers = health(url)
        st.caption(f"Dragoman {version} · {environment} · {len(providers)} providers ready")
        models, templates = lists(url, key)
    except Trouble as trouble:
        complain(trouble)
        return None
    model = pick_model(models)
    template = pick_template(templates)
    ignore_cache = st.toggle(
        "Ignore the cache",
        key="ignore_cache",
        help="Ask afresh; the recorded answer is replaced by the new one.",
    )
    options = pick_options()
    st.button("Reset the session", key="reset", on_click=forget, width="stretch")
    return Choice(gateway, model, templates, template, ignore_cache, options)


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def health(url: str) -> Health:
    """Return what a gateway says of itself."""
    return Gateway(url, "").health()


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def lists(url: str, key: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the models and the templates that this key may ask for."""
    gateway = Gateway(url, key)
    return gateway.models(), gateway.templates()


def pick_model(found: Mapping[str, Any]) -> str | None:
    """Draw the choice of a model; any name that the gateway answers to may be typed."""
    model: str | None = st.selectbox(
        "Model",
        found["available_models"],
        key="model",
        accept_new_options=True,
        placeholder="Choose, or type provider/model",
    )
    row = next((row for row in found["models"] if row["id"] == model), None)
    if row is not None:
        st.caption(" · ".join(about(row)))
    if not any(row.get("provider") for row in found["models"]) or "no provider" in str(found.get("note", "")):
        st.warning(found.get("note") or "The gateway knows no model.", icon=":material/key_off:")
    return model


def about(row: Mapping[str, Any]) -> list[str]:
    """Return what a model is: who serves it, how much it reads, what it costs."""
    told = [str(row.get("provider") or "provider unknown")]
    if row.get("context"):
        told.append(f"{row['context']:,} tokens of context")
    prices = row.get("prices") or {}
    if "input" in prices and "output" in prices:
        told.append(f"\\${prices['input']:g} in, \\${prices['output']:g} out a million tokens")
    else:
        told.append("price unknown")
    return told


def pick_template(templates: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Draw the choice of a prompt template."""
    by_id = {one["id"]: one for one in templates}
    chosen = st.selectbox(
        "Prompt template",
        [None, *by_id],
        key="template",
        placeholder="No template",
        format_func=lambda id: title(by_id[id]) if id in by_id else "No template",  # noqa: A006
    )
    return by_id.get(chosen) if chosen else None


def pick_options() -> dict[str, Any]:
    """Draw what a prompt may say besides; return what was set."""
    with st.expander("More"):
        system = st.text_area("System prompt", key="system")
        temperature = st.number_input(
            "Temperature", 0.0, 2.0, None, 0.1, key="temperature", placeholder="the model's"
        )
        limit = st.number_input(
            "Most tokens of an answer", 1, None, None, key="limit", placeholder="the model's"
        )
    given = {"system": system.strip() or None, "temperature": temperature, "max_tokens": limit}
    return {name: value for name, value in given.items() if value is not None}


def forget() -> None:
    """Begin a new session."""
    st.session_state.turns = []


def complain(trouble: Trouble) -> None:
    """Show what went wrong and what may be done about it."""
    lines = [f"**{shown(trouble.message)}**"]
    if trouble.advice:
        lines.append(shown(trouble.advice[0].upper() + trouble.advice[1:]) + ".")
    told = [f"status {trouble.status}"] if trouble.status else []
    if trouble.id:
        told.append(f"request `{trouble.id}`")
    if told:
        lines.append(f":small[{', '.join(told)}]")
    st.error("\n\n".join(lines), icon=":material/error:")


# --- Chat ---


def show_chat(choice: Choice) -> None:
    """Draw the conversation so far, and what the next prompt is written in."""
    if not st.session_state.turns:
        st.caption("Each prompt is asked on its own: a model is not told what was said before.")
    for number, turn in enumerate(st.session_state.turns):
        show_turn(choice.gateway, number, turn)
    if choice.template is None:
        said = st.chat_input("Your prompt", key="prompt", disabled=choice.model is None)
        if said:
            ask(choice, said, {"prompt": said})
    else:
        fill(choice, choice.template)


def fill(choice: Choice, template: Mapping[str, Any]) -> None:
    """Draw a template's variables as fields; ask once they are filled in."""
    with st.form(f"fill-{template['id']}"):
        st.markdown(f"##### {title(template)}")
        values = {
            name: field(template, name, key=f"{template['id']}.{name}") for name in template["variables"]
        }
        sent = st.form_submit_button("Send", type="primary", disabled=choice.model is None)
    if not sent:
        return
    if lacking := missing(template, values):
        st.warning(f"Fill in {', '.join(lacking)}.", icon=":material/edit:")
        return
    ask(choice, preview(template, values), {"template_id": template["id"], "template_vars": values})


def field(template: Mapping[str, Any], name: str, *, key: str) -> str:
    """Draw the field of a variable, of several lines where the template gives it lines of its own."""
    if stands_alone(template, name):
        return st.text_area(name, key=key, height="content")
    return st.text_input(name, key=key)


def ask(choice: Choice, said: str, body: Mapping[str, Any]) -> None:
    """Ask the gateway and add the answer, or what went wrong, to the conversation."""
    assert choice.model is not None
    turn: dict[str, Any] = {
        "said": said,
        "model": choice.model,
        "answer": None,
        "trouble": None,
        "rated": None,
    }
    with st.chat_message("user", avatar=":material/person:"):
        st.markdown(shown(said))
    with (
        st.chat_message("assistant", avatar=":material/translate:"),
        st.spinner(f"{choice.model} is asked…", show_time=True),
    ):
        try:
            turn["answer"] = choice.gateway.chat(
                choice.model, {**body, **choice.options}, ignore_cache=choice.ignore_cache
            )
        except Trouble as trouble:
            turn["trouble"] = trouble
    st.session_state.turns.append(turn)
    st.rerun()


def show_turn(gateway: Gateway, number: int, turn: dict[str, Any]) -> None:
    """Draw a prompt and what came of it."""
    with st.chat_message("user", avatar=":material/person:"):
        st.markdown(shown(turn["said"]))
    with st.chat_message("assistant", avatar=":material/translate:"):
        if turn["trouble"] is not None:
            complain(turn["trouble"])
            return
        answer = turn["answer"]
        st.markdown(shown(answer["response_text"]) or "*The model said nothing.*")
        if answer.get("error_message"):
            st.warning(shown(answer["error_message"]), icon=":material/alt_route:")
        st.caption(shown(" · ".join(facts(answer))))
        show_rating(gateway, number, turn)


def show_rating(gateway: Gateway, number: int, turn: dict[str, Any]) -> None:
    """Draw the stars and the words that rate an answer; a second rating replaces the first."""
    with st.container(horizontal=True, vertical_alignment="center"):
        stars = st.feedback("stars", key=f"stars-{number}")
        words = st.text_input(
            "Feedback",
            key=f"words-{number}",
            label_visibility="collapsed",
            placeholder="What was good, what was not?",
            width=320,
        )
        sent = st.button("Rate", key=f"rate-{number}", disabled=stars is None)
    if sent and stars is not None:
        answer = turn["answer"]
        rating = {"prompt_id": answer["prompt_id"], "model": answer["model_used"], "rating": stars + 1}
        try:
            gateway.rate({**rating, **({"feedback": words.strip()} if words.strip() else {})})
        except Trouble as trouble:
            complain(trouble)
            return
        turn["rated"] = stars + 1
    if turn["rated"] is not None:
        st.caption(f"Rated {turn['rated']} of {STARS}.")


# --- Templates ---


def show_templates(templates: list[dict[str, Any]]) -> None:
    """Draw every template by category, with a preview that its fields fill in."""
    if not templates:
        st.info("There are no templates. Write some into prompt_templates.json beside the gateway.")
        return
    filed = categories(templates)
    category = st.pills("Category", list(filed), key="category", default=next(iter(filed)), required=True)
    for template in filed[category or next(iter(filed))]:
        with st.container(border=True, key=f"card-{template['id']}"):
            st.markdown(f"##### {title(template)}")
            st.caption(" · ".join([f"`{template['id']}`", *template.get("tags", ())]))
            names = template["variables"]
            columns = st.columns(max(len(names), 2))
            values = {}
            for name, column in zip(names, columns, strict=False):
                with column:
                    values[name] = field(template, name, key=f"preview.{template['id']}.{name}")
            st.code(preview(template, values), language=None, wrap_lines=True)
            st.button("Use in chat", key=f"use-{template['id']}", on_click=use, args=(template["id"], values))


def use(id: str, values: Mapping[str, str]) -> None:  # noqa: A002
    """Take a template, and what was written into its fields, over to the chat."""
    st.session_state.template = id
    st.session_state.tab = "Chat"
    for name, value in values.items():
        st.session_state[f"{id}.{name}"] = value


# --- Analytics ---


def show_analytics(gateway: Gateway) -> None:
    """Draw what was asked with this key, of whom, and what came of it."""
    try:
        figures = gateway.stats()
    except Trouble as trouble:
        complain(trouble)
        return
    st.button("Look again", key="refresh", icon=":material/refresh:")
    told = (
        ("Prompts", f"{figures['total_prompts']:,}"),
        ("Fallbacks", f"{figures['total_fallbacks']:,}"),
        ("From the cache", f"{figures['cache_hits']:,}"),
        ("Tokens", f"{figures['tokens']:,}"),
        ("Cost", shown(money(figures["cost_usd"]))),
    )
    for column, (label, value) in zip(st.columns([3, 3, 3, 4, 4]), told, strict=True):
        column.metric(label, value, border=True)
    if not figures["total_prompts"]:
        st.info("Nothing was asked yet: the charts begin with the first prompt.")
        return
    show_bars("Prompts by model", figures["model_usage"], "prompts")
    left, right = st.columns(2)
    with left:
        show_bars("Average latency by model", figures["avg_latency"], "seconds")
    with right:
        show_bars("Average rating by model", figures["avg_rating"], "stars")
    show_series(gateway)


def show_bars(heading: str, values: Mapping[str, float | None], unit: str) -> None:
    """Draw one bar for each model that has a value."""
    st.markdown(f"##### {heading}")
    known = {model: value for model, value in values.items() if value is not None}
    if not known:
        st.caption("Nothing yet.")
        return
    rows = {"model": list(known), unit: list(known.values())}
    # Of a chart that lies on its side, Streamlit names the axes by what they would be were it standing.
    st.bar_chart(
        rows, x="model", y=unit, horizontal=True, sort=f"-{unit}", x_label="", y_label=unit, height=220
    )


def show_series(gateway: Gateway) -> None:
    """Draw requests, tokens and cost over time."""
    st.markdown("##### Over time")
    chosen = st.segmented_control(
        "Period", list(PERIODS), key="period", default="The last day", required=True
    )
    try:
        points = gateway.series(*PERIODS[chosen or "The last day"])
    except Trouble as trouble:
        complain(trouble)
        return
    if not points:
        st.caption("Nothing in this period.")
        return
    rows: dict[str, list[Any]] = {
        "at": [datetime.fromisoformat(str(point["at"])).astimezone(UTC) for point in points]
    }
    charts = (
        ("Requests", "requests"),
        ("Tokens", "tokens"),
        ("Dollars", "cost_usd"),
        ("Latency, ms", "avg_latency_ms"),
    )
    columns = st.columns(2)
    for number, (label, name) in enumerate(charts):
        rows[label] = [point.get(name) for point in points]
        columns[number % 2].line_chart(rows, x="at", y=label, x_label="", y_label=label, height=200)
    latencies = [point["avg_latency_ms"] for point in points if point.get("avg_latency_ms") is not None]
    if latencies:
        st.caption(f"Slowest of these, on average: {duration(max(latencies))}. Times are UTC.")


main()
