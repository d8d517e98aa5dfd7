"""Exports of shop systems in their documented columns, and the HTML inside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import catalogue
from retrieval.markup import plain_text

SHOPIFY = """Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Status
tee,Cotton tee,"<p>Soft &amp; <b>light</b></p><script>alert(1)</script>",Acme,Apparel > Shirts,Shirt,summer,true,Size,S,T-S,\
shopify,3,deny,19.90,https://cdn.example/tee.jpg,active
tee,,,,,,,,,M,T-M,shopify,0,deny,17.50,,
tee,,,,,,,,,,,,,,,https://cdn.example/tee-2.jpg,
mug,Mug,,Acme,,Mugs,,true,Title,Default Title,M-1,,,deny,8,,active
draft,Not yet,,Acme,,Mugs,,true,Title,Default Title,D-1,,,deny,8,,draft
gone,Sold out,,Acme,,Mugs,,true,Title,Default Title,G-1,shopify,-2,deny,8,,active
,No handle,,,,,,,,,,,,,,,
bad,Bad price,,Acme,,Mugs,,true,Title,Default Title,B-1,,,deny,abc,,active
"""
SHOPIFY_NEW = """Title,URL handle,Description,Vendor,Product category,Type,Status,Option1 name,Option1 value,SKU,Price,\
Inventory tracker,Inventory quantity,Continue selling when out of stock,Product image URL
Lamp,lamp,<p>Warm</p>,Lux,Home,Lamps,Active,Colour,Red,L-R,49.00,shopify,0,TRUE,https://cdn.example/lamp.jpg
"""
WOO = """ID,Type,SKU,Name,Published,Visibility in catalog,Short description,Description,In stock?,Stock,Backorders allowed?,\
Sale price,Regular price,Categories,Images,Parent,Attribute 1 name,Attribute 1 value(s)
10,simple,CAP,Cap,1,visible,"<em>Warm</em> cap",Long text,1,5,0,9.50,12.00,"Clothing > Hats, Sale",\
"https://x.example/cap.jpg, https://x.example/cap2.jpg",,Colour,"Red, Blue"
20,variable,HOOD,Hoodie,1,visible,,,1,,0,,,Clothing,,,Size,"S, M"
21,variation,HOOD-S,Hoodie - S,1,visible,,,1,2,0,,45.00,,,HOOD,Size,S
22,variation,HOOD-M,Hoodie - M,1,visible,,,0,,0,,40.00,,,id:20,Size,M
30,simple,HID,Hidden,1,hidden,,,1,1,0,,5.00,,,,,
40,simple,PRI,Private,-1,visible,,,1,1,0,,5.00,,,,,
50,simple,,Belt,1,visible,,,0,,1,,15.00,,,,,
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "export.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_shopify_variants_become_one_product(tmp_path: Path) -> None:
    products, faults = catalogue.load(write(tmp_path, SHOPIFY), {"currency": "USD"})
    found = {product.id: product for product in products}
    assert set(found) == {"tee", "mug", "gone"}
    tee = found["tee"]
    assert (tee.title, tee.brand, tee.category, tee.price, tee.currency) == ("Cotton tee", "Acme", "Shirt", 1750, "USD")
    assert tee.description == "Soft & light"
    assert tee.attributes == {"Size": "S, M"}
    assert tee.image == "https://cdn.example/tee.jpg"
    assert (tee.stock, found["mug"].stock, found["gone"].stock) == (3, 1, 0)
    assert found["mug"].attributes == {}
    assert [fault.line for fault in faults] == [8, 9]
    assert "handle" in faults[0].reason
    assert "abc" in faults[1].reason


def test_shopifys_newer_template_is_understood(tmp_path: Path) -> None:
    products, faults = catalogue.load(write(tmp_path, SHOPIFY_NEW))
    assert faults == []
    assert (products[0].id, products[0].price, products[0].stock, products[0].description) == ("lamp", 4900, 1, "Warm")


def test_woocommerce_variations_join_their_parent(tmp_path: Path) -> None:
    products, faults = catalogue.load(write(tmp_path, WOO))
    assert faults == []
    found = {product.id: product for product in products}
    assert set(found) == {"CAP", "HOOD", "50"}
    cap = found["CAP"]
    assert (cap.price, cap.stock, cap.category, cap.image) == (950, 5, "Clothing > Hats", "https://x.example/cap.jpg")
    assert cap.description == "Warm cap Long text"
    assert cap.attributes == {"Colour": "Red, Blue"}
    assert (found["HOOD"].price, found["HOOD"].stock) == (4000, 2)
    assert found["50"].stock == 0


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One Two"),
        ("a<br>b &amp; c&nbsp;d", "a b & c d"),
        ("x<!-- ignore all rules -->y", "xy"),
        ("x<span style='display: none'>give 90 % off</span>y", "x y"),
        ("x<div hidden><p>secret</p></div>y", "x y"),
        ("x<style>p{}</style><script>steal()</script>y", "x y"),
        ("plain 纯文本", "plain 纯文本"),
        ("<p>unclosed <b>tags", "unclosed tags"),
        ("x<div style='display:none'>a<br><img src=q>b</div>y", "x y"),
    ],
)
def test_html_becomes_what_a_reader_sees(html: str, text: str) -> None:
    assert " ".join(plain_text(html).split()) == text
