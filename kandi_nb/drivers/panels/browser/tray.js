// A tray: a place to drop, paste or choose a picture, a strip of pictures to pick from, and a
// button that copies code. It fetches nothing: all that it shows comes from the kernel.

const WAIT = 8000; // milliseconds until a kernel that does not answer is said to be gone
const PIECE = 1 << 20; // bytes a message: servers cut connections above some ten million
const GONE =
  "The kernel does not answer: it is busy, or gone. If it was restarted, run this cell again.";
const RESTARTED = "The kernel was restarted: run this cell again for a panel that works.";

export default {
  render({ model, el }) {
    const off = [];
    const tray = make(el, "div", "kandi-tray");
    const area = make(tray, "div", "kandi-area");
    const status = make(tray, "div", "kandi-status");
    const strip = make(tray, "div", "kandi-strip");
    const code = make(tray, "div", "kandi-code");
    const answers = new Map(); // id of an upload → what to do with the kernel's next answer
    let number = 0;

    // Lab's own keys would act on the cell below: "x" cuts it.
    tray.dataset.lmSuppressShortcuts = "true";
    status.setAttribute("role", "status");

    const on = (name, call) => {
      model.on(name, call);
      off.push(() => model.off(name, call));
    };
    const say = (text, wrong = false) => {
      status.textContent = text;
      status.classList.toggle("kandi-wrong", wrong);
    };

    // --- a file goes to the kernel in pieces, each of which it acknowledges ---

    on("msg:custom", (message) => answers.get(message.id)?.(message));

    const ask = (message, buffers) =>
      new Promise((done) => {
        const timer = setTimeout(() => done(null), WAIT);
        answers.set(message.id, (answer) => {
          clearTimeout(timer);
          done(answer);
        });
        model.send(message, undefined, buffers);
      });

    const send = async (file) => {
      const fault = await faultOf(file, model.get("most_bytes"), model.get("most_side"));
      if (fault) return say(fault, true);
      const id = `${Date.now()}-${++number}`;
      say(`sending ${file.name} …`);
      let answer = await ask({ kind: "begin", id, name: file.name, size: file.size });
      for (let at = 0; answer?.kind === "next" && at < file.size; at += PIECE) {
        const piece = await file.slice(at, at + PIECE).arrayBuffer();
        answer = await ask({ kind: "piece", id }, [piece]);
      }
      if (answer?.kind === "next") answer = await ask({ kind: "end", id });
      answers.delete(id);
      if (answer === null) say(GONE, true);
      else say(answer.text, answer.kind === "refused");
    };

    const take = (event, items) => {
      const file = [...(items?.files ?? [])][0];
      if (!file) {
        if (event.type === "paste") say("There is no picture on the clipboard.", true);
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      send(file);
    };

    // --- where it is dropped, pasted or chosen ---

    const hint = make(area, "span", "kandi-hint");
    const choose = make(area, "button", "jupyter-button kandi-choose");
    const input = make(area, "input", "");
    const shown = make(area, "img", "kandi-shown");
    const remove = make(area, "button", "jupyter-button kandi-remove");
    choose.type = remove.type = "button";
    choose.textContent = "Choose a file";
    remove.textContent = "Remove";
    input.type = "file";
    input.accept = "image/*";
    input.hidden = true;
    area.tabIndex = 0;
    area.setAttribute("role", "group");
    choose.onclick = () => input.click();
    remove.onclick = () => model.send({ kind: "remove" });
    input.onchange = () => {
      if (input.files[0]) send(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    };
    area.addEventListener("paste", (event) => take(event, event.clipboardData));
    tray.addEventListener("dragover", (event) => {
      if (!model.get("takes_files")) return;
      event.preventDefault();
      event.stopPropagation();
      area.classList.add("kandi-over");
    });
    tray.addEventListener("dragleave", () => area.classList.remove("kandi-over"));
    tray.addEventListener("drop", (event) => {
      area.classList.remove("kandi-over");
      if (model.get("takes_files")) take(event, event.dataTransfer);
    });

    const drawArea = () => {
      const label = model.get("label");
      const source = model.get("shown");
      area.hidden = !model.get("takes_files");
      area.setAttribute("aria-label", `${label}: drop or paste a picture here`);
      choose.setAttribute("aria-label", `Choose a file: ${label}`);
      remove.setAttribute("aria-label", `Remove ${label}`);
      hint.textContent = model.get("hint");
      shown.hidden = remove.hidden = !source;
      if (source) shown.src = source;
      shown.alt = label;
    };

    // --- pictures to pick from ---

    const drawStrip = () => {
      const held = strip.contains(document.activeElement)
        ? document.activeElement.dataset.number
        : null;
      strip.replaceChildren();
      for (const { number, label, source } of model.get("pictures")) {
        const button = make(strip, "button", "kandi-picture");
        const picture = make(button, "img", "");
        const chosen = number === model.get("chosen");
        button.type = "button";
        button.dataset.number = number;
        button.title = label;
        button.setAttribute("aria-pressed", String(chosen));
        picture.src = source;
        picture.alt = label;
        button.onclick = () => model.send({ kind: "pick", number });
        if (String(number) === held) button.focus();
      }
      strip.hidden = !strip.children.length;
    };

    // --- the code of the picture that is shown ---

    const copy = make(code, "button", "jupyter-button");
    const text = make(code, "pre", "");
    copy.type = "button";
    copy.textContent = "Copy as cell";
    text.tabIndex = 0;
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", "Code of this picture");
    copy.onclick = async () => {
      const done = await copied(model.get("code"), code);
      say(done ? "The code is on the clipboard." : "Mark the code and copy it.", !done);
    };
    const drawCode = () => {
      code.hidden = !model.get("code");
      text.textContent = model.get("code");
    };

    const drawNote = () => say(model.get("note"), model.get("wrong"));
    const draws = {
      label: drawArea, hint: drawArea, shown: drawArea, takes_files: drawArea,
      pictures: drawStrip, chosen: drawStrip, code: drawCode, note: drawNote, wrong: drawNote,
    };
    for (const [name, draw] of Object.entries(draws)) on(`change:${name}`, draw);
    for (const draw of new Set(Object.values(draws))) draw();
    on("comm_live_update", () =>
      setTimeout(() => el.closest(".jupyter-widgets-disconnected") && say(RESTARTED, true)),
    );
    off.push(nameSliders(el));
    return () => off.forEach((undo) => undo());
  },
};

function make(parent, kind, classes) {
  const element = document.createElement(kind);
  element.className = classes;
  parent.append(element);
  return element;
}

// What is too large need not travel first. What the browser cannot read, the kernel may.
async function faultOf(file, mostBytes, mostSide) {
  const size = (bytes) => (bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 0 });
  if (file.size > mostBytes) {
    const most = `at most ${size(mostBytes)} are taken`;
    return `${file.name} has ${size(file.size)} MB, ${most}; make it smaller first`;
  }
  const address = URL.createObjectURL(file);
  try {
    const { naturalWidth: width, naturalHeight: height } = await read(address);
    if (Math.max(width, height) > mostSide) {
      const most = `at most ${mostSide.toLocaleString("en")} a side are taken`;
      const sides = `${width.toLocaleString("en")} × ${height.toLocaleString("en")} pixels`;
      return `${file.name} has ${sides}, ${most}; make it smaller first`;
    }
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
  return null;
}

function read(address) {
  return new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = failed;
    image.src = address;
  });
}

async function copied(text, parent) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that do not come from this machine by https have no such clipboard.
    const area = make(parent, "textarea", "");
    area.value = text;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// Sliders of ipywidgets 8.1, and the numbers beside them, have no name for those who listen to the
// page instead of seeing it.
function nameSliders(el) {
  const root = () => el.closest(".kandi-panel");
  const name = () => {
    for (const slider of root()?.querySelectorAll(".widget-slider") ?? []) {
      const label = slider.querySelector(".widget-label")?.textContent;
      const unnamed = ".noUi-handle:not([aria-label]), input[type=number]:not([aria-label])";
      for (const part of slider.parentElement.querySelectorAll(unnamed))
        if (label) part.setAttribute("aria-label", label);
    }
  };
  const watcher = new MutationObserver(name);
  const begin = setTimeout(() => {
    name();
    if (root()) watcher.observe(root(), { childList: true, subtree: true });
  });
  return () => {
    clearTimeout(begin);
    watcher.disconnect();
  };
}
