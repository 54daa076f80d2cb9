"""What the service compares itself has a collation that takes nothing for something else."""

import pytest
from django.db import connection

from avchat.fields import EXACT

pytestmark = [pytest.mark.database, pytest.mark.django_db]

# Only read by people, or found by them whatever the case.
READ = {
    *("im_conversation.name", "im_message.body", "im_report.body", "im_report.reason"),
    *("im_member.name", "im_member.status", "im_member.email", "im_member.avatar", "im_member.url", "im_member.origin"),
    *("tenants_account.email", "tenants_account.name", "tenants_secret.label", "tenants_secret.hint"),
    *("tenants_site.name", "tenants_site.url", "tenants_site.digest_base", "tenants_site.last_page"),
}
# One of the service's own few words, all in lower case, so that no two are alike.
WORDS = {"im_member.role", "im_member.show", "work_export.state"}
# Never compared by the database.
KEPT = {"im_member.groups", "im_member.tabs", "im_message.system", "tenants_site.options", "tenants_account.password"}
# Django's own. A session's key is 32 random lower-case letters and digits: no two differ in their case alone, so that
# a cookie in another case finds the session that it was made from, and whoever guesses has as much to guess.
DJANGO = {
    *("auth_group.name", "auth_permission.codename", "auth_permission.name"),
    *("django_content_type.app_label", "django_content_type.model", "django_migrations.app", "django_migrations.name"),
    *("django_session.session_data", "django_session.session_key"),
}


def test_all_text_is_compared_exactly_but_what_people_read() -> None:
    with connection.cursor() as sql:
        sql.execute(
            "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND collation_name <> %s",
            [EXACT],
        )
        inexact = {name for (name,) in sql.fetchall()}
    assert inexact == READ | WORDS | KEPT | DJANGO
