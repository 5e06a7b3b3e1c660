"use strict";
// Without scripts, the pictures stand side by side.
const names = {};
for (const input of document.querySelectorAll(".controls input")) {
  names[input.value] = input.parentElement.textContent;
}
const chosen = (side) => document.querySelector(`.controls input[name=${side}]:checked`).value;
const make = (tag, className) => Object.assign(document.createElement(tag), { className });
const stages = [];
for (const stage of document.querySelectorAll(".stage")) {
  const sources = {};
  for (const image of stage.querySelectorAll("img")) sources[image.dataset.is] = image.src;
  const pair = make("div", "pair"), under = make("img", "under"), over = make("img", "over");
  const slider = Object.assign(make("input", ""), { type: "range", min: 0, max: 100, value: 50 });
  const left = make("span", "tag l"), right = make("span", "tag r");
  const beside = make("div", "beside"), original = make("img", ""), tag = make("span", "tag r");
  original.src = sources.original;
  original.alt = "original";
  tag.textContent = "original";
  slider.addEventListener("input", () => pair.style.setProperty("--at", slider.value + "%"));
  pair.append(under, over, left, right, slider);
  beside.append(original, tag);
  stage.replaceChildren(pair, beside);
  stages.push(() => {
    const [l, r] = [chosen("left"), chosen("right")];
    over.src = sources[l];
    under.src = sources[r];
    over.alt = left.textContent = names[l];
    under.alt = right.textContent = names[r];
    slider.setAttribute("aria-label", `${stage.dataset.name}: how much of it is ${names[l]}, the rest ${names[r]}`);
  });
}
const show = () => stages.forEach((update) => update());
document.querySelector(".controls").addEventListener("change", show);
show();
