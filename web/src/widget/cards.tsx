/** Products and offers inside the conversation. */
import { useState } from "preact/hooks";
import { answerTo, type Offer, offerOf, type Product, products } from "../core/chat/events.ts";
import type { Ev } from "../protocol/gen.ts";
import { useChat } from "./context.ts";
import { dateIn, moneyIn } from "./figures.ts";
import { ownAddress, shown } from "./safe.ts";

/** Below this many the stock is said as a number. */
const FEW = 5;
const ADDED_MS = 2500;

export function Products({ ev }: { ev: Ev }) {
  const { said } = useChat();
  return (
    <ul class="cards" aria-label={said.t("products")}>
      {products(ev).map((product) => (
        <ProductCard key={product.id} product={product} />
      ))}
    </ul>
  );
}

function ProductCard({ product }: { product: Product }) {
  const { said, page, origins, call, toHost } = useChat();
  const [added, setAdded] = useState(false);
  const [broken, setBroken] = useState(false);
  const image = ownAddress(product.image, page, origins);
  const url = ownAddress(product.url, page, origins);
  const title = shown(product.title);
  const { stock } = product;
  const clicked = () => void call("click", { product: product.id });
  const add = () => {
    const { id, price, currency } = product;
    toHost({ t: "cart", product: { id, title, price, currency, ...(image && { image }), ...(url && { url }) }, quantity: 1 });
    clicked();
    setAdded(true);
    setTimeout(() => setAdded(false), ADDED_MS);
  };
  return (
    <li class="card">
      <div class="picture">{image && !broken && <img src={image} alt="" loading="lazy" onError={() => setBroken(true)} />}</div>
      <div class="facts">
        {url ? (
          <a class="title" href={url} target="_top" rel="noopener" onClick={clicked}>
            {title}
          </a>
        ) : (
          <span class="title">{title}</span>
        )}
        <span class="price">
          {moneyIn(said.tag, product.price, product.currency)}{" "}
          <small class={stock < FEW ? "few" : ""}>
            {stock <= 0 ? said.t("sold_out") : stock < FEW ? said.t("few", { n: stock }) : said.t("in_stock")}
          </small>
        </span>
        <button type="button" class="primary" disabled={stock <= 0} aria-label={`${said.t("add")}: ${title}`} onClick={add}>
          <span role="status">{added ? `✓ ${said.t("added")}` : said.t("add")}</span>
        </button>
      </div>
    </li>
  );
}

export function OfferCard({ ev }: { ev: Ev }) {
  const offer = offerOf(ev);
  return offer && <OfferChoice offer={offer} />;
}

function OfferChoice({ offer }: { offer: Offer }) {
  const { said, state, call, toHost } = useChat();
  const [asked, setAsked] = useState<boolean | null>(null);
  const [failed, setFailed] = useState(false);
  const answer = answerTo(state.events, offer);
  const over = offer.validUntil !== null && offer.validUntil < Date.now();
  const choose = async (accepted: boolean) => {
    setAsked(accepted);
    setFailed(false);
    const result = await call("offer", { decision: offer.decision, offer: offer.id, accepted });
    if (result.ok) return toHost({ t: "event", name: "offer", detail: { offer: offer.id, accepted } });
    setAsked(null);
    setFailed(true);
  };
  const until = offer.validUntil === null ? said.t("offer_once") : said.t("offer_until", { date: dateIn(said.tag, offer.validUntil) });
  return (
    <div class="offer" role="group" aria-label={shown(offer.title)}>
      <b>{shown(offer.title)}</b>
      {answer === null ? (
        <>
          <small>{until}</small>
          {!over && state.mode !== "resolved" && (
            <div class="row">
              <button type="button" class="primary" disabled={asked !== null} onClick={() => void choose(true)}>
                {said.t("offer_keep")}
              </button>
              <button type="button" class="ghost" disabled={asked !== null} onClick={() => void choose(false)}>
                {said.t("offer_no")}
              </button>
            </div>
          )}
          {failed && <small role="alert">{said.t("call_failed")}</small>}
        </>
      ) : (
        <small role="status">{said.t(answer ? "offer_kept" : "offer_declined")}</small>
      )}
    </div>
  );
}
