"""Logging in at the company's own identity provider, from the console's and the supervisor's page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.tools.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.tools.whole_server import Documents

pytestmark = pytest.mark.e2e

Open = Callable[..., Page]
GROUPS = {"helpdesk": "agent@demo", "leads": "supervisor@demo"}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Documents() as documents:
        yield Provider(documents).start()


@pytest.fixture
def company(demo_of: Callable[..., Any], tmp_path: Path, provider: Provider) -> Any:
    """A demo whose agents come from `provider`, and by no password."""
    demo = demo_of(
        tmp_path,
        STAYWELL_OIDC_ISSUER=provider.issuer,
        STAYWELL_OIDC_CLIENT_ID=CLIENT_ID,
        STAYWELL_OIDC_CLIENT_SECRET=CLIENT_SECRET,
        STAYWELL_OIDC_NAME="Alder account",
        STAYWELL_OIDC_GROUPS=json.dumps(GROUPS),
        STAYWELL_PRIVATE_KEY_URLS="true",
        STAYWELL_PASSWORD_LOGIN="false",
    )
    provider.callbacks = (f"{demo.url}/api/oidc/callback",)
    return demo


def test_the_companys_account_is_the_way_in(company: Any, provider: Provider, open_page: Open) -> None:
    provider.person = {"email": "nora@shop.example", "email_verified": True, "name": "Nora", "groups": ["guests"]}
    page = open_page(f"{company.url}/supervisor?tab=reports")
    button = page.get_by_role("link", name="Log in with Alder account")
    expect(button).to_be_visible()
    expect(page.locator("input[type=password]")).to_have_count(0)
    button.click()
    expect(page.get_by_role("alert")).to_have_text("None of your groups may log in here. Ask your administrator.")
    expect(page).to_have_url(f"{company.url}/supervisor")  # a reload does not say it again
    page.get_by_role("radio", name="中文").check()
    expect(page.get_by_role("alert")).to_have_text("您所在的组均无权登录，请联系管理员。")
    page.reload()
    expect(page.get_by_role("link", name="使用 Alder account 登录")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    provider.person["groups"] = ["leads"]
    page.get_by_role("link", name="使用 Alder account 登录").click()
    expect(page.get_by_role("button", name=re.compile("Nora"))).to_be_visible()
    expect(page).to_have_url(f"{company.url}/supervisor")


def test_the_console_leads_back_to_the_console(company: Any, provider: Provider, open_page: Open) -> None:
    provider.person = {"email": "mo@shop.example", "email_verified": True, "name": "Mo", "groups": ["helpdesk"]}
    page = open_page(f"{company.url}/console")
    page.get_by_role("link", name="Log in with Alder account").click()
    expect(page.get_by_role("navigation", name="Queue")).to_be_visible()
    expect(page).to_have_url(f"{company.url}/console")


def test_both_ways_stand_side_by_side_and_a_server_that_cannot_say_is_asked_again(
    demo: Any, open_page: Open, log_in: Callable[[Page, str], None]
) -> None:
    page = open_page("about:blank")
    page.route("**/api/login-methods", lambda route: route.abort())
    page.goto(f"{demo.url}/console?login=surprise")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(page.get_by_text("You could not be logged in. Please try again.")).to_be_visible()
    page.unroute("**/api/login-methods")
    both = {"password": True, "oidc": {"name": "Alder account", "url": "/api/oidc/start"}}
    page.route("**/api/login-methods", lambda route: route.fulfill(json=both))
    again.click()
    link = page.get_by_role("link", name="Log in with Alder account")
    expect(link).to_have_attribute("href", "/api/oidc/start?to=/console")
    log_in(page, "mara")
    expect(page.get_by_role("navigation", name="Queue")).to_be_visible()
