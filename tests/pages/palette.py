"""Pictures of pages made small: PNG of 256 colours, which is what a page of text and lines has.

The browser counts colours and finds the nearest, Python writes the file (PNG, third edition, W3C 2025-06-24).
"""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.sync_api import Page

REDUCE = """async (picture) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) ?? 0) + 1);
  const colours = [...counts].sort((a, b) => b[1] - a[1]).map(([one]) => one);
  const far = (one, other) =>
    [0, 8, 16].reduce((sum, at) => sum + (((one >> at) & 255) - ((other >> at) & 255)) ** 2, 0);
  // The most frequent, then those that are farthest from all that are kept: a rare red stays red.
  const kept = colours.slice(0, 192);
  const least = (one) => Math.min(...kept.map((other) => far(one, other)));
  const rest = new Map(colours.slice(192).map((one) => [one, least(one)]));
  while (kept.length < 256 && rest.size) {
    const [next] = [...rest].reduce((best, one) => (one[1] > best[1] ? one : best));
    kept.push(next);
    rest.delete(next);
    for (const [one, known] of rest) rest.set(one, Math.min(known, far(one, next)));
  }
  const place = new Map(kept.map((one, index) => [one, index]));
  for (const one of rest.keys()) {
    const nearest = kept.reduce((best, other) => (far(one, other) < far(one, best) ? other : best));
    place.set(one, place.get(nearest));
  }
  const bytes = Uint8Array.from(pixels, (one) => place.get(one));
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  const palette = kept.flatMap((one) => [0, 8, 16].map((at) => (one >> at) & 255));
  return { width, height, palette, pixels: btoa(text) };
}"""


def small(page: Page, picture: bytes) -> bytes:
    """Return a picture in 256 colours; `page` is an empty one, to reckon in."""
    found = page.evaluate(REDUCE, base64.b64encode(picture).decode())
    width, height = found["width"], found["height"]
    pixels = base64.b64decode(found["pixels"])
    rows = b"".join(b"\0" + pixels[at : at + width] for at in range(0, width * height, width))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(found["palette"])),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
