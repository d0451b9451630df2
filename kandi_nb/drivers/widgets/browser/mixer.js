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

// Whole percents with the sum 100: what is left over goes to those that lost most by rounding.
function percents(shares) {
  const down = shares.map((share) => Math.floor(100 * share + 1e-9));
  const left = 100 - down.reduce((sum, n) => sum + n, 0);
  const order = shares.map((share, n) => [down[n] - 100 * share, n]).sort((a, b) => a[0] - b[0]);
  for (const [, n] of order.slice(0, left)) down[n]++;
  return down.map((n) => `${n} %`);
}

export default {
  render({ model, el }) {
    const { on, end } = listening(model);
    const count = model.get("labels").length;
    const root = make(el, "div", "kandi-mixer", { role: "group", ariaLabel: "mixer" });
    quiet(root);
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

    const pad = count in CORNERS ? make(left, "div", `kandi-pad kandi-pad-${count}`, { role: "application" }) : null;
    const point = pad && make(pad, "div", "kandi-point");
    if (pad) {
      pad.tabIndex = 0;
      model.get("labels").forEach((label, n) => {
        const name = make(pad, "span", "kandi-corner", { textContent: label, title: label });
        const [x, y] = CORNERS[count][n];
        const small = make(pad, "img", "kandi-corner-picture", { alt: "", hidden: true });
        pad.insertBefore(small, point);
        for (const part of [name, small]) {
          part.style.left = `${100 * x}%`;
          part.style.top = `${100 * y}%`;
          part.dataset.side = x < 0.5 ? "left" : x > 0.5 ? "right" : "middle";
          part.dataset.end = y < 0.5 ? "top" : y > 0.5 ? "bottom" : "middle";
        }
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
      make(label, "img", "", { alt: "", hidden: true });
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
    const stop = button(row, "Stop", () => model.send({ kind: "stop" }));
    stop.classList.add("jupyter-button");
    const bytes = showsBytes(picture);

    const draw = () => {
      const shares = model.get("weights");
      const parts = percents(shares);
      const words = model.get("labels").map((label, n) => `${parts[n]} ${label}`);
      sliders.forEach(({ slider, number }, n) => {
        if (document.activeElement !== slider || !held) slider.value = Math.round(100 * shares[n]);
        slider.setAttribute("aria-valuetext", parts[n]);
        number.textContent = parts[n];
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
      bytes.show(data);
    };
    // What the items are alone: pictures that were given, or drawn after the first mixture.
    const drawItems = () => {
      const sources = model.get("thumbnails");
      for (const images of [left.querySelectorAll(".kandi-share img"), left.querySelectorAll(".kandi-corner-picture")])
        images.forEach((image, n) => {
          image.hidden = !sources[n];
          if (sources[n]) image.src = sources[n];
        });
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
    on("change:thumbnails", drawItems);
    for (const name of ["note", "wrong", "running", "status", "caption"]) on(`change:${name}`, say);
    whenGone(on, el, () => {
      status.textContent = RESTARTED;
      status.classList.add("kandi-wrong");
    });
    draw();
    drawPicture();
    drawItems();
    say();
    model.send({ kind: "shown" });
    return () => {
      end();
      cancelAnimationFrame(frame);
      bytes.end();
    };
  },
};
