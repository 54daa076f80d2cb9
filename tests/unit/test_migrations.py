"""A version is migrated to while nodes of the one before serve: what they store is taken, what they read is there."""

import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations import AddField, DeleteModel, RemoveField, RenameField, RenameModel

pytestmark = pytest.mark.database

APPS = ("tenants", "im", "work", "presence")
LATER = {
    f"{app}.{name}": migration
    for (app, name), migration in MigrationLoader(None).disk_migrations.items()
    if app in APPS and not migration.initial
}


@pytest.mark.parametrize("name", LATER)
def test_what_a_migration_adds_may_be_left_out_by_who_does_not_know_it(name: str) -> None:
    migration: Migration = LATER[name]
    added = [operation for operation in migration.operations if isinstance(operation, AddField)]
    assert [each.name for each in added if not (each.field.null or each.field.has_db_default())] == []


@pytest.mark.parametrize("name", LATER)
def test_a_migration_takes_nothing_away(name: str) -> None:
    gone = (RemoveField, RenameField, DeleteModel, RenameModel)
    assert not any(isinstance(operation, gone) for operation in LATER[name].operations)


def test_what_a_node_of_any_version_before_stores_is_taken(db: None) -> None:
    loader = MigrationLoader(connection)
    versions = [node for node in loader.graph.nodes if node[0] == "im"]
    assert len(versions) > 2
    for version in versions:
        models = loader.project_state(version).apps
        with transaction.atomic():
            site = models.get_model("tenants", "Site").objects.create(name="Harbour")
            models.get_model("im", "Member").objects.create(site=site, sub="ann", name="Ann", sort="ann", created=0)
