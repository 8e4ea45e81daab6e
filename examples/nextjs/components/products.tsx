import { price, type Product, type Shelf } from "@/lib/call/shelf";

interface Props {
  shelf: Shelf;
  isLive: boolean;
  /** Sends a sentence as if the caller had typed it. */
  onSay: (text: string) => void;
}

/** Products that the assistant found, and saved ones. */
export function Products({ shelf: { found, saved }, isLive, onSay }: Props) {
  const isSaved = (product: Product) => saved.some(({ number }) => number === product.number);
  return (
    <aside className="shelf" aria-label="Products">
      <section className="panel" aria-labelledby="found-title">
        <h2 id="found-title">Found</h2>
        <p className="note" aria-live="polite">
          {found === null ? "Products that the assistant finds appear here." : sentence(found)}
        </p>
        <ul className="cards" aria-label="Found products">
          {found?.products.map((product) => (
            <li key={product.number} className="card">
              <span className="number">{product.number}</span>
              <div>
                <h3>{product.name}</h3>
                {product.description && <p className="about">{product.description}</p>}
                <p className="price">{price(product)}</p>
              </div>
              <button
                type="button"
                aria-label={isSaved(product) ? `${product.name} is saved` : `Save ${product.name}`}
                disabled={!isLive || isSaved(product)}
                onClick={() => onSay(`save product ${product.number}`)}
              >
                {isSaved(product) ? "Saved" : "Save"}
              </button>
            </li>
          ))}
        </ul>
      </section>
      <section className="panel" aria-labelledby="saved-title">
        <h2 id="saved-title">Saved</h2>
        <p className="note" aria-live="polite">
          {saved.length === 0 ? "Nothing saved in this call yet." : `${saved.length} saved in this call.`}
        </p>
        <ul className="cards" aria-label="Saved products">
          {saved.map((product) => (
            <li key={product.number} className="card">
              <span className="number">{product.number}</span>
              <div>
                <h3>{product.name}</h3>
                <p className="price">{price(product)}</p>
              </div>
              <button
                type="button"
                aria-label={`Remove ${product.name}`}
                disabled={!isLive}
                onClick={() => onSay(`remove product ${product.number}`)}
              >
                Remove
              </button>
            </li>
          ))}
        </ul>
      </section>
    </aside>
  );
}

function sentence({ query, products, total }: NonNullable<Shelf["found"]>): string {
  if (products.length === 0) return `Nothing found for “${query}”.`;
  return total > products.length
    ? `${products.length} of ${total} for “${query}”.`
    : `${products.length} for “${query}”.`;
}
