from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed names for production, in the imports of the page's modules too."""

    support_js_module_import_aggregation = True
