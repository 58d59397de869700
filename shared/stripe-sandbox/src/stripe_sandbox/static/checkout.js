"use strict";
// Comfort only: the page works without it, and the server checks everything.
const form = document.getElementById("pay");
const button = document.getElementById("pay-button");
const email = document.getElementById("email");
const card = document.getElementById("card");
const expiry = document.getElementById("expiry");
const cvc = document.getElementById("cvc");

function groupsOfFour(text) {
  return text.replace(/\D/g, "").slice(0, 19).replace(/(.{4})(?=.)/g, "$1 ");
}

function monthAndYear(text, deleting) {
  const digits = text.replace(/\D/g, "").slice(0, 4);
  if (digits.length > 2) return `${digits.slice(0, 2)} / ${digits.slice(2)}`;
  return digits.length === 2 && !deleting ? `${digits} / ` : digits;
}

card?.addEventListener("input", () => {
  if (card.selectionStart === card.value.length) card.value = groupsOfFour(card.value);
});
expiry?.addEventListener("input", (event) => {
  if (/^\d{1,2}\s*\/\s*\d{4}$/.test(expiry.value)) return;
  expiry.value = monthAndYear(expiry.value, event.inputType === "deleteContentBackward");
});

for (const chip of document.querySelectorAll("[data-card]")) {
  chip.addEventListener("click", () => {
    card.value = chip.dataset.card;
    const year = (new Date().getFullYear() + 4) % 100;
    if (!expiry.value) expiry.value = `12 / ${String(year).padStart(2, "0")}`;
    if (!cvc.value) cvc.value = "123";
    if (!email.value) email.value = "buyer@example.com";
    button.focus();
  });
}

form?.addEventListener("submit", (event) => {
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  button.setAttribute("aria-busy", "true");
  button.classList.add("busy");
});
// The back button may bring the page back as it was left.
window.addEventListener("pageshow", () => {
  if (!form) return;
  delete form.dataset.sent;
  button.removeAttribute("aria-busy");
  button.classList.remove("busy");
});
document.querySelector("[aria-invalid]")?.focus();
