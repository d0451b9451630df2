// Mouse, pen, fingers and keys on the stage: what they do to the mask.

class Hand {
  constructor(view) {
    this.view = view;
    this.screen = view.screen;
    this.stage = view.screen.stage;
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "application");
    this.mark = make(this.stage, "div", "kandi-ring");
    this.cross = make(this.stage, "div", "kandi-cross");
    this.fingers = new Map(); // pointer → where it is
    this.gesture = null;
    this.place = null; // where the keys' cross stands
    this.last = null; // where the last line ended
    const stage = this.stage;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event, true));
    stage.addEventListener("pointerleave", () => (this.mark.hidden = true));
    stage.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation(); // else Lab opens its own
    });
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("blur", () => (this.cross.hidden = true));
    view.root.addEventListener("keydown", (event) => this.key(event));
    this.mark.hidden = this.cross.hidden = true;
  }

  // --- gestures, whoever makes them: begin, extend, end ---

  begin(point, { inverse = false, shift = false, width = this.view.size } = {}) {
    const { tool, erases, painting } = this.view;
    const value = erases !== inverse ? 0 : 255;
    this.gesture = { tool, value, points: [point], shift };
    if (tool === "fill") {
      const [x, y] = point.map(Math.floor);
      this.tell(painting.paint((mask) => fillFrom(mask, x, y, value)));
      this.end();
    } else if (tool === "brush") {
      const [x, y] = shift && this.last ? this.last : point;
      this.tell(painting.paint((mask) => paintLine(mask, x, y, ...point, width, value)));
    } else this.shape();
  }

  extend(point, { shift = false, width = this.view.size } = {}) {
    const { gesture } = this;
    const before = gesture.points.at(-1);
    gesture.points.push(point);
    gesture.shift = shift;
    if (gesture.tool !== "brush") return this.shape();
    const how = (mask) => paintLine(mask, ...before, ...point, width, gesture.value);
    this.tell(this.view.painting.paint(how));
  }

  end() {
    if (!this.gesture) return;
    this.last = this.gesture.points.at(-1);
    this.gesture = null;
    this.view.finish();
  }

  giveUp() {
    if (this.gesture) this.tell(this.view.painting.revert());
    this.gesture = null;
  }

  // Rectangle, ellipse and lasso are painted anew with each move.
  shape() {
    const { tool, value, points, shift } = this.gesture;
    const { painting } = this.view;
    const box = boxBetween(points[0], points.at(-1), shift);
    this.tell(painting.revert());
    const kinds = {
      rectangle: (mask) => paintRectangle(mask, box, value),
      ellipse: (mask) => paintEllipse(mask, box, value),
      lasso: (mask) => paintPolygon(mask, points, value),
    };
    this.tell(painting.paint(kinds[tool]));
  }

  tell(box) {
    this.view.shared.tell("changed", box);
  }

  // --- mouse, pen and fingers ---

  down(event) {
    this.stage.focus({ preventScroll: true });
    this.cross.hidden = true;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.fingers.size > 1) return this.giveUp(); // two fingers zoom
    this.drags = this.view.tool === "move" || event.button === 1;
    if (!this.drags) this.begin(this.screen.at(event.clientX, event.clientY), this.words(event));
    event.preventDefault();
  }

  moved(event) {
    this.ring(event);
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const here = [event.clientX, event.clientY];
    if (this.fingers.size > 1) this.pinch(event.pointerId, here);
    else if (this.drags) this.screen.move(here[0] - before[0], here[1] - before[1]);
    else if (this.gesture) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event])
        this.extend(this.screen.at(each.clientX, each.clientY), this.words(each));
    }
    this.fingers.set(event.pointerId, here);
  }

  up(event, given = false) {
    this.fingers.delete(event.pointerId);
    if (given) this.giveUp();
    else this.end();
  }

  pinch(id, here) {
    const [[, other]] = [...this.fingers].filter(([finger]) => finger !== id);
    const before = this.fingers.get(id);
    const box = this.stage.getBoundingClientRect();
    const middle = (point) => [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2];
    const apart = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
    const [from, to] = [middle(before), middle(here)];
    this.screen.move(to[0] - from[0], to[1] - from[1]);
    this.screen.zoom(apart(here) / apart(before), to[0] - box.left, to[1] - box.top);
    this.ring();
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const factor = Math.exp(-event.deltaY / 200);
    this.screen.zoom(factor, event.clientX - box.left, event.clientY - box.top);
    this.ring(event);
  }

  words(event) {
    const pen = event.pointerType === "pen";
    const inverse = event.altKey || (event.buttons & 34) > 0; // right button, a pen's other end
    const width = pen ? Math.max(1, this.view.size * (event.pressure || 0.5)) : this.view.size;
    return { inverse, shift: event.shiftKey, width };
  }

  // The ring shows the brush's size under the mouse.
  ring(event) {
    if (event) {
      const box = this.stage.getBoundingClientRect();
      this.mark.style.left = `${event.clientX - box.left}px`;
      this.mark.style.top = `${event.clientY - box.top}px`;
      this.mark.hidden = this.view.tool !== "brush" || event.pointerType === "touch";
    }
    const across = `${Math.max(3, this.view.size * (this.screen?.scale ?? 1))}px`;
    this.mark.style.width = this.mark.style.height = across;
    this.stage.dataset.tool = this.view.tool;
    if (this.place) this.showCross();
  }

  // --- keys ---

  key(event) {
    const act = event.ctrlKey || event.metaKey ? this.command(event) : this.plain(event);
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  command(event) {
    const { view } = this;
    const key = event.key.toLowerCase();
    if (key === "z") return () => (event.shiftKey ? view.redo() : view.undo());
    return key === "y" ? () => view.redo() : null;
  }

  plain(event) {
    const { view, screen } = this;
    const key = event.key.toLowerCase();
    const field = event.target.matches("input, select");
    const onStage = event.target === this.stage;
    const tool = toolsOf(String).find((each) => each[2] === key); // keys are the same in all languages
    if (tool && !field) return () => view.choose(tool[0]);
    const arrow = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[key];
    if (arrow && onStage) return () => this.step(arrow, event.shiftKey ? 10 : 1);
    if (key === " " && onStage) return () => this.press(event.altKey);
    if (key === "escape" && this.gesture) return () => this.giveUp();
    const clears = key === "delete" || key === "backspace";
    if (field || (clears && !onStage)) return null;
    if (clears) return () => view.clear();
    const sized = Math.max(1, Math.round(view.size / 8));
    return {
      e: () => (view.erase(true), view.choose("brush")),
      x: () => view.erase(!view.erases),
      i: () => view.whole(invert),
      "[": () => view.setSize(view.size - sized),
      "]": () => view.setSize(view.size + sized),
      "+": () => screen.zoom(1.5),
      "=": () => screen.zoom(1.5),
      "-": () => screen.zoom(1 / 1.5),
      0: () => screen.fit(),
    }[key];
  }

  step([dx, dy], by) {
    const { width, height } = this.view.painting.mask;
    this.place ??= [width / 2, height / 2];
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    this.place = [
      inside(this.place[0] + dx * by, width), inside(this.place[1] + dy * by, height),
    ];
    if (this.gesture) this.extend(this.place);
    this.showCross();
  }

  press(inverse) {
    const { width, height } = this.view.painting.mask;
    this.place ??= [width / 2, height / 2];
    if (this.gesture) this.end();
    else if (this.view.tool !== "move") this.begin(this.place, { inverse });
    this.showCross();
  }

  showCross() {
    const { scale, left, top } = this.screen;
    this.cross.style.left = `${this.place[0] * scale + left}px`;
    this.cross.style.top = `${this.place[1] * scale + top}px`;
    this.cross.hidden = document.activeElement !== this.stage;
    this.cross.classList.toggle("kandi-down", Boolean(this.gesture));
  }

  close() {
    this.fingers.clear();
    this.giveUp();
  }
}

// The box of whole pixels between two points; a square where shift is held.
function boxBetween([x0, y0], [x1, y1], square) {
  if (square) {
    const side = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0));
    [x1, y1] = [x0 + side * Math.sign(x1 - x0 || 1), y0 + side * Math.sign(y1 - y0 || 1)];
  }
  return [
    Math.floor(Math.min(x0, x1)), Math.floor(Math.min(y0, y1)),
    Math.floor(Math.max(x0, x1)) + 1, Math.floor(Math.max(y0, y1)) + 1,
  ];
}
