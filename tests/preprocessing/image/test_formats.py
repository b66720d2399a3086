import io

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.image._formats import (
    HEAD,
    advice_for,
    has_picture_ending,
    is_camera_raw,
    is_picture_head,
    is_sure_picture_head,
)

WRITTEN = {
    "PNG": ["png", "apng"], "JPEG": ["jpg", "jpeg", "jpe", "jfif"], "MPO": ["mpo"], "GIF": ["gif"],
    "BMP": ["bmp", "dib"], "WEBP": ["webp"], "TIFF": ["tif", "tiff"], "PPM": ["ppm", "pnm"], "ICO": ["ico"],
    "JPEG2000": ["jp2", "j2k", "jpf"],
    "DDS": ["dds"], "QOI": ["qoi"], "AVIF": ["avif", "avifs"], "TGA": ["tga"], "PCX": ["pcx"], "SGI": ["sgi"],
    "ICNS": ["icns"], "XBM": ["xbm"],
}  # fmt: skip
WITHOUT_SIGNATURE = ["PCX", "SGI", "XBM"]  # or with one of a byte or two

# Endings, first bytes and what the error names.
FOREIGN = {
    "heic": (b"\0\0\0\x18ftypheic", "HEIF picture.*pip install pillow-heif.*register_heif_opener.*worker processes"),
    "hif": (b"\0\0\0\x18ftypheix", "HEIF picture"),
    "jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL picture.*pip install pillow-jxl-plugin, then import pillow_jxl"),
    "svg": (b'<?xml version="1.0"?>\n<svg width="10">', r"SVG drawing.*loader=.*cairosvg\.svg2png\(url=path\)"),
    "svgz": (b"<svg>", "SVG drawing"),
    "dcm": (b"\0" * 128 + b"DICM", r"DICOM file.*loader=.*pydicom\.dcmread\(path\)\.pixel_array"),
    "npy": (b"\x93NUMPY\1\0", r"NumPy file.*loader=.*numpy\.load.*image=None"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0", r"camera's raw file.*loader=.*rawpy\.imread\(path\)\.postprocess\(\)"),
    "cr3": (b"\0\0\0\x18ftypcrx ", "camera's raw file"),
    "raf": (b"FUJIFILMCCD-RAW ", "camera's raw file"),
    "exr": (b"\x76\x2f\x31\x01", "OpenEXR.*loader=.*imageio"),
    "hdr": (b"#?RADIANCE", "Radiance.*loader="),
}


def written(format, **options):
    buffer = io.BytesIO()
    try:
        image = Image.new("1" if format == "XBM" else "RGB", (64, 64))
        image.save(buffer, format, **options)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {format}")
    return buffer.getvalue()


@pytest.mark.parametrize("format", WRITTEN)
def test_what_pillow_writes_is_told_and_read(format, tmp_path):
    content = written(format)
    for ending in WRITTEN[format]:
        assert has_picture_ending(f"photos/a.{ending}")
        path = tmp_path / f"a.{ending}"
        path.write_bytes(content)
        assert ImageTransformer(8).fit_read([path])[1].all()
    assert is_picture_head(content[:HEAD]) is (format not in WITHOUT_SIGNATURE)
    nameless = tmp_path / "0001"
    nameless.write_bytes(content)
    if format != "TGA":  # which Pillow knows by nothing but its structure
        assert ImageTransformer(8).fit_read([nameless])[1].all()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("ending", FOREIGN)
@pytest.mark.parametrize("is_named", [False, True])
def test_what_pillow_does_not_know_is_named_with_the_way_out(ending, is_named, tmp_path, monkeypatch):
    head, advice = FOREIGN[ending]
    assert has_picture_ending(f"scan.{ending.upper()}")
    assert is_picture_head(head)
    assert is_sure_picture_head(head)
    path = tmp_path / (f"scan.{ending}" if is_named else "scan")
    path.write_bytes(b"\0" * 200 if is_named else head)  # told by either
    for cell in (path, str(path)) if is_named else (path, head, {"bytes": head, "path": None}):
        with pytest.raises(ValueError, match=rf"(?s)row 0: .*is an? {advice}"):
            ImageTransformer(8).fit([cell])


def test_the_content_counts_more_than_the_name():
    assert "DICOM" in advice_for(FOREIGN["dcm"][0], "a.svg")
    assert advice_for(b"Dear reader", "a.txt") == "is no picture, or of a format that Pillow cannot read"


@pytest.mark.parametrize(
    "name", ["a.txt", "a.wav", "a.pdf", "a.mp4", "a.csv", "png", "in a.png, maybe", "a.pngs", "sklearn.svm", "a.h5", ""]
)
def test_other_endings(name):
    assert not has_picture_ending(name)


@pytest.mark.parametrize("name", ["a.png?width=3", "a.JPG#x", "a.b.webp ", ".png"])
def test_endings_of_urls(name):
    assert has_picture_ending(name)


@pytest.mark.parametrize("head", [b"", b"BM", b"hello", b"RIFF....WAVE", b"P5 and more", b"MMxx", b"%PDF-1.7"])
def test_other_starts_are_not_sure(head):
    assert not is_sure_picture_head(head)


class TestCameraRaw:
    """Raw files that are TIFFs at heart, of which Pillow opens the preview as if it were the picture."""

    def tiff(self, **tags):
        info = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            info[int(tag[1:])] = value
            info.tagtype[int(tag[1:])] = 1 if tag == "t50706" else 4
        return written("TIFF", tiffinfo=info)

    def test_previews_are_refused(self, tmp_path):
        dng = self.tiff(t50706=b"\1\4\0\0")
        nef = self.tiff(t254=1, t330=8)
        path = tmp_path / "a.NEF"
        path.write_bytes(self.tiff())
        for cell in (dng, nef, path):
            with pytest.raises(ValueError, match=r"is a camera's raw file, which needs a loader= that reads it.*rawpy"):
                ImageTransformer(8).fit([cell])

    def test_other_tiffs_are_read(self, tmp_path):
        path = tmp_path / "a.tif"
        path.write_bytes(self.tiff())
        for cell in (self.tiff(), self.tiff(t254=1), self.tiff(t254=0, t330=8), path):
            assert ImageTransformer(8).fit_read([cell])[1].all()

    def test_what_a_plugin_opens_is_left_to_it(self):
        image = Image.new("L", (2, 2))
        image.format = "DNG"
        assert not is_camera_raw(image, "a.dng")


def test_a_loader_reads_what_pillow_does_not(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    pictures = ImageTransformer(8, loader=np.load).fit_transform([tmp_path / "a.npy"])
    np.testing.assert_array_equal(pictures[0], np.moveaxis(pixels, 0, -1))
