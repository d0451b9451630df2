// The head of the studio: tabs, which the kernel fills when they are first opened, and a tour
// that a visitor sees once. It fetches nothing.

const SEEN = "kandi_nb.studio.tour"; // in the browser's own storage: no cookie, sent to nobody

export default {
  render({ model, el }) {
    const off = [];
    const bar = make(el, "div", "kandi-head");
    const list = make(bar, "div", "kandi-tabs");
    const ask = make(bar, "button", "jupyter-button kandi-ask");
    const status = make(el, "div", "kandi-status");
    const tour = make(el, "section", "kandi-tour");
    const studio = () => el.closest(".kandi-studio") ?? document;

    bar.dataset.lmSuppressShortcuts = "true"; // Lab's keys would act on the cell below
    const on = (name, call) => {
      model.on(name, call);
      off.push(() => model.off(name, call));
    };

    // --- tabs ---

    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "What to do");
    status.setAttribute("role", "status");

    const open = (name) => {
      model.set("wanted", name);
      model.save_changes();
      drawTabs();
    };

    const drawTabs = () => {
      const held = list.contains(document.activeElement)
        ? document.activeElement.dataset.name
        : null;
      const wanted = model.get("wanted");
      list.replaceChildren();
      for (const [name, title] of model.get("tabs")) {
        const tab = make(list, "button", "kandi-tab-button");
        tab.type = "button";
        tab.id = `kandi-tab-${model.model_id ?? ""}${name}`;
        tab.dataset.name = name;
        tab.textContent = title;
        tab.setAttribute("role", "tab");
        tab.setAttribute("aria-selected", String(name === wanted));
        tab.tabIndex = name === wanted ? 0 : -1;
        tab.onclick = () => open(name);
        if (name === held) tab.focus();
      }
      tell();
    };

    const tell = () => {
      const [wanted, shown] = [model.get("wanted"), model.get("shown")];
      const fault = model.get("fault");
      const title = Object.fromEntries(model.get("tabs"))[wanted] ?? "";
      status.textContent = fault || (wanted === shown ? "" : `${title} is being opened …`);
      status.classList.toggle("kandi-wrong", Boolean(fault));
      for (const panel of studio().querySelectorAll(".kandi-tab")) {
        panel.setAttribute("role", "tabpanel");
        const name = [...panel.classList].find((word) => word.startsWith("kandi-tab-"));
        panel.setAttribute("aria-label", Object.fromEntries(model.get("tabs"))[name?.slice(10)] ?? "");
      }
    };

    list.addEventListener("keydown", (event) => {
      const tabs = [...list.children];
      const at = tabs.indexOf(document.activeElement);
      const to = {
        ArrowRight: (at + 1) % tabs.length,
        ArrowLeft: (at - 1 + tabs.length) % tabs.length,
        Home: 0,
        End: tabs.length - 1,
      }[event.key];
      if (to === undefined || at < 0) return;
      event.preventDefault();
      event.stopPropagation();
      tabs[to].focus();
    });

    // --- the tour ---

    let step = -1; // of the tour; -1: it is not shown
    tour.setAttribute("aria-label", "Guided tour");
    tour.tabIndex = -1;
    const title = make(tour, "h2", "");
    const text = make(tour, "p", "");
    const row = make(tour, "div", "kandi-tour-row");
    const [back, next, close] = ["Back", "Next", "Close the tour"].map((word) => {
      const button = make(row, "button", "jupyter-button");
      button.type = "button";
      button.textContent = word;
      return button;
    });
    ask.type = "button";
    ask.textContent = "Tour";
    ask.title = "what is where, in five steps";

    const drawTour = () => {
      const steps = model.get("tour");
      for (const marked of studio().querySelectorAll(".kandi-toured")) {
        marked.classList.remove("kandi-toured");
      }
      tour.hidden = step < 0;
      ask.setAttribute("aria-expanded", String(step >= 0));
      if (step < 0) return;
      const [head, body, place] = steps[step];
      title.textContent = `${step + 1} of ${steps.length}: ${head}`;
      text.textContent = body;
      back.disabled = step === 0;
      next.textContent = step + 1 < steps.length ? "Next" : "Done";
      studio().querySelector(place)?.classList.add("kandi-toured");
    };

    const end = () => {
      const inside = tour.contains(document.activeElement);
      step = -1;
      remember();
      drawTour();
      if (inside) ask.focus();
    };
    back.onclick = () => {
      step = Math.max(0, step - 1);
      drawTour();
    };
    next.onclick = () => {
      if (step + 1 === model.get("tour").length) return end();
      step += 1;
      drawTour();
    };
    close.onclick = end;
    ask.onclick = () => {
      if (step >= 0) return end();
      step = 0;
      drawTour();
      tour.focus();
    };
    tour.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      end();
    });

    if (model.get("touring") && !seen()) step = 0;
    on("change:wanted", drawTabs);
    on("change:tabs", drawTabs);
    on("change:shown", () => {
      tell();
      drawTour();
    });
    on("change:fault", tell);
    drawTabs();
    drawTour();
    // The first tab comes to the page a little later than its head.
    const later = setTimeout(() => {
      tell();
      drawTour();
    }, 1000);
    return () => {
      clearTimeout(later);
      off.forEach((call) => call());
    };
  },
};

function make(parent, kind, name) {
  const made = document.createElement(kind);
  made.className = name;
  parent.append(made);
  return made;
}

// A browser that keeps nothing shows the tour again: better than none at all.
function seen() {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}

function remember() {
  try {
    localStorage.setItem(SEEN, "seen");
  } catch {
    // a private window
  }
}
