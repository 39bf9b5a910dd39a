"""Form fields that a kind's Form may use beside Django's own: files, secrets."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

KB, MB, GB = 1024, 1024**2, 1024**3


def size_in_words(size: float) -> str:
    """Bytes as people write them: 812 B, 1.4 MB."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"


@dataclass(frozen=True)
class FileRef:
    """A stored file, as parameters and messages carry it: {"artifact", "name", "size", "path"}."""

    artifact: str
    name: str
    size: int
    path: str

    def as_json(self) -> dict[str, Any]:
        return {"artifact": self.artifact, "name": self.name, "size": self.size, "path": self.path}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "FileRef":
        return cls(value["artifact"], value["name"], value["size"], value["path"])


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class UploadField(forms.FileField):
    """One file or several. Cleans to a list of uploads and of `FileRef`s (files that are stored already).

    accept: suffixes with their dot. max_size: [bytes] of one file. max_count: files in one go.
    """

    def __init__(
        self,
        *,
        multiple: bool = False,
        accept: Iterable[str] = (),
        max_size: int = 100 * MB,
        max_count: int = 200,
        **kwargs: Any,
    ):
        self.multiple, self.accept, self.max_size, self.max_count = multiple, tuple(accept), max_size, max_count
        kwargs.setdefault("widget", ManyFilesInput() if multiple else forms.ClearableFileInput())
        super().__init__(**kwargs)
        if self.accept:
            self.widget.attrs.setdefault("accept", ",".join(self.accept))
        if not self.help_text:
            kinds = ", ".join(suffix.lstrip(".").upper() for suffix in self.accept) or "Any file"
            each = ", each" if multiple else ""
            self.help_text = f"{kinds}{each} up to {size_in_words(max_size)}."

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = [file for file in (data if isinstance(data, list | tuple) else [data]) if file]
        if not given:
            if self.required:
                raise ValidationError(self.error_messages["required"], code="required")
            return []
        if len(given) > (self.max_count if self.multiple else 1):
            raise ValidationError(f"{len(given)} files: at most {self.max_count if self.multiple else 1} are taken.")
        return [file if isinstance(file, FileRef) else self._checked(file) for file in given]

    def _checked(self, file: Any) -> Any:
        file = super().to_python(file)
        if self.accept and PurePath(file.name).suffix.lower() not in self.accept:
            raise ValidationError(f"{file.name}: expected a file that ends in {', '.join(self.accept)}.")
        if file.size > self.max_size:
            raise ValidationError(
                f"{file.name} has {size_in_words(file.size)}: at most {size_in_words(self.max_size)} are taken."
            )
        return file


class SecretField(forms.CharField):
    """A value that is stored and sent only encrypted, and never shown again."""

    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})


class TrialField(forms.BooleanField):
    """Asks for a small trial of the job. A page shows a second button in its place, which its label names."""

    def __init__(self, **kwargs: Any):
        super().__init__(required=False, **kwargs)


def secret_fields(kind: Any) -> frozenset[str]:
    """Names of the fields of a kind's form that hold secrets: what is ciphertext of its parameters."""
    return frozenset(name for name, field in kind.Form.base_fields.items() if isinstance(field, SecretField))
