// "/" or Ctrl+K: finds pages, headings, terms, exercises and public names as one types.
// Its index is loaded when it is first opened; Enter without a choice searches the full text.
(() => {
  const files = document.currentScript.src;
  const root = new URL("../", files);
  const MOST = 40;
  const SLASH = "find-slash";
  let dialog, input, list, count, slash;
  let entries = null; // {kind, text, context, href, low}
  let hits = [];
  let chosen = -1;

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const attributes = (element, values) => {
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    return element;
  };
  const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").replace(/[‘’]/g, "'");

  function unpack({ pages, terms, exercises, names }) {
    const found = [];
    const add = (kind, text, context, page, anchor = "") =>
      found.push({ kind, text, context, href: `${pages[page][0]}.html${anchor && "#"}${anchor}`, low: plain(text), around: plain(context) });
    pages.forEach(([name, title], page) => add(name.startsWith("book/api/") ? "reference" : "page", title, "", page));
    for (const [page, anchor, term] of terms) add("term", term, "", page, anchor);
    for (const [page, number, title, anchor] of exercises) add("exercise", `${number} ${title}`, pages[page][1], page, anchor);
    pages.forEach(([, title, headings], page) => headings.forEach(([anchor, text]) => add("heading", text, title, page, anchor)));
    for (const [page, all] of Object.entries(names))
      for (const name of all) {
        const short = name.slice(pages[page][0].split("/").pop().length + 1) || name;
        add("code", short, name.slice(0, -short.length - 1), page, name);
      }
    return found;
  }

  // the index is a script, so that it also loads from a folder
  const load = () => new Promise((done, failed) => {
    window.courseIndex = (index) => done(unpack(index));
    const script = make("script", { src: new URL("course-index.js", files), onerror: () => failed(new Error("no index")) });
    document.head.append(script);
  });

  const KINDS = { page: 0, term: 0, exercise: 1, heading: 2, reference: 2, code: 2 };

  // lower is better; null where a word is missing
  function rank(entry, query, words) {
    if (!words.every((word) => entry.low.includes(word) || entry.around.includes(word))) return null;
    const { low } = entry;
    const last = low.split(".").pop(); // of a public name
    const fit = low === query || last === query ? 0
      : low.startsWith(query) || last.startsWith(query) ? 2
      : words.every((word) => new RegExp(`(^|[^a-z0-9])${word.replace(/[^a-z0-9]/g, "\\$&")}`).test(low)) ? 4
      : words.every((word) => low.includes(word)) ? 7 : 10;
    return fit + KINDS[entry.kind] + low.length / 200;
  }

  function search() {
    const query = plain(input.value).trim();
    const words = query.split(/\s+/).filter(Boolean);
    const ranked = words.length && entries
      ? entries.map((entry) => [rank(entry, query, words), entry]).filter(([value]) => value !== null)
      : [];
    ranked.sort((a, b) => a[0] - b[0]);
    hits = ranked.slice(0, MOST).map(([, entry]) => entry);
    chosen = -1;
    list.replaceChildren(...hits.map((hit, i) => attributes(
      make("li", { id: `find-${i}`, className: "find-hit" },
        make("span", { className: "find-text", textContent: hit.text }),
        make("span", { className: "find-kind", textContent: [hit.kind, hit.context].filter(Boolean).join(" · ") })),
      { role: "option", "aria-selected": "false" })));
    list.hidden = !hits.length;
    attributes(input, { "aria-expanded": hits.length > 0 });
    input.removeAttribute("aria-activedescendant");
    count.textContent = !words.length ? ""
      : ranked.length === 0 ? "Nothing has such a title. Enter searches the full text."
      : `${ranked.length > MOST ? `${MOST} of ` : ""}${ranked.length} found. Arrow keys choose one; Enter searches the full text.`;
  }

  function choose(next) {
    if (!hits.length) return;
    list.children[chosen]?.setAttribute("aria-selected", "false");
    chosen = (next + hits.length + 1) % (hits.length + 1); // one past the last is no choice
    const option = list.children[chosen];
    if (!option) {
      chosen = -1;
      input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  function go(event, hit) {
    event.preventDefault();
    const url = new URL(hit.href, root);
    if (event.ctrlKey || event.metaKey) return window.open(url);
    dialog.close();
    location.href = url;
  }

  function build() {
    input = attributes(make("input", { type: "search", name: "q", autocomplete: "off", spellcheck: false, placeholder: "Find a page, term, exercise or function" }),
      { role: "combobox", "aria-label": "Search this book", "aria-expanded": "false", "aria-controls": "find-list", "aria-autocomplete": "list", autocapitalize: "off" });
    list = attributes(make("ul", { id: "find-list", hidden: true }), { role: "listbox", "aria-label": "Found" });
    count = attributes(make("p", { className: "find-count" }), { role: "status" });
    slash = make("input", { type: "checkbox", checked: allowsSlash() });
    const close = attributes(make("button", { type: "button", className: "find-close", textContent: "Close" }), {});
    const form = make("form", { action: new URL("search.html", root), method: "get" },
      make("div", { className: "find-field" }, input, close), list, count);
    dialog = attributes(make("dialog", { className: "find" }, form,
      make("label", { className: "find-slash" }, slash, " The key ", make("kbd", { textContent: "/" }), " opens this, as ", make("kbd", { textContent: "Ctrl+K" }), " does")),
    { "aria-label": "Search this book" });
    document.body.append(dialog);

    input.addEventListener("input", search);
    input.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        choose(event.key === "ArrowDown" ? chosen + 1 : chosen < 0 ? hits.length - 1 : chosen - 1);
      } else if (event.key === "Enter" && chosen >= 0) go(event, hits[chosen]);
    });
    form.addEventListener("submit", (event) => { if (!input.value.trim()) event.preventDefault(); });
    list.addEventListener("click", (event) => {
      const option = event.target.closest("li");
      if (option) go(event, hits[[...list.children].indexOf(option)]);
    });
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it
    slash.addEventListener("change", () => { try { localStorage.setItem(SLASH, slash.checked ? "on" : "off"); } catch { /* not kept */ } });
  }

  function allowsSlash() {
    try {
      return localStorage.getItem(SLASH) !== "off";
    } catch {
      return true;
    }
  }

  async function open() {
    if (!dialog) build();
    if (dialog.open) return;
    dialog.showModal();
    input.select();
    if (entries) return;
    try {
      entries = await load();
      search();
    } catch {
      count.textContent = "The index cannot be loaded. Enter searches the full text.";
    }
  }

  const isField = (target) => target.closest?.("input, textarea, select, [contenteditable], .CodeMirror");
  // before the theme, whose own dialog has the same key and the same buttons
  addEventListener("keydown", (event) => {
    const isK = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isField(event.target)
      && !document.querySelector("dialog[open]") && (slash ? slash.checked : allowsSlash());
    if (!isK && !isSlash) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (isK && dialog?.open) dialog.close();
    else open();
  }, true);
  addEventListener("click", (event) => {
    if (!event.target.closest?.(".search-button, .search-button__button, .search-button-field")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    open();
  }, true);
})();
