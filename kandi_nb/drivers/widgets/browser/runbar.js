// Run and Stop, always in sight, how far it is, and what became of it.

export default {
  render({ model, el }) {
    const { on, off, end } = listening(model);
    const translate = translator(model, el);
    const root = make(el, "section", "kandi-runbar", { ariaLabel: translate("Run") });
    quiet(root);
    const said = make(root, "div", "kandi-messages");
    const track = make(root, "div", "kandi-track", { role: "progressbar", ariaLabel: translate("Progress"), "aria-valuemin": 0 });
    const bar = make(track, "div", "kandi-bar-done");
    const words = make(root, "div", "kandi-words-left", { role: "status" });
    const why = make(root, "div", "kandi-note kandi-why-not", { id: unique("why") });
    const line = make(root, "div", "kandi-line");
    const run = make(line, "button", "kandi-run", { type: "button", onclick: () => start() });
    const name = make(run, "span");
    make(run, "small", "", { textContent: "Ctrl ⏎", "aria-hidden": "true" });
    const stop = button(line, translate("Stop"), () => halt(), { title: translate("stop; nothing else is lost (Esc)") });
    stop.classList.add("kandi-stop");
    let dead = false;

    const panel = () => el.closest(".kandi-panel");
    const free = () => !dead && !model.get("running") && !model.get("reason");
    const start = () => {
      if (!free()) return;
      panel()?.querySelector(".kandi-rail")?.dispatchEvent(new Event("kandi-flush"));
      model.send({ kind: "run" });
    };
    const halt = () => model.get("running") && model.send({ kind: "stop" });

    // Keys count wherever the focus is in the panel, and on a page of its own anywhere.
    const keys = (event) => {
      const here = panel();
      if (!here?.getClientRects().length) return;
      const inside = "voila" in document.body.dataset || here.contains(event.target);
      if (!inside || document.querySelector("dialog[open]")) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        event.stopPropagation();
        start();
      } else if (event.key === "Escape" && model.get("running") && !event.defaultPrevented) halt();
    };
    document.addEventListener("keydown", keys, true);
    off.push(() => document.removeEventListener("keydown", keys, true));

    const draw = () => {
      const running = model.get("running");
      const total = Math.max(1, model.get("total"));
      const reason = model.get("reason");
      if (name.textContent !== model.get("action")) name.textContent = model.get("action");
      // Not "disabled": the focus would fall to nothing.
      run.setAttribute("aria-disabled", String(!free()));
      stop.setAttribute("aria-disabled", String(!running || dead));
      run.title = reason || translate("draw with these settings");
      const missing = running ? "" : reason;
      if (why.textContent !== missing) why.textContent = missing;
      if (missing) run.setAttribute("aria-describedby", why.id);
      else run.removeAttribute("aria-describedby");
      track.classList.toggle("kandi-idle", !running);
      track.setAttribute("aria-valuemax", total);
      track.setAttribute("aria-valuenow", running ? model.get("done") : 0);
      bar.style.width = running ? `${(100 * model.get("done")) / total}%` : "0";
      const now = running ? model.get("words") : "";
      if (words.textContent !== now) words.textContent = now;
      const text = JSON.stringify(model.get("said"));
      if (said.dataset.text !== text) {
        said.dataset.text = text;
        said.replaceChildren();
        for (const [kind, line] of model.get("said"))
          make(said, "div", kind === "bad" ? "kandi-wrong" : "kandi-note", {
            textContent: line, role: kind === "bad" ? "alert" : "note",
          });
      }
      panel()?.classList.toggle("kandi-running", running);
    };
    for (const trait of ["action", "reason", "running", "done", "total", "words", "said"]) on(`change:${trait}`, draw);
    whenGone(on, el, () => {
      dead = true;
      draw();
      said.replaceChildren();
      make(said, "div", "kandi-wrong", { role: "alert", textContent: translate("The kernel was restarted: run this cell again for controls that work.") });
    });
    draw();
    const later = setTimeout(() => panel() && (panel().dataset.lmSuppressShortcuts = "true"));
    off.push(() => clearTimeout(later));
    return end;
  },
};
