from django import forms

from jobs.core.kind import Kind


class Parcel(Kind):
    """Pack a parcel."""

    slug, label, pool = "parcel", "Pack a parcel", "io"

    class Form(forms.Form):
        weight = forms.FloatField(min_value=0.1)

    def run(self, params, ctx):
        ctx.progress(1, 1, "packed")
        ctx.save("label.txt", f"{params['weight']} kg".encode())
        return params["weight"] * 2
