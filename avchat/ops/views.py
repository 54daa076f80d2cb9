"""Health of a node: alive, and ready to be given work."""

from django.db import connection
from django.http import HttpRequest, JsonResponse

from im import node


def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the services that this node stands on answer; 503 with the name of one that does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Exception as error:
        return JsonResponse({"status": "unavailable", "database": type(error).__name__}, status=503)
    here = node.running()
    if here is not None and not all(link.up for link in here.links):
        return JsonResponse({"status": "unavailable", "redis": "unreachable"}, status=503)
    return JsonResponse({"status": "ok"})
