// What a term or a symbol means, shown beside it: on hover, on focus, at a touch. Escape closes it.
// The words stand in the list at the end of the page; a term's link leads to the glossary as ever.
(() => {
  const TIED = "a[aria-describedby^='means-'], [data-means]";
  const box = document.createElement("div");
  box.className = "meaning";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  let shown = null; // what the box belongs to
  let timer = 0;
  let touched = false; // whether the last pointer was a finger or a pen

  // entries of the list at the end of the page
  const entriesOf = (place) =>
    (place.dataset.means?.split(" ").map((id) => `means-${id}`) ?? [place.getAttribute("aria-describedby")])
      .map((id) => document.getElementById(id))
      .filter(Boolean);

  // of a displayed formula only what is written counts, not the whole line
  function tiedAt(target) {
    const place = target.closest?.(TIED);
    if (place?.matches("div.math") && !target.closest("math > *")) return null;
    return place;
  }

  function show(place, x) {
    const list = document.createElement("dl");
    if (place.dataset.means) list.className = "of-formula";
    for (const entry of entriesOf(place)) {
      const copy = entry.cloneNode(true);
      copy.removeAttribute("id");
      list.append(copy);
    }
    if (!list.children.length) return;
    box.replaceChildren(list);
    if (touched && place.matches("a")) {
      const hint = document.createElement("p");
      hint.textContent = "Touch it again for the glossary.";
      box.append(hint);
    }
    document.body.append(box);
    box.hidden = false;
    box.style.maxHeight = "";
    shown = place;
    // below the place, or above it where there is more room
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const at = (place.querySelector("math > *") ?? place).getClientRects()[0] ?? place.getBoundingClientRect();
    const left = Math.max(8, Math.min((x ?? at.left) - 12, width - box.offsetWidth - 8));
    const room = { below: height - at.bottom - 14, above: at.top - 14 };
    const below = room.below >= box.offsetHeight || room.below >= room.above;
    box.style.maxHeight = `${Math.max(below ? room.below : room.above, 80)}px`;
    box.style.left = `${left + scrollX}px`;
    box.style.top = `${(below ? at.bottom + 6 : at.top - 6 - box.offsetHeight) + scrollY}px`;
  }

  function hide() {
    clearTimeout(timer);
    box.hidden = true;
    shown = null;
  }

  const later = (what, milliseconds) => {
    clearTimeout(timer);
    timer = setTimeout(what, milliseconds);
  };

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const place = tiedAt(event.target);
    if (box.contains(event.target) || (place && place === shown)) clearTimeout(timer);
    else if (place) later(() => show(place, place.matches("a") ? undefined : event.clientX), 200);
    else if (shown && shown !== document.activeElement) later(hide, 250);
    else clearTimeout(timer);
  });
  document.addEventListener("focusin", ({ target }) => {
    const place = tiedAt(target);
    if (place === target && target.matches(":focus-visible")) show(place);
    else if (shown && !touched) hide();
  });
  document.addEventListener("focusout", () => shown && !touched && hide());
  document.addEventListener("pointerdown", (event) => { touched = event.pointerType !== "mouse"; }, true);
  document.addEventListener("keydown", (event) => {
    touched = false;
    if (event.key === "Escape" && shown) hide();
  }, true);
  document.addEventListener("click", (event) => {
    if (!touched || box.contains(event.target)) return;
    const place = tiedAt(event.target);
    const again = place && place === shown;
    if (place && !again && entriesOf(place).length) {
      if (place.matches("a")) event.preventDefault();
      show(place);
    } else if (!place?.matches("a")) hide();
  });

  // by keyboard one reaches the first formula with a symbol, not all
  const met = new Set();
  for (const formula of document.querySelectorAll("[data-means]")) {
    const fresh = formula.dataset.means.split(" ").filter((id) => !met.has(id));
    if (!fresh.length || formula.closest("a, button, summary, h1, h2, h3, h4, h5, h6")) continue;
    fresh.forEach((id) => met.add(id));
    formula.tabIndex = 0;
    formula.setAttribute("role", "group");
    formula.setAttribute("aria-describedby", entriesOf(formula).map((entry) => entry.id).join(" "));
  }
})();
