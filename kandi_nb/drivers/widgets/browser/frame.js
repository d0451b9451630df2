// A picture in a frame whose sides are dragged outwards: red is what will be painted.

const SIDES = ["left", "top", "right", "bottom"];
const [WIDEST, TALLEST] = [720, 440]; // pixels of the page
const STEP = 8; // pixels of the picture
const ASPECTS = [["1:1", 1], ["4:3", 4 / 3], ["16:9", 16 / 9]];

export default {
  render({ model, el }) {
    const { on, end } = listening(model);
    const translate = translator(model, el);
    const sides = [translate("left"), translate("top"), translate("right"), translate("bottom")];
    const root = make(el, "div", "kandi-painter kandi-frame", { role: "group" });
    quiet(root);
    root.ariaLabel = translate("how far the picture grows: red is what will be painted");
    const numbers = make(root, "div", "kandi-bar");
    const stage = make(root, "div", "kandi-stage kandi-room");
    const area = make(stage, "div", "kandi-new");
    const picture = make(area, "img", "kandi-old", { alt: translate("the picture") });
    const status = make(root, "div", "kandi-status", { role: "status" });
    let [scale, held] = [1, null];
    const bytes = showsBytes(picture);

    const fields = sides.map((side, n) => {
      const label = make(numbers, "label", "kandi-slider kandi-side", { textContent: `${side} ` });
      const words = { type: "number", min: 0, max: 16384, step: STEP };
      const field = make(label, "input", "", words);
      field.ariaLabel = translate("{side}: pixels to add", { side });
      field.onchange = () => set(n, Number(field.value));
      return field;
    });

    for (const [name, ratio] of ASPECTS) {
      make(numbers, "button", "kandi-button", {
        type: "button", textContent: name, title: translate("grow on both sides until it is {name}", { name }),
        onclick: () => shape(ratio),
      });
    }
    // Grow alike on two sides until the whole has a shape; it never becomes smaller.
    const shape = (ratio) => {
      const [width, height] = model.get("size");
      const whole = [Math.max(width, Math.round(height * ratio)), Math.max(height, Math.round(width / ratio))];
      const [across, down] = [whole[0] - width, whole[1] - height];
      const [left, top] = [Math.floor(across / 2), Math.floor(down / 2)];
      model.set("margins", [left, top, across - left, down - top]);
      model.save_changes();
      draw();
    };

    const handles = SIDES.map((side, n) => {
      const handle = make(area, "div", `kandi-handle kandi-${side}`, {
        tabIndex: 0, role: "slider", "aria-orientation": n % 2 ? "vertical" : "horizontal",
        "aria-valuemin": 0, "aria-valuemax": 16384,
      });
      handle.ariaLabel = translate("{side} side: pixels to add", { side: sides[n] });
      handle.addEventListener("pointerdown", (event) => {
        handle.setPointerCapture(event.pointerId);
        handle.focus({ preventScroll: true });
        held = { n, from: [event.clientX, event.clientY], pixels: model.get("margins")[n] };
        event.preventDefault();
      });
      handle.addEventListener("pointermove", (event) => {
        if (held?.n !== n) return;
        const axis = n % 2;
        const outwards = n < 2 ? -1 : 1;
        const way = ([event.clientX, event.clientY][axis] - held.from[axis]) * outwards;
        set(n, Math.round((held.pixels + way / scale) / STEP) * STEP, false);
      });
      for (const end of ["pointerup", "pointercancel"])
        handle.addEventListener(end, () => {
          held = null;
          model.save_changes();
          draw();
        });
      handle.addEventListener("keydown", (event) => {
        const outwards = { 0: "ArrowLeft", 1: "ArrowUp", 2: "ArrowRight", 3: "ArrowDown" }[n];
        const inwards = { 0: "ArrowRight", 1: "ArrowDown", 2: "ArrowLeft", 3: "ArrowUp" }[n];
        const way = { [outwards]: 1, [inwards]: -1 }[event.key];
        if (!way) return;
        set(n, model.get("margins")[n] + way * STEP * (event.shiftKey ? 8 : 1));
        event.preventDefault();
        event.stopPropagation();
      });
      return handle;
    });

    const set = (n, pixels, send = true) => {
      const margins = [...model.get("margins")];
      margins[n] = Math.min(16384, Math.max(0, Math.round(pixels) || 0));
      model.set("margins", margins);
      if (send) model.save_changes();
      draw();
    };

    // While a side is dragged nothing is scaled: it stays under the hand.
    const draw = () => {
      const [width, height] = model.get("size");
      const margins = model.get("margins");
      const [left, top, right, bottom] = margins;
      const whole = [left + width + right, top + height + bottom];
      const available = Math.min(root.clientWidth || 360, WIDEST);
      if (!held) {
        const room = 0.8; // what is left is there to drag into
        scale = Math.min((available * room) / whole[0], (TALLEST * room) / whole[1]);
        stage.style.width = `${available}px`;
        stage.style.height = `${Math.max(120, Math.min(TALLEST, (whole[1] * scale) / room))}px`;
        area.dataset.x = (available - whole[0] * scale) / 2 + left * scale;
        area.dataset.y = (parseFloat(stage.style.height) - whole[1] * scale) / 2 + top * scale;
      }
      area.style.left = `${area.dataset.x - left * scale}px`;
      area.style.top = `${area.dataset.y - top * scale}px`;
      area.style.width = `${whole[0] * scale}px`;
      area.style.height = `${whole[1] * scale}px`;
      picture.style.left = `${left * scale}px`;
      picture.style.top = `${top * scale}px`;
      picture.style.width = `${width * scale}px`;
      picture.style.height = `${height * scale}px`;
      fields.forEach((field, n) => (field.value = margins[n]));
      handles.forEach((handle, n) => handle.setAttribute("aria-valuenow", margins[n]));
      const sizes = { before: `${width} × ${height}`, after: `${whole[0]} × ${whole[1]}` };
      status.textContent = translate("{before} grow to {after} pixels", sizes);
    };
    const drawPicture = () => bytes.show(model.get("picture"));

    on("change:margins", draw);
    on("change:size", draw);
    on("change:picture", drawPicture);
    drawPicture();
    draw();
    const unwatch = onWidth(root, draw);
    return () => {
      end();
      unwatch();
      bytes.end();
    };
  },
};
