// The shelf: products that the assistant found, and those saved in this call.

export class Shelf {
  #found;
  #foundNote;
  #saved;
  #savedNote;
  #ask;
  #known = new Map(); // number -> product, to name a saved product that the message doesn't describe
  #kept = new Map();

  /** `ask` receives a sentence to send as the caller's typed text: "save product 2". */
  constructor({ found, foundNote, saved, savedNote }, ask) {
    this.#found = found;
    this.#foundNote = foundNote;
    this.#saved = saved;
    this.#savedNote = savedNote;
    this.#ask = ask;
  }

  clear() {
    this.#known.clear();
    this.#kept.clear();
    this.#found.replaceChildren();
    this.#foundNote.textContent = "Products that the assistant finds appear here.";
    this.#showSaved();
  }

  showFound({ query, products, total }) {
    for (const product of products) this.#known.set(product.number, product);
    this.#found.replaceChildren(...products.map((product) => this.#card(product)));
    this.#found.scrollTo?.({ left: 0 });
    this.#foundNote.textContent = foundSentence(query, products.length, total);
  }

  keep(number, product) {
    this.#kept.set(number, product ?? this.#known.get(number) ?? { number, name: `Product ${number}` });
    this.#showSaved();
  }

  forget(number) {
    this.#kept.delete(number);
    this.#showSaved();
  }

  #card(product) {
    const item = element("li", "card");
    item.dataset.number = product.number;
    item.append(element("span", "number", product.number), element("h3", "", product.name));
    if (product.description) item.append(element("p", "about", product.description));
    const foot = element("div", "foot");
    foot.append(element("span", "price", price(product)), this.#button(product));
    item.append(foot);
    return item;
  }

  #button({ number, name }) {
    const kept = this.#kept.has(number);
    const button = element("button", "save", kept ? "Saved" : "Save");
    button.type = "button";
    button.disabled = kept;
    button.setAttribute("aria-label", kept ? `${name} is saved` : `Save ${name}`);
    button.addEventListener("click", () => this.#ask(`save product ${number}`));
    return button;
  }

  #showSaved() {
    this.#saved.replaceChildren(
      ...[...this.#kept.values()].map((product) => {
        const item = element("li", "");
        item.dataset.number = product.number;
        const remove = element("button", "remove", "Remove");
        remove.type = "button";
        remove.setAttribute("aria-label", `Remove ${product.name}`);
        remove.addEventListener("click", () => this.#ask(`remove product ${product.number}`));
        item.append(element("span", "number", product.number), element("span", "name", product.name));
        item.append(element("span", "price", price(product)), remove);
        return item;
      }),
    );
    this.#savedNote.textContent =
      this.#kept.size === 0 ? "Nothing saved in this call yet." : `${this.#kept.size} saved in this call.`;
    for (const card of this.#found.children) {
      const product = this.#known.get(Number(card.dataset.number));
      card.querySelector("button").replaceWith(this.#button(product));
    }
  }
}

function foundSentence(query, shown, total) {
  if (shown === 0) return `Nothing found for “${query}”.`;
  return total > shown ? `${shown} of ${total} for “${query}”.` : `${shown} for “${query}”.`;
}

function price({ price: amount, currency }) {
  if (typeof amount !== "number") return "";
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency: currency ?? "USD" }).format(amount);
  } catch {
    return `${amount} ${currency}`; // a currency the browser doesn't know
  }
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = String(text);
  return made;
}
