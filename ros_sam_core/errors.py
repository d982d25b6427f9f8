"""Everything that can go wrong, one small class a failure.

`RosSamError` is the root. Each class also inherits the builtin that fits, so that a caller may catch either.
A message says what failed, which value, and what to do next. Classes take that one message; none inherits
`KeyError`, which would print it in quotes.
"""


class RosSamError(Exception):
    """Root of all errors that this project raises on purpose."""


class RosSamWarning(UserWarning):
    """Root of all warnings of this project."""


class InvalidParameter(RosSamError, ValueError):
    """A parameter is outside what it may be."""


# Coordinates


class CrsUnknown(RosSamError, ValueError):
    """A text names no coordinate reference system."""


class CrsWithoutMap(RosSamError, ValueError):
    """Polygons cannot be in a coordinate reference system, for it has no plane of x and y."""


class CrsTransformFailed(RosSamError, ValueError):
    """Coordinates have no image in another coordinate reference system."""


class GridInvalid(RosSamError, ValueError):
    """A grid has no size, or its transform cannot be inverted."""


# Rasters


class RasterNotFound(RosSamError, FileNotFoundError):
    """The raster is not where it was said to be."""


class RasterUnreadable(RosSamError, OSError):
    """GDAL cannot open the raster, or cannot read its pixels."""


class BandsInvalid(RosSamError, ValueError):
    """The chosen bands are not in the raster, or are not one or three."""


class StretchInvalid(RosSamError, ValueError):
    """The stretch to 8 bit cannot be understood or is empty."""


class GeoreferenceIgnored(RosSamWarning):
    """The raster's georeference is none that a grid can hold; its pixels are used as coordinates."""


# Prompts


class PromptError(RosSamError, ValueError):
    """Root of what is wrong with one prompt; the other prompts are not concerned."""


class PromptInvalid(PromptError):
    """A prompt is no box and no point, or its numbers make no sense."""


class PromptOutsideRaster(PromptError):
    """A prompt lies beside the raster."""


class PromptCrsMismatch(PromptError):
    """A prompt has a coordinate reference system and the raster has none, or it cannot be transformed."""


class PromptOnNodata(PromptError):
    """There are no pixels to look at where the prompt is."""


class PromptFileNotFound(RosSamError, FileNotFoundError):
    """The file of prompts is not where it was said to be."""


class PromptFileUnreadable(RosSamError, OSError):
    """The file of prompts cannot be read."""


class PromptFileEmpty(RosSamError, ValueError):
    """The file of prompts holds no prompt."""


class PromptFileInvalid(RosSamError, ValueError):
    """The file of prompts holds other geometries, labels or layers than asked for."""


class PromptFileWithoutCrs(RosSamError, ValueError):
    """The file of prompts does not say where on Earth it is."""


class AreaInvalid(RosSamError, ValueError):
    """An area of interest has no area, or none of it lies on the raster."""


class PromptSkipped(RosSamWarning):
    """A row of a file of prompts holds nothing and was left out."""


class ObjectSkipped(RosSamWarning):
    """An object that was found has no place on Earth, or none in the CRS of the result, and was left out."""


class NothingFound(PromptError):
    """The model sees no object where the prompt is, or one smaller than asked for."""


# Work


class Cancelled(RosSamError, RuntimeError):
    """The caller asked to stop."""


class DeviceUnavailable(RosSamError, RuntimeError):
    """Torch has no such device on this machine."""


class NothingSegmented(RosSamError, ValueError):
    """None of the prompts gave an outline, so there is nothing to write."""


class LibraryMissing(RosSamError, ImportError):
    """A library that only this kind of work needs is not installed."""


# Output


class OutputFormatUnknown(RosSamError, ValueError):
    """No format belongs to the suffix of the output's name."""


class OutputNameInvalid(RosSamError, ValueError):
    """No output, or none of its format, can have this name."""


class OutputExists(RosSamError, FileExistsError):
    """The output is there already and nobody asked to replace it."""


class OutputUnsupported(RosSamError, ValueError):
    """The format cannot hold what is asked of it."""


class OutputFailed(RosSamError, OSError):
    """The output cannot be written: its folder, the disk, or another program stands against it."""


