// Makes the site readable offline where it comes from a server; from a folder it is anyway.
(() => {
  if (!("serviceWorker" in navigator) || !location.protocol.startsWith("http")) return;
  const root = new URL("../", document.currentScript.src);
  const size = document.currentScript.dataset.size;
  document.head.append(Object.assign(document.createElement("link"), { rel: "manifest", href: new URL("manifest.webmanifest", root) }));

  function ask(worker, question, told) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => told(data);
    worker.postMessage(question, [port2]);
  }

  async function start() {
    try {
      await navigator.serviceWorker.register(new URL("sw.js", root));
    } catch {
      return; // a browser that keeps nothing, such as one in private mode
    }
    const { active } = await navigator.serviceWorker.ready;
    const footer = document.querySelector(".bd-footer-content .footer-content__inner, .bd-footer-content");
    if (!footer) return;
    const line = Object.assign(document.createElement("p"), { className: "offline" });
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Keep the book for reading offline (${size})` });
    const status = document.createElement("span");
    status.setAttribute("role", "status");
    const show = ({ whole, done, all, problem }) => {
      if (problem) status.textContent = "It could not be kept: is there a network, and room on this device?";
      else if (all) status.textContent = `${done} of ${all} files`;
      else status.textContent = whole ? "The whole book is kept on this device, and works without a network." : "";
      button.hidden = Boolean(whole);
      button.disabled = Boolean(all);
    };
    button.addEventListener("click", () => ask(active, "keep", show));
    line.append(button, status);
    footer.append(line);
    ask(active, "kept?", show);
  }
  addEventListener("load", start);
})();
