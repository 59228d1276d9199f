"""A photo as a phone takes it: with its place, its time and more written into it."""

import io

from PIL import ExifTags, Image

GPS = {1: "N", 2: (42.0, 59.0, 39.1), 3: "W", 4: (0.0, 0.0, 42.8)}


def shot(kind: str = "JPEG", size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    image = Image.effect_mandelbrot(size, (-2, -1.2, 0.6, 1.2), 60).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "CAMERA-SECRET"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(GPS)
    exif.get_ifd(ExifTags.IFD.Exif).update({0x9003: "2027:07:16 14:05:06", 0x9011: "+02:00"})
    out = io.BytesIO()
    image.save(out, kind, exif=exif, **options)
    return out.getvalue()
