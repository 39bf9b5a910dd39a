"""The form that builds a workflow: one step after the other, each with its kind's own form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.forms.utils import ErrorDict
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from jobs.core import priorities
from jobs.core.access import is_operator, may_submit
from jobs.core.errors import Refused
from jobs.core.fields import SecretField, TrialField, UploadField
from jobs.core.kind import Kind
from jobs.core.redaction import decrypt, encrypt, opened
from jobs.core.registry import get_kind
from jobs.foreign.task import ForeignTask, task_named
from jobs.models import Artifact
from jobs.models.workflow import Needs, OnFailure
from jobs.web import uploads
from jobs.web.forms import kept_name, plain_spoken
from jobs.web.pages.new_options import Start
from jobs.workflows.values import expressions

#: Steps that a form can hold: each is a form of its own.
MOST_STEPS = 50
AFTER, BESIDE, BRANCH = "after", "beside", "branch"
FILES = "files"
_REQUIRED = forms.Field.default_error_messages["required"]
_RUNS = [
    ("once", "once"),
    (FILES, "once for each file of the step before"),
    ("result", "once for each item that the step before returns"),
    ("list", "once for each item of another list"),
]


class Whole(Start):
    """What is asked once for all steps."""

    title = forms.CharField(
        label="Title",
        required=False,
        max_length=200,
        help_text="What lists call the workflow. Empty: made from its steps.",
    )
    on_failure = forms.ChoiceField(
        label="If a step fails", choices=OnFailure.choices, initial=OnFailure.END, widget=forms.RadioSelect
    )


class StepOptions(forms.Form):
    """What is asked of every step beside its kind's own form."""

    when = forms.ChoiceField(
        label="Runs",
        choices=[
            (AFTER, "after everything above"),
            (BESIDE, "at the same time as the step above"),
            (BRANCH, "after the step above alone"),
        ],
        initial=AFTER, widget=forms.RadioSelect,
    )  # fmt: skip
    runs = forms.ChoiceField(label="How often", choices=_RUNS, initial="once")
    each = forms.CharField(label="The list", required=False, max_length=200, help_text="Such as ${result.rows}.")
    needs = forms.ChoiceField(label="Starts once", choices=Needs.choices, initial=Needs.ALL)
    title = forms.CharField(label="Label", required=False, max_length=200, help_text="Empty: made from the form.")
    priority = forms.ChoiceField(choices=[(name, name.capitalize()) for name in priorities.BY_NAME], initial="normal")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("runs") == "list" and not data.get("each"):
            self.add_error("each", "Say which list: ${…} of what the step before returns.")
        return data


@dataclass(eq=False)
class FormStep:
    """One step as it was sent. number: its name within the form, for as long as it is there."""

    number: int
    target: type[Kind] | ForeignTask
    form: forms.Form
    options: StepOptions
    is_first: bool
    #: Stored files by field; and of those that come from the step before, which names ("" for all).
    kept: dict[str, list[Artifact]] = field(default_factory=dict)
    from_before: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    #: The same as the page sends them along, each for its user alone.
    signed: dict[str, str] = field(default_factory=dict)
    #: Where it stands in what is submitted, e.g. chain[1].group[0].
    path: str = ""

    @property
    def of(self) -> str:
        """What the form sends to say what it is a step of."""
        named = self.target.name if isinstance(self.target, ForeignTask) else self.target.slug
        return f"{'task' if isinstance(self.target, ForeignTask) else 'kind'}:{named}"

    @property
    def when(self) -> str:
        return str(self.options["when"].value() or AFTER)

    @property
    def name(self) -> str:
        return str(self.options["title"].value() or self.target.label)

    @property
    def how(self) -> str:
        """What its box says below its name."""
        runs = str(self.options["runs"].value() or "once")
        return dict(_RUNS).get(runs, "") if runs != "once" and not self.is_first else self.target.label

    @property
    def has_errors(self) -> bool:
        return bool(self.form.errors or self.options.errors)

    def spec(self) -> dict[str, Any]:
        """As workflows/spec.py reads it. Raises Refused for what cannot be stored or sent."""
        data = self.options.cleaned_data
        step: dict[str, Any] = {"title": data["title"], "priority": data["priority"]}
        if not self.is_first:
            step |= {"each": self._each(), "needs": data["needs"]}
        if isinstance(self.target, ForeignTask):
            return {"task": self.target.name, "immutable": True, **self._call(), **step}
        params = dict(self._params())
        if nul := [name for name, value in params.items() if "\0" in str(value)]:
            raise Refused({name: ["Null characters are not allowed."] for name in nul})
        return {"kind": self.target.slug, "params": params, **step}

    def _each(self) -> str:
        """${…} of the list that it is run for; "": once."""
        data = self.options.cleaned_data
        if data["runs"] == FILES:
            return _files_named(next(filter(None, self.from_before.values()), ""))
        return {"once": "", "result": "${result}"}.get(data["runs"], data["each"])

    def _params(self) -> Iterator[tuple[str, Any]]:
        """Everything as it was sent: the kind's form checks it when it is submitted."""
        for name, each in self.form.fields.items():
            if isinstance(each, UploadField):
                yield name, self._files(name)
            elif isinstance(each, SecretField):
                yield name, _sent(self.form, name) or self._secret(name)
            elif not isinstance(each, TrialField):
                yield name, _sent(self.form, name)

    def _files(self, name: str) -> Any:
        pattern = self.from_before.get(name)
        if pattern is None:
            return [artifact.id for artifact in self.kept.get(name, [])]
        return "${item}" if self.options.cleaned_data["runs"] == FILES else _files_named(pattern)

    def _secret(self, name: str) -> str:
        """In clear; "" where none was given."""
        secret = self.secrets[name]
        return decrypt(secret) if secret else ""

    def _call(self) -> dict[str, Any]:
        """The call of a task: what ${…} stands for is of any type, so that its field takes any text."""
        data = self.form.data.copy()  # type: ignore[attr-defined]
        for name in self.secrets:
            data[self.form.add_prefix(name)] = self._secret(name)
        form = plain_spoken(type(self.form)(data, prefix=self.form.prefix))
        for name, each in form.fields.items():
            if next(expressions(_sent(self.form, name)), None) is not None:
                form.fields[name] = forms.CharField(required=each.required)
        if not form.is_valid():
            raise Refused({name: [str(text) for text in texts] for name, texts in form.errors.items()})
        args, kwargs = opened(form.arguments())  # type: ignore[attr-defined]
        return {"args": args, "kwargs": kwargs}


