"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


_GUARDS = {
    "postgresql": [
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE "
        "EXCEPTION USING MESSAGE = TG_ARGV[0]; END $$",
        'CREATE TRIGGER events_never_change BEFORE UPDATE OF "seq", "name", "serial", "at", "by", '
        '"type", "body", "reason", "policy", "actor", "holder", "approver", "change", "org", "lane" ON '
        "events FOR EACH ROW EXECUTE FUNCTION refuse('an event never changes')",
        "CREATE TRIGGER events_signed_once BEFORE UPDATE OF release ON events FOR EACH ROW WHEN "
        "(OLD.release IS NOT NULL) EXECUTE FUNCTION refuse('an event is signed in one release')",
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION "
        "refuse('an event never goes')",
        "CREATE TRIGGER events_never_empty BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE "
        "FUNCTION refuse('an event never goes')",
    ],
    "sqlite": [
        'CREATE TRIGGER events_never_change BEFORE UPDATE OF "seq", "name", "serial", "at", "by", "type", '
        '"body", "reason", "policy", "actor", "holder", "approver", "change", "org", "lane" ON events '
        "BEGIN SELECT RAISE(ABORT, 'an event never changes'); END",
        "CREATE TRIGGER events_signed_once BEFORE UPDATE OF release ON events WHEN OLD.release IS NOT NULL "
        "BEGIN SELECT RAISE(ABORT, 'an event is signed in one release'); END",
        "CREATE TRIGGER events_never_go BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event never goes'); END",
    ],
}


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("client", "key"),
    )
    op.create_table(
        "cleared",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("ahead", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source_seq", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", "source_seq"),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("delivery_keys", ["client", "key"], unique=False)
        batch_op.create_index(
            "held",
            ["name", "source_seq"],
            unique=False,
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )

    op.create_table(
        "escalations",
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change"),
    )
    with op.batch_alter_table("escalations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_escalations_name"), ["name"], unique=False)

    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "names",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("due_at", sa.String(), nullable=True),
        sa.Column("edition", sa.String(), nullable=False),
        sa.Column("org", sa.String(), nullable=True),
        sa.Column("granted", sa.Text(), nullable=True),
        sa.Column("skeleton", sa.String(), nullable=False),
        sa.Column("notice_at", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    with op.batch_alter_table("names", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_names_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_names_holder"), ["holder"], unique=False)
        batch_op.create_index(batch_op.f("ix_names_notice_at"), ["notice_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_names_skeleton"), ["skeleton"], unique=False)
        batch_op.create_index(
            "namespaces",
            ["name"],
            unique=False,
            sqlite_where=sa.text("granted IS NOT NULL"),
            postgresql_where=sa.text("granted IS NOT NULL"),
        )

    op.create_table(
        "notices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "refusals",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("refusals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refusals_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_refusals_name"), ["name"], unique=False)

    op.create_table(
        "registry_states",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("registry_serial", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "releases",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.Integer(), nullable=False),
        sa.Column("signed_at", sa.String(), nullable=False),
        sa.Column("timestamp", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.String(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation"),
    )
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_releases_expires"), ["expires"], unique=False)
        batch_op.create_index(batch_op.f("ix_releases_signed_at"), ["signed_at"], unique=False)
        batch_op.create_index(
            "staged",
            ["generation"],
            unique=False,
            sqlite_where=sa.text("published = 0"),
            postgresql_where=sa.text("published = 0"),
        )

    op.create_table(
        "roles",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("expires", sa.String(), nullable=False),
        sa.Column("renew_at", sa.String(), nullable=True),
        sa.Column("signers", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("role"),
    )
    with op.batch_alter_table("roles", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roles_renew_at"), ["renew_at"], unique=False)

    op.create_table(
        "sequences",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "skeletons", sa.Column("skeleton", sa.String(), nullable=False), sa.PrimaryKeyConstraint("skeleton")
    )
    op.create_table(
        "takedowns",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", "sha256"),
    )
    with op.batch_alter_table("takedowns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_takedowns_name"), ["name"], unique=False)
        batch_op.create_index(batch_op.f("ix_takedowns_sha256"), ["sha256"], unique=False)

    op.create_table(
        "targets",
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("path", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bin", "path"),
        sa.UniqueConstraint("path"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("targets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_targets_name"), ["name"], unique=False)

    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("expires", sa.String(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("public", sa.Text(), nullable=True),
        sa.Column("revoked", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tokens_client"), ["client"], unique=False)

    op.create_table(
        "events",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("approver", sa.String(), nullable=True),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column("org", sa.String(), nullable=True),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"],
            ["releases.generation"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("name", "serial"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("by_actor", ["actor", "type", "at"], unique=False)
        batch_op.create_index(batch_op.f("ix_events_change"), ["change"], unique=False)
        batch_op.create_index(
            "pending",
            ["lane", "seq"],
            unique=False,
            sqlite_where=sa.text("release IS NULL"),
            postgresql_where=sa.text("release IS NULL"),
        )
        batch_op.create_index("signed", ["release", "seq"], unique=False)

    op.create_table(
        "files",
        sa.Column("path", sa.String().with_variant(sa.String(collation="C"), "postgresql"), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("superseded", sa.Integer(), nullable=True),
        sa.Column("dropped", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["release"],
            ["releases.generation"],
        ),
        sa.ForeignKeyConstraint(
            ["superseded"],
            ["releases.generation"],
        ),
        sa.PrimaryKeyConstraint("path"),
    )
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.create_index("copied_out", ["release", "position"], unique=False)
        batch_op.create_index(
            "superseded",
            ["superseded"],
            unique=False,
            sqlite_where=sa.text("superseded IS NOT NULL"),
            postgresql_where=sa.text("superseded IS NOT NULL"),
        )

    op.create_table(
        "flags",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("client", sa.String(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["release"],
            ["releases.generation"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "nonces",
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("until", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["token"],
            ["tokens.id"],
        ),
        sa.PrimaryKeyConstraint("token", "nonce"),
    )
    with op.batch_alter_table("nonces", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_nonces_until"), ["until"], unique=False)

    op.create_table(
        "policies",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["release"],
            ["releases.generation"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "recovered",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("org", sa.String(), nullable=True),
        sa.Column("orgs", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release"],
            ["releases.generation"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    for guard in _GUARDS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(guard)
