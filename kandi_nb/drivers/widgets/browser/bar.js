// The head of the studio: tabs, which the kernel fills when they are first opened, and a tour
// that a visitor sees once. It fetches nothing.

const PATIENCE = 8000; // milliseconds that a tab may take until it is asked for again
const SEEN = "kandi_nb.studio.tour"; // in the browser's own storage: no cookie, sent to nobody

export default {
  render({ model, el }) {
    const { on, off, end: letGo } = listening(model);
    const page = "voila" in document.body.dataset; // a page of its own
    const bar = make(el, "div", "kandi-head");
    make(bar, page ? "h1" : "strong", "kandi-title", { textContent: "Kandinsky studio" });
    const list = make(bar, "div", "kandi-tabs");
    const info = make(bar, "span", "kandi-info");
    make(info, "span", "kandi-dot", { "aria-hidden": "true" });
    const facts = make(info, "span");
    const ask = button(bar, "? Keys", () => {});
    ask.classList.add("kandi-keys-button");
    const status = make(el, "div", "kandi-says");
    const tour = make(el, "section", "kandi-tour");
    const studio = () => el.closest(".kandi-studio") ?? document;

    quiet(bar);
    // --- tabs ---

    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "What to do");
    status.setAttribute("role", "status");

    const names = () => model.get("tabs").map(([name]) => name);
    const open = (name) => {
      model.set("wanted", name);
      model.save_changes();
      drawTabs();
      askAgain();
    };
    // What was lost between page and kernel is said once more.
    let asking = 0;
    const askAgain = () => {
      clearTimeout(asking);
      if (model.get("wanted") === model.get("shown")) return;
      asking = setTimeout(() => {
        model.send({ kind: "open", name: model.get("wanted") });
        askAgain();
      }, PATIENCE);
    };
    off.push(() => clearTimeout(asking));

    // On a page of its own each tab has an address, and Back and Forward go between them.
    const byAddress = () => {
      const name = location.hash.slice(1);
      if (names().includes(name) && name !== model.get("wanted")) open(name);
    };
    if (page) {
      addEventListener("popstate", byAddress);
      off.push(() => removeEventListener("popstate", byAddress));
    }
    const address = () => {
      const name = model.get("wanted");
      if (!page || !name || location.hash === `#${name}`) return;
      if (location.hash) history.pushState(null, "", `#${name}`);
      else history.replaceState(null, "", `#${name}`);
    };

    // On a phone the row of tabs is wider than the page.
    const reveal = () => page &&
      list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const drawTabs = () => {
      const held = list.contains(document.activeElement)
        ? document.activeElement.dataset.name
        : null;
      const wanted = model.get("wanted");
      list.replaceChildren();
      for (const [name, title] of model.get("tabs")) {
        const tab = make(list, "a", "kandi-tab-button");
        tab.href = `#${name}`;
        tab.id = unique("tab");
        tab.dataset.name = name;
        tab.textContent = name === "gallery" && model.get("count") ? `${title} ${model.get("count")}` : title;
        tab.setAttribute("role", "tab");
        tab.setAttribute("aria-selected", String(name === wanted));
        tab.tabIndex = name === wanted ? 0 : -1;
        tab.onclick = (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another page
          event.preventDefault();
          open(name);
        };
        if (name === held) tab.focus();
      }
      reveal();
      facts.textContent = `${model.get("facts")}${page ? " · this session is yours alone" : ""}`;
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

    window.addEventListener("resize", reveal);
    off.push(() => window.removeEventListener("resize", reveal));
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
    list.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      document.activeElement.click();
    });

    // --- the tour ---

    let step = -1; // of the tour; -1: it is not shown
    let asked = false; // somebody wants to know the keys, too
    tour.setAttribute("aria-label", "Guided tour");
    tour.tabIndex = -1;
    const title = make(tour, "h2", "");
    const text = make(tour, "p", "");
    const keys = make(tour, "dl");
    for (const [key, does] of model.get("shortcuts")) {
      make(keys, "dt", "", { textContent: key });
      make(keys, "dd", "", { textContent: does });
    }
    const row = make(tour, "div", "kandi-tour-row");
    const [back, next, close] = ["Back", "Next", "Close the tour"].map((word) => {
      return button(row, word, () => {});
    });
    ask.title = "keys, and what is where in five steps";
    ask.ariaLabel = "Keys and tour";

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
      keys.hidden = step !== 0 || !asked;
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
      asked = true;
      drawTour();
      tour.focus();
    };
    tour.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      end();
    });

    if (model.get("touring") && !seen()) step = 0;
    on("change:wanted", () => {
      drawTabs();
      address();
    });
    on("change:tabs", drawTabs);
    on("change:count", drawTabs);
    on("change:facts", drawTabs);
    // What had the focus may have gone with its tab: then it is on the one that was opened.
    const keepFocus = () => {
      const focused = document.activeElement;
      if (focused && focused !== document.body && focused.getClientRects().length) return;
      list.querySelector("[aria-selected=true]")?.focus({ preventScroll: true });
    };
    on("change:shown", () => {
      tell();
      drawTour();
      const looking = setTimeout(keepFocus, 50);
      off.push(() => clearTimeout(looking));
    });
    on("change:fault", tell);
    drawTabs();
    if (page && location.hash) byAddress();
    address();
    drawTour();
    // The first tab comes to the page a little later than its head.
    const later = setTimeout(() => {
      tell();
      drawTour();
    }, 1000);
    return () => {
      clearTimeout(later);
      letGo();
    };
  },
};

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
