"""`staywell site …` and `staywell agent …`: the shops served here and the people who work for them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from sqlalchemy import Connection, select

from assistant.commands import site_settings
from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    json_file,
    load_settings,
    now_ms,
    out,
    plain_errors,
    print_json,
    site_id_of,
    storage_of,
)
from assistant.errors import BadInput, Conflict, NotFound
from assistant.identity import revocation, sites
from assistant.identity.agents import MOST_CAPACITY, ROLES, change_agent, create_agent, normalise_login
from assistant.identity.keys import hash_token, new_token
from assistant.identity.trust import identity_settings
from assistant.policy.fairness import FairnessRule
from assistant.settings import Settings
from assistant.shop.catalogue import put_documents
from assistant.storage.tables import agent, site
from retrieval import playbook

site_app = typer.Typer(help="Shops served by this installation.", no_args_is_help=True)
site_app.command("hours")(site_settings.set_hours)
site_app.command("proactive")(site_settings.set_proactive)
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
    _show({"id": made.id, "key": key, "identity_secret": identity_secret, "api_key": api_key}, json=json)


@site_app.command("writer")
@plain_errors
def choose_writer(
    key: Annotated[str, typer.Argument(help="Key of the site.")],
    choice: Annotated[
        Literal["template", "openai", "default"], typer.Argument(help="default: what the installation has.")
    ],
    calls_per_minute: Annotated[int | None, typer.Option(min=1, help="Most calls of the model a minute.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Says who words a shop's replies; from the next reply on."""
    settings = load_settings(data_dir)
    if choice == "openai" and (settings.writer_url is None or settings.writer_model is None):
        raise Conflict("set STAYWELL_WRITER_URL and STAYWELL_WRITER_MODEL first, for the server too")

    def work(connection: Connection) -> None:
        found = sites.find_site_by_key(connection, key)
        if found is None:
            raise NotFound(f"there is no site with the key '{key}'")
        chosen = {
            "writer": None if choice == "default" else choice,
            "writer_calls_per_minute": calls_per_minute,
        }
        sites.change_settings(connection, found.id, chosen, now=now_ms())

    with storage_of(settings) as storage:
        storage.write_sync(work)
    out.print(f"{key}: {choice}", highlight=False)


