// Masks as numbers: shapes, strokes, fill, feather, and the bytes that travel. A mask is
// { width, height, data: one byte a pixel }; a box is [left, top, right, bottom], its end
// exclusive. Pixel (x, y) belongs to a shape when its middle does, as in Python's kn.stroke,
// kn.rectangle, kn.ellipse and kn.polygon. Each function that paints returns the box that it
// may have changed, or null.

function newMask(width, height) {
  return { width, height, data: new Uint8Array(width * height) };
}

function clipped(box, mask) {
  const [left, top, right, bottom] = box;
  const inside = [
    Math.max(0, left), Math.max(0, top),
    Math.min(mask.width, right), Math.min(mask.height, bottom),
  ];
  return inside[0] < inside[2] && inside[1] < inside[3] ? inside : null;
}

function united(a, b) {
  if (!a || !b) return a ?? b;
  return [
    Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3]),
  ];
}

function grown(box, by, mask) {
  return box && clipped([box[0] - by, box[1] - by, box[2] + by, box[3] + by], mask);
}

const wholeOf = (mask) => [0, 0, mask.width, mask.height];

// --- shapes ---

// A round brush of `width` pixels along a line.
function paintLine(mask, x0, y0, x1, y1, width, value) {
  const radius = width / 2;
  const box = clipped(
    [
      Math.floor(Math.min(x0, x1) - radius), Math.floor(Math.min(y0, y1) - radius),
      Math.ceil(Math.max(x0, x1) + radius) + 1, Math.ceil(Math.max(y0, y1) + radius) + 1,
    ],
    mask,
  );
  if (!box) return null;
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = Math.max(dx * dx + dy * dy, 1e-9);
  for (let row = box[1]; row < box[3]; row++) {
    const y = row + 0.5 - y0;
    for (let column = box[0]; column < box[2]; column++) {
      const x = column + 0.5 - x0;
      const along = Math.min(1, Math.max(0, (x * dx + y * dy) / length));
      const [ax, ay] = [x - along * dx, y - along * dy];
      if (ax * ax + ay * ay <= radius * radius) mask.data[row * mask.width + column] = value;
    }
  }
  return box;
}

function paintRectangle(mask, box, value) {
  const inside = clipped(box, mask);
  if (!inside) return null;
  for (let y = inside[1]; y < inside[3]; y++)
    mask.data.fill(value, y * mask.width + inside[0], y * mask.width + inside[2]);
  return inside;
}

function paintEllipse(mask, box, value) {
  const inside = clipped(box, mask);
  if (!inside) return null;
  const [left, top, right, bottom] = box;
  for (let y = inside[1]; y < inside[3]; y++) {
    const down = (2 * (y + 0.5) - top - bottom) / (bottom - top);
    for (let x = inside[0]; x < inside[2]; x++) {
      const across = (2 * (x + 0.5) - left - right) / (right - left);
      if (across * across + down * down <= 1) mask.data[y * mask.width + x] = value;
    }
  }
  return inside;
}

// What a closed line goes round; where it crosses itself, too.
function paintPolygon(mask, points, value) {
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const least = (values) => values.reduce((a, b) => Math.min(a, b));
  const most = (values) => values.reduce((a, b) => Math.max(a, b));
  const box = clipped(
    [Math.floor(least(xs)), Math.floor(least(ys)), Math.ceil(most(xs)), Math.ceil(most(ys))],
    mask,
  );
  if (!box) return null;
  const rows = Array.from({ length: box[3] - box[1] }, () => []);
  points.forEach(([x0, y0], n) => {
    const [x1, y1] = points[(n + 1) % points.length];
    const first = Math.max(box[1], Math.ceil(Math.min(y0, y1) - 0.5));
    const last = Math.min(box[3] - 1, Math.ceil(Math.max(y0, y1) - 0.5) - 1);
    for (let row = first; row <= last; row++) {
      const crossing = x0 + ((row + 0.5 - y0) * (x1 - x0)) / (y1 - y0);
      rows[row - box[1]].push([crossing, y1 > y0 ? 1 : -1]);
    }
  });
  rows.forEach((crossings, n) => {
    crossings.sort((a, b) => a[0] - b[0]);
    let winding = 0;
    crossings.forEach(([crossing, turn], m) => {
      winding += turn;
      if (!winding || m + 1 === crossings.length) return;
      const from = Math.max(0, Math.floor(crossing - 0.5) + 1);
      const to = Math.min(mask.width, Math.floor(crossings[m + 1][0] - 0.5) + 1);
      const start = (n + box[1]) * mask.width;
      if (from < to) mask.data.fill(value, start + from, start + to);
    });
  });
  return box;
}

