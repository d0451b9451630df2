// The mixer: a point to drag between two to four items, a slider for each of up to eight, and the
// picture that the kernel draws of them. Weights are shares: their sum is 1.

const SNAP = 0.025; // as near to a corner, it is the corner: the plain item
const RESTARTED = "The kernel was restarted: run this cell again for a mixer that works.";
const CORNERS = {
  2: [[0, 0.5], [1, 0.5]],
  3: [[0.5, 0], [0, 1], [1, 1]],
  4: [[0, 0], [1, 0], [0, 1], [1, 1]],
};

// The shares of a point (x, y), each 0…1, on the line, in the triangle or in the square.
function sharesAt(count, x, y) {
  const corners = CORNERS[count];
  const inside = (value) => Math.min(1, Math.max(0, value));
  const near = corners.findIndex(([cx, cy]) =>
    Math.hypot(x - cx, count === 2 ? 0 : y - cy) < SNAP,
  );
  if (near >= 0) return corners.map((_, n) => Number(n === near));
  if (count === 2) return [1 - inside(x), inside(x)];
  if (count === 4) {
    const [right, down] = [inside(x), inside(y)];
    return [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
  }
  const shares = [1 - y, 0, 0];
  shares[2] = x - 0.5 * shares[0];
  shares[1] = 1 - shares[0] - shares[2];
  return shares.every((share) => share >= 0) ? shares : onEdge(x, y);
}

// The shares of the point of a triangle's edge that is nearest.
function onEdge(x, y) {
  let best = null;
  for (const [a, b] of [[0, 1], [0, 2], [1, 2]]) {
    const [[ax, ay], [bx, by]] = [CORNERS[3][a], CORNERS[3][b]];
    const [dx, dy] = [bx - ax, by - ay];
    const along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
    const share = Math.min(1, Math.max(0, along));
    const away = Math.hypot(ax + share * dx - x, ay + share * dy - y);
    if (best && best.away <= away) continue;
    const shares = [0, 0, 0];
    shares[a] = 1 - share;
    shares[b] = share;
    best = { away, shares };
  }
  return best.shares;
}

function pointOf(shares) {
  const corners = CORNERS[shares.length];
  const sum = (axis) => shares.reduce((total, share, n) => total + share * corners[n][axis], 0);
  return [sum(0), sum(1)];
}

// The shares when one of them is set: the others keep their proportions.
function withShare(shares, index, share) {
  const rest = 1 - shares[index];
  return shares.map((old, n) => {
    if (n === index) return share;
    return rest > 1e-9 ? (old / rest) * (1 - share) : (1 - share) / (shares.length - 1);
  });
}

const percent = (share) => `${Math.round(100 * share)} %`;

function make(parent, kind, classes = "", words = {}) {
  const element = document.createElement(kind);
  element.className = classes;
  Object.assign(element, words);
  parent?.append(element);
  return element;
}

export default {
  render({ model, el }) {
    const off = [];
    const on = (name, call) => {
      model.on(name, call);
      off.push(() => model.off(name, call));
    };
    const count = model.get("labels").length;
    const root = make(el, "div", "kandi-mixer");
    root.dataset.lmSuppressShortcuts = "true";
    root.setAttribute("role", "group");
    root.ariaLabel = "mixer";
    const left = make(root, "div", "kandi-weights");
    const right = make(root, "div", "kandi-result");
    let held = false; // while somebody drags
    let frame = 0;

    // --- what goes to the kernel: at most once a frame, and once when it is let go ---

    const send = () => {
      frame = 0;
      model.save_changes();
    };
    const set = (shares) => {
      held = true;
      model.set("dragging", true);
      model.set("weights", shares);
      draw();
      if (!frame) frame = requestAnimationFrame(send);
    };
    const letGo = () => {
      if (!held) return;
      held = false;
      cancelAnimationFrame(frame);
      model.set("dragging", false);
      send();
    };

    // --- the point ---

    const pad = count in CORNERS ? make(left, "div", `kandi-pad kandi-pad-${count}`) : null;
    const point = pad && make(pad, "div", "kandi-point");
    if (pad) {
      pad.tabIndex = 0;
      pad.setAttribute("role", "application");
      model.get("labels").forEach((label, n) => {
        const name = make(pad, "span", "kandi-corner", { textContent: label, title: label });
        const [x, y] = CORNERS[count][n];
        name.style.left = `${100 * x}%`;
        name.style.top = `${100 * y}%`;
        name.dataset.side = x < 0.5 ? "left" : x > 0.5 ? "right" : "middle";
        name.dataset.end = y < 0.5 ? "top" : y > 0.5 ? "bottom" : "middle";
      });
      const to = (event) => {
        const box = pad.getBoundingClientRect();
        const across = (event.clientX - box.left) / box.width;
        set(sharesAt(count, across, (event.clientY - box.top) / box.height));
      };
      pad.addEventListener("pointerdown", (event) => {
        pad.setPointerCapture(event.pointerId);
        pad.focus({ preventScroll: true });
        event.preventDefault();
        to(event);
      });
      pad.addEventListener("pointermove", (event) => {
        if (pad.hasPointerCapture(event.pointerId)) to(event);
      });
      for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, letGo);
      pad.addEventListener("keydown", (event) => {
        const moves = {
          ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
        };
        const move = moves[event.key];
        if (!move) return;
        const by = event.shiftKey ? 0.1 : 0.01;
        const [x, y] = pointOf(model.get("weights"));
        const next = [x + by * move[0], y + by * move[1]];
        // A step out of a corner is shorter than what snaps into it.
        const inward = CORNERS[count].some(([cx, cy]) => Math.hypot(x - cx, y - cy) < SNAP);
        const far = inward && !event.shiftKey ? 3 : 1;
        set(sharesAt(count, x + far * (next[0] - x), y + far * (next[1] - y)));
        event.preventDefault();
        event.stopPropagation();
      });
      pad.addEventListener("keyup", letGo);
      pad.addEventListener("blur", letGo);
    }

    // --- the sliders ---

    const sliders = model.get("labels").map((text, n) => {
      const label = make(left, "label", "kandi-slider kandi-share");
      const source = model.get("thumbnails")[n];
      if (source) make(label, "img", "", { src: source, alt: "" });
      make(label, "span", "kandi-name", { textContent: text, title: text });
      const slider = make(label, "input", "", { type: "range", min: 0, max: 100, step: 1 });
      slider.ariaLabel = `share of ${text}`;
      const number = make(label, "output");
      slider.oninput = () => set(withShare(model.get("weights"), n, Number(slider.value) / 100));
      slider.onchange = letGo;
      return { slider, number };
    });

    // --- what the kernel draws ---

    const picture = make(right, "img", "kandi-mixed");
    const row = make(right, "div", "kandi-bar");
    const status = make(row, "div", "kandi-status", { role: "status" });
    const stop = make(row, "button", "jupyter-button kandi-button", {
      type: "button", textContent: "Stop", onclick: () => model.send({ kind: "stop" }),
    });
    let address = "";

    const draw = () => {
      const shares = model.get("weights");
      const words = model.get("labels").map((label, n) => `${percent(shares[n])} ${label}`);
      sliders.forEach(({ slider, number }, n) => {
        if (document.activeElement !== slider || !held) slider.value = Math.round(100 * shares[n]);
        slider.setAttribute("aria-valuetext", percent(shares[n]));
        number.textContent = percent(shares[n]);
      });
      picture.alt = `mixture: ${words.join(", ")}`;
      if (!pad) return;
      const [x, y] = pointOf(shares);
      point.style.left = `${100 * x}%`;
      point.style.top = `${100 * y}%`;
      pad.ariaLabel = `weights, moved by the arrow keys: ${words.join(", ")}`;
    };
    const drawPicture = () => {
      const data = model.get("picture");
      picture.hidden = !data?.byteLength;
      if (picture.hidden) return;
      const before = address;
      picture.src = address = URL.createObjectURL(new Blob([data]));
      if (before) URL.revokeObjectURL(before);
    };
    const say = () => {
      const note = model.get("note");
      const running = model.get("running");
      const words = running ? model.get("status") || "…" : model.get("caption");
      const wrong = model.get("wrong");
      status.textContent = wrong ? note : [words, note].filter(Boolean).join("; ");
      status.classList.toggle("kandi-wrong", wrong);
      stop.disabled = !running;
    };

    on("change:weights", () => held || draw());
    on("change:picture", drawPicture);
    for (const name of ["note", "wrong", "running", "status", "caption"]) on(`change:${name}`, say);
    on("comm_live_update", () =>
      setTimeout(() => {
        if (!el.closest(".jupyter-widgets-disconnected")) return;
        status.textContent = RESTARTED;
        status.classList.add("kandi-wrong");
      }),
    );
    draw();
    drawPicture();
    say();
    model.send({ kind: "shown" });
    return () => {
      off.forEach((undo) => undo());
      cancelAnimationFrame(frame);
      if (address) URL.revokeObjectURL(address);
    };
  },
};