class ResumeRefused(RosSamError, ValueError):
    """An unfinished output cannot be gone on with: it is of other work, or there is none."""


class WorkersLost(RosSamError, RuntimeError):
    """The workers cannot be started or reached, or they died too often."""


class OutputIncomplete(RosSamWarning):
    """The format cannot hold everything; what it lost is said."""


# Models


class ConfigInvalid(RosSamError, ValueError):
    """A configuration has fields that are missing, unknown or out of range."""


class ModelInputInvalid(RosSamError, ValueError):
    """A model was given arrays of a shape or kind that it does not take."""


class LoraStateInvalid(RosSamError, RuntimeError):
    """LoRA is asked of a model that carries it already, or a model is to be saved that still does."""


class CheckpointNotFound(RosSamError, FileNotFoundError):
    """The checkpoint is not where it was said to be."""


class CheckpointUnreadable(RosSamError, OSError):
    """The checkpoint is empty, cut off, no checkpoint at all, or holds weights that are no numbers."""


class CheckpointLayoutUnknown(RosSamError, ValueError):
    """The file holds tensors, but of no model that is known here."""


class CheckpointMismatch(RosSamError, ValueError):
    """Tensors are missing, too many or of the wrong shape."""


class DecoderIgnored(RosSamWarning):
    """A checkpoint holds two different decoders; one of them is used."""


class CheckpointNotSaved(RosSamError, OSError):
    """The checkpoint cannot be written, or its weights cannot be held by the chosen precision."""


class ExportFailed(RosSamError, RuntimeError):
    """A model cannot be exported, or the export cannot be written."""


class AdapterInvalid(RosSamError, ValueError):
    """A LoRA adapter's folder is incomplete, or its base weights are missing or others."""


# Training


class LossNotFinite(RosSamError, ArithmeticError):
    """A training step gave a loss or a gradient that is no number."""


# Model zoo


class ModelUnknown(RosSamError, LookupError):
    """No model has this name, and no file either."""


class ModelNotDownloaded(RosSamError, FileNotFoundError):
    """The model is known, but its weights are not on this machine."""


class DownloadFailed(RosSamError, ConnectionError):
    """The weights could not be fetched or stored."""


class DownloadCorrupt(RosSamError, ValueError):
    """What was fetched is not what was published."""


# Engine


class EngineStartFailed(RosSamError, RuntimeError):
    """The engine cannot start: no token, no port, or settings that contradict each other."""


class TokenInvalid(RosSamError, PermissionError):
    """A request carries no token, or another one."""


class HostRefused(RosSamError, PermissionError):
    """A request is addressed to a host that this engine is not."""


class OriginRefused(RosSamError, PermissionError):
    """A request was sent by a web page."""


class SourceRefused(RosSamError, PermissionError):
    """The engine does not open this raster or this file of weights for its clients."""


class PathUnknown(RosSamError, LookupError):
    """The engine has no such address."""


class MethodRefused(RosSamError, ValueError):
    """The engine does not answer this method at this address."""


class RequestInvalid(RosSamError, ValueError):
    """A request does not fit the engine's schema."""


class RequestTooLarge(RosSamError, ValueError):
    """A request is larger than the engine takes."""


class EngineBusy(RosSamError, RuntimeError):
    """More requests wait than the engine takes."""


class FrameUnknown(RosSamError, LookupError):
    """No frame of this id is registered, or its file or its pixels are no longer what they were."""


class PixelsMissing(RosSamError, LookupError):
    """A prompt needs pixels of an uploaded image that are not there yet.

    Attributes:
        window: What is missing: x0, y0, width, height in pixels of the image.
    """

    def __init__(self, message: str, window: tuple[int, int, int, int]) -> None:
        super().__init__(message)
        self.window = window


class MaskUnknown(RosSamError, LookupError):
    """The mask of this handle is no longer kept."""


class JobUnknown(RosSamError, LookupError):
    """No job has this name."""


class Superseded(RosSamError, RuntimeError):
    """Newer work took the place of this."""


class Preempted(RosSamError, RuntimeError):
    """Work gave way to more urgent work and will be taken up again."""