def _files_named(pattern: str) -> str:
    return f"${{files:{pattern}}}" if pattern else "${files}"


def _sent(form: forms.Form, name: str) -> Any:
    return form.fields[name].widget.value_from_datadict(form.data, form.files, form.add_prefix(name))


@dataclass
class Builder:
    """The whole form as it was sent."""

    whole: Whole
    steps: list[FormStep]

    def is_valid(self) -> bool:
        fine = [self.whole.is_valid(), *(step.options.is_valid() for step in self.steps)]
        return all(fine) and bool(self.steps) and not any(step.has_errors for step in self.steps)

    def spec(self) -> dict[str, Any]:
        """What is submitted. Call it on a valid form; raises Refused as `submit_workflow` does."""
        errors: dict[str, list[str]] = {}

        def node(step: FormStep) -> dict[str, Any]:
            try:
                return step.spec()
            except Refused as refused:
                errors.update({f"{step.path}.{name}": texts for name, texts in refused.errors.items()})
                return {}

        chain = self._chain(node)
        if errors:
            raise Refused(errors)
        data = self.whole.cleaned_data
        return {"chain": chain, "title": data["title"], "on_failure": data["on_failure"], "due_at": self.whole.due()}

    def outline(self) -> dict[str, Any]:
        """The steps and their order alone."""
        return {"chain": self._chain(lambda step: {"kind": step.of})}

    def _chain(self, node: Callable[[FormStep], dict[str, Any]]) -> list[dict[str, Any]]:
        """Stages one after the other, of branches side by side, of steps one after the other; each gets its path."""
        stages: list[list[list[FormStep]]] = []
        for step in self.steps:
            if not stages or step.when == AFTER:
                stages.append([[step]])
            elif step.when == BESIDE:
                stages[-1].append([step])
            else:
                stages[-1][-1].append(step)
        chain = []
        for at, stage in enumerate(stages):
            nodes = []
            for place, branch in enumerate(stage):
                path = f"chain[{at}].group[{place}]" if len(stage) > 1 else f"chain[{at}]"
                for number, step in enumerate(branch):
                    step.path = f"{path}.chain[{number}]" if len(branch) > 1 else path
                steps = [node(step) for step in branch]
                nodes.append({"chain": steps} if len(steps) > 1 else steps[0])
            chain.append({"group": nodes} if len(nodes) > 1 else nodes[0])
        return chain

    def leave_unchecked(self) -> None:
        """Of a form that is not to be submitted yet nothing is wrong."""
        for form in (self.whole, *(step.options for step in self.steps)):
            unchecked(form)

    def remove(self, step: FormStep) -> None:
        self.steps.remove(step)
        self._mark_first()

    def move_up(self, step: FormStep) -> None:
        at = self.steps.index(step)
        self.steps.insert(max(0, at - 1), self.steps.pop(at))
        self._mark_first()

    def add(self, target: type[Kind] | ForeignTask) -> FormStep:
        number = max((step.number for step in self.steps), default=0) + 1
        form = target.Form(prefix=f"s{number}-p")
        self.steps.append(FormStep(number, target, form, StepOptions(prefix=f"s{number}"), not self.steps))
        return self.steps[-1]

    def _mark_first(self) -> None:
        for at, step in enumerate(self.steps):
            step.is_first = not at

    def show(self, errors: Mapping[str, list[str]]) -> None:
        """Put what was refused beside the fields that it names."""
        for key, texts in errors.items():
            step = next((one for one in self.steps if key == one.path or key.startswith(f"{one.path}.")), None)
            if step is None:
                self.whole.add_error(key if key in self.whole.fields else None, texts)
                continue
            name = key[len(step.path) + 1 :].removeprefix("params.")
            if name in step.form.fields:
                own = step.form.fields[name].error_messages.get("required")
                step.form.add_error(name, [own or text if text == _REQUIRED else text for text in texts])
            elif name in step.options.fields:
                step.options.add_error(name, texts)
            else:
                step.form.add_error(None, texts)


