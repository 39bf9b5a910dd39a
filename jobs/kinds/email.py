"""Send email: one message, or one for each row of a recipients file."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import PurePath
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.core.errors import PermanentError
from jobs.core.fields import MB, FileRef, UploadField, size_in_words
from jobs.core.kind import Context, Kind, Offer
from jobs.core.retry import Exponential, Retry
from jobs.core.turn import Turn
from jobs.kinds._email import dry_run, mailing, senders, suppression, template, unsent, workbook
from jobs.kinds._email.addresses import CONTROL, AddressesField, AddressField, parse
from jobs.kinds._email.book import Book, TemporaryFailure
from jobs.kinds._email.conversation import Conversation, Unreachable
from jobs.kinds._email.letters import (
    Composer,
    Letter,
    leave_out,
    letters_of,
    letters_to,
    mailing_of,
    sender_of,
    subject_of,
    wire_format,
)
from jobs.kinds._email.pace import Pace
from jobs.kinds._given import content_of
from jobs.kinds._tables import choices
from jobs.kinds._tables.choices import Choice
from jobs.kinds._tables.workbook import notes_of

LEAVE_OUT, REFUSE = "leave_out", "refuse"
#: Of all attachments together: encoded they stay below the 25 MB that mail servers commonly take.
MAX_ATTACHED = 18 * MB
#: [bytes] of a recipients file that a process reads only one of at a time while its form is checked.
LONG = 1 * MB
_turn = Turn("recipients files")
FIELDS_HELP = "{{ first_name }} takes that column of the recipients file, {{ first_name|friend }} fills blank cells."


class _Unpacked(SimpleUploadedFile):
    """A sheet as CSV, with what is to be said of the workbook that it comes from."""

    notes: Sequence[str] = ()


def _is_unpacked(files: Sequence[Any]) -> bool:
    """Whether it is a workbook of an earlier job, which was kept as CSV."""
    return bool(files) and files[0].name.lower().endswith(".xlsx.csv")


class EmailForm(Kind.Form):
    """The parameters of a mailing; the recipients file is read here, so that nothing unusable is accepted."""

    to = AddressesField(label="To", required=False, help_text="Addresses with commas between. They see each other.")
    recipients = UploadField(
        label="Recipients file",
        required=False,
        accept=(".csv", ".tsv", ".txt", ".xlsx"),
        max_size=20 * MB,
        help_text="Instead of To: CSV or XLSX with a column of addresses. Each row gets a message of its own. "
        "Up to 20 MB.",
    )
    encoding, separator, sheet, header = choices.fields()
    fieldsets = (choices.FIELDSET,)
    unusable_rows = forms.ChoiceField(
        label="Unusable and duplicate rows",
        choices=[(LEAVE_OUT, "Leave them out"), (REFUSE, "Refuse the mailing")],
        initial=LEAVE_OUT,
        required=False,
        widget=forms.RadioSelect,
    )
    subject = forms.CharField(label="Subject", max_length=500, help_text=FIELDS_HELP)
    text = forms.CharField(label="Text", required=False, max_length=500_000, widget=forms.Textarea(attrs={"rows": 10}))
    html = forms.CharField(
        label="HTML",
        required=False,
        max_length=1_000_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="Beside the text or instead of it. What comes from the file is escaped.",
    )
    attachments = UploadField(
        label="Attachments",
        required=False,
        multiple=True,
        max_count=20,
        max_size=MAX_ATTACHED,
        help_text=f"Up to 20 files, together up to {size_in_words(MAX_ATTACHED)}.",
    )
    cc = AddressesField(label="Cc", required=False)
    bcc = AddressesField(label="Bcc", required=False)
    from_email = AddressField(label="From", required=False, help_text="Empty: the site's own address.")
    reply_to = AddressesField(label="Reply-To", required=False, max_count=10)
    per_second = forms.FloatField(
        label="Messages a second, at most",
        required=False,
        min_value=0.01,
        max_value=1000,
        help_text="For servers that limit the speed. Empty: as fast as the server takes them.",
    )
    test_to = AddressField(
        label="Test to", required=False, help_text="Only the first message is sent, to this address instead of its own."
    )
    dry_run = forms.BooleanField(label="Dry run: show the first three, send nothing", required=False)

    def clean_subject(self) -> str:
        subject = self.cleaned_data["subject"]
        if CONTROL.search(subject):
            raise ValidationError("The subject holds a line break or control character: it must be one line.")
        return subject

    def clean_from_email(self) -> str:
        if (sender := self.cleaned_data["from_email"]) and not senders.is_allowed(sender):
            raise ValidationError(f"{sender} may not be sent from here. Allowed: {senders.in_words()}.")
        return sender

    def clean_unusable_rows(self) -> str:
        return self.cleaned_data["unusable_rows"] or LEAVE_OUT

    def clean_attachments(self) -> list[Any]:
        files = self.cleaned_data["attachments"]
        if (together := sum(file.size for file in files)) > MAX_ATTACHED:
            raise ValidationError(
                f"{size_in_words(together)} together: at most {size_in_words(MAX_ATTACHED)} are taken."
            )
        return files

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        self._unpack_workbook(data)
        if not data.get("text") and not data.get("html") and not {"text", "html"} & self.errors.keys():
            self.add_error("text", "Write a text, an HTML version, or both.")
        if "to" in data and "recipients" in data:
            self._check_recipients(data)
        return data

    def _unpack_workbook(self, data: dict[str, Any]) -> None:
        """A workbook is kept as CSV, under a name that still tells where it came from: see `workbook`."""
        files = data.get("recipients")
        if not files or PurePath(files[0].name).suffix.lower() != ".xlsx":
            if not files or not _is_unpacked(files):
                data["sheet"] = ""  # a text has none
            return
        try:
            content, facts = workbook.as_csv(content_of(files[0]), Choice.from_params(data))
        except mailing.Unreadable as error:
            self.add_error("recipients", str(error))
            return
        file = _Unpacked(f"{files[0].name}.csv", content, "text/csv")
        file.notes = notes_of(facts)
        # The sheet is named in the job's parameters, and so in its result; the others are those of texts.
        data.update({"recipients": [file], "sheet": facts["name"], "encoding": "", "separator": ""})

    def _check_recipients(self, data: dict[str, Any]) -> None:
        if not data["recipients"]:
            if not (data["to"] or data.get("cc") or data.get("bcc")):
                self.add_error("to", "Name at least one address, or give a recipients file.")
            else:
                letters, suppressed = _unsuppressed(letters_of({"cc": [], "bcc": [], **data}, None)[0])
                if not letters:
                    self.add_error("to", f"Nobody is left to write to. {mailing.in_words(suppressed)}.")
            self._check_fields(data, None, "")
            return
        for name in ("to", "cc", "bcc"):
            if data.get(name):
                label = self.fields[name].label
                self.add_error(name, f"With a recipients file each row gets its own message: leave {label} empty.")
        file = data["recipients"][0]
        try:
            with _turn.taken() if file.size > LONG else nullcontext():
                found = mailing_of(data, content_of(file))
        except mailing.Doubtful as error:
            self.add_error("encoding", str(error))
            return
        except mailing.Unreadable as error:
            self.add_error("recipients", str(error))
            return
        self._check_fields(data, found.columns, file.name)
        letters, suppressed = _unsuppressed(letters_to(found.rows))
        left_out = [*found.left_out, *suppressed]
        if left_out and data.get("unusable_rows") == REFUSE:
            self.add_error("recipients", f"Cannot be used: {mailing.in_words(left_out)}. Correct or leave them out.")
        elif (per_second := data.get("per_second")) and len(letters) / per_second > SendEmail.time_limit:
            self.add_error("per_second", f"{len(letters):,} messages would take more than 12 hours so slowly.")
        elif not letters:
            reason = f"No row can be used: {mailing.in_words(left_out)}." if left_out else "There is only a header."
            self.add_error("recipients", reason)

    def _check_fields(self, data: dict[str, Any], columns: list[str] | None, file: str) -> None:
        for name in ("subject", "text", "html"):
            for problem in template.problems(data.get(name, ""), columns, file):
                self.add_error(name, problem)


class SendEmail(Kind):
    """Send one message, or one to each row of a list with its own fields filled in.

    Works over SMTP with the site's EMAIL_URL. Recipients come as a workbook, or as CSV however it was written.
    """

    slug, label, pool, order = "email", "Send email", "io", 10
    # The first waits are short, for a server that restarts; the last ones outlast a greylist: 18 min in all.
    retry = Retry(
        on=(TemporaryFailure, ConnectionError), attempts=7, backoff=Exponential(base=3, factor=3, cap=900, jitter=True)
    )
    time_limit: ClassVar[float] = 12 * 3600
    # A second run does no harm: the ledger knows every address that got the message, or may have got it.
    idempotent = pausable = True
    parts = (unsent.UNSENT, unsent.IN_DOUBT)
    Form = EmailForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        return template.outline(params.get("subject") or "") or cls.label

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        file = (cleaned.get("recipients") or [None])[0]
        params = {"to": [], "cc": [], "bcc": [], "subject": "", "from_email": "", **cleaned}
        try:
            letters, left_out, how = letters_of(params, content_of(file) if file else None)
        except mailing.Unreadable as error:
            return [("Recipients file", str(error))]
        read = [("Read as", how)] if how else []
        read += [("Workbook", note) for note in getattr(file, "notes", ()) if not note.endswith(" was read.")]
        letters, suppressed = _unsuppressed(letters)
        left_out = [*left_out, *suppressed]
        if not letters:
            return []
        count = len(letters) if file else len(letters[0].addresses)
        name = file.name.removesuffix(".csv") if file and _is_unpacked([file]) else file.name if file else ""
        each = f", one for each usable row of {name}" if file else ""
        noun = ("message" if file else "recipient") + ("" if count == 1 else "s")
        rows = [("Sends", f"{count:,} {noun}{each}"), ("From", sender_of(params)), *read]
        if left_out:
            rows.append(("Left out", mailing.in_words(left_out)))
        if params["subject"]:
            rows.append(("First subject", subject_of(params, letters[0])))
        rows.append(("First recipient", letters[0].addresses[0]))
        if attached := cleaned.get("attachments"):
            size = size_in_words(sum(item.size for item in attached))
            rows.append(("Attached", f"{len(attached)} file{'' if len(attached) == 1 else 's'}, {size}"))
        if per_second := cleaned.get("per_second"):
            rows.append(("Speed", f"at most {per_second:g} a second"))
        if cleaned.get("test_to") and not cleaned.get("dry_run"):
            rows.append(("Test", f"Only the first message, to {cleaned['test_to']}"))
        if cleaned.get("dry_run"):
            rows.append(("Dry run", "Nothing is sent; the result shows the first three messages."))
        elif getattr(settings, "EMAIL_IS_CAUGHT", False):
            rows.append(("Goes to", "The test mailbox; nothing leaves this machine."))
        return rows

    @classmethod
    def parts_left(cls, state: str, counts: Mapping[str, int]) -> Sequence[Offer]:
        return unsent.offers(state, counts)

    @classmethod
    def only(cls, part: str, params: Mapping[str, Any], states: Mapping[str, str]) -> dict[str, Any] | None:
        return unsent.remaining(part, params, states, lambda ref: content_of(FileRef.from_json(ref)))

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        file = ctx.open(params["recipients"][0]).read() if params["recipients"] else None
        try:
            # A long file is read in steps: other jobs of the same event loop go on between them.
            letters, left_out, how = letters_of(params, file, lambda: time.sleep(0))
        except mailing.Unreadable as error:
            raise PermanentError(f"{params['recipients'][0]['name']}: {error}") from error
        if (address := params.get("test_to")) and not params["dry_run"]:
            letters, left_out = [letters[0].test_to(address)], []
        everybody = [address for letter in letters for address in letter.addresses]
        book = Book(everybody, left_out, ctx)
        letters = book.leave_out(letters, suppression.listed_now(book.waiting(everybody), ctx))
        composer = Composer(params, ctx)
        if params["dry_run"]:
            return dry_run.show(composer, letters, book.left_out, ctx)
        result = book.close(_send(composer, letters, book, Pace(params.get("per_second"), ctx.check), ctx))
        return result | ({"read_as": how} if how else {})


def _send(composer: Composer, letters: list[Letter], book: Book, pace: Pace, ctx: Context) -> str:
    """Send what still has to be sent; why it broke off, or "". If it is cancelled, the ledger keeps what was sent."""
    conversation, sender = Conversation(), parse(composer.sender).address
    try:
        for letter in letters:
            ctx.progress(book.settled, book.total, "sent")
            waiting = book.waiting(letter.addresses)
            if not waiting:
                continue
            pace.wait()
            # Asked again: the list may have changed since, above all while the job was paused.
            remaining = book.leave_out([letter], suppression.listed_now(waiting, ctx))
            if not (waiting := book.waiting(waiting)):
                continue
            message = wire_format(composer.compose(remaining[0]))
            try:
                book.record(conversation.deliver(sender, waiting, message, book.sending))
            except (Unreachable, PermanentError) as error:
                book.put_off(waiting, str(error))
                if isinstance(error, PermanentError):
                    raise
                return str(error)
        ctx.progress(book.settled, book.total, "sent")
    finally:
        conversation.close()
    return ""


def _unsuppressed(letters: list[Letter]) -> tuple[list[Letter], list[mailing.LeftOut]]:
    """The letters without whom the suppression list names now, and those who are left out so."""
    return leave_out(letters, suppression.listed(address for letter in letters for address in letter.addresses))
