// What is seen of a picture and its mask: two canvases at the page's resolution, one over the
// other, and how they are zoomed. The mask's pixels are looked up for each pixel of the page, so
// what is drawn costs what is seen, not what the picture holds.

const PAINT = [230, 30, 60]; // as Python's Mask.over
const COVER = 0.62;
const STRIPE = 0.35; // of white, between the red ones
const LINE = 2; // pixels of the canvas that the white line round the mask has
const MOST_ZOOM = 48; // pixels of the page a pixel of the picture
const [WIDEST, TALLEST] = [720, 576]; // pixels of the page: no picture is shown larger

class Screen {
  constructor(parent) {
    this.stage = make(parent, "div", "kandi-stage");
    this.below = make(this.stage, "canvas", "kandi-below");
    this.above = make(this.stage, "canvas", "kandi-above");
    this.view = "red";
    this.picture = null; // an ImageBitmap
    this.painting = null;
    this.scale = this.fitting = 1; // pixels of the page a pixel of the picture
    this.left = this.top = 0; // of the picture, in pixels of the page
    this.dirty = null;
    this.frame = 0;
  }

  // Let the stage hug the picture in the width that there is.
  layOut(available) {
    const { width, height } = this.painting.mask;
    const most = Math.max(160, Math.min(innerHeight * 0.58, TALLEST));
    const across = Math.max(1, Math.min(available, WIDEST));
    this.fitting = Math.min(across / width, most / height, 9);
    const ratio = window.devicePixelRatio || 1;
    this.width = Math.max(Math.min(160, across), Math.round(width * this.fitting));
    this.height = Math.max(64, Math.round(height * this.fitting));
    this.stage.style.width = `${this.width}px`;
    this.stage.style.height = `${this.height}px`;
    for (const canvas of [this.below, this.above]) {
      canvas.width = Math.round(this.width * ratio);
      canvas.height = Math.round(this.height * ratio);
    }
    this.fit();
  }

  fit() {
    const { width, height } = this.painting.mask;
    this.scale = this.fitting;
    this.left = (this.width - width * this.scale) / 2;
    this.top = (this.height - height * this.scale) / 2;
    this.redraw();
  }

