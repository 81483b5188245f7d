// Wide formulas and signatures scroll; make them reachable for readers who scroll by arrow keys.
for (const moment of ["load", "resize"])
  addEventListener(moment, () => {
    for (const wide of document.querySelectorAll("div.math, .formula, dt.sig"))
      if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
  });

// The button that makes the page's cells run needs scripts, so it is shown by one.
document.addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector("button.live-code");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const script = document.createElement("script");
    script.src = button.dataset.script;
    document.head.append(script);
  }, { once: true });
});

// A laboratory's script is loaded when the reader comes near it, or by an address that restores it.
const loadLab = (place) => {
  near.unobserve(place);
  const script = document.createElement("script");
  script.src = place.dataset.script;
  document.head.append(script);
};
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) loadLab(entry.target);
}, { rootMargin: "1000px" });
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("section.lab[data-script]"))
    if (location.hash.startsWith(`#lab-${place.dataset.lab}:`)) loadLab(place);
    else near.observe(place);
});
