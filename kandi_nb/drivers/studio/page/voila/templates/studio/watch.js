  // What goes wrong between page and kernel is said in words. The server is asked now and then
  // whether the kernel is there, and whether this page is connected to it.
  (() => {
    const AGAIN = 4000; // milliseconds from one question to the next
    const PATIENCE = 4; // answers without a connection until that is no slow start any more
    const notice = document.getElementById("studio-notice");
    let lonely = 0;

    const say = (text, reload = true) => {
      if (notice.dataset.text === text) return;
      notice.dataset.text = text;
      document.body.dataset.kandiConnection = text ? "lost" : "there";
      notice.replaceChildren(text);
      notice.hidden = !text;
      if (!text || !reload) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "jupyter-button";
      button.style.width = "auto";
      button.textContent = "Load anew";
      button.onclick = () => location.reload();
      notice.append(button);
    };

    // --- the session stays with this tab, whatever its address says ---

    history.replaceState(history.state, "", `${location.pathname}${location.hash}`);
    const config = () => {
      const element = document.getElementById("jupyter-config-data");
      return element === null ? null : JSON.parse(element.textContent);
    };
    document.addEventListener("DOMContentLoaded", () => {
      try {
        sessionStorage.setItem("kandi_nb.studio.session", config().kernelId);
      } catch {
        // a browser that keeps nothing: a reload begins a new session
      }
    });
    // Voilà would end the kernel before a reload, too: we say when the page is left for good.
    addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), true);
    addEventListener("pagehide", (event) => {
      const known = config();
      if (event.persisted || known === null) return; // Back finds it as it was
      const form = new FormData();
      form.append("_xsrf", /(?:^|; )_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? "");
      navigator.sendBeacon(`${known.baseUrl}voila/api/shutdown/${known.kernelId}`, form);
    });
    addEventListener("pageshow", (event) => event.persisted && location.reload());

    // --- whether it is alive ---

    if (!("WebSocket" in window)) {
      document.getElementById("loading").hidden = true;
      return say("This browser has no WebSocket, by which the studio's controls reach the model. Take another browser, or allow WebSockets in its settings.", false);
    }

    const look = async () => {
      const known = config();
      if (known === null) return; // the cells are still at work
      const { baseUrl, kernelId } = known;
      let answer;
      try {
        answer = await fetch(`${baseUrl}api/kernels/${kernelId}`, { cache: "no-store" });
      } catch {
        return say("The studio's server does not answer. What you see stays as long as this page is open; new pictures need the server.");
      }
      if (answer.status === 404) {
        clearInterval(timer);
        return say("This session has ended: its kernel is gone, and with it what was drawn. Save a picture that you still see with a right click, then begin a new session.");
      }
      if (!answer.ok) return;
      const { connections } = await answer.json();
      lonely = connections ? 0 : lonely + 1;
      if (lonely < PATIENCE) return say("");
      say("The controls have no connection to the model: something between this browser and the server lets no WebSocket through, such as a proxy or an extension.");
    };
    const timer = setInterval(look, AGAIN);
  })();
