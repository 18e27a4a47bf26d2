// The engines see every photo upright, as its EXIF orientation says; browsers turn JPEGs and PNGs,
// but Chromium no WebP. Such a photo is turned here, for the eye alone: what is sent is the file.

const ORIENTATION_TAG = 0x0112;
const MOST_CHUNKS = 4096;
// How pixels are turned upright: as a canvas has it, over the stored width and height.
const TURNS = {
  2: (w, h) => [-1, 0, 0, 1, w, 0],
  3: (w, h) => [-1, 0, 0, -1, w, h],
  4: (w, h) => [1, 0, 0, -1, 0, h],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (w, h) => [0, 1, -1, 0, h, 0],
  7: (w, h) => [0, -1, -1, 0, h, w],
  8: (w) => [0, -1, 1, 0, 0, w],
};

// What is to be shown of a file: itself, or an upright copy.
export async function uprightOf(file) {
  try {
    const turn = TURNS[await storedOrientation(file)];
    return turn ? await turned(file, turn) : file;
  } catch {
    return file; // whatever it is, the engines will say
  }
}

async function turned(file, turn) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "none" });
  const { width, height } = bitmap;
  const matrix = turn(width, height);
  const canvas = document.createElement("canvas");
  const isSideways = matrix[0] === 0;
  canvas.width = isSideways ? height : width;
  canvas.height = isSideways ? width : height;
  const context = canvas.getContext("2d");
  context.setTransform(...matrix);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob((copy) => resolve(copy ?? file), "image/jpeg", 0.92));
}

// Of a WebP; of anything else 1: the browser turns it by itself. RFC 9649, 2.7: chunks of a name, a
// size and so many bytes, padded to an even number.
async function storedOrientation(file) {
  const head = await view(file, 0, 12);
  if (text(head, 0, 4) !== "RIFF" || text(head, 8, 4) !== "WEBP") return 1;
  let at = 12;
  for (let chunks = 0; chunks < MOST_CHUNKS && at + 8 <= file.size; chunks += 1) {
    const chunk = await view(file, at, 8);
    const size = chunk.getUint32(4, true);
    if (text(chunk, 0, 4) === "EXIF") return inExif(await view(file, at + 8, Math.min(size, 65_536)));
    at += 8 + size + (size % 2);
  }
  return 1;
}

function inExif(exif) {
  const start = text(exif, 0, 4) === "Exif" ? 6 : 0;
  const isLittle = text(exif, start, 2) === "II";
  const directory = start + exif.getUint32(start + 4, isLittle);
  const entries = exif.getUint16(directory, isLittle);
  for (let entry = 0; entry < entries; entry += 1) {
    const at = directory + 2 + 12 * entry;
    if (exif.getUint16(at, isLittle) === ORIENTATION_TAG) return exif.getUint16(at + 8, isLittle);
  }
  return 1;
}

async function view(file, at, size) {
  return new DataView(await file.slice(at, at + size).arrayBuffer());
}

function text(bytes, at, size) {
  let letters = "";
  for (let one = at; one < at + size; one += 1) letters += String.fromCharCode(bytes.getUint8(one));
  return letters;
}