@site_app.command("fairness")
@plain_errors
def choose_fairness(
    key: Annotated[str, typer.Argument(help="Key of the site.")],
    by: Annotated[
        str | None,
        typer.Option("--by", help="Attribute of customers that the shop has imported, for example plan; or region."),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option("--within", help="Largest difference of offer rates between two groups, above 0 to 1."),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Period over which rates are counted.")] = 30,
    least: Annotated[int, typer.Option("--least", help="Customers of a group before it is compared.")] = 30,
    off: Annotated[bool, typer.Option("--off", help="No constraint any more.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Keeps offer rates alike between groups of customers, within a bound; from the next decision on. Off by default."""
    if off == (by is not None) or (by is None) != (within is None):
        raise typer.BadParameter("give --by and --within, or --off")
    rule = None if off else {"by": by, "within": within, "period_days": days, "least": least}
    try:
        FairnessRule.from_settings(rule or {})
    except ValueError as error:
        raise BadInput(str(error)) from error
    with storage_of(load_settings(data_dir)) as storage:
        site_id = site_id_of(storage, key)
        storage.write_sync(
            lambda connection: sites.change_settings(connection, site_id, {"fairness": rule}, now=now_ms())
        )
    out.print(f"{key}: {'off' if off else f'offer rates by {by} within {within}'}", highlight=False)


@site_app.command("set")
@plain_errors
def set_site(
    key: Annotated[str, typer.Argument(help="Key of the site.")],
    name: Annotated[str | None, typer.Option(help="Name of the shop, as customers see it.")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Origin of pages that may embed the chat, in place of all; repeatable.")
    ] = None,
    guests: Annotated[bool | None, typer.Option(help="Serve visitors whom the shop does not vouch for.")] = None,
    jwks_url: Annotated[
        str | None, typer.Option(help="Address of the shop's public keys, for its identity tokens.")
    ] = None,
    jwks: Annotated[Path | None, typer.Option(help="File with the shop's public keys (JWKS).", dir_okay=False)] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="Algorithm that its tokens are signed with; repeatable; by default ES256, RS256."),
    ] = None,
    new_identity_secret: Annotated[
        bool,
        typer.Option(
            "--new-identity-secret",
            help="A shared secret (HS256), in place of any keys; printed once. One before it stays good until --retire.",
        ),
    ] = False,
    new_api_key: Annotated[
        bool,
        typer.Option("--new-api-key", help="Another API key; printed once. The one before stays good until --retire."),
    ] = False,
    retire: Annotated[
        bool,
        typer.Option(
            "--retire",
            help="Secret and API key from before the present ones are good no longer; with --new-…, at once.",
        ),
    ] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Changes a shop. A running server notices within a second or two."""
    if algorithm and jwks_url is None and jwks is None:
        raise typer.BadParameter("--algorithm goes with --jwks-url or --jwks")
    if new_identity_secret and (jwks_url is not None or jwks is not None):
        raise typer.BadParameter("either a shared secret or public keys")
    settings = load_settings(data_dir)
    said = {"name": name, "origins": origin or None, "anonymous_allowed": guests}
    values: dict[str, Any] = {column: value for column, value in said.items() if value is not None}
    api_key = new_token() if new_api_key else None
    identity_secret = secrets.token_hex(32) if new_identity_secret else None
    identity: dict[str, Any] | None = None
    if jwks_url is not None or jwks is not None:
        check_url(jwks_url, settings)
        identity = identity_settings(
            jwks_url=jwks_url, jwks=None if jwks is None else json_file(jwks), algorithms=algorithm or ()
        )
        values |= {"identity_secret": None, "identity_secret_before": None}
    rotates = new_api_key or new_identity_secret or retire
    if not values and not rotates:
        raise typer.BadParameter("nothing to change")

    def work(connection: Connection) -> None:
        found = sites.find_site_by_key(connection, key)
        if found is None:
            raise NotFound(f"there is no site with the key '{key}'")
        if identity is not None or new_identity_secret:
            sites.change_settings(connection, found.id, {"identity": identity}, now=now_ms())
        if values:
            sites.change(connection, found.id, now=now_ms(), **values)
        if rotates:
            sites.rotate(
                connection,
                found.id,
                now=now_ms(),
                identity_secret=identity_secret,
                api_key_hash=None if api_key is None else hash_token(api_key),
                retire=retire,
            )
        revocation.note(connection)  # servers look sites up anew

    with storage_of(settings) as storage:
        storage.write_sync(work)
    made = {"identity_secret": identity_secret, "api_key": api_key}
    _show({"key": key} | {name: value for name, value in made.items() if value is not None}, json=json)


@site_app.command("rekey")
@plain_errors
def rekey_site(
    key: Annotated[str, typer.Argument(help="The key that is withdrawn.")],
    new: Annotated[str, typer.Argument(help="The key that takes its place in the script tag.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Withdraws a shop's public key: chats that it opened are closed at once, and it opens no others."""
    with storage_of(load_settings(data_dir)) as storage:
        site_id = site_id_of(storage, key)
        ended = storage.write_sync(lambda connection: sites.withdraw_key(connection, site_id, new=new, now=now_ms()))
    _show({"key": new, "withdrawn": key, "tokens_ended": ended}, json=json)


@site_app.command("list")
@plain_errors
def list_sites(data_dir: DataDir = None, json: Json = False) -> None:
    """Lists the shops, and which of them still have a secret or an API key from before."""
    with storage_of(load_settings(data_dir)) as storage:
        columns = (
            site.c.key,
            site.c.name,
            site.c.locale,
            site.c.currency,
            site.c.origins,
            site.c.identity_secret_before.is_not(None).label("identity_secret_before"),
            site.c.api_key_hash_before.is_not(None).label("api_key_before"),
        )
        rows = storage.read_sync(
            lambda connection: connection.execute(select(*columns).order_by(site.c.key)).mappings().all()
        )
    if json:
        print_json({"sites": [dict(row) for row in rows]})
        return
    for row in rows:
        out.print(
            f"{row['key']:<16} {row['name']} ({row['locale']}, {row['currency']}) {', '.join(row['origins'])}"
            + (" [change-over: --retire is due]" if row["identity_secret_before"] or row["api_key_before"] else ""),
            highlight=False,
            markup=False,
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
    if role not in ROLES:
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
                role=role,
                languages=language or ["en"],
                capacity=capacity,
                now=now_ms(),
            )
        )
    out.print(f"{login} may log in at /console" + ("" if role == "agent" else " and /supervisor"), highlight=False)


@agent_app.command("set")
@plain_errors
def set_agent(
    login: str,
    name: Annotated[str | None, typer.Option(help="Name that customers see.")] = None,
    role: Annotated[str | None, typer.Option(help="agent, supervisor or admin")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Languages they serve, in place of all; repeatable.")
    ] = None,
    capacity: Annotated[int | None, typer.Option(min=1, max=MOST_CAPACITY, help="Conversations at once.")] = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Ask for another password, or take it from STAYWELL_AGENT_PASSWORD.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Changes an agent. Another role or password ends log-ins and closes consoles at once."""
    if role is not None and role not in ROLES:
        raise typer.BadParameter("expected agent, supervisor or admin")
    password = None
    if new_password:
        given = os.environ.get("STAYWELL_AGENT_PASSWORD")
        password = given or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    ended = _change(
        data_dir,
        login,
        name=name,
        role=role,
        languages=language or None,
        capacity=capacity,
        password=password,
    )
    out.print(f"{login} is changed; {ended} log-ins ended", highlight=False)


@agent_app.command("disable")
@plain_errors
def disable_agent(login: str, data_dir: DataDir = None) -> None:
    """Ends an agent's log-ins, closes consoles at once, and refuses new log-ins."""
    _change(data_dir, login, disabled=True)
    out.print(f"{login} can no longer log in", highlight=False)


@agent_app.command("enable")
@plain_errors
def enable_agent(login: str, data_dir: DataDir = None) -> None:
    """Lets somebody log in again."""
    _change(data_dir, login, disabled=False)
    out.print(f"{login} may log in again", highlight=False)


def _change(data_dir: Path | None, login: str, **values: Any) -> int:
    def work(connection: Connection) -> int:
        who = connection.execute(select(agent.c.id).where(agent.c.login == normalise_login(login))).scalar()
        if who is None:
            raise NotFound(f"nobody logs in as '{login}'")
        return change_agent(connection, who, now=now_ms(), **values)

    with storage_of(load_settings(data_dir)) as storage:
        return storage.write_sync(work)


def check_url(url: str | None, settings: Settings) -> None:
    """Raises BadInput for an address of keys that the server would not fetch anyway."""
    if url is None:
        return
    parsed = urlsplit(url)
    schemes = ("https", "http") if settings.private_key_urls else ("https",)
    if parsed.scheme not in schemes or not parsed.hostname or parsed.username:
        raise BadInput("the address of a key set begins with https:// and names a host")


def _show(shown: Mapping[str, Any], *, json: bool) -> None:
    if json:
        print_json(shown)
        return
    for label, value in shown.items():
        out.print(f"{label:<16} {value}", highlight=False)
