// The demo shop: products, a cart, a language, and customers to be. The chat is a guest on this page, as it is on any shop's.

const TEXT = {
  en: {
    name: "Alder & Brook",
    as: "Shop as",
    guest: "Guest",
    cart: "Cart",
    headline: "Things that last, for home and away",
    lead: "Kettles that do not leak, tents that stand, bedding for every season. Thirty days to change your mind.",
    ask: "Ask us anything",
    products: "Products",
    all: "All",
    add: "Add to cart",
    soldOut: "Sold out",
    stock: "in stock",
    demo: "A demo shop: nothing here is for sale. The chat in the corner is Staywell.",
    console: "Agents’ console",
    supervisor: "Supervisor’s desk",
    close: "Close",
    total: "Total",
    empty: "Your cart is empty.",
    added: "In your cart: {title}",
    remove: "Remove",
    failed: "The products could not be loaded. Please reload the page.",
    none: "Nothing in this category.",
  },
  "zh-CN": {
    name: "木溪",
    as: "以谁的身份",
    guest: "访客",
    cart: "购物车",
    headline: "居家与户外，经久耐用之物",
    lead: "不漏水的电水壶、立得住的帐篷、四季皆宜的床品。三十天内可以改变主意。",
    ask: "有问题，尽管问",
    products: "全部商品",
    all: "全部",
    add: "加入购物车",
    soldOut: "已售罄",
    stock: "现货",
    demo: "这是演示商店，商品不作销售。右下角的聊天即 Staywell。",
    console: "客服工作台",
    supervisor: "主管看板",
    close: "关闭",
    total: "合计",
    empty: "购物车是空的。",
    added: "已加入购物车：{title}",
    remove: "移除",
    failed: "商品加载失败，请刷新页面。",
    none: "该分类暂无商品。",
  },
};

const CATEGORIES = {
  backpacks: "背包",
  bedding: "床品",
  bottles: "水杯",
  "camp-kitchen": "户外炊具",
  coffee: "咖啡",
  cookware: "锅具",
  garden: "园艺",
  kettles: "电水壶",
  lighting: "灯具",
  storage: "收纳",
  tableware: "餐具",
  tents: "帐篷",
};

const $ = (id) => document.getElementById(id);
const saved = (key) => {
  try {
    return JSON.parse(localStorage.getItem(`shop:${key}`));
  } catch {
    return null;
  }
};
const save = (key, value) => {
  try {
    localStorage.setItem(`shop:${key}`, JSON.stringify(value));
  } catch {
    // A browser without storage forgets the cart with the page.
  }
};

const state = {
  locale: saved("locale") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en"),
  category: "",
  products: [],
  cart: saved("cart") ?? [],
  customer: saved("customer") ?? "",
  customers: [],
};
const t = (key, params = {}) => TEXT[state.locale][key].replace(/\{(\w+)\}/g, (_, name) => params[name]);
const money = (minor, currency) => new Intl.NumberFormat(state.locale, { style: "currency", currency }).format(minor / 100);
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

function words() {
  document.documentElement.lang = state.locale;
  document.title = t("name");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const button of document.querySelectorAll("[data-locale]")) {
    button.setAttribute("aria-pressed", String(button.dataset.locale === state.locale));
  }
}

function grid() {
  const asked = new URLSearchParams(location.search).get("product");
  const shown = state.products.filter((product) => !state.category || product.category === state.category);
  $("grid").replaceChildren(
    ...shown.map((product) => {
      const button = element("button", { type: "button", className: "primary", disabled: product.stock <= 0 });
      button.textContent = product.stock > 0 ? t("add") : t("soldOut");
      button.setAttribute("aria-label", `${button.textContent}: ${product.title}`);
      button.onclick = () => add(product);
      const price = element("p", { className: "price" }, `${money(product.price, product.currency)} `);
      if (product.stock > 0) price.append(element("small", {}, `${product.stock} ${t("stock")}`));
      const facts = element("div", {}, element("h3", {}, product.title), element("p", {}, product.description), price, button);
      const card = element("li", { className: "product", id: product.id }, picture(product.image), facts);
      card.classList.toggle("named", product.id === asked);
      return card;
    }),
  );
  $("notice").textContent = shown.length ? "" : t("none");
  $("grid").setAttribute("aria-busy", "false");
}