// Everything that hangs together with a pixel: painted or not, as that is.
function fillFrom(mask, x, y, value) {
  const { width, height, data } = mask;
  if (x < 0 || y < 0 || x >= width || y >= height) return null;
  const painted = data[y * width + x] >= 128;
  if (painted === value >= 128) return null;
  const same = (index) => data[index] >= 128 === painted;
  const box = [x, y, x + 1, y + 1];
  const stack = [[x, y]];
  while (stack.length) {
    const [column, row] = stack.pop();
    const start = row * width;
    if (!same(start + column)) continue;
    let [left, right] = [column, column + 1];
    while (left > 0 && same(start + left - 1)) left--;
    while (right < width && same(start + right)) right++;
    data.fill(value, start + left, start + right);
    box[0] = Math.min(box[0], left);
    box[2] = Math.max(box[2], right);
    box[1] = Math.min(box[1], row);
    box[3] = Math.max(box[3], row + 1);
    for (const next of [row - 1, row + 1]) {
      if (next < 0 || next >= height) continue;
      for (let at = left; at < right; at++) {
        const begins = at === left || !same(next * width + at - 1);
        if (begins && same(next * width + at)) stack.push([at, next]);
      }
    }
  }
  return box;
}

function invert(mask) {
  const { data } = mask;
  for (let n = 0; n < data.length; n++) data[n] = 255 - data[n];
  return wholeOf(mask);
}

// --- feather: the Gaussian blur of Pillow, bit for bit, which Python's Mask.feather calls ---

// Three box blurs whose box has a fraction of a pixel at each end; P. Gwosdek and others,
// "Theoretical foundations of Gaussian convolution by extended box filtering", 2011. All in
// single precision, as Pillow's C does it.
function boxOf(by) {
  const f = Math.fround;
  const sigma2 = f(f(f(by) * f(by)) / 3);
  const length = f(Math.sqrt(12 * sigma2 + 1));
  const whole = f(Math.floor((length - 1) / 2));
  const odd = f(f(2 * whole) + 1);
  let part = f(odd * f(f(whole * f(whole + 1)) - f(3 * sigma2)));
  part = f(part / f(6 * f(sigma2 - f(f(whole + 1) * f(whole + 1)))));
  const real = f(whole + part);
  const radius = Math.trunc(real);
  const inner = Math.trunc(f(f(1 << 24) / f(f(real * 2) + 1)));
  const outer = Math.trunc(((1 << 24) - (radius * 2 + 1) * inner) / 2);
  return { radius, inner, outer };
}

// Blur a line of `count` bytes; beyond its ends it goes on as it ends.
function blurLine(from, to, count, { radius, inner, outer }) {
  const last = count - 1;
  const held = (n) => from[n < 0 ? 0 : n > last ? last : n];
  let sum = 0;
  for (let n = -radius - 1; n < radius; n++) sum += held(n);
  const step = (n) => {
    const before = held(n - radius - 1);
    sum += held(n + radius) - before;
    to[n] = (sum * inner + (before + held(n + radius + 1)) * outer + 8388608) / 16777216;
  };
  const first = Math.min(radius + 1, count);
  const end = Math.max(first, last - radius);
  for (let n = 0; n < first; n++) step(n);
  for (let n = first; n < end; n++) {
    const before = from[n - radius - 1];
    sum += from[n + radius] - before;
    const ends = before + from[n + radius + 1];
    to[n] = (sum * inner + ends * outer + 8388608) / 16777216;
  }
  for (let n = end; n < count; n++) step(n);
}

function isEven(line, count) {
  for (let n = 1; n < count; n++) if (line[n] !== line[0]) return false;
  return true;
}

const LINES = 32; // columns at a time

// How far a feather reaches, in pixels.
const reachOf = (by) => (by ? 3 * (boxOf(by).radius + 1) : 0);

