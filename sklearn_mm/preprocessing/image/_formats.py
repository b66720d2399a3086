"""What tells a picture: the ending of its name, its first bytes; and what reads those that Pillow alone does not."""

import re
from typing import NamedTuple

from sklearn_mm.preprocessing.image._pillow_errors import READ_ERRORS

__all__ = [
    "CAMERA_RAW_ADVICE",
    "HEAD",
    "advice_for",
    "has_picture_ending",
    "is_camera_raw",
    "is_picture_head",
    "is_sure_picture_head",
]

HEAD = 256  # bytes, from which the format of a file can be told

_CAMERA_RAW = "3fr arw cr2 cr3 crw dcr dng erf iiq kdc mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f"
_SUB_IFDS, _NEW_SUBFILE_TYPE, _DNG_VERSION = 330, 254, 50706  # tags of TIFF

# Those that people keep pictures in; Pillow's own list also has endings of documents, videos and tables.
_ENDINGS = (
    "apng bmp cur dds dib gif icns ico j2c j2k jfif jif jp2 jpc jpe jpeg jpf jpg jpx mpo pbm pcx pfm pgm png pnm ppm "
    "psd qoi sgi tga tif tiff webp xbm xpm"
)
# Starts that no other content is likely to have, and those that do where something is known to be a file's content.
_SURE_STARTS = (
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\x00{4}|II[*+]\x00|MM\x00[*+]|RIFF.{4}WEBP|"
    rb"P[1-6]\s+(?:#|\d+\s+\d+\s)|\x00\x00\x01\x00[^\x00]\x00|\x00\x00\x00\x0cjP  \r\n|\xff\x4f\xff\x51\x00|qoif|"
    rb"8BPS\x00\x01|DDS \x7c"
)
_LIKELY_STARTS = rb"\xff\xd8\xff|\x89PNG\r\n|BM|P[1-7fF]\s|\x00\x00[\x01\x02]\x00|\x00\x00\x00\x0cjP  |icns|\xff\x0a"


class _Foreign(NamedTuple):
    """A format that Pillow alone does not read, or not in all its versions."""

    name: str
    endings: str
    signature: bytes
    way_out: str


def _by_plugin(name, endings, signature, package, register):
    way_out = (
        f"which Pillow reads with a plugin: pip install {package}, then {register}, in worker processes too (the guide "
        f"to inputs says how)"
    )
    return _Foreign(name, endings, signature, way_out)


def _by_loader(name, endings, signature, loader):
    return _Foreign(name, endings, signature, f"which needs a loader= that reads it, such as {loader}")


_FOREIGN = (
    _by_plugin(
        "a HEIF picture",
        "heic heics heif hif",
        rb".{4}ftyp(?:he[iv][cfmsx]|mif1|msf1)",
        "pillow-heif",
        "pillow_heif.register_heif_opener()",
    ),
    _by_plugin(
        "a JPEG XL picture",
        "jxl",
        rb"\x00\x00\x00\x0cJXL \r\n\x87\n",
        "pillow-jxl-plugin",
        "import pillow_jxl",
    ),
    _by_plugin("an AVIF picture", "avif avifs", rb".{4}ftypavi[fs]", "pillow-avif-plugin", "import pillow_avif"),
    _by_loader(
        "an SVG drawing",
        "svg svgz",
        rb"\s*(?:<\?xml.*)?(?:<!.*)?<svg[\s>]",
        "lambda path: cairosvg.svg2png(url=path)",
    ),
    _by_loader("a DICOM file", "dcm dicom", rb".{128}DICM", "lambda path: pydicom.dcmread(path).pixel_array"),
    _by_loader(
        "a NumPy file", "npy", rb"\x93NUMPY", "numpy.load; if it is no picture, leave the column out (image=None)"
    ),
    _by_loader(
        "a camera's raw file",
        _CAMERA_RAW,
        rb"II\*\x00.{4}CR\x02|.{4}ftypcrx |IIRO|IIU\x00|FUJIFILMCCD-RAW",
        "lambda path: rawpy.imread(path).postprocess()",
    ),
    _by_loader("an OpenEXR picture", "exr", rb"\x76\x2f\x31\x01", "imageio.v3.imread"),
    _by_loader("a Radiance picture", "hdr", rb"#\?R(?:ADIANCE|GBE)", "imageio.v3.imread"),
)

_ENDING = re.compile(
    rf"\.({'|'.join([_ENDINGS, *(foreign.endings for foreign in _FOREIGN)]).replace(' ', '|')})([?#]\S*)?\s*$",
    re.IGNORECASE,
)
_SURE = re.compile(b"|".join([_SURE_STARTS, *(foreign.signature for foreign in _FOREIGN)]), re.DOTALL)
_LIKELY = re.compile(_LIKELY_STARTS)


def has_picture_ending(name):
    """Return whether a path or a URL ends like that of a picture, be it one that only a plugin or a loader reads."""
    return _ENDING.search(name) is not None


def is_picture_head(head):
    """Return whether the content of a file, of which these are the first `HEAD` bytes, is a picture."""
    return is_sure_picture_head(head) or _LIKELY.match(head) is not None


def is_sure_picture_head(head):
    """Return whether bytes that may be anything, and not only a file's content, begin like a picture."""
    return _SURE.match(head) is not None


def is_camera_raw(image, name=""):
    """Return whether Pillow has opened a camera's raw file, of which it would read the small preview."""
    if image.format != "TIFF":
        return False
    if _DNG_VERSION in image.tag_v2 or _ending(name) in _CAMERA_RAW.split():
        return True
    try:
        subfile_type = image.tag_v2.get(_NEW_SUBFILE_TYPE)
    except READ_ERRORS:  # of a damaged file, about which its loading tells
        return False
    return subfile_type == 1 and _SUB_IFDS in image.tag_v2  # smaller than another picture in the file


def advice_for(head, name=""):
    """Return what a file is that Pillow does not know, and how to have it read: by its first bytes, then its name."""
    ending = _ending(name)
    by_head = (foreign for foreign in _FOREIGN if re.match(foreign.signature, head, re.DOTALL))
    by_name = (foreign for foreign in _FOREIGN if ending in foreign.endings.split())
    foreign = next(by_head, None) or next(by_name, None)
    if foreign is None:
        return "is no picture, or of a format that Pillow cannot read"
    return f"is {foreign.name}, {foreign.way_out}"


def _ending(name):
    return name.strip().rpartition(".")[2].lower()


CAMERA_RAW_ADVICE = advice_for(b"", ".dng")
