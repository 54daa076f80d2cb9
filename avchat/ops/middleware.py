"""What operators' tools ask is answered first: by whatever name or address they ask, and whatever else is down."""

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.deprecation import MiddlewareMixin


class Operations(MiddlewareMixin):
    """Answers the addresses of `avchat.ops.urls`; probes ask a node by its address, which is none of `AVCHAT_HOSTS`."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        """The answer; None where the request is not for operators."""
        try:
            match = resolve(request.path_info, "avchat.ops.urls")
        except Resolver404:
            return None
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return answer
