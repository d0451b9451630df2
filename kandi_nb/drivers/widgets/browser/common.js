// What all parts of a panel share: icons, files on their way to the kernel, small words.

const WAIT = 8000; // milliseconds until a kernel that does not answer is said to be gone
const PIECE = 1 << 20; // bytes a message: servers cut connections above some ten million
const DRAGGED = "application/x-kandi-picture"; // a picture of the film, by its number

// An id that no other element of the page has.
const unique = (name) => `kandi-${name}-${Math.random().toString(36).slice(2)}`;

// Icons of our own, drawn in the text's colour.
const ICONS = {
  die: "M4 4h16v16H4zM8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  open: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.7-1.4",
  star: "M12 4l2.4 5.2 5.6.6-4.2 3.8 1.2 5.6-5-2.9-5 2.9 1.2-5.6L4 9.8l5.6-.6z",
  bin: "M5 7h14M9 7V5h6v2M7 7l1 13h8l1-13",
  square: "M6 6h12v12H6z",
  wide: "M3 8h18v8H3z",
  tall: "M8 3h8v18H8z",
};
function icon(parent, name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("kandi-icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  parent.append(svg);
  return svg;
}

// Send files in pieces, each of which the kernel acknowledges.
function uploader(model, on, say, most, translate) {
  const answers = new Map(); // id of an upload → what to do with the kernel's next answer
  let number = 0;
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
  return async (file, target) => {
    const { bytes, side } = most();
    const fault = await faultOf(file, bytes, side, translate);
    if (fault) return say(fault, true);
    const id = `${Date.now()}-${++number}`;
    say(translate("sending {name} …", { name: file.name }));
    let answer = await ask({ kind: "begin", id, name: file.name, size: file.size, target });
    for (let at = 0; answer?.kind === "next" && at < file.size; at += PIECE) {
      const piece = await file.slice(at, at + PIECE).arrayBuffer();
      answer = await ask({ kind: "piece", id, target }, [piece]);
    }
    if (answer?.kind === "next") answer = await ask({ kind: "end", id, target });
    answers.delete(id);
    if (answer === null)
      say(translate("The model does not answer: it is busy, or gone. Load this page anew, or run the cell again."), true);
    else say(answer.text, answer.kind === "refused");
  };
}

// Let an element take what is dropped or pasted: a file, or a picture of the film.
function takesDrops(element, { file, number }) {
  const mine = (event) => {
    const types = [...(event.dataTransfer?.types ?? [])];
    return types.includes("Files") || types.includes(DRAGGED);
  };
  element.addEventListener("dragover", (event) => {
    if (!mine(event)) return;
    event.preventDefault();
    event.stopPropagation();
    element.classList.add("kandi-over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("kandi-over"));
  element.addEventListener("drop", (event) => {
    element.classList.remove("kandi-over");
    const chosen = event.dataTransfer.getData(DRAGGED);
    const given = event.dataTransfer.files[0];
    if (!chosen && !given) return;
    event.preventDefault();
    event.stopPropagation();
    if (chosen) number(Number(chosen));
    else file(given);
  });
  element.addEventListener("paste", (event) => {
    const given = event.clipboardData?.files[0];
    if (!given) return;
    event.preventDefault();
    event.stopPropagation();
    file(given);
  });
}

// A button that asks for a file.
function fileButton(parent, text, label, take) {
  const input = make(null, "input", "", { type: "file", accept: "image/*", hidden: true });
  const choose = button(parent, text, () => input.click(), { ariaLabel: label });
  parent.append(input);
  input.onchange = () => {
    if (input.files[0]) take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  };
  return choose;
}

// What is too large need not travel first. What the browser cannot read, the kernel may.
async function faultOf(file, mostBytes, mostPixels, translate) {
  const size = (bytes) => (bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 0 });
  const { name } = file;
  if (file.size > mostBytes) {
    const [has, most] = [size(file.size), size(mostBytes)];
    return translate("{name} has {has} MB, at most {most} are taken; make it smaller first", { name, has, most });
  }
  const address = URL.createObjectURL(file);
  try {
    const { naturalWidth: width, naturalHeight: height } = await read(address);
    if (width * height > mostPixels) {
      const sides = `${width.toLocaleString("en")} × ${height.toLocaleString("en")}`;
      return translate("{name} has {sides} pixels, more than are taken; make it smaller first", { name, sides });
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

// A file that is saved by the browser.
function saveFile(bytes, name, type) {
  const link = make(document.body, "a", "", { download: name });
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
