"""``tallystick-service token``: who may call the API, with what, and until when."""

import argparse
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from keys import names, possession, sealed, webhooks
from keys.times import stamp
from repo_service.commands.opening import EXITS, answered, begun
from repo_service.commands.table import command
from repo_service.domain.verbs import FILE_VERBS, NAME_VERBS, PROJECT_VERBS, RELEASE_VERBS
from repo_service.storage.tokens import LIVE_AT_MOST, Scope, Token
from repo_service.web.auth import ROLES, new_key, new_token, new_webhook, webhook_secret
from repo_service.web.problems import NOTHING_WRITTEN
from repo_service.web.signatures import public_pem
from repo_service.wiring import HOOK_KEY, Service, read_hook_key

if TYPE_CHECKING:
    from repo_service.commands.table import Commands

ACTIONS: Final = sorted({*RELEASE_VERBS, *FILE_VERBS, *PROJECT_VERBS, *NAME_VERBS, "upload", "read", "status", "audit"})


class TokenRefused(Exception):
    """No such token can be made or ended; the message says why and what to do."""


OWN_EXITS: Final = {**EXITS, TokenRefused: 2}
"""What can go wrong with this command, and how a script can tell."""


def add(commands: "Commands") -> None:
    """Add ``token`` with its own commands to the parser."""
    own = command(commands, "token").add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Service, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        def run_begun(options: argparse.Namespace) -> int:
            run(begun(options.folder), options)
            return 0

        parser = own.add_parser(name, help=text, description=text)
        parser.set_defaults(command=answered(run_begun, OWN_EXITS))
        parser.add_argument("folder", metavar="DIR", type=Path, help="the service's folder")
        return parser

    def add_proof(command: argparse.ArgumentParser) -> None:
        command.add_argument("--days", type=int, help="until it expires (default: max_token_days of service.toml)")
        proof = command.add_mutually_exclusive_group()
        proof.add_argument("--key", type=Path, metavar="FILE.pub", help="a key that signs requests, not a secret")
        proof.add_argument("--webhook", action="store_true", help="a secret that signs webhooks, not a token")

    new = add("new", _new, "let a new client call; a token's secret is shown once")
    new.add_argument("client", metavar="CLIENT", help="your name for it, shown in errors")
    new.add_argument("--role", choices=sorted(ROLES), required=True)
    add_proof(new)
    new.add_argument("--action", action="append", choices=ACTIONS, help="only this; can be given again")
    new.add_argument("--name", action="append", metavar="PREFIX", help="only PREFIX and PREFIX-…; can be given again")
    new.add_argument("--network", action="append", metavar="CIDR", help="only from there; can be given again")
    new.add_argument("--per-minute", type=int, metavar="N", help="at most N requests a minute")
    rotate = add("rotate", _rotate, "a second token for a client, with the same role and scope; the old one stays live")
    rotate.add_argument("client", metavar="CLIENT")
    add_proof(rotate)
    revoke = add("revoke", _revoke, "end a token at once")
    revoke.add_argument("token", metavar="ID", help="as `list` shows it")
    add("list", _list, "every token: client, role, scope, until when")


def issue_first(service: Service) -> None:
    """An admin's token for whoever began the service."""
    secret, token = new_token("admin", "admin", _expiry(service, None))
    with service.journal.writing() as pen:
        pen.add_token(token)
    _show(service, token, secret)


def _new(service: Service, options: argparse.Namespace) -> None:
    secret, token = _made(service, options, options.role, _scope(options))
    with service.journal.writing() as pen:
        if pen.live_tokens(token.client, service.clock()):
            raise TokenRefused(f"{token.client} can call already; `token rotate` gives it another. {NOTHING_WRITTEN}")
        pen.add_token(token)
    _show(service, token, secret)


def _rotate(service: Service, options: argparse.Namespace) -> None:
    with service.journal.writing() as pen:
        live = pen.live_tokens(options.client, service.clock())
        if not live:
            raise TokenRefused(f"{options.client} has no live token; `token new` makes its first. {NOTHING_WRITTEN}")
        if len(live) >= LIVE_AT_MOST:
            ids = " and ".join(token.id for token in live)
            raise TokenRefused(f"{options.client} has {ids}; `token revoke` one of them first. {NOTHING_WRITTEN}")
        secret, token = _made(service, options, live[0].role, live[0].scope)
        pen.add_token(token)
    _show(service, token, secret)
    print(f"{live[0].id} stays good until you say: tallystick-service token revoke {options.folder} {live[0].id}")


