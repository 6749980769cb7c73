"""What a description is made of."""

from __future__ import annotations

from dragoman.server.openapi.operation import nameless


def test_where_the_path_names_the_model_the_body_does_not() -> None:
    """The examples of a path with a model in it are those of the path without, less the model."""
    bodies = {"One": {"model": "m", "input": "x"}, "Two": {"input": "y"}}
    assert nameless(bodies) == {"One": {"input": "x"}, "Two": {"input": "y"}}