// Write to `soft`, bytes of the mask's size, what the mask is with a feather, within a box.
function feather(mask, soft, box, by) {
  const { width, data } = mask;
  const blur = boxOf(by);
  const part = grown(box, reachOf(by), mask); // what lies farther away does not matter
  const [columns, rows] = [part[2] - part[0], part[3] - part[1]];
  const area = new Uint8Array(columns * rows);
  let a = new Uint8Array(Math.max(columns, rows));
  let b = new Uint8Array(a.length);
  const passes = (count) => {
    if (isEven(a, count)) return; // as most lines of most masks
    for (let n = 0; n < 3; n++) {
      blurLine(a, b, count, blur);
      [a, b] = [b, a];
    }
  };
  for (let y = 0; y < rows; y++) {
    const start = (part[1] + y) * width + part[0];
    a.set(data.subarray(start, start + columns));
    passes(columns);
    area.set(a.subarray(0, columns), y * columns);
  }
  // Some columns at a time: what is read and written then lies together in memory.
  const lines = new Uint8Array(LINES * rows);
  for (let from = box[0]; from < box[2]; from += LINES) {
    const count = Math.min(LINES, box[2] - from);
    for (let y = 0; y < rows; y++) {
      const start = y * columns + from - part[0];
      for (let n = 0; n < count; n++) lines[n * rows + y] = area[start + n];
    }
    for (let n = 0; n < count; n++) {
      a.set(lines.subarray(n * rows, (n + 1) * rows));
      passes(rows);
      lines.set(a.subarray(0, rows), n * rows);
    }
    for (let y = box[1]; y < box[3]; y++) {
      for (let n = 0; n < count; n++) {
        const at = y * width + from + n;
        const least = data[at] < 2 ? data[at] : 2; // nothing painted is lost
        const value = lines[n * rows + y - part[1]];
        soft[at] = value < least ? least : value;
      }
    }
  }
}

// --- the bytes that travel: encoding.py reads and writes the same ---

const HEAD = 12; // "KM1", "b" for bits or "g" for bytes, width, height

// The bits of a mask, eight pixels a byte, brought up to date where it has changed.
class Bits {
  constructor(mask) {
    this.mask = mask;
    this.flat = new Uint8Array(Math.ceil(mask.data.length / 8));
  }

  update([left, top, right, bottom]) {
    const { width, data } = this.mask;
    for (let y = top; y < bottom; y++) {
      const end = Math.ceil((y * width + right) / 8);
      for (let byte = (y * width + left) >> 3; byte < end; byte++) {
        let bits = 0;
        for (let n = 8 * byte; n < 8 * byte + 8; n++) bits = (bits << 1) | (data[n] > 0);
        this.flat[byte] = bits;
      }
    }
  }
}

const isHard = ({ data }) => data.every((value) => value === 0 || value === 255);

// `flat`: the bits of a hard mask, where they are known.
async function encodeMask(mask, flat = null) {
  const { width, height, data } = mask;
  if (!flat && isHard(mask)) {
    const bits = new Bits(mask);
    bits.update(wholeOf(mask));
    flat = bits.flat;
  }
  const packed = await through(new CompressionStream("deflate"), flat ?? data);
  const bytes = new Uint8Array(HEAD + packed.length);
  bytes.set(new TextEncoder().encode(flat ? "KM1b" : "KM1g"));
  const head = new DataView(bytes.buffer);
  head.setUint32(4, width, true);
  head.setUint32(8, height, true);
  bytes.set(packed, HEAD);
  return bytes;
}

async function decodeMask(bytes) {
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mask = newMask(head.getUint32(4, true), head.getUint32(8, true));
  const { data } = mask;
  const flat = await through(new DecompressionStream("deflate"), bytes.subarray(HEAD));
  if (bytes[3] === "g".charCodeAt(0)) data.set(flat);
  else for (let n = 0; n < data.length; n++) if (flat[n >> 3] & (128 >> (n & 7))) data[n] = 255;
  return mask;
}

async function through(stream, bytes) {
  const result = new Response(new Blob([bytes]).stream().pipeThrough(stream));
  return new Uint8Array(await result.arrayBuffer());
}
