"""What users read of a failure: the usual ones in their language, any other as the engine put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..i18n import tr

NOTHING_LEFT = "NothingLeft"
"""An object was found, and the options of its outline left nothing of it."""


def text_of(kind: str, message: str) -> str:
    """Return the text of a failure.

    Args:
        kind: the type that the engine's API tells.
        message: in the engine's words, which name the values; they follow where they help.
    """
    if kind in ("NothingFound", NOTHING_LEFT, "PromptOutsideRaster", "PromptOnNodata", "EngineBusy"):
        return {
            "NothingFound": tr("No object is seen there; add a click, or draw a box around it."),
            NOTHING_LEFT: tr("Nothing is left of this object; allow smaller parts, or shrink it less."),
            "PromptOutsideRaster": tr("That place is beside the image."),
            "PromptOnNodata": tr("The image has no data there."),
            "EngineBusy": tr("The engine has too much to do; try again in a moment."),
        }[kind]
    template = {
        "ConnectionLost": tr("The engine does not answer: {why}"),
        "RasterNotFound": tr("The engine does not find the image: {why}"),
        "RasterUnreadable": tr("The engine cannot read the image: {why}"),
        "BandsInvalid": tr("These bands cannot be used: {why}"),
        "StretchInvalid": tr("This stretch cannot be used: {why}"),
        "PromptCrsMismatch": tr("The place cannot be brought to the CRS of the image: {why}"),
        "AreaInvalid": tr("This area cannot be used: {why}"),
        "ModelUnknown": tr("There is no such model: {why}"),
        "ModelNotDownloaded": tr("The model is not downloaded yet: {why}"),
        "CheckpointNotFound": tr("The file of the model is not there: {why}"),
        "CheckpointUnreadable": tr("The file of the model cannot be read: {why}"),
        "CheckpointLayoutUnknown": tr("The file holds no model that is known: {why}"),
        "CheckpointMismatch": tr("The file of the model does not fit: {why}"),
        "DeviceUnavailable": tr("The chosen device is not available: {why}"),
        "LibraryMissing": tr("The engine lacks a library: {why}"),
        "SourceRefused": tr("The engine may not open this: {why}"),
        "TokenInvalid": tr("The engine does not take the token: {why}"),
        "DownloadFailed": tr("The download failed: {why}"),
        "DownloadCorrupt": tr("The download is not what was published: {why}"),
    }.get(kind)
    return message if template is None else template.format(why=message)


def text_of_error(error: Mapping[str, Any]) -> str:
    """Return the text of `{"type": ..., "message": ...}`, as the engine tells it; empty if it does not."""
    message = str(error.get("message") or "")
    return text_of(str(error.get("type")), message) if message else ""
