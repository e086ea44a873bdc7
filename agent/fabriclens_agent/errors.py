"""What a request or a package can be refused for; the message is for people and names the thing and the mend."""


class RequestError(Exception):
    """Answered as HTTP `status` with the body {"error": message}."""

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = tuple(headers)


def busy(message, retry_after_s=1):
    """503: nothing is wrong with the request; Retry-After says in whole seconds when to come again."""
    return RequestError(503, message, (('Retry-After', str(max(1, int(retry_after_s)))),))


class ClientGone(Exception):
    """The client closed its connection: there is nobody to answer."""


class PackageError(Exception):
    """A model package that cannot be served; the message names the file and the mend."""
