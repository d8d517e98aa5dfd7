"""`staywell site …` and `staywell agent …`: the shops served here and the people who work for them."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

import typer
from sqlalchemy import select

from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    load_settings,
    now_ms,
    out,
    plain_errors,
    print_json,
    site_id_of,
    storage_of,
)
from assistant.errors import Conflict, NotFound
from assistant.identity import sites
from assistant.identity.agents import create_agent
from assistant.identity.keys import hash_token, new_token
from assistant.shop.catalogue import put_documents
from assistant.storage.tables import agent, agent_session, site
from retrieval import playbook

site_app = typer.Typer(help="Shops served by this installation.", no_args_is_help=True)
agent_app = typer.Typer(help="Agents, supervisors and admins.", no_args_is_help=True)


@site_app.command("add")
@plain_errors
def add_site(
    key: Annotated[str, typer.Argument(help="Public key: what the script tag says in data-site.")],
    name: Annotated[str, typer.Option(help="Name of the shop, as customers see it.")],
    origin: Annotated[list[str], typer.Option(help="Origin of pages that may embed the chat; repeatable.")],
    locale: Annotated[str, typer.Option(help="en or zh")] = "en",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
    holdout: Annotated[float, typer.Option(min=0, max=0.5, help="Share of customers who are never treated.")] = 0.05,
    with_playbook: Annotated[bool, typer.Option(help="Start with the packaged playbook.")] = True,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Adds a shop; prints its identity secret and API key, once."""
    identity_secret, api_key = secrets.token_hex(32), new_token()
    with storage_of(load_settings(data_dir)) as storage:
        if storage.read_sync(lambda connection: sites.find_site_by_key(connection, key)) is not None:
            raise Conflict(f"there is a site with the key '{key}' already")
        now = now_ms()
        made = storage.write_sync(
            lambda connection: sites.create(
                connection,
                key=key,
                name=name,
                now=now,
                locale=locale,
                currency=currency,
                origins=origin,
                identity_secret=identity_secret,
                api_key_hash=hash_token(api_key),
                holdout_rate=holdout,
            )
        )
        if with_playbook:
            scripts, _faults = playbook.load(playbook.packaged())
            storage.write_sync(lambda connection: put_documents(connection, scripts, site_id=made.id, now=now))
    shown = {"id": made.id, "key": key, "identity_secret": identity_secret, "api_key": api_key}
    if json:
        print_json(shown)
    else:
        for label, value in shown.items():
            out.print(f"{label:<16} {value}", highlight=False)


@site_app.command("list")
@plain_errors
def list_sites(data_dir: DataDir = None, json: Json = False) -> None:
    """Lists the shops."""
    with storage_of(load_settings(data_dir)) as storage:
        columns = (site.c.key, site.c.name, site.c.locale, site.c.currency, site.c.origins)
        rows = storage.read_sync(
            lambda connection: connection.execute(select(*columns).order_by(site.c.key)).mappings().all()
        )
    if json:
        print_json({"sites": [dict(row) for row in rows]})
        return
    for row in rows:
        out.print(
            f"{row['key']:<16} {row['name']} ({row['locale']}, {row['currency']}) {', '.join(row['origins'])}",
            highlight=False,
        )


@agent_app.command("add")
@plain_errors
def add_agent(
    login: Annotated[str, typer.Argument(help="What they log in with.")],
    name: Annotated[str, typer.Option(help="Name that customers see.")],
    role: Annotated[str, typer.Option(help="agent, supervisor or admin")] = "agent",
    language: Annotated[list[str] | None, typer.Option(help="Language they serve; repeatable.")] = None,
    capacity: Annotated[int, typer.Option(min=1, max=100, help="Conversations at once.")] = 4,
    site_key: SiteKey = "demo",
    password: Annotated[
        str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="STAYWELL_AGENT_PASSWORD")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Adds an agent. The password is asked for, or taken from STAYWELL_AGENT_PASSWORD."""
    roles: dict[str, Literal["agent", "supervisor", "admin"]] = {
        "agent": "agent",
        "supervisor": "supervisor",
        "admin": "admin",
    }
    if role not in roles:
        raise typer.BadParameter("expected agent, supervisor or admin")
    with storage_of(load_settings(data_dir)) as storage:
        site_id = site_id_of(storage, site_key)
        storage.write_sync(
            lambda connection: create_agent(
                connection,
                site_id=site_id,
                login=login,
                name=name,
                password=password,
                role=roles[role],
                languages=language or ["en"],
                capacity=capacity,
                now=now_ms(),
            )
        )
    out.print(f"{login} may log in at /console" + ("" if role == "agent" else " and /supervisor"), highlight=False)


@agent_app.command("disable")
@plain_errors
def disable_agent(login: str, data_dir: DataDir = None) -> None:
    """Ends an agent's log-ins and refuses new ones."""
    with storage_of(load_settings(data_dir)) as storage:
        who = storage.write_sync(
            lambda connection: connection.execute(
                agent.update().where(agent.c.login == login).values(disabled=True).returning(agent.c.id)
            ).scalar()
        )
        if who is None:
            raise NotFound(f"nobody logs in as '{login}'")
        storage.write_sync(
            lambda connection: (
                connection.execute(agent_session.delete().where(agent_session.c.agent_id == who)).rowcount
            )
        )
    out.print(f"{login} can no longer log in", highlight=False)
