"use strict";
// Puts files into a zip archive as they are: pictures cannot be made smaller.

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
const ZIP_LARGEST = 0xffffffff; // bytes: what its fields can say

function crcOf(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Writes numbers of two or four bytes, the lowest byte first.
function fields(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of numbers) {
    if (size === 2) view.setUint16(at, value, true); else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

const two = (value) => [2, value], four = (value) => [4, value];

// files: [{ name, blob }]. One file is in memory at a time; the browser keeps blobs where it likes.
async function zipOf(files) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const parts = [], directory = [];
  let at = 0;
  for (const { name, blob } of files) {
    const written = new TextEncoder().encode(name);
    const crc = crcOf(new Uint8Array(await blob.arrayBuffer()));
    // Version 2.0; names in UTF-8; stored.
    const common = [two(20), two(0x0800), two(0), two(time), two(day), four(crc), four(blob.size), four(blob.size),
      two(written.length), two(0)];
    directory.push(fields(four(0x02014b50), two(20), ...common, two(0), two(0), two(0), four(0), four(at)), written);
    parts.push(fields(four(0x04034b50), ...common), written, blob);
    at += 30 + written.length + blob.size;
    if (at > ZIP_LARGEST) throw new Error("They are more than 4 GB: download them one by one.");
  }
  const length = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = fields(four(0x06054b50), two(0), two(0), two(files.length), two(files.length), four(length), four(at), two(0));
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
