// The circuit laboratory: the model of section 2 in the page, its heads to be cut.
//
// Two views: `cut.js` takes heads out on one sentence, `build.js` measures circuits on many.

import { addressOf, choice, el, loadData, stateFromAddress, stateToAddress } from "../ui.js";
import { loadModel } from "../runtime/gpt2.js";
import { Tokenizer } from "../runtime/tokenizer.js";
import { buildView } from "./build.js";
import { cutView } from "./cut.js";

/** The model and what the first view needs, about 370 KB. */
export function load() {
  return loadData("circuit");
}

/** Builds the laboratory in `root`. */
export function start(root, data) {
  const model = loadModel(data.model);
  const tokenizer = new Tokenizer(data.tokenizer);
  const language = { tokenizer, bos: data.tokenizer.bos, names: data.names, context: model.context };
  const state = readState(stateFromAddress("circuit"));
  const share = (part, text) => stateToAddress("circuit", `${part}=${text}`);
  const views = {
    cut: cutView({ model, language, data, state: state.cut, share: (text) => share("cut", text) }),
    build: buildView({
      model, state: state.build, share: (text) => share("build", text),
      address: (text) => addressOf("circuit", `build=${text}`), load: () => loadData("circuit-set"),
    }),
  };
  const show = (name) => {
    for (const [other, view] of Object.entries(views)) view.element.hidden = other !== name;
    views[name].shown?.();
  };
  const shown = state.build === null ? "cut" : "build";
  root.append(
    choice({ label: "What to do", value: shown, onchange: show, options: [["cut", "Cut heads on one sentence"], ["build", "Build a circuit"]] }),
    ...Object.values(views).map((view) => view.element),
  );
  root.classList.add("circuit");
  root.prepend(el("p", { class: "lab-note" }, "This is the model itself, running in your browser; nothing is sent anywhere."));
  show(shown);
}

/** What the address holds for each view; null where it holds nothing. */
function readState(text) {
  const [, part, rest] = /^(cut|build)=(.*)$/s.exec(text ?? "") ?? [];
  return { cut: part === "cut" ? rest : null, build: part === "build" ? rest : null };
}
