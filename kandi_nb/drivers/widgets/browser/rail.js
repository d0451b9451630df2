// The rail: what is asked for. The kernel says what there is to set; what is done here is sent,
// and what comes of it comes back.

const TYPING = 150; // milliseconds that somebody may pause while typing
const PATIENCE = 4000; // milliseconds that a busy kernel may take to hear of it

export default {
  render({ model, el }) {
    const { on, off, end } = listening(model);
    const translate = translator(model, el);
    const root = make(el, "section", "kandi-rail", { ariaLabel: translate("Settings") });
    quiet(root);
    const form = () => model.get("form");
    const tell = (message) => model.send(message);
    const set = (name, value) => tell({ kind: "set", name, value });
    const most = () => ({ bytes: form().most_bytes, side: form().most_pixels });
    let heard = {}; // what the upload of an input says
    const send = uploader(model, on, () => {}, most, translate);
    const parts = new Map(); // key → {element, update}
    const id = () => unique("field");

    // --- one row: a label, what is set, and what is wrong with it ---

    const row = (parent, name, label, help) => {
      const box = make(parent, "div", "kandi-row");
      box.dataset.name = name;
      const head = make(box, "div", "kandi-label");
      const key = id();
      make(head, "label", "", { textContent: label, for: key, title: help });
      const aside = make(head, "span", "kandi-aside");
      const fault = make(null, "div", "kandi-wrong", { role: "alert", id: `${key}-wrong` });
      const complain = (text) => {
        if (fault.textContent !== (text ?? "")) fault.textContent = text ?? "";
        fault.hidden = !text;
        if (!fault.isConnected) box.append(fault);
        const control = box.querySelector(`#${key}`);
        if (!control) return;
        control.setAttribute("aria-invalid", String(Boolean(text)));
        if (text) control.setAttribute("aria-describedby", fault.id);
        else control.removeAttribute("aria-describedby");
      };
      return { box, key, aside, complain };
    };

    const typed = (input, name, wait = TYPING) => {
      let timer = 0;
      const now = () => {
        clearTimeout(timer);
        if (!timer) return;
        timer = 0;
        input.kandiSent = { value: input.value, at: Date.now() };
        set(name, input.value);
      };
      input.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(now, wait);
      });
      input.addEventListener("change", now);
      input.kandiFlush = now;
      input.kandiBusy = () => timer !== 0;
      off.push(() => clearTimeout(timer));
    };
    const show = (input, value) => {
      if (input.kandiBusy?.() || input.value === value || isEcho(input, value)) return;
      if (input === document.activeElement && input.value.trim() === value.trim()) return;
      input.value = value;
      speak(input);
    };
    // Words of other letters are read out as what they are.
    const speak = (input) => {
      input.lang = /[\u0400-\u04ff]/.test(input.value) ? "ru" : /[\u4e00-\u9fff]/.test(input.value) ? "zh" : "";
    };

    // What the kernel says of an earlier value, while somebody goes on, is no news.
    const isEcho = (input, value) =>
      input === document.activeElement && input.kandiSent !== undefined &&
      Date.now() - input.kandiSent.at < PATIENCE && String(input.kandiSent.value) !== String(value);

    // A choice of a few, one of which is set.
    const segments = (parent, key, label, act) => {
      const group = make(parent, "div", "kandi-segments", { role: "group", ariaLabel: label, id: key });
      let known = "";
      return (choices, value) => {
        const text = JSON.stringify(choices);
        if (text !== known) {
          const held = group.contains(document.activeElement) ? document.activeElement.dataset.value : null;
          group.replaceChildren();
          for (const [choice, word, title, picture] of choices) {
            const one = make(group, "button", "kandi-segment", { type: "button", title: title ?? "" });
            one.dataset.value = String(choice);
            if (picture) {
              icon(one, picture);
              one.ariaLabel = word;
            } else one.textContent = word;
            one.onclick = () => act(choice);
            if (one.dataset.value === held) one.focus();
          }
          known = text;
        }
        for (const one of group.children)
          one.setAttribute("aria-pressed", String(one.dataset.value === String(value)));
      };
    };

    const number = (parent, key, label, field) => {
      const input = make(parent, "input", "kandi-number", { type: "text", inputMode: "decimal", ariaLabel: label });
      if (key) input.id = key;
      typed(input, field, 700);
      return input;
    };

    const kinds = {
      text(parent, field) {
        const { box, key, complain } = row(parent, field.name, field.label, field.help);
        const input = make(box, "input", "kandi-text", { type: "text", id: key, placeholder: field.help });
        typed(input, field.name);
        return (now, wrong) => (wrong || show(input, now.value ?? ""), complain(wrong));
      },

      steps(parent, field) {
        const { box, key, aside, complain } = row(parent, field.name, field.label, field.help);
        const line = make(box, "div", "kandi-line");
        const draw = segments(line, "", field.label, (value) => set(field.name, value));
        const input = number(line, key, translate("{label}: steps", field), field.name);
        return (now, wrong) => {
          draw(now.choices, now.value);
          if (!wrong) show(input, String(now.value));
          aside.textContent = now.aside ?? "";
          complain(wrong);
        };
      },

      slider(parent, field) {
        const { box, key, complain } = row(parent, field.name, field.label, field.help);
        const line = make(box, "div", "kandi-line");
        const slider = make(line, "input", "kandi-range", { type: "range", id: key, title: field.help });
        const input = number(line, "", translate("{label}, as a number", field), field.name);
        let usual = null;
        let timer = 0;
        slider.oninput = () => {
          const value = Number(slider.value);
          input.value = slider.value;
          slider.kandiSent = { value, at: Date.now() };
          clearTimeout(timer);
          timer = setTimeout(slider.kandiFlush, 60);
        };
        slider.kandiFlush = () => {
          clearTimeout(timer);
          if (timer) set(field.name, Number(slider.value));
          timer = 0;
        };
        if (field.ends) {
          const ends = make(box, "div", "kandi-ends");
          for (const end of field.ends) make(ends, "span", "", { textContent: end });
        }
        if (field.optional) usual = button(line, translate("usual"), () => set(field.name, null), { title: translate("what suits this task") });
        return (now, wrong) => {
          Object.assign(slider, { min: now.low, max: Math.max(now.high, now.value ?? 0), step: now.step });
          const value = now.value ?? now.usual;
          if (isEcho(slider, value)) return complain(wrong);
          if (Number(slider.value) !== value) slider.value = value;
          if (!wrong) show(input, String(now.value ?? now.usual));
          usual?.setAttribute("aria-pressed", String(now.value === null));
          complain(wrong);
        };
      },

      segments(parent, field) {
        const { box, key, complain } = row(parent, field.name, field.label, field.help);
        const draw = segments(box, key, field.label, (value) => set(field.name, value));
        return (now, wrong) => (draw(now.choices, now.value), complain(wrong));
      },

      choice(parent, field) {
        const { box, key, complain } = row(parent, field.name, field.label, field.help);
        const list = make(box, "select", "kandi-select", { id: key });
        list.onchange = () => set(field.name, now.choices[list.selectedIndex][0]);
        let now = field;
        return (field, wrong) => {
          now = field;
          list.replaceChildren();
          now.choices.forEach(([value, text]) =>
            make(list, "option", "", { textContent: text, value: String(value), selected: value === now.value }),
          );
          complain(wrong);
        };
      },

      seed(parent, field) {
        const { box, key, complain } = row(parent, field.name, field.label, field.help);
        const line = make(box, "div", "kandi-line");
        const input = make(line, "input", "kandi-text", { type: "text", id: key, inputMode: "numeric" });
        typed(input, field.name, 700);
        const die = button(line, "", () => tell({ kind: "roll", name: field.name }), {
          title: translate("another seed: another picture"), 
          ariaLabel: field.name === "seed" ? translate("Another seed") : translate("Another one: {label}", field),
        });
        icon(die, "die");
        let lock = null;
        if (field.locks) {
          lock = button(line, "", () => set("locked", lock.ariaPressed !== "true"), { ariaLabel: translate("Keep this seed") });
        }
        let drawn = null;
        return (now, wrong) => {
          if (!wrong) show(input, now.value);
          if (lock && drawn !== now.locked) {
            drawn = now.locked;
            lock.replaceChildren();
            icon(lock, drawn ? "lock" : "open");
            lock.ariaPressed = String(drawn);
            lock.title = drawn ? translate("the seed stays: the same settings draw the same picture") : translate("each run takes another seed");
          }
          complain(wrong);
        };
      },

      prompt(parent, field) {
        const { box, key, aside, complain } = row(parent, field.name, field.label, field.help);
        const area = make(box, "textarea", "kandi-prompt", { id: key, rows: 3, placeholder: field.help });
        typed(area, field.name);
        let now = field;
        let at = -1; // how far back in the history
        area.addEventListener("input", () => speak(area));
        area.addEventListener("keydown", (event) => {
          if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
          const { history } = now;
          if (!history.length) return;
          at = Math.max(-1, Math.min(history.length - 1, at + (event.key === "ArrowUp" ? 1 : -1)));
          put(at < 0 ? "" : history[at]);
          event.preventDefault();
          event.stopPropagation();
        });
        const put = (text) => {
          area.value = text;
          speak(area);
          set(field.name, text);
        };
        const chips = make(box, "div", "kandi-chips");
        const advice = make(box, "div", "kandi-advice", { role: "note" });
        const words = make(box, "details", "kandi-words");
        make(words, "summary", "", { textContent: translate("Words it knows") });
        const groups = make(words, "div");
        const chip = (parent, text, act, title, lang) =>
          make(parent, "button", "kandi-chip", {
            type: "button", textContent: text, title, onclick: act, ...(lang ? { lang } : {}),
          });
        let drawn = "";
        return (field, wrong) => {
          now = field;
          show(area, field.value ?? "");
          aside.textContent = field.history.length ? translate("Alt ↑ earlier ones") : "";
          const text = JSON.stringify([field.chips, field.languages, field.words]);
          if (text !== drawn) {
            drawn = text;
            const held = chips.contains(document.activeElement) ? document.activeElement.textContent : null;
            chips.replaceChildren();
            for (const [word, added] of field.chips)
              chip(chips, word, () => put(`${area.value.trim()}${added}`), translate("add “{word}”", { word }));
            for (const [code, name] of field.languages)
              chip(chips, name, () => tell({ kind: "language", value: code }), translate("an example in {name}; again: another one", { name }), code);
            for (const each of chips.children) if (each.textContent === held) each.focus();
            groups.replaceChildren();
            for (const [what, list] of field.words) {
              const group = make(groups, "div", "kandi-chips", { role: "group", ariaLabel: what });
              make(group, "span", "kandi-aside", { textContent: what });
              for (const word of list) chip(group, word, () => put(`${area.value.trim()} ${word}`.trim()), translate("add “{word}”", { word }));
            }
            words.hidden = !field.words.length;
          }
          if (advice.textContent !== field.advice) advice.textContent = field.advice;
          advice.hidden = !field.advice;
          complain(wrong);
        };
      },

      picture(parent, field) {
        const box = make(parent, "div", "kandi-row kandi-input", { role: "group", ariaLabel: field.label });
        box.dataset.name = field.name;
        const head = make(box, "div", "kandi-label");
        make(head, "span", "", { textContent: field.label, title: field.help });
        const line = make(box, "div", "kandi-line kandi-slot");
        const thumb = make(line, "img", "kandi-thumb");
        const said = make(line, "span", "kandi-said", { role: "status" });
        const buttons = make(box, "div", "kandi-line");
        const say = (text, wrong = false) => {
          said.textContent = text;
          said.classList.toggle("kandi-wrong", wrong);
        };
        const upload = uploader(model, on, say, most, translate);
        fileButton(buttons, translate("Choose a file"), translate("Choose a file: {label}", field), (file) => upload(file, field.name));
        const remove = button(buttons, translate("Remove"), () => tell({ kind: "remove", name: field.name }), {
          ariaLabel: translate("Remove: {label}", field),
        });
        box.tabIndex = 0;
        takesDrops(box, {
          file: (file) => upload(file, field.name),
          number: (number) => tell({ kind: "use", name: field.name, number }),
        });
        return (now, wrong) => {
          const source = model.get("thumbnails")[field.name] ?? "";
          thumb.hidden = remove.hidden = !source;
          if (source && thumb.src !== source) thumb.src = source;
          thumb.alt = field.label;
          say(wrong || now.words || now.empty, Boolean(wrong));
        };
      },

      items(parent, field) {
        const box = make(parent, "div", "kandi-row", { role: "group", ariaLabel: field.label });
        const list = make(box, "div", "kandi-items");
        let drawn = "";
        return (now, wrong) => {
          const text = JSON.stringify(now.items.map(({ kind }) => kind));
          if (text !== drawn) {
            drawn = text;
            list.replaceChildren();
            now.items.forEach((item, n) => {
              const line = make(list, "div", "kandi-line");
              if (item.kind === "picture") make(line, "img", "kandi-thumb");
              const name = translate("Item {n}", { n: n + 1 });
              const input = make(line, "input", "kandi-text", { type: "text", ariaLabel: name });
              input.disabled = item.kind === "picture";
              typed(input, `item ${n}`, 600);
              button(line, translate("Remove"), () => tell({ kind: "drop item", number: n }), { ariaLabel: translate("Remove: {label}", { label: name }) });
            });
          }
          now.items.forEach((item, n) => {
            const line = list.children[n];
            show(line.querySelector("input"), item.value);
            const image = line.querySelector("img");
            if (image) {
              image.src = model.get("thumbnails")[`item ${n}`] ?? "";
              image.alt = item.value;
            }
          });
          if (!box.querySelector(".kandi-add")) {
            button(box, translate("Add a text"), () => tell({ kind: "add item" })).classList.add("kandi-add");
          }
        };
      },
    };

    // --- the whole ---

    const lists = make(root, "div", "kandi-scroll");
    const main = make(lists, "div", "kandi-fields");
    const more = make(lists, "details", "kandi-more");
    const moreHead = make(more, "summary", "");
    const moreFields = make(more, "div", "kandi-fields");

    const place = (parent, fields, wrong) => {
      const wanted = new Set(fields.map(({ name, kind }) => `${kind}:${name}`));
      for (const [key, part] of parts)
        if (part.parent === parent && !wanted.has(key)) {
          part.element.remove();
          parts.delete(key);
        }
      let before = null;
      for (const field of fields) {
        const key = `${field.kind}:${field.name}`;
        if (!parts.has(key)) {
          const count = parent.children.length;
          const update = kinds[field.kind](parent, field);
          parts.set(key, { parent, element: parent.children[count], update });
        }
        const { element, update } = parts.get(key);
        const next = before ? before.nextElementSibling : parent.firstElementChild;
        if (next !== element) parent.insertBefore(element, next);
        before = element;
        element.classList.toggle("kandi-half", Boolean(field.half));
        update(field, wrong[field.name]);
      }
    };

    const draw = () => {
      const { fields, more: seldom, more_label: label, wrong } = form();
      place(main, fields ?? [], wrong ?? {});
      place(moreFields, seldom ?? [], wrong ?? {});
      more.hidden = !seldom?.length;
      const head = label ?? translate("More");
      if (moreHead.textContent !== head) moreHead.textContent = head;
      if (seldom?.some(({ name }) => wrong?.[name])) more.open = true;
    };

    on("change:form", draw);
    on("change:thumbnails", draw);
    draw();
    // Run takes what was typed a moment ago, too.
    const flush = () => root.querySelectorAll("input, textarea").forEach((input) => input.kandiFlush?.());
    root.addEventListener("kandi-flush", flush);
    whenGone(on, el, () => root.classList.add("kandi-dead"));
    return end;
  },
};
