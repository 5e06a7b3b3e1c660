"use strict";
// Without scripts, the versions stand side by side.
const form = document.querySelector(".controls");
const choices = [...form.elements.version];
const chosen = () => choices.findIndex((input) => input.checked);
const sets = [...document.querySelectorAll(".versions")].map((set) => [set, [...set.children]]);
const show = (cells, place) => cells.forEach((cell, at) => cell.classList.toggle("on", at === place));
const showAll = () => sets.forEach(([, cells]) => show(cells, chosen()));
const choose = (place) => {
  choices[(place + choices.length) % choices.length].checked = true;
  showAll();
};
const flips = () => !form.elements.all.checked;
const update = () => document.body.classList.toggle("flip", flips());
for (const [set, cells] of sets) {
  const under = (event) => {
    const { left, width } = set.getBoundingClientRect();
    return Math.max(0, Math.min(cells.length - 1, Math.floor(((event.clientX - left) / width) * cells.length)));
  };
  set.addEventListener("pointermove", (event) => {
    if (flips() && event.pointerType === "mouse") show(cells, under(event));
  });
  set.addEventListener("pointerleave", () => show(cells, chosen()));
  set.addEventListener("click", (event) => {
    // A finger has nothing to hover with: it goes on to the next version.
    if (flips()) choose(event.pointerType === "mouse" ? under(event) : chosen() + 1);
  });
}
form.addEventListener("change", () => {
  update();
  showAll();
});
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    choose(chosen() + step);
  } else if (event.key >= "1" && event.key <= "9" && event.key <= String(choices.length)) choose(event.key - 1);
});
document.body.classList.add("script");
update();
showAll();
