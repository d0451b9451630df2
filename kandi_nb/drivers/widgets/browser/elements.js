// What every widget shares: elements, listeners that are let go together, pictures, widths.

// Keep Lab's own keys away: in command mode "d d" deletes the cell, whatever in it has the focus.
// Lab asks the focused element first, so each gets the mark when the focus comes to it.
function quiet(root) {
  root.dataset.lmSuppressShortcuts = "true";
  root.addEventListener("focusin", (event) => {
    event.target.dataset.lmSuppressShortcuts = "true";
  });
}

function make(parent, kind, classes = "", words = {}) {
  const element = document.createElement(kind);
  if (classes) element.className = classes;
  for (const [name, value] of Object.entries(words)) {
    if (name.includes("-") || name === "role" || name === "for" || name === "lang")
      element.setAttribute(name, value);
    else element[name] = value;
  }
  parent?.append(element);
  return element;
}

function button(parent, text, act, words = {}) {
  return make(parent, "button", "kandi-button", { type: "button", textContent: text, onclick: act, ...words });
}

// Listeners of a model that are let go together.
function listening(model) {
  const off = [];
  const on = (name, call) => {
    model.on(name, call);
    off.push(() => model.off(name, call));
  };
  return { on, off, end: () => off.splice(0).forEach((undo) => undo()) };
}

// A dead kernel is said where the controls are, not left to be found out.
function whenGone(on, el, call) {
  on("comm_live_update", () =>
    setTimeout(() => el.closest(".jupyter-widgets-disconnected") && call(), 50),
  );
}

// Show bytes in an image, in the place of those before; `end` lets them go.
function showsBytes(image) {
  let address = "";
  const end = () => {
    if (address) URL.revokeObjectURL(address);
    address = "";
  };
  const show = (data) => {
    const before = address;
    image.src = address = URL.createObjectURL(new Blob([data]));
    if (before) URL.revokeObjectURL(before);
  };
  return { show, end };
}

// Call with the width of an element whenever it becomes another one; return what ends it.
function onWidth(root, call) {
  let width = 0;
  const watcher = new ResizeObserver(() => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    call(width);
  });
  watcher.observe(root);
  return () => watcher.disconnect();
}

// The words of a part in the reader's language: English where nobody has translated them yet.
function translator(model, el) {
  const { language = "en", messages = {} } = model.get("translation") ?? {};
  el.lang = language;
  setTimeout(() => el.closest(".kandi-outer")?.setAttribute("lang", language));
  return (text, values = {}) =>
    (messages[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
