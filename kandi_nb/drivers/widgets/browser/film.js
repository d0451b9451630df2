// The film: the pictures of a session, newest first, to look at, to drag and to keep.

export default {
  render({ model, el }) {
    const { on, off, end } = listening(model);
    const translate = translator(model, el);
    const root = make(el, "section", "kandi-film");
    quiet(root);
    const head = make(root, "div", "kandi-film-head");
    const title = make(head, "span", "kandi-aside");
    const zip = button(head, translate("Download all"), () => model.send({ kind: "zip" }), { title: translate("every picture in one ZIP file, each with its settings inside") });
    const list = make(root, "div", "kandi-film-list", { role: "group" });
    let known = new Map(); // number → its element

    const one = (entry) => {
      const box = make(null, "div", "kandi-film-one");
      const pick = make(box, "button", "kandi-picture", { type: "button" });
      const image = make(pick, "img", "");
      const tools = make(box, "div", "kandi-film-tools");
      const star = make(tools, "button", "kandi-small", { type: "button", onclick: () => model.send({ kind: "star", number: entry.number }) });
      icon(star, "star");
      const bin = make(tools, "button", "kandi-small", { type: "button", onclick: () => model.send({ kind: "delete", number: entry.number }) });
      icon(bin, "bin");
      pick.onclick = () => model.send({ kind: "pick", number: entry.number });
      pick.addEventListener("keydown", (event) => {
        const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
        const all = [...list.querySelectorAll(".kandi-picture")];
        const next = all[all.indexOf(pick) + by];
        if (!by || !next) return;
        next.focus();
        event.preventDefault();
        event.stopPropagation();
      });
      box.draggable = true;
      box.addEventListener("dragstart", (event) => {
        event.dataTransfer.setData(DRAGGED, String(entry.number));
        event.dataTransfer.effectAllowed = "copy";
      });
      return { box, pick, image, star, bin };
    };

    const draw = () => {
      const entries = model.get("entries");
      const chosen = model.get("chosen");
      const next = new Map();
      entries.forEach((entry, n) => {
        const made = known.get(entry.number) ?? one(entry);
        next.set(entry.number, made);
        if (made.image.src !== entry.source) made.image.src = entry.source;
        made.image.alt = entry.label;
        made.pick.title = entry.label;
        made.pick.setAttribute("aria-pressed", String(entry.number === chosen));
        made.star.hidden = made.bin.hidden = !model.get("tools");
        made.star.setAttribute("aria-pressed", String(Boolean(entry.star)));
        made.star.ariaLabel = translate("Star: {label}", entry);
        made.bin.ariaLabel = translate("Delete: {label}", entry);
        if (list.children[n] !== made.box) list.insertBefore(made.box, list.children[n] ?? null);
      });
      for (const [number, { box }] of known)
        if (!next.has(number)) {
          const at = [...list.children].indexOf(box);
          const held = box.contains(document.activeElement);
          box.remove();
          if (held) (list.children[Math.min(at, list.children.length - 1)]?.querySelector(".kandi-picture") ?? root).focus();
        }
      known = next;
      title.textContent = model.get("title");
      list.ariaLabel = model.get("title") || translate("Pictures");
      zip.hidden = !model.get("zips") || !entries.length;
      root.dataset.layout = model.get("layout_name");
      root.hidden = !entries.length && model.get("layout_name") !== "grid";
    };
    root.tabIndex = -1;
    on("msg:custom", (message, buffers) => {
      if (message.kind === "zip") saveFile(buffers[0], message.name, "application/zip");
    });
    for (const trait of ["entries", "chosen", "title", "layout_name", "zips"]) on(`change:${trait}`, draw);
    draw();
    return end;
  },
};
