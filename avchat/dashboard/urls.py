"""The addresses of the dashboard."""

from django.urls import path

from avchat.dashboard import account_views, data_views, reset_views, site_views, statistics_views
from avchat.dashboard.page import files

app_name = "dashboard"
urlpatterns = [
    path("", site_views.sites, name="sites"),
    path("files/<str:digest>/<str:name>", files, name="file"),
    path("sign-up", account_views.sign_up, name="sign-up"),
    path("log-in", account_views.log_in, name="log-in"),
    path("log-out", account_views.log_out, name="log-out"),
    path("reset", reset_views.ask, name="reset"),
    path("reset/sent", reset_views.sent, name="reset-sent"),
    path("reset/<str:uidb64>/<str:token>", reset_views.choose, name="reset-choose"),
    path("account", account_views.account, name="account"),
    path("add-site", site_views.add_site, name="add-site"),
    path("sites/<str:key>/", site_views.install, name="install"),
    path("sites/<str:key>/state", site_views.state, name="state"),
    path("sites/<str:key>/origins", site_views.origins, name="origins"),
    path("sites/<str:key>/guests", site_views.guests, name="guests"),
    path("sites/<str:key>/secrets", site_views.secrets, name="secrets"),
    path("sites/<str:key>/secrets/<str:kid>/retire", site_views.retire, name="retire"),
    path("sites/<str:key>/statistics", statistics_views.statistics, name="statistics"),
    path("sites/<str:key>/data", data_views.data, name="data"),
    path("sites/<str:key>/data/state", data_views.state, name="data-state"),
    path("sites/<str:key>/digest", data_views.digest, name="digest"),
    path("sites/<str:key>/digest/settings", data_views.digest_settings, name="digest-settings"),
    path("sites/<str:key>/retention", data_views.retention, name="retention"),
    path("sites/<str:key>/retention/<int:days>", data_views.shorten, name="shorten"),
    path("sites/<str:key>/exports", data_views.ask_for_export, name="exports"),
    path("sites/<str:key>/exports/<str:export>", data_views.fetch, name="export"),
]