def unchecked(form: forms.Form) -> None:
    """Of a form that was sent, as if nothing were wrong with it."""
    form._errors, form.cleaned_data = ErrorDict(), {}  # type: ignore[attr-defined]


def empty() -> Builder:
    return Builder(Whole(prefix="workflow"), [])


def built(request: HttpRequest, keep_files: bool = True) -> Builder:
    """What was sent. keep_files: store the files that came along, which a mere look at the form leaves."""
    steps: list[FormStep] = []
    for number in dict.fromkeys(request.POST.getlist("step")[:MOST_STEPS]):
        target = target_of(request.POST.get(f"s{number}-of", ""), request.user)
        if target and is_number(number):
            steps.append(_step(request, int(number), target, not steps, keep_files))
    return Builder(Whole(request.POST, prefix="workflow"), steps)


def is_number(text: str) -> bool:
    """Whether it may be a step's."""
    return text.isascii() and text.isdigit() and len(text) < 10


def target_of(of: str, user: Any) -> type[Kind] | ForeignTask | None:
    """What a step is of, where the user may submit it."""
    way, _, name = of.partition(":")
    if way == "task" and is_operator(user):
        return task_named(name)
    kind = get_kind(name) if way == "kind" else None
    return kind if kind and may_submit(user, kind) else None


def _step(request: HttpRequest, number: int, target: Any, is_first: bool, keep_files: bool) -> FormStep:
    data: QueryDict = request.POST
    form = target.Form(data, MultiValueDict(), prefix=f"s{number}-p")
    # What is wrong is told by those who take it: a form of a step may hold ${…} where it wants a number.
    unchecked(plain_spoken(form))
    step = FormStep(number, target, form, StepOptions(data, prefix=f"s{number}"), is_first)
    for name, each in form.fields.items():
        html_name = form.add_prefix(name)
        if isinstance(each, UploadField):
            _take_files(request, step, name, each, keep_files)
        elif isinstance(each, SecretField):
            clear = data.get(html_name)
            sent_along = data.get(f"{html_name}__secret", "")
            step.secrets[name] = encrypt(clear) if clear else _ours(sent_along, request.user)
            step.signed[name] = _signer(request.user).sign(step.secrets[name]) if step.secrets[name] else ""
    return step


def _signer(user: Any) -> Signer:
    return Signer(salt=f"jobs.step-secret.{user.pk}")


def _ours(signed: str, user: Any) -> str:
    """Ciphertext that this form sent along to this user earlier; "" for anything else, as one from a database."""
    try:
        secret = _signer(user).unsign(signed)
        return secret if decrypt(secret) else ""
    except (BadSignature, ValueError):
        return ""


def _take_files(request: HttpRequest, step: FormStep, name: str, each: UploadField, keep_files: bool) -> None:
    html_name = step.form.add_prefix(name)
    kept = uploads.stored(request.user, request.POST.getlist(kept_name(html_name)))
    came = request.FILES.getlist(html_name) if keep_files else []
    artifacts, errors = uploads.store_fitting(each, came, request.user)
    step.kept[name] = [*kept, *artifacts] if each.multiple else (artifacts or kept)
    if errors:
        step.form.add_error(name, errors)
    if not step.is_first and f"{html_name}__from" in request.POST:
        step.from_before[name] = request.POST.get(f"{html_name}__names", "").strip()[:100]
        if step.kept[name]:
            step.form.add_error(
                name, ValidationError("Either files of the step before or files of your own: take one off.")
            )
