// A wide formula scrolls; make it reachable for readers who scroll with the arrow keys.
for (const moment of ["load", "resize"])
  addEventListener(moment, () => {
    for (const formula of document.querySelectorAll("div.math, .formula"))
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
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
