"""Parts of addresses beyond Django's own."""

from django.urls import register_converter

from jobs.core.ids import from_address, to_address


class AnyId:
    """The id of a job or a workflow: any text, slashes and line breaks included (core/ids.py)."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        return from_address(value)

    def to_url(self, value: str) -> str:
        return to_address(value)


register_converter(AnyId, "any-id")
