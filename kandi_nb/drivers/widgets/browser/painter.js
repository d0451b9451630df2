// The mask painter: tools, keys, and what goes to the kernel and comes from it. All painting is
// done here, so it goes on while the kernel works; the mask is sent once a gesture.

const toolsOf = (translate) => [
  ["brush", translate("Brush"), "b", translate("draw by hand; a pen's pressure is its size; shift: a straight line")],
  ["rectangle", translate("Rectangle"), "r", translate("drag from corner to corner; shift: a square")],
  ["ellipse", translate("Ellipse"), "o", translate("drag from corner to corner; shift: a circle")],
  ["lasso", translate("Lasso"), "l", translate("draw round something")],
  ["fill", translate("Fill"), "f", translate("fill what is closed")],
  ["move", translate("Move"), "m", translate("drag the zoomed picture; two fingers do so with any tool")],
];
const keysOf = (translate) => [
  ["B R O L F M", translate("the tools")],
  ["E, X", translate("eraser; paint or erase (Alt: the other, meanwhile)")],
  ["[ ]", translate("size")], ["I", translate("invert")], ["Ctrl+Z, Ctrl+Y", translate("undo, redo")],
  [translate("Delete"), translate("clear")], ["+ − 0", translate("zoom, fit")],
  [translate("arrows, Shift+arrows"), translate("move the cross by 1 or 10 pixels")],
  [translate("Space"), translate("begin and end at the cross")], ["Esc", translate("give the gesture up")],
];
const AT_ONCE = 4e6; // pixels up to which the feather follows its slider

// What the views of one painter share.
class Shared {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.own = false; // while this page itself sets the mask
    this.late = this.sending = false;
    this.reading = Promise.resolve();
    this.begin();
    const { on, end } = listening(model);
    on("change:painted", () => this.own || this.read());
    on("change:picture", () => this.show());
    on("change:feather", () => this.setFeather(model.get("feather")));
    this.close = () => {
      end();
      this.picture?.close();
    };
    this.read();
    this.show();
  }

  begin() {
    this.painting = new Painting(...this.model.get("size"));
    this.painting.setFeather(this.model.get("feather"));
  }

  tell(what, box) {
    for (const view of this.views) view[what](box);
  }

  // Take the kernel's mask, as a gesture that can be undone.
  read() {
    const data = this.model.get("painted");
    this.reading = this.reading.then(async () => {
      if (!data?.byteLength) return;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      const mask = await decodeMask(bytes);
      const { width, height } = this.painting.mask;
      const resized = mask.width !== width || mask.height !== height;
      if (resized) this.begin();
      const box = this.painting.replace(mask.data);
      if (resized || !this.known) this.painting.done = []; // the mask to begin with
      this.known = true;
      this.tell(resized ? "resized" : "changed", box);
      this.tell("counted");
    });
  }

  async show() {
    const data = this.model.get("picture");
    const picture = await createImageBitmap(new Blob([data]));
    const before = this.picture;
    this.picture = picture;
    this.tell("shown");
    before?.close();
  }

  setFeather(by) {
    if (by === this.painting.feather) return;
    this.tell("changed", this.painting.setFeather(by));
    this.tell("counted");
  }

  // The mask goes to the kernel whole, and never twice at a time.
  async send() {
    this.tell("counted");
    this.late = true;
    if (this.sending) return;
    this.sending = true;
    while (this.late) {
      this.late = false;
      const bytes = await this.painting.encoded();
      this.own = true;
      this.model.set("painted", new DataView(bytes.buffer));
      this.own = false;
      this.model.save_changes();
    }
    this.sending = false;
  }
}

export default () => {
  let shared;
  return {
    initialize({ model }) {
      shared = new Shared(model);
      return () => shared.close();
    },
    render({ model, el }) {
      const view = new View(model, el, shared);
      return () => view.close();
    },
  };
};

class View {
  constructor(model, el, shared) {
    Object.assign(this, { model, shared });
    const { on, end } = listening(model);
    const translate = (this.translate = translator(model, el));
    this.root = make(el, "div", "kandi-painter");
    quiet(this.root);
    this.tool = "brush";
    this.erases = false;
    this.size = 24;
    this.bar();
    this.screen = new Screen(this.root);
    this.status = make(this.root, "div", "kandi-status", { role: "status" });
    this.hand = new Hand(this);
    this.help();
    shared.views.add(this);
    on("change:note", () => this.counted());
    on("change:label", () => this.named());
    whenGone(on, el, () => this.say(translate("The kernel was restarted: run this cell again for a painter that works."), true));
    this.resized();
    this.shown();
    this.named();
    const unwatch = onWidth(this.root, (width) => {
      if (width && width !== this.available) this.layOut(width);
    });
    this.end = () => {
      end();
      unwatch();
    };
  }

  get painting() {
    return this.shared.painting;
  }

  // --- the bars of tools ---

