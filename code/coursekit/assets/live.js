// "Run here": turns the cells of a page into editable ones that run in a kernel.
// Loaded when the button is pressed; until then nothing is asked of any other host.
(() => {
  const files = new URL("thebe/", document.currentScript.src);
  const button = document.querySelector("button.live-code");
  const status = document.querySelector(".live-status");

  // the kernel of a test or of an institution's own server, else one from Binder
  const [owner, name, ...branch] = button.dataset.repository.split("/");
  const place = window.liveServer
    ? { useBinder: false, serverSettings: window.liveServer }
    : { useBinder: true, binderOptions: { repoProvider: "github", repo: `${owner}/${name}`, ref: branch.join("/") } };

  const words = {
    launching: "Asking for a kernel. On Binder this takes a minute, and several after a change of the course.",
    "server-ready": "A server is there; the kernel is starting.",
    starting: "The kernel is starting.",
    ready: "Ready. Change a cell and run it; cells need those above them to have run.",
    error: "No kernel could be had. Try again later, or open the notebook in Colab.",
    closed: "The server has gone. Load the page again for a new one.",
    shutdown: "The kernel has stopped. Load the page again for a new one.",
  };
  const say = (state) => { status.textContent = words[state] ?? status.textContent; };

  function load(tag, attributes) {
    return new Promise((done, failed) => {
      const element = Object.assign(document.createElement(tag), attributes);
      element.onload = done;
      element.onerror = () => failed(new Error(`cannot load ${attributes.src ?? attributes.href}`));
      document.head.append(element);
    });
  }

  // each code cell becomes an editor; what it showed when the book was built stays until it runs
  function prepare() {
    for (const cell of document.querySelectorAll("div.cell")) {
      const input = cell.querySelector(":scope .cell_input");
      const code = input?.querySelector("pre");
      if (!code) continue;
      const source = document.createElement("pre");
      source.dataset.executable = "true";
      source.dataset.language = "python";
      source.textContent = code.textContent;
      input.replaceChildren(source);
      cell.querySelector(":scope > details")?.setAttribute("open", "");
    }
  }

  function forgetOldOutputs(event) {
    const pressed = event.target.closest?.(".thebe-button");
    if (!pressed) return;
    const all = pressed.matches(".thebe-runall-button, .thebe-restartall-button");
    const cells = all ? document.querySelectorAll("div.cell") : [pressed.closest("div.cell")];
    for (const cell of cells)
      cell?.querySelectorAll(":scope > .cell_output").forEach((old) => old.remove());
  }

  async function start() {
    button.disabled = true;
    say("launching");
    try {
      await Promise.all([
        load("link", { rel: "stylesheet", href: new URL("thebe.css", files) }),
        load("script", { src: new URL("index.js", files) }),
      ]);
      prepare();
      document.addEventListener("click", forgetOldOutputs, true);
      window.thebe.on("status", (_, { status: state }) => say(state));
      await window.thebe.bootstrap({
        ...place,
        requestKernel: true,
        mountStatusWidget: false,
        mountActivateWidget: false,
        mountRunButton: true,
        mountRunAllButton: true,
        mountRestartButton: true,
        mountRestartallButton: true,
        kernelOptions: { kernelName: "python3", name: "python3", path: "book" },
        codeMirrorConfig: { theme: "default", lineNumbers: false, viewportMargin: Infinity },
      });
      document.body.classList.add("live");
      say("ready");
    } catch (problem) {
      console.warn(problem);
      say("error");
    }
  }
  start();
})();
