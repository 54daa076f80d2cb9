"""The addresses of the demo community. Who one is stands in the address, so that each window can be somebody else."""

from django.urls import path

from avchat.demo import views

app_name = "demo"
urlpatterns = [
    path("", views.front, name="front"),
    path("hostile/", views.front, {"page": "hostile"}),
    path("files/<str:digest>/<str:name>", views.files, name="file"),
    path("avatars/<str:name>", views.avatar, name="avatar"),
    path("as/<str:member>/", views.forum, name="forum"),
    path("as/<str:member>/topic/<slug:slug>/", views.topic, name="topic"),
    path("as/<str:member>/log/", views.log, name="log"),
    path("as/<str:member>/gallery/", views.gallery, name="gallery"),
    path("as/<str:member>/meet-ups/", views.meet_ups, name="meet-ups"),
    path("as/<str:member>/members/", views.members, name="members"),
    path("as/<str:member>/hostile/", views.hostile, name="hostile"),
    path("as/<str:member>/chat-token", views.chat_token, name="chat-token"),
]