  bar() {
    const { translate } = this;
    const bars = make(this.root, "div", "kandi-bars");
    const tools = make(bars, "div", "kandi-bar", { role: "toolbar", ariaLabel: translate("tools") });
    this.tools = toolsOf(translate).map(([name, label, key, help]) => {
      const button = this.button(tools, label, `${help} (${key.toUpperCase()})`, () => {
        this.choose(name);
      });
      button.dataset.tool = name;
      return button;
    });
    const second = make(bars, "div", "kandi-bar", { role: "toolbar", ariaLabel: translate("mask") });
    this.eraser = this.button(second, translate("Eraser"), translate("take away instead of painting (E, X)"), () =>
      this.erase(!this.erases),
    );
    this.sizes = this.slider(second, translate("size"), 1, 200, this.size, (value) => this.setSize(value));
    this.feathers = this.slider(
      second, translate("feather"), 0, 64, 0, (value) => this.preview(value), (value) => this.soften(value),
    );
    const third = make(bars, "div", "kandi-bar", { role: "toolbar", ariaLabel: translate("history") });
    this.undoing = this.button(third, translate("Undo"), translate("take back (Ctrl+Z)"), () => this.undo());
    this.redoing = this.button(third, translate("Redo"), translate("do again (Ctrl+Y)"), () => this.redo());
    this.button(third, translate("Invert"), translate("repaint what was kept (I)"), () => this.whole(invert));
    this.button(third, translate("Clear"), translate("keep everything (Delete)"), () => this.clear());
    this.button(third, "−", translate("zoom out"), () => this.screen.zoom(1 / 1.5), translate("Zoom out"));
    this.button(third, translate("Fit"), translate("show the whole picture (0)"), () => this.screen.fit());
    this.button(third, "+", translate("zoom in"), () => this.screen.zoom(1.5), translate("Zoom in"));
    const view = make(third, "select", "kandi-view", { ariaLabel: translate("what is shown") });
    for (const [value, text] of [
      ["red", translate("red over what is repainted")], ["mask", translate("the mask alone")],
      ["picture", translate("the picture")],
    ])
      make(view, "option", "", { value, textContent: text });
    view.onchange = () => {
      this.screen.view = view.value;
      this.screen.redraw();
    };
    this.choose("brush");
  }

  button(parent, text, title, act, label = text) {
    const made = button(parent, text, act, { title, ariaLabel: label });
    made.classList.add("jupyter-button");
    return made;
  }

  slider(parent, name, min, max, value, input, change = () => {}) {
    const label = make(parent, "label", "kandi-slider", { textContent: `${name} ` });
    const slider = make(label, "input", "", { type: "range", min, max, value });
    const number = make(label, "output", "", { textContent: value });
    slider.ariaLabel = this.translate("{name} in pixels", { name });
    slider.oninput = () => {
      number.textContent = slider.value;
      input(Number(slider.value));
    };
    slider.onchange = () => change(Number(slider.value));
    return {
      show(wanted) {
        if (wanted > slider.max) slider.max = wanted;
        slider.value = number.textContent = wanted;
      },
      upTo(most) {
        slider.max = most;
      },
    };
  }

  help() {
    const details = make(this.root, "details", "kandi-keys");
    make(details, "summary", "", { textContent: this.translate("Keys") });
    const list = make(details, "dl");
    for (const [keys, does] of keysOf(this.translate)) {
      make(list, "dt", "", { textContent: keys });
      make(list, "dd", "", { textContent: does });
    }
  }

  choose(tool) {
    this.tool = tool;
    for (const button of this.tools) button.ariaPressed = String(button.dataset.tool === tool);
    this.eraser.ariaPressed = String(this.erases);
    this.hand?.ring();
  }

  erase(erases) {
    this.erases = erases;
    this.choose(this.tool);
  }

  setSize(size) {
    this.size = Math.max(1, size);
    this.sizes.show(this.size);
    this.hand?.ring();
  }

  // --- what changes the mask as a whole ---

  whole(how) {
    this.hand.giveUp();
    this.shared.tell("changed", this.painting.paint(how));
    this.finish();
  }

  clear() {
    this.whole((mask) => paintRectangle(mask, wholeOf(mask), 0));
  }

  finish() {
    if (this.painting.settle()) this.shared.send();
    else this.counted();
  }

  undo() {
    this.hand.giveUp();
    this.turned(this.painting.undo());
  }

  redo() {
    this.hand.giveUp();
    this.turned(this.painting.redo());
  }

  turned(box) {
    if (!box) return;
    this.shared.tell("changed", box);
    this.shared.send();
  }

  preview(by) {
    if (this.painting.soft.length <= AT_ONCE) this.shared.setFeather(by);
  }

  soften(by) {
    this.shared.setFeather(by);
    this.model.set("feather", by);
    this.model.save_changes();
  }

  // --- what the views are told ---

  changed(box) {
    this.screen.changed(box);
  }

  counted() {
    const { painting, translate } = this;
    this.undoing.disabled = !painting.done.length;
    this.redoing.disabled = !painting.undone.length;
    this.feathers.show(painting.feather);
    const note = this.model.get("note");
    const { area } = painting;
    const share = area ? `${area < 0.01 ? "<1" : Math.round(area * 100)} %` : translate("nothing");
    const { width, height } = painting.mask;
    this.say(note || translate("{share} to repaint, {width} × {height} pixels", { share, width, height }), Boolean(note));
  }

  say(text, wrong = false) {
    this.status.textContent = text;
    this.status.classList.toggle("kandi-wrong", wrong);
  }

  shown() {
    this.screen.picture = this.shared.picture ?? null;
    this.screen.redraw();
  }

  resized() {
    const { width, height } = this.painting.mask;
    this.screen.painting = this.painting;
    const most = Math.max(32, Math.round(Math.max(width, height) / 3));
    this.sizes.upTo(most);
    this.setSize(Math.max(2, Math.round(Math.max(width, height) / 6)));
    this.layOut(this.root.clientWidth || 360);
    this.counted();
  }

  layOut(available) {
    this.available = available;
    this.screen.layOut(available);
    this.hand.ring();
  }

  named() {
    const [label, { translate }] = [this.model.get("label"), this];
    this.root.setAttribute("role", "group");
    this.root.ariaLabel = translate("{label}: paint what will be repainted", { label });
    this.screen.stage.ariaLabel = translate("{label}, a picture to paint on; arrows and space paint, too", { label });
  }

  close() {
    this.shared.views.delete(this);
    this.end();
    this.hand.close();
    this.screen.close();
  }
}
