"""The admin's page that takes files into the knowledge base."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from . import documents
from .models import KnowledgeDocument


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """A list of files (https://docs.djangoproject.com/en/5.2/topics/http/file-uploads/#uploading-multiple-files)."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        return [super(FilesField, self).clean(file, initial) for file in data or [None]]


class UploadForm(forms.Form):
    files = FilesField(
        allow_empty_file=True,  # it gets a sentence beside the others, and does not stop them
        max_length=300,
        widget=FilesInput(attrs={"accept": ",".join(documents.SUFFIXES)}),
        help_text=(
            f"Markdown, text or HTML ({', '.join(documents.SUFFIXES)}), at most "
            f"{documents.MAX_BYTES // 1024**2} MB each and 100 at a time. Choose several, or drop them here. "
            "A file whose name is a document's source replaces that document's title and text."
        ),
    )


def upload_view(model_admin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        counts: Counter[str] = Counter()
        for file in form.cleaned_data["files"]:
            try:
                counts[_take(model_admin, request, file)] += 1
            except documents.Unreadable as error:
                messages.warning(request, f"{file.name} {error}.")
        words = {"created": "loaded", "changed": "replaced", "unchanged": "there already"}
        if counts:
            messages.success(request, ", ".join(f"{n} {words[outcome]}" for outcome, n in counts.items()) + ".")
        return redirect("admin:tools_app_knowledgedocument_changelist")
    context = {**model_admin.admin_site.each_context(request), "title": "Upload files", "form": form}
    return TemplateResponse(request, "admin/tools_app/knowledgedocument/upload.html", context)


def _take(model_admin: admin.ModelAdmin, request: HttpRequest, file: UploadedFile) -> str:
    """What was done with the file. Raises documents.Unreadable."""
    document = documents.read(file.name or "", file.read(documents.MAX_BYTES + 1))
    with transaction.atomic():
        outcome, row = KnowledgeDocument.objects.put(file.name or "", document)
        if outcome == "changed" and not model_admin.has_change_permission(request, row):
            raise documents.Unreadable("would replace a document, which you have no permission to change")
        if outcome != "unchanged":
            log = model_admin.log_addition if outcome == "created" else model_admin.log_change
            log(request, row, f"Uploaded {file.name}.")
    return outcome
