// The stage: the picture, as large as there is room for; before and after; several at once; and
// what can be done with them. Painting and framing stand in its place while they last.

const MOST_SCALE = 8; // pixels of the page a pixel of the picture

export default {
  render({ model, el }) {
    const { on, off, end } = listening(model);
    const translate = translator(model, el);
    const root = make(el, "section", "kandi-stagepart", { ariaLabel: translate("Picture") });
    quiet(root);
    const top = make(root, "div", "kandi-over-canvas");
    const canvas = make(root, "div", "kandi-canvas", { tabIndex: 0, role: "group", ariaLabel: translate("The picture") });
    const under = make(root, "div", "kandi-under");
    const status = make(root, "div", "kandi-status", { role: "status" });
    const code = make(root, "div", "kandi-code", { hidden: true });
    const tell = (message) => model.send(message);
    const say = (text, wrong = false) => {
      status.textContent = text;
      status.classList.toggle("kandi-wrong", wrong);
    };
    const upload = uploader(model, on, say, () => ({ bytes: model.get("most_bytes"), side: model.get("most_pixels") }), translate);
    let addresses = []; // of the pictures that are shown
    let [before, preview] = ["", ""];
    let compares = false;
    let split = 0.5; // how much of the slider is before
    let held = false; // C: before, as long as it is pressed

    const shown = () => model.get("shown");
    const now = () => Math.min(model.get("index"), addresses.length - 1);
    const url = (data, type = "image/png") => URL.createObjectURL(new Blob([data], { type }));
    // A little later: an image that is about to be replaced may still be loading its own.
    const free = (list) => setTimeout(() => list.forEach((address) => address && URL.revokeObjectURL(address)), 2000);

    // --- the picture in the room that there is ---

    const layOut = () => {
      const style = getComputedStyle(canvas);
      const wide = canvas.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      const tall = canvas.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
      for (const frame of canvas.querySelectorAll(".kandi-frame-of-picture")) {
        const [width, height] = [Number(frame.dataset.width), Number(frame.dataset.height)];
        if (!width || wide < 16) continue;
        const fit = Math.min(wide / width, Math.max(tall, 160) / height, MOST_SCALE);
        // Whole numbers, where little room is lost by them, show every pixel alike.
        const whole = Math.floor(fit);
        const scale = fit > 1 && whole / fit > 0.94 ? whole : fit;
        frame.style.width = `${Math.floor(width * scale)}px`;
        frame.style.height = `${Math.floor(height * scale)}px`;
        frame.classList.toggle("kandi-pixels", scale >= 1.5);
        const facts = root.querySelector(".kandi-facts");
        if (facts) {
          const times = scale >= 10 ? Math.round(scale) : Number(scale.toFixed(1));
          facts.textContent = translate("{width} × {height} · shown {times} ×", { width, height, times });
        }
      }
    };
    const watcher = new ResizeObserver(layOut);
    watcher.observe(canvas);
    off.push(() => watcher.disconnect());

    const frameOf = (parent, source, alt, [width, height]) => {
      const frame = make(parent, "div", "kandi-frame-of-picture");
      Object.assign(frame.dataset, { width, height });
      const image = make(frame, "img", "", { src: source, alt, draggable: false });
      return { frame, image };
    };

    const drawCompare = (parent, size) => {
      const { frame, image } = frameOf(parent, addresses[now()], translate("after"), size);
      const old = make(frame, "img", "kandi-before", { src: before, alt: translate("before"), draggable: false });
      const slider = make(frame, "input", "kandi-split", { type: "range", min: 0, max: 100, ariaLabel: translate("Before and after: how much is shown of the picture before") });
      const line = make(frame, "div", "kandi-split-line");
      make(frame, "span", "kandi-tag kandi-tag-left", { textContent: translate("before") });
      make(frame, "span", "kandi-tag kandi-tag-right", { textContent: translate("after") });
      image.classList.add("kandi-after");
      const cut = () => {
        const share = held ? 1 : split;
        old.style.clipPath = `inset(0 ${100 * (1 - share)}% 0 0)`;
        line.style.left = `${100 * share}%`;
        slider.value = Math.round(100 * split);
      };
      slider.oninput = () => {
        split = Number(slider.value) / 100;
        cut();
      };
      cut();
    };

    const empty = (parent) => {
      const { title, text, drops, examples } = model.get("empty");
      const box = make(parent, "div", "kandi-empty");
      make(box, "h2", "", { textContent: title });
      if (text) make(box, "p", "", { textContent: text });
      if (drops) fileButton(box, translate("Choose a file"), translate("Choose a file: {label}", { label: title }), (file) => upload(file, "stage"));
      const list = make(box, "div", "kandi-examples");
      for (const [prompt, source] of examples ?? []) {
        const one = make(list, "button", "kandi-example", { type: "button", title: translate("draw “{prompt}”", { prompt }) });
        if (source) make(one, "img", "", { src: source, alt: "" });
        make(one, "span", "", { textContent: prompt });
        one.onclick = () => tell({ kind: "example", value: prompt });
      }
    };

    const draw = () => {
      const focused = root.contains(document.activeElement) ? document.activeElement.dataset?.act ?? (canvas.contains(document.activeElement) ? "canvas" : null) : null;
      const mode = model.get("mode");
      canvas.replaceChildren();
      top.replaceChildren();
      const paints = ["paint", "frame", "mix"].includes(mode);
      const running = Boolean(preview) || model.get("running");
      canvas.hidden = paints && !running;
      root.dataset.mode = mode;
      if (running) {
        if (preview) {
          const { image } = frameOf(canvas, preview, translate("the picture, unfinished"), model.get("preview_size"));
          image.classList.add("kandi-unfinished");
        } else if (addresses.length && !paints) {
          const size = shown()[now()].size;
          frameOf(canvas, addresses[now()], translate("the picture before"), size).image.classList.add("kandi-unfinished");
        } else if (!paints) make(canvas, "div", "kandi-empty", { textContent: translate("Drawing …") });
        else canvas.hidden = true;
      } else if (mode === "empty") empty(canvas);
      else if (mode === "grid") {
        const grid = make(canvas, "div", "kandi-grid");
        addresses.forEach((address, n) => {
          const one = make(grid, "button", "kandi-cell", { type: "button", title: shown()[n].label });
          make(one, "img", "", { src: address, alt: shown()[n].label });
          if (shown()[n].name) make(one, "span", "", { textContent: shown()[n].name });
          one.onclick = () => tell({ kind: "show", value: n });
        });
      } else if (mode === "view" && addresses.length) {
        const { size, label } = shown()[now()];
        if (before && (compares || held)) drawCompare(canvas, size);
        else {
          const { image, frame } = frameOf(canvas, addresses[now()], label, size);
          image.onclick = enlarge;
          frame.title = translate("a click: alone on the screen");
        }
      }
      drawUnder(running);
      drawAsk();
      drawCode(running);
      layOut();
      if (focused === "canvas") canvas.focus({ preventScroll: true });
      else if (focused) root.querySelector(`[data-act="${focused}"]`)?.focus({ preventScroll: true });
    };

    // --- what can be done with it ---

    const act = (parent, name, text, call, words = {}) => {
      const one = button(parent, text, call, words);
      one.dataset.act = name;
      return one;
    };

    const drawUnder = (running) => {
      under.replaceChildren();
      const mode = model.get("mode");
      const single = mode === "view" || mode === "mix";
      const drawn = single || mode === "grid";
      const many = addresses.length > 1;
      if (model.get("back")) act(top, "back", model.get("back"), () => tell({ kind: "back" }));
      if (mode === "view" && model.get("several")) act(top, "all", translate("All pictures of this run"), () => tell({ kind: "all" }));
      if (running || !drawn || !addresses.length) return;
      if (mode === "view" && before)
        act(under, "compare", translate("Before ⇆ after"), () => {
          compares = !compares;
          draw();
        }, { ariaPressed: String(compares), title: translate("a slider between the two; hold C to see the one before") });
      if (single && shown()[now()].file)
        act(under, "download", translate("Download"), () => saveFile(model.get("pictures")[now()], shown()[now()].file, "image/png"), {
          title: translate("a PNG with its settings inside: dropped here again, they come back"),
        });
      if (mode === "grid" && many && shown()[0].file)
        act(under, "download", translate("Download all"), () =>
          addresses.forEach((_, n) => saveFile(model.get("pictures")[n], shown()[n].file, "image/png")),
        );
      if (model.get("code"))
        act(under, "code", translate("Copy as code"), async () => {
          const done = await copied(model.get("code"), root);
          say(done ? translate("The code is on the clipboard.") : translate("Mark the code and copy it."), !done);
          code.hidden = false;
        }, { title: translate("Python that draws this picture again") });
      if (model.get("keeps")) act(under, "keep", translate("Keep below"), () => tell({ kind: "keep" }), { title: translate("put the pictures below the cell, where they are saved with the notebook") });
      if (model.get("saves")) act(under, "save", model.get("saves"), () => tell({ kind: "save" }), { title: translate("write the pictures with their settings inside") });
      const onward = model.get("onward");
      if (onward.length && single) {
        make(under, "span", "kandi-aside", { textContent: translate("Go on:") });
        for (const [name, title] of onward)
          act(under, `go-${name}`, title, () => tell({ kind: "go", value: name }), { title: translate("go on with this picture: {title}", { title }) });
      }
      if (mode === "view") make(under, "span", "kandi-facts kandi-aside");
      if (model.get("proof")) make(under, "p", "kandi-proof", { textContent: model.get("proof") });
    };

    const drawAsk = () => {
      const question = model.get("ask");
      if (!question) return;
      const box = make(top, "div", "kandi-ask", { role: "alertdialog", ariaLabel: question });
      make(box, "span", "", { textContent: question });
      for (const [value, text] of [["start", translate("Start from it")], ["settings", translate("Take its settings")], ["", translate("Neither")]])
        act(box, `ask-${value}`, text, () => tell({ kind: "answer", value }));
      if (!root.contains(document.activeElement)) return;
      box.querySelector("button").focus();
    };

    const drawCode = (running) => {
      const text = model.get("code");
      if (!text || running) code.hidden = true;
      code.replaceChildren();
      if (text) make(code, "pre", "", { textContent: text, tabIndex: 0, role: "region", ariaLabel: translate("Code of this picture") });
    };

    // --- alone on the screen ---

    const enlarge = () => {
      const dialog = make(root, "dialog", "kandi-lightbox", { ariaLabel: translate("The picture, alone") });
      const image = make(dialog, "img", "", { src: addresses[now()], alt: shown()[now()].label });
      button(dialog, translate("Close"), () => dialog.close());
      const size = () => {
        const [width, height] = shown()[now()].size;
        const scale = Math.min((innerWidth * 0.94) / width, (innerHeight * 0.88) / height);
        image.style.width = `${width * scale}px`;
        image.classList.toggle("kandi-pixels", scale >= 1.5);
        image.src = addresses[now()];
        image.alt = shown()[now()].label;
      };
      size();
      const again = () => setTimeout(size);
      model.on("change:pictures", again);
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      dialog.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (by) tell({ kind: "step", value: by });
        event.stopPropagation();
      });
      dialog.addEventListener("close", () => {
        model.off("change:pictures", again);
        dialog.remove();
        canvas.focus({ preventScroll: true });
      });
      dialog.showModal();
    };

    canvas.addEventListener("keydown", (event) => {
      if (event.target.matches("input")) return;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) tell({ kind: "step", value: by });
      else if (event.key === "Enter" && event.target === canvas && !event.ctrlKey && !event.metaKey && model.get("mode") === "view") enlarge();
      else if (event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey && before && !held) {
        held = true;
        draw();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const letGo = (event) => {
      if (!held || (event.key && event.key.toLowerCase() !== "c")) return;
      held = false;
      draw();
    };
    document.addEventListener("keyup", letGo);
    off.push(() => document.removeEventListener("keyup", letGo));

    takesDrops(root, {
      file: (file) => upload(file, "stage"),
      number: (number) => tell({ kind: "use", name: "stage", number }),
    });

    // --- what the kernel tells ---

    const readPictures = () => {
      free(addresses);
      addresses = model.get("pictures").map((data) => url(data));
      code.hidden = true;
      draw();
    };
    const readBefore = () => {
      free([before]);
      const data = model.get("before");
      before = data?.byteLength ? url(data) : "";
      draw();
    };
    const readPreview = () => {
      free([preview]);
      const data = model.get("preview");
      preview = data?.byteLength ? url(data) : "";
      draw();
    };
    on("change:pictures", readPictures);
    on("change:before", readBefore);
    on("change:preview", readPreview);
    for (const trait of ["mode", "index", "empty", "onward", "proof", "code", "ask", "back", "running", "saves", "several", "shown"])
      on(`change:${trait}`, draw);
    on("change:note", () => say(...model.get("note")));
    addresses = model.get("pictures").map((data) => url(data));
    readBefore();
    readPreview();
    off.push(() => free([...addresses, before, preview]));
    return end;
  },
};
