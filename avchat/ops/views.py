"""Health of a node: alive, and ready to be given work."""

from django.db import connection
from django.http import HttpRequest, JsonResponse

from im import node


def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 where this node is of use; 503 while the database does not answer, without which nobody can be let in.

    A Redis server that does not answer is named, and no reason to send members elsewhere: it is gone for other nodes,
    too, and this one goes on by the database.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except Exception as error:
        return JsonResponse({"status": "unavailable", "database": type(error).__name__}, status=503)
    here = node.running()
    if here is not None and not all(link.up for link in here.links):
        return JsonResponse({"status": "degraded", "redis": "unreachable"})
    return JsonResponse({"status": "ok"})
