"""A kind with a field of every sort, for the tests of the API and the commands."""

import decimal

from django import forms

from jobs.core.fields import MB, SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.registry import all_kinds


class EveryField(Kind):
    """Take one of everything."""

    slug, label, pool = "test-every", "Take everything", "cpu"

    class Form(forms.Form):
        text = forms.CharField(min_length=2, max_length=20, help_text="Some <b>words</b>.")
        note = forms.CharField(required=False)
        width = forms.IntegerField(min_value=1, max_value=16_384, initial=1024)
        ratio = forms.FloatField(required=False, min_value=0)
        price = forms.DecimalField(required=False, max_value=decimal.Decimal("99.5"))
        fast = forms.BooleanField(required=False, initial=True)
        mode = forms.ChoiceField(choices=[("fit", "Fit inside"), ("Grouped", [("fill", "Fill")])], initial="fit")
        angle = forms.TypedChoiceField(choices=[(0, "None"), (90, "Right")], coerce=int, initial=0)
        colours = forms.MultipleChoiceField(choices=[("r", "Red"), ("g", "Green")], required=False)
        day = forms.DateField(required=False)
        at = forms.DateTimeField(required=False)
        mail = forms.EmailField(required=False)
        data = forms.JSONField(required=False)
        password = SecretField(required=False)
        files = UploadField(multiple=True, accept=[".txt"], max_size=MB, max_count=3, required=False)

    def run(self, params, ctx):
        return params["text"]


all_kinds.cache_clear()
VALID = {"text": "hello"}
