"""How static files are named and served."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed names in the imports of ES modules too: a module under two names would run twice (two live streams)."""

    support_js_module_import_aggregation = True