  // Zoom by a factor; the point (x, y) of the stage stays where it is.
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const most = Math.max(MOST_ZOOM, this.fitting);
    const scale = Math.min(most, Math.max(this.fitting, this.scale * factor));
    const by = scale / this.scale;
    this.scale = scale;
    this.move(x - (x - this.left) * by - this.left, y - (y - this.top) * by - this.top);
  }

  move(dx, dy) {
    const { width, height } = this.painting.mask;
    const held = (at, size, room) =>
      size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
    this.left = held(this.left + dx, width * this.scale, this.width);
    this.top = held(this.top + dy, height * this.scale, this.height);
    this.redraw();
  }

  // The point of the picture under a point of the page.
  at(clientX, clientY) {
    const box = this.stage.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  redraw() {
    this.moved = true;
    this.changed(wholeOf(this.painting.mask));
  }

  // Draw again what lies in a box of the picture, with the page's next frame.
  changed(box) {
    this.dirty = united(this.dirty, box);
    if (this.dirty && !this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    if (this.moved) this.drawPicture();
    if (this.dirty) this.drawMask(this.dirty);
    this.moved = false;
    this.dirty = null;
  }

  drawPicture() {
    const { width, height } = this.painting.mask;
    const ratio = this.below.width / this.width;
    const context = this.below.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.below.width, this.below.height);
    if (!this.picture?.width) return; // none yet, or closed
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = this.scale * ratio < this.picture.width / width;
    context.drawImage(this.picture, this.left, this.top, width * this.scale, height * this.scale);
  }

  drawMask(box) {
    const { width } = this.painting.mask;
    const { soft } = this.painting;
    const columns = this.seen(box[0], box[2], this.left, width, this.above.width);
    const rows = this.seen(
      box[1], box[3], this.top, this.painting.mask.height, this.above.height,
    );
    if (!columns.count || !rows.count) return;
    const values = new Uint8Array(columns.count * rows.count);
    for (let y = 0; y < rows.count; y++) {
      for (let x = 0; x < columns.count; x++) {
        let most = 0; // of all that this pixel of the page stands for: no thin line is missed
        for (let row = rows.from[y]; row < rows.to[y]; row += rows.step)
          for (let at = columns.from[x]; at < columns.to[x]; at += columns.step) {
            const value = soft[row * width + at];
            if (value > most) most = value;
          }
        values[y * columns.count + x] = most;
      }
    }
    const image = this.coloured(values, columns, rows);
    const inner = [LINE, LINE, columns.count - 2 * LINE, rows.count - 2 * LINE];
    if (columns.first === 0) (inner[0] -= LINE), (inner[2] += LINE);
    if (rows.first === 0) (inner[1] -= LINE), (inner[3] += LINE);
    if (columns.first + columns.count >= this.above.width) inner[2] += LINE;
    if (rows.first + rows.count >= this.above.height) inner[3] += LINE;
    this.above.getContext("2d").putImageData(image, columns.first, rows.first, ...inner);
  }

  // Stripes of red and white with a white line round them: plain red on a red fox is not seen.
  coloured(values, columns, rows) {
    const image = new ImageData(columns.count, rows.count);
    const pixels = new Uint32Array(image.data.buffer);
    const [colours, stripes] = this.colours();
    const hatched = this.view === "red";
    const period = Math.max(6, Math.round(9 * (this.above.width / this.width)));
    const across = columns.count;
    const outside = (n, x, y, by) =>
      (x >= by && !values[n - by]) || (x + by < across && !values[n + by]) ||
      (y >= by && !values[n - by * across]) || (y + by < rows.count && !values[n + by * across]);
    for (let y = 0, n = 0; y < rows.count; y++)
      for (let x = 0; x < across; x++, n++) {
        const value = columns.to[x] && rows.to[y] ? values[n] : 0;
        if (!columns.to[x] || !rows.to[y]) continue;
        if (!hatched) pixels[n] = colours[value];
        else if (!value) continue;
        else if (outside(n, x, y, 1) || outside(n, x, y, LINE)) pixels[n] = 0xffffffff;
        else pixels[n] = ((columns.first + x + rows.first + y) % period) * 3 < period * 2 ? colours[value] : stripes[value];
      }
    return image;
  }

  // Along one side: which pixels of the canvas show [from, to) of the picture, and for each the
  // pixels of the picture that it stands for; none beside the picture.
  seen(from, to, offset, size, length) {
    const ratio = this.above.width / this.width;
    const scale = this.scale * ratio;
    const first = Math.max(0, Math.floor(from * scale + offset * ratio) - 2 * LINE - 1);
    const last = Math.min(length, Math.ceil(to * scale + offset * ratio) + 2 * LINE + 1);
    const count = Math.max(0, last - first);
    const result = { first, count, from: new Int32Array(count), to: new Int32Array(count) };
    result.step = Math.max(1, Math.floor(1 / scale / 8)); // of far too many, every so many
    for (let n = 0; n < count; n++) {
      const begin = (first + n - offset * ratio) / scale;
      const middle = begin + 0.5 / scale;
      if (middle < 0 || middle >= size) continue;
      result.from[n] = scale >= 1 ? Math.floor(middle) : Math.max(0, Math.floor(begin));
      result.to[n] = Math.min(
        size, Math.max(result.from[n] + 1, scale >= 1 ? 0 : Math.floor(begin + 1 / scale)),
      );
    }
    return result;
  }

  // The colour of each value of the mask, as numbers of four bytes, and that of the stripes.
  colours() {
    const bytes = [new Uint8ClampedArray(4 * 256), new Uint8ClampedArray(4 * 256)];
    for (let value = 0; value < 256; value++) {
      const grey = [value, value, value, 255];
      const red = [...PAINT, Math.round(value * COVER)];
      bytes[0].set({ red, mask: grey, picture: [0, 0, 0, 0] }[this.view], 4 * value);
      bytes[1].set([255, 255, 255, Math.round(value * STRIPE)], 4 * value);
    }
    return bytes.map(({ buffer }) => new Uint32Array(buffer));
  }

  close() {
    cancelAnimationFrame(this.frame);
  }
}