def _revoke(service: Service, options: argparse.Namespace) -> None:
    with service.journal.writing() as pen:
        token = pen.token(options.token)
        if token is None or not token.is_live(service.clock()):
            raise TokenRefused(f"{options.token} is no live token; `token list` shows them. Nothing was written.")
        pen.revoke_token(token.id, service.clock())
    print(f"Revoked {token.id} of {token.client}; it opens nothing from now on.")


def _list(service: Service, options: argparse.Namespace) -> None:
    del options
    now = service.clock()
    with service.journal.reading() as view:
        tokens = view.tokens()
    for token in tokens:
        until = f"until {token.expires}" if token.is_live(now) else f"over since {token.revoked or token.expires}"
        kind = _kind(token, read_hook_key(service.folder))
        print(f"{token.id}  {token.client:20} {token.role:10} {kind:7} {until}{_described(token.scope)}")


def _made(service: Service, options: argparse.Namespace, role: str, scope: Scope) -> tuple[str | None, Token]:
    """A secret and its record; for a key, the record alone."""
    expires = _expiry(service, options.days)
    try:
        if options.webhook:
            return new_webhook(role, options.client, expires, _hook_key(service), scope)
        if options.key is None:
            return new_token(role, options.client, expires, scope)
        return None, new_key(role, options.client, expires, _public(options.key), scope)
    except (ValueError, OSError) as error:
        raise TokenRefused(f"{error}. {NOTHING_WRITTEN}") from None


def _hook_key(service: Service) -> bytes:
    """What secrets of webhooks are made of; the first time, it is made itself."""
    if (key := read_hook_key(service.folder)) is not None:
        return key
    key = secrets.token_bytes(32)
    sealed.write_private(service.folder / HOOK_KEY, f"{webhooks.written(key)}\n".encode())
    return key


def _expiry(service: Service, days: int | None) -> str:
    most = service.settings.max_token_days
    if days is not None and not 1 <= days <= most:
        raise TokenRefused(f"{days} days: a token is good for 1 to {most} (max_token_days). {NOTHING_WRITTEN}")
    return stamp(service.clock() + timedelta(days=days or most))


def _scope(options: argparse.Namespace) -> Scope:
    def given(values: list[str] | None) -> tuple[str, ...] | None:
        return None if values is None else tuple(sorted(set(values)))

    try:
        prefixes = [names.normalise(prefix) for prefix in options.name] if options.name else None
        return Scope(given(options.action), given(prefixes), given(options.network), options.per_minute)
    except ValueError as error:
        raise TokenRefused(f"{error}. {NOTHING_WRITTEN}") from None


def _kind(token: Token, hook_key: bytes | None) -> str:
    if token.public is not None:
        return "key"
    return "secret" if webhook_secret(token, hook_key) is None else "webhook"


def _public(path: Path) -> str:
    file = possession.read(path.read_bytes())
    if file.rehearsal:
        raise ValueError(f"{path}: this key was made for a rehearsal; make one to keep")
    return public_pem(file.key)


def _show(service: Service, token: Token, secret: str | None) -> None:
    whose = f"{token.client}, role {token.role}, until {token.expires}{_described(token.scope)}"
    if secret is None:
        print(f'Key of {whose}. Its signatures (RFC 9421) say keyid="{token.id}".')
    elif secret.startswith(webhooks.PREFIX):
        print(f"Secret of webhooks of {whose}; it is shown this once:")
        print(f"  {secret}")
        print(f"They are sent to {service.settings.url.rstrip('/')}/v1/hooks/{quote(token.client)}")
    else:
        print(f"Token of {whose}; it is shown this once:")
        print(f"  {secret}")


def _described(scope: Scope) -> str:
    parts = [
        f"{word} {' '.join(values)}"
        for word, values in (("may", scope.actions), ("names", scope.names), ("from", scope.networks))
        if values is not None
    ]
    if scope.per_minute is not None:
        parts.append(f"{scope.per_minute} a minute")
    return "".join(f", {part}" for part in parts)
