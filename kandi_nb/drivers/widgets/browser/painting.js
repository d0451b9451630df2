// A mask that is being painted: what is repainted, what was before, and the way back.

const MOST_UNDO = 128 * 1024 * 1024; // bytes of all that can be undone
const MOST_STEPS = 200;

class Painting {
  constructor(width, height) {
    this.mask = newMask(width, height); // as painted, the gesture that goes on included …
    this.settled = this.mask.data.slice(); // … and without it
    this.soft = this.mask.data; // what is repainted: with the feather
    this.feather = 0;
    this.bits = new Bits(this.mask); // of what is settled, …
    this.hard = true; // … as long as no level between has come
    this.count = 0; // of painted pixels
    this.undone = [];
    this.done = [];
    this.touched = null; // the box of the gesture that goes on
  }

  // Paint by a function of the mask that returns the box which it may have changed; return the
  // box in which something else is repainted now.
  paint(how) {
    const box = how(this.mask);
    this.touched = united(this.touched, box);
    return this.soften(box);
  }

  // Take back what the gesture has painted until now.
  revert() {
    const box = this.touched;
    if (box) copyBox(this.settled, this.mask.data, this.mask.width, box);
    this.touched = null;
    return this.soften(box);
  }

  // End a gesture; return whether it changed anything.
  settle() {
    const box = this.touched;
    this.touched = null;
    if (!box || sameBox(this.settled, this.mask.data, this.mask.width, box)) return false;
    this.undone = [];
    this.done.push({ box, before: cutBox(this.settled, this.mask.width, box) });
    this.accept(box);
    let bytes = 0;
    const kept = this.done.toReversed().findIndex((step, n) => {
      bytes += step.before.length;
      return bytes > MOST_UNDO || n >= MOST_STEPS;
    });
    if (kept >= 0) this.done = this.done.slice(-Math.max(1, kept));
    return true;
  }

  // Make what the mask is in a box the settled one.
  accept(box) {
    const { width, data } = this.mask;
    this.count += countIn(data, width, box) - countIn(this.settled, width, box);
    copyBox(data, this.settled, width, box);
    if (this.hard) this.bits.update(box);
  }

  // Put another mask in the place of all.
  replace(data) {
    this.revert();
    if (this.hard) this.hard = isHard({ data });
    const box = this.paint((mask) => (mask.data.set(data), wholeOf(mask)));
    this.settle();
    return box;
  }

  encoded() {
    return encodeMask(this.mask, this.hard ? this.bits.flat : null);
  }

  undo() {
    return this.turn(this.done, this.undone);
  }

  redo() {
    return this.turn(this.undone, this.done);
  }

  turn(from, to) {
    const step = from.pop();
    if (!step) return null;
    const { box, before } = step;
    to.push({ box, before: cutBox(this.settled, this.mask.width, box) });
    pasteBox(before, this.mask.data, this.mask.width, box);
    this.accept(box);
    return this.soften(box);
  }

  setFeather(by) {
    this.feather = by;
    this.soft = by ? new Uint8Array(this.mask.data.length) : this.mask.data;
    return this.soften(wholeOf(this.mask));
  }

  soften(box) {
    if (!box || !this.feather) return box;
    const around = grown(box, reachOf(this.feather), this.mask);
    feather(this.mask, this.soft, around, this.feather);
    return around;
  }

  // The share of pixels that are repainted.
  get area() {
    const all = wholeOf(this.mask);
    const count = this.feather ? countIn(this.soft, this.mask.width, all) : this.count;
    return count / this.soft.length;
  }
}

function countIn(data, width, [left, top, right, bottom]) {
  let count = 0;
  for (let y = top; y < bottom; y++)
    for (let n = y * width + left; n < y * width + right; n++) if (data[n]) count++;
  return count;
}

function copyBox(from, to, width, [left, top, right, bottom]) {
  for (let y = top; y < bottom; y++)
    to.set(from.subarray(y * width + left, y * width + right), y * width + left);
}

function cutBox(from, width, [left, top, right, bottom]) {
  const part = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++)
    part.set(from.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  return part;
}

function pasteBox(part, to, width, [left, top, right, bottom]) {
  const across = right - left;
  for (let y = top; y < bottom; y++)
    to.set(part.subarray((y - top) * across, (y - top + 1) * across), y * width + left);
}

function sameBox(a, b, width, [left, top, right, bottom]) {
  for (let y = top; y < bottom; y++)
    for (let n = y * width + left; n < y * width + right; n++) if (a[n] !== b[n]) return false;
  return true;
}