const picture = (src) => element("img", { src: src ?? "/static/icon.svg", alt: "", loading: "lazy", width: 240, height: 180 });

function filters() {
  const categories = ["", ...new Set(state.products.map((product) => product.category))];
  $("filters").replaceChildren(
    ...categories.map((category) => {
      const name = state.locale === "en" ? category.replace("-", " ") : (CATEGORIES[category] ?? category);
      const button = element("button", { type: "button" }, category ? name : t("all"));
      button.setAttribute("aria-pressed", String(category === state.category));
      button.onclick = () => {
        state.category = category;
        filters();
        grid();
      };
      return button;
    }),
  );
}

function cart() {
  const count = state.cart.reduce((sum, line) => sum + line.quantity, 0);
  const total = state.cart.reduce((sum, line) => sum + line.quantity * line.price, 0);
  $("count").textContent = String(count);
  $("empty").hidden = count > 0;
  $("total").parentElement.hidden = count === 0;
  $("total").textContent = count ? money(total, state.cart[0].currency) : "";
  $("lines").replaceChildren(
    ...state.cart.map((line) => {
      const remove = element("button", { type: "button" }, t("remove"));
      remove.setAttribute("aria-label", `${t("remove")}: ${line.title}`);
      remove.onclick = () => {
        state.cart = state.cart.filter((other) => other !== line);
        save("cart", state.cart);
        cart();
      };
      const price = money(line.price * line.quantity, line.currency);
      return element("li", {}, picture(line.image), element("span", {}, `${line.quantity} × ${line.title}`), price, remove);
    }),
  );
}

let toastTimer = 0;
function add({ id, title, price, currency, image }, quantity = 1) {
  const known = state.cart.find((line) => line.id === id);
  if (known) known.quantity += quantity;
  else state.cart.push({ id, title, price, currency, image, quantity });
  save("cart", state.cart);
  cart();
  $("toast").textContent = t("added", { title });
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => ($("toast").textContent = ""), 3000);
}

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function products() {
  try {
    const { products } = await load(`/demo/products?locale=${state.locale.slice(0, 2)}`);
    state.products = products;
    filters();
    grid();
  } catch {
    $("notice").textContent = t("failed");
    $("grid").setAttribute("aria-busy", "false");
  }
}

async function customers() {
  try {
    ({ customers: state.customers } = await load("/demo/customers"));
  } catch {
    return;
  }
  const options = state.customers.map(({ external_id, name }) => element("option", { value: external_id }, name));
  $("customer").append(...options);
  if (!state.customers.some((customer) => customer.external_id === state.customer)) state.customer = "";
  $("customer").value = state.customer;
  become();
}

/** The shop's server vouches for its customer whenever the chat asks. */
function become() {
  const { customer } = state;
  const known = state.customers.find(({ external_id }) => external_id === customer);
  $("who").hidden = !known;
  $("who").textContent = known ? `${known.name} · ${known.story ?? ""}` : "";
  (window.staywellQueue ||= []).push((staywell) =>
    staywell.identify(
      customer ? async () => (await load(`/demo/identity?customer=${encodeURIComponent(customer)}`)).jwt : null,
    ),
  );
}

function speak(locale) {
  if (locale === state.locale || !(locale in TEXT)) return;
  state.locale = locale;
  save("locale", locale);
  words();
  cart();
  void products();
}

for (const button of document.querySelectorAll("[data-locale]")) {
  button.onclick = () => {
    speak(button.dataset.locale);
    window.Staywell?.setLocale(button.dataset.locale);
  };
}
$("customer").onchange = (event) => {
  state.customer = event.target.value;
  save("customer", state.customer);
  become();
};
$("cart-open").onclick = () => $("cart").showModal();
$("cart-close").onclick = () => $("cart").close();
$("ask").onclick = () => window.Staywell?.open();
document.addEventListener("staywell:add-to-cart", ({ detail }) => add(detail.product, detail.quantity));
document.addEventListener("staywell:locale", ({ detail }) => speak(detail.locale));

words();
cart();
void products();
void customers();

// The chat comes from the other name of this machine, so that its iframe is of another origin, as on a real shop.
const names = { localhost: "127.0.0.1", "127.0.0.1": "localhost" };
const chat = new URL("/widget.js", location.href);
chat.hostname = names[chat.hostname] ?? chat.hostname;
import(chat.href).catch(() => $("ask").remove());
