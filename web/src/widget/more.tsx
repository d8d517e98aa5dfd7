/** What a conversation needs only later: cards, the rating, the tools under the text field. Fetched once the chat stands, see `later.ts`. */
import "./more.css";

export { default as english } from "../strings/widget-more.en.json" with { type: "json" };
export { Banner } from "./banner.tsx";
export { CallBack } from "./callback.tsx";
export { OfferCard, Products } from "./cards.tsx";
export { shareChat } from "./context.ts";
export { Gate } from "./gate.tsx";
export { Happened } from "./happened.tsx";
export { lend } from "./lent.ts";
export { NotSent } from "./notsent.tsx";
export { personLine } from "./lines.ts";
export { Rating } from "./rating.tsx";
export { Earlier, Left, Newest } from "./signs.tsx";
export { Tools } from "./tools.tsx";
