"""Settings of the model's writer are refused early when they cannot work."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from assistant.settings import Settings


def test_a_model_needs_a_server_and_a_name() -> None:
    with pytest.raises(ValidationError, match="writer_url"):
        Settings(writer="openai", writer_model="m")
    with pytest.raises(ValidationError, match="writer_model"):
        Settings(writer="openai", writer_url="https://models.example/v1")  # type: ignore[arg-type]
    settings = Settings(writer="openai", writer_url="https://models.example/v1/", writer_model="m", writer_key="sk-1")  # type: ignore[arg-type]
    assert settings.writer_base == "https://models.example/v1"
    assert "sk-1" not in repr(settings)


@pytest.mark.parametrize("url", ["models.example", "ftp://models.example", "javascript:alert(1)", ""])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="writer_url"):
        Settings(writer_url=url)  # type: ignore[arg-type]


def test_the_template_needs_nothing() -> None:
    settings = Settings()
    assert settings.writer == "template"
    assert settings.writer_base is None
