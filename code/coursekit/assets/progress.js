// A reader's progress: kept in this browser's storage and nowhere else; nothing is ever sent.
// `courseProgress` (built with the book) says what there is to do.
(() => {
  const plan = window.courseProgress;
  if (!plan) return;
  const KEY = `progress ${plan.course}`;
  const FORMAT = 1;
  const $$ = (selector) => document.querySelectorAll(selector);
  const exercises = new Map(plan.exercises.map(([number, title, page, minutes, required]) =>
    [number, { number, title, page, minutes, required }]));
  const nothing = () => ({ format: FORMAT, course: plan.course, exercises: {}, pages: {} });
  let kept = true; // whether the browser lets us keep anything
  let state = nothing();

  function read() {
    try {
      state = known(JSON.parse(localStorage.getItem(KEY) ?? "null")) ?? nothing();
    } catch { // storage may be forbidden, or hold something else
      kept = false;
    }
  }

  function write() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      kept = false;
    }
    show();
  }

  // what of a stored or loaded object is progress in this course; null if it is none
  function known(object) {
    if (object?.format !== FORMAT || object.course !== plan.course) return null;
    const result = nothing();
    for (const [kind, has] of [["exercises", (name) => exercises.has(name)], ["pages", (name) => name in plan.pages]])
      for (const [name, day] of Object.entries(object[kind] ?? {}))
        if (has(name) && /^\d{4}-\d\d-\d\d$/.test(day)) result[kind][name] = day;
    return result;
  }

  const today = () => new Date().toLocaleDateString("sv"); // 2027-01-31
  const isDone = (button) => Boolean(state[kindOf(button)][nameOf(button)]);
  const kindOf = (button) => (button.dataset.exercise ? "exercises" : "pages");
  const nameOf = (button) => button.dataset.exercise ?? button.dataset.page;

  // minutes of a page, or of all that is required: [left, all]
  function minutes(page) {
    let left = 0, all = 0;
    const add = (time, done) => { all += time; left += done ? 0 : time; };
    for (const [name, [time, required]] of Object.entries(plan.pages))
      if (page ? name === page : required) add(time, state.pages[name]);
    for (const item of exercises.values()) {
      const counts = page ? item.page === page && (item.required || !plan.pages[page][1]) : item.required;
      if (counts) add(item.minutes, state.exercises[item.number]);
    }
    return [left, all];
  }

  // ---- What pages show

  function show() {
    const [left, all] = minutes();
    const begun = Object.keys({ ...state.exercises, ...state.pages }).length > 0;
    for (const button of $$(".mark-done")) {
      const done = isDone(button);
      button.dataset.label ??= button.textContent;
      button.textContent = !done ? button.dataset.label : button.dataset.exercise ? "Done" : "Read";
      button.title = done ? "Press again if it is not" : "";
      button.closest(".exercise, .page-read").classList.toggle("is-done", done);
    }
    if (begun || $$(".time-left[data-changed]").length)
      for (const line of $$(".time-left")) {
        const [here, whole] = minutes(line.dataset.page);
        line.dataset.changed = "";
        line.textContent = `${here} of ${whole} min left on this page, ${left} of ${all} min in the required part of the course`;
      }
    const required = [...exercises.values()].filter((item) => item.required);
    const done = (items) => items.filter((item) => state.exercises[item.number]).length;
    const next = required.find((item) => !state.exercises[item.number]);
    for (const panel of $$(".progress-panel")) {
      panel.querySelector("progress").value = all - left;
      const sentence = panel.querySelector(".progress-sum");
      sentence.textContent = `${done(required)} of ${required.length} required exercises done, ${left} of ${all} required minutes left.`;
      if (begun && next) {
        const link = document.createElement("a");
        link.href = new URL(`../book/${next.page}.html#${anchor(next.number)}`, files);
        link.textContent = `exercise ${next.number}`;
        sentence.append(" Go on with ", link, ".");
      }
    }
    for (const link of $$("table.exercise-list a")) {
      const item = required.concat([...exercises.values()]).find(({ number }) => link.hash === `#${anchor(number)}`);
      const done = item && state.exercises[item.number];
      const mark = link.parentElement.querySelector(".done-mark");
      if (!done) mark?.remove();
      else if (!mark) {
        const sign = Object.assign(document.createElement("span"), { className: "done-mark", textContent: "✓" });
        sign.setAttribute("role", "img");
        sign.setAttribute("aria-label", "done");
        link.after(" ", sign);
      }
    }
  }

  const files = document.currentScript.src;
  const anchor = (number) => `exercise-${number.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;

  const news = document.createElement("p"); // heard, not seen
  news.className = "progress-news";
  news.setAttribute("role", "status");

  function say(text) {
    const place = document.querySelector(".progress-says") ?? news;
    place.textContent = text;
  }

  // ---- What changes it

  function mark(kind, name, done) {
    read();
    if (done) state[kind][name] ??= today();
    else delete state[kind][name];
    write();
    const [left] = minutes();
    say(`${kind === "pages" ? "This page" : `Exercise ${name}`} is marked as ${done ? "done" : "not done"}; ${left} required minutes are left.`
      + (kept ? "" : " This browser keeps nothing of this site: it lasts until you leave the page."));
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.(".mark-done, [data-progress]");
    if (button?.dataset.progress) actions[button.dataset.progress]();
    else if (button) mark(kindOf(button), nameOf(button), !isDone(button));
  });

  // anything else on a page, such as a laboratory, may say that an exercise has been passed
  document.addEventListener("exercise-passed", ({ detail }) => exercises.has(detail) && mark("exercises", detail, true));

  // "Run here": an exercise is done when every check in it says so
  document.querySelector("button.live-code")?.addEventListener("click", () => {
    const marked = new Set();
    new MutationObserver(() => {
      for (const exercise of $$("section.exercise")) {
        const number = exercise.querySelector(".mark-done").dataset.exercise;
        const checks = [...exercise.querySelectorAll(".cell.tag_check")];
        const passed = (cell) => cell.querySelector(".thebe-output")?.textContent.includes(`Exercise ${number}: passed`);
        if (!marked.has(number) && checks.length && checks.every(passed)) {
          marked.add(number);
          mark("exercises", number, true);
        }
      }
    }).observe(document.querySelector("article"), { childList: true, subtree: true });
  }, { once: true });

  const actions = {
    save() {
      const address = URL.createObjectURL(new Blob([JSON.stringify(state, null, 1) + "\n"], { type: "application/json" }));
      const link = Object.assign(document.createElement("a"), { href: address, download: `${plan.course.split("/").pop()}-progress.json` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
      say("Saved as a file on this machine.");
    },
    load() {
      const input = Object.assign(document.createElement("input"), { type: "file", accept: ".json,application/json" });
      input.addEventListener("change", async () => {
        const file = input.files[0];
        let loaded = null;
        try {
          if (file.size < 100_000) loaded = known(JSON.parse(await file.text()));
        } catch { /* no JSON: said below */ }
        if (!loaded) return say(`${file.name} holds no progress of this course; take a file that this page has saved.`);
        read();
        for (const kind of ["exercises", "pages"]) state[kind] = { ...loaded[kind], ...state[kind] };
        write();
        say(`Loaded: ${Object.keys(loaded.exercises).length} exercises and ${Object.keys(loaded.pages).length} pages that are done. What was marked here before is kept.`);
      });
      input.click();
    },
    erase() {
      if (!confirm("Erase all progress that this browser keeps for this book?")) return;
      state = nothing();
      try {
        localStorage.removeItem(KEY);
      } catch { /* nothing was kept */ }
      show();
      say("Erased.");
    },
  };

  read();
  document.documentElement.classList.add("keeps-progress");
  document.body.append(news);
  show();
  addEventListener("storage", (event) => { // another tab
    if (event.key !== KEY && event.key !== null) return;
    read();
    show();
  });
})();
