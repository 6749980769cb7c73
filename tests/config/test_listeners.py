"""Sinks that cannot be what the configuration says: told at once, with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.config import ConfigError, load

URL = "http://127.0.0.1:8086"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (f'[influx]\nurl = "{URL}"\n', "dragoman.toml:2: influx.url wants influx.bucket (2.x) or influx.db"),
        ('[influx]\ndb = "d"\nurl = "ftp://x"\n', "dragoman.toml:3: influx.url must be an address"),
        (f'[webhook]\nurl = "{URL}"\n', "dragoman.toml:2: webhook.url wants webhook.secret"),
        (f'[webhook]\nurl = "{URL}"\nsecret = "x"\n', "dragoman.toml:3: webhook.secret must be whsec_"),
        (f'[otlp]\nendpoint = "{URL}"\nheaders = ["x"]\n', "dragoman.toml:2: each of otlp.headers must be"),
        ('[otlp]\nendpoint = "collector"\n', "dragoman.toml:2: otlp.endpoint must be an address"),
        ('[otlp]\nendpoint = "http://u:p@h"\n', "dragoman.toml:2: otlp.endpoint must not have a user"),
    ],
)
def test_a_sink_that_cannot_be_is_refused(tmp_path: Path, toml: str, says: str) -> None:
    """No gateway starts that would tell nobody."""
    (tmp_path / "dragoman.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load({}, tmp_path)
    [problem] = caught.value.problems
    assert str(problem).startswith(says)


def test_influx_is_found_under_the_names_other_programs_use(tmp_path: Path) -> None:
    """INFLUXDB_URL and the rest, as in other programs' .env files; a good sink is no problem."""
    config = load({"INFLUXDB_URL": URL, "INFLUXDB_DB": "llm", "INFLUXDB_USER": "u"}, tmp_path)
    assert (config.influx.url, config.influx.db, config.influx.user) == (URL, "llm", "u")


def test_logs_are_beside_the_file_that_names_them(tmp_path: Path) -> None:
    """Or in the working folder, where nobody names them."""
    assert load({}, tmp_path).files.folder == str(tmp_path / "logs")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "dragoman.toml").write_text('[files]\nfolder = "kept"\n')
    config = load({"DRAGOMAN_CONFIG": str(tmp_path / "etc" / "dragoman.toml")}, tmp_path)
    assert config.files.folder == str(tmp_path / "etc" / "kept")
